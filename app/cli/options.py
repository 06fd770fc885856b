"""The options that several commands share."""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from rich.console import Console

from app.cli.address import service_url
from app.cli.service import Refused, Service, as_json

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


def over_http(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command `--url` and `--json`; it is called with `service` instead of the URL.

    With --json a refusal is the service's own problem document, on stderr.
    """

    @url_option
    @json_option
    @wraps(command)
    def asked(*arguments: Any, url: str, as_json: bool, **options: Any) -> R:
        with Service(url) as service:
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


def _problem(refused: Refused) -> str:
    return as_json(refused.problem)
