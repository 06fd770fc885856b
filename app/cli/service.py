"""HTTP client of the commands. Refusals and an unavailable service are exceptions with exit codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any, Self
from urllib.parse import urlsplit

import click
import requests

CONNECT_S = 3.0
ANSWER_S = 15.0
PAGE = 1000
LOOPBACK = ("127.", "localhost", "::1")
UNAVAILABLE = frozenset({502, 503, 504})
REDIRECT = 300
UNAUTHENTICATED = 401
KEY_NEEDED = "Set PUNCTUAL_API_KEY, or use --key-file. `keys create` creates a key."


class Refused(click.ClickException):
    """The service refused the request."""

    exit_code = 1

    def __init__(self, problem: Mapping[str, Any], remedy: str = "") -> None:
        self.problem = dict(problem)
        super().__init__("\n".join(filter(None, (format_problem(self.problem), remedy))))


class ServiceUnavailable(click.ClickException):
    """The service does not answer in time, or cannot serve now."""

    exit_code = 3

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message and what to do."""
        super().show(file)
        click.echo(
            "Is it running? `make run` starts it on this machine; --url or PUNCTUAL_URL names another address.",
            err=True,
        )


class Service:
    """The API at one address, over one keep-alive connection; not thread-safe."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url
        self._key = key
        self._session = requests.Session()
        self._session.auth = self._authorize  # this also keeps requests from reading ~/.netrc
        if (urlsplit(url).hostname or "").startswith(LOOPBACK):
            self._session.trust_env = False  # a proxy cannot reach the loopback address of this machine

    def another(self) -> Service:
        """Return a client of the same service for another thread."""
        return Service(self.url, self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(
        self, method: str, path: str, *, params: Any = None, body: object = None, wait_s: float = 0.0
    ) -> dict[str, Any]:
        """Return the answer to one call. `wait_s` is how long the service may wait before it answers.

        Raises:
            ServiceUnavailable, Refused: with the text of the service's problem document, if there is one.
            click.BadParameter: the address is not valid.
        """
        try:
            answer = self._session.request(
                method,
                self.url + path,
                params=params,
                json=body,
                timeout=(CONNECT_S, ANSWER_S + wait_s),
                allow_redirects=False,
            )
        except ValueError as wrong:  # errors in a URL are both a ValueError and a RequestException
            message = f"{self.url!r} is not an address like http://127.0.0.1:8000"
            raise click.BadParameter(message, param_hint="--url") from wrong
        except requests.RequestException as error:
            raise ServiceUnavailable(f"{self.url} does not answer ({_in_short(error)}).") from error
        return _read(answer, self.url)

    def tasks(self, filters: Mapping[str, Any], *, page: int = PAGE) -> Iterator[dict[str, Any]]:
        """Yield all tasks of a list, page after page. Raises as `ask`."""
        cursor: str | None = None
        while True:
            params = {**filters, "limit": page} | ({"cursor": cursor} if cursor else {})
            answer = self.ask("GET", "/tasks", params=params)
            yield from answer["tasks"]
            cursor = answer["next_cursor"]
            if cursor is None:
                return

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            prepared.headers["Authorization"] = f"Bearer {self._key}"
        return prepared


def format_problem(problem: Mapping[str, Any]) -> str:
    """Format a problem document: title and detail, then a line for each field or value in its details."""
    lines = [": ".join(str(problem[name]) for name in ("title", "detail") if problem.get(name)) or "refused"]
    details = dict(problem.get("details") or {})
    fields = details.pop("fields", None) or {}
    lines += [f"  {field}: {message}" for field, message in fields.items()]
    details.pop("allowed", None)  # the messages of the fields name the allowed values
    lines += [f"  {name}: {value}" for name, value in details.items()]
    return "\n".join(lines)


def _read(answer: requests.Response, url: str) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        document = None
    if answer.status_code in UNAVAILABLE:
        problem = format_problem(document) if isinstance(document, dict) else f"HTTP {answer.status_code}"
        raise ServiceUnavailable(f"{url} cannot serve now. {problem}")
    if not isinstance(document, dict):
        raise Refused({"title": f"HTTP {answer.status_code}", "detail": f"{url} does not speak Punctual's API."})
    if answer.status_code >= REDIRECT:
        hint = {"remedy": KEY_NEEDED} if answer.status_code == UNAUTHENTICATED else {}
        raise Refused(document, **hint)
    return document


def _in_short(error: requests.RequestException) -> str:
    kind = type(error).__name__
    return {"ConnectTimeout": "no connection in time", "ReadTimeout": "no answer in time"}.get(kind, kind)
