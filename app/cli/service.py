"""Talks to the service over HTTP, with time limits; its refusals and its silence have exit codes."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import click
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECT_S = 3.0
ANSWER_S = 15.0
PAGE = 1000
LOOPBACK = ("127.", "localhost", "::1")
AWAY = frozenset({502, 503, 504})
REDIRECT = 300
UNAUTHENTICATED = 401
KEY_NEEDED = "Put a key into PUNCTUAL_API_KEY, or into a file for --key-file; `keys create` makes one."


class Refused(click.ClickException):
    """The service said no, and why."""

    exit_code = 1

    def __init__(self, problem: Mapping[str, Any], remedy: str = "") -> None:
        self.problem = dict(problem)
        super().__init__("\n".join(filter(None, (tell_problem(self.problem), remedy))))


class ServiceAway(click.ClickException):
    """Nobody answers there, or not in time, or it cannot serve now."""

    exit_code = 3

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it, and what to do."""
        super().show(file)
        click.echo("Is it running? `make run` starts it here; --url or PUNCTUAL_URL names another place.", err=True)


class Service:
    """The API at one address, on one keep-alive connection; not to be shared between threads."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url
        self._key = key
        self._session = requests.Session()
        self._session.auth = self._authorize  # also keeps requests from taking something out of ~/.netrc
        if (urlsplit(url).hostname or "").startswith(LOOPBACK):
            self._session.trust_env = False  # a proxy does not know this machine's 127.0.0.1

    def another(self) -> Service:
        """The same for another thread."""
        return Service(self.url, self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(
        self, method: str, path: str, *, params: Any = None, body: object = None, wait_s: float = 0.0
    ) -> dict[str, Any]:
        """The answer to one call; `wait_s` is how long the service was asked to wait before it answers.

        Raises:
            ServiceAway, Refused: with the service's own words, if it had any.
            click.BadParameter: the address cannot be one.
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
        except ValueError as wrong:  # the URL's mistakes are both a ValueError and a RequestException
            raise click.BadParameter(f"{self.url!r} is not an address: {wrong}", param_hint="--url") from wrong
        except requests.RequestException as silence:
            raise ServiceAway(f"{self.url} does not answer ({_in_short(silence)}).") from silence
        return _read(answer, self.url)

    def tasks(self, filters: Mapping[str, Any], *, page: int = PAGE) -> Iterator[dict[str, Any]]:
        """All tasks of a list, page after page. Raises as `ask`."""
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


def tell_problem(problem: Mapping[str, Any]) -> str:
    """A problem in lines: title and detail, then each field or value that the details name."""
    lines = [": ".join(str(problem[name]) for name in ("title", "detail") if problem.get(name)) or "refused"]
    details = dict(problem.get("details") or {})
    fields = details.pop("fields", None) or {}
    lines += [f"  {field}: {message}" for field, message in fields.items()]
    details.pop("allowed", None)  # the messages of the fields name the allowed values
    lines += [f"  {name}: {value}" for name, value in details.items()]
    return "\n".join(lines)


def _read(answer: requests.Response, url: str) -> dict[str, Any]:
    try:
        read = answer.json()
    except ValueError:
        read = None
    if answer.status_code in AWAY:
        said = tell_problem(read) if isinstance(read, dict) else f"HTTP {answer.status_code}"
        raise ServiceAway(f"{url} cannot serve now. {said}")
    if not isinstance(read, dict):
        raise Refused({"title": f"HTTP {answer.status_code}", "detail": f"{url} does not speak Punctual's API."})
    if answer.status_code >= REDIRECT:
        hint = {"remedy": KEY_NEEDED} if answer.status_code == UNAUTHENTICATED else {}
        raise Refused(read, **hint)
    return read


def _in_short(silence: requests.RequestException) -> str:
    kind = type(silence).__name__
    return {"ConnectTimeout": "no connection in time", "ReadTimeout": "no answer in time"}.get(kind, kind)


def as_json(value: object) -> str:
    """JSON for scripts, indented for people."""
    return json.dumps(value, indent=2, default=str, ensure_ascii=False)
