"""The options that several commands share."""

from __future__ import annotations

import re
import sys
from functools import wraps
from typing import IO, TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from rich.console import Console

from app.cli.address import service_url
from app.cli.service import Refused, Service, as_json
from app.config import client_key

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")
WIDTH_WITHOUT_TERMINAL = 200

json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for scripts.")
url_option = click.option(
    "--url",
    envvar="PUNCTUAL_URL",
    show_envvar=True,
    callback=lambda _context, _option, given: service_url(given),
    help="Where the service is. [default: a running `make run`, else http://127.0.0.1:8000]",
)


key_option = click.option(
    "--key-file",
    type=click.File(encoding="utf-8"),
    help="A file with the API key, - for stdin. [default: what PUNCTUAL_API_KEY holds, if anything]",
)


def over_http(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command `--url`, `--key-file` and `--json`; it is called with `service` instead of the first two.

    With --json a refusal is the service's own problem document, on stderr.
    """

    @url_option
    @key_option
    @json_option
    @wraps(command)
    def asked(*arguments: Any, url: str, key_file: IO[str] | None, as_json: bool, **options: Any) -> R:
        with Service(url, _key(key_file)) as service:
            try:
                return command(*arguments, **options, service=service, as_json=as_json)  # type: ignore[arg-type]
            except Refused as refused:
                if not as_json:
                    raise
                click.echo(_problem(refused), err=True)
                sys.exit(refused.exit_code)

    return asked


def console(*, stderr: bool = False) -> Console:
    """Where tables go: as wide as the terminal; without one wide enough not to cut ids."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH_WITHOUT_TERMINAL)


def _key(file: IO[str] | None) -> str | None:
    """The key to send; what cannot stand in a header is not repeated in a message."""
    key = file.read().strip() if file else client_key()
    if key is not None and not re.fullmatch(r"[!-~]+", key):
        raise click.UsageError(f"{'The key file' if file else 'PUNCTUAL_API_KEY'} does not hold an API key.")
    return key


def _problem(refused: Refused) -> str:
    return as_json(refused.problem)
