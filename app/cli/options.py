"""Options of several commands, the types of their values, and the address of the service."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

import click

from app.cli.output import as_json as to_json
from app.cli.service import Refused, Service
from app.config import client_key

P = ParamSpec("P")
R = TypeVar("R")
RUN_FILE = Path("var/run.env")
DEFAULT_URL = "http://127.0.0.1:8000"
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
WHOLE = re.compile(rf"(?:{PART.pattern})+")


def run_addresses(file: Path | None = None) -> dict[str, str]:
    """Read the `KEY=value` lines that a running `make run` keeps in var/run.env; empty if none runs."""
    try:
        lines = (file or RUN_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def service_url(given: str | None) -> str:
    """Return the address that was given, else that of a running `make run`, else the default."""
    return (given or run_addresses().get("BASE_URL") or DEFAULT_URL).rstrip("/")


def read_duration(text: str) -> float:
    """Return seconds from `90s`, `5m`, `2h`, `1h30m`, `250ms`; a number alone is seconds.

    Raises:
        ValueError: the text is none of these.
    """
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    if not WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write 90s, 5m, 2h or 1h30m.")
    return sum(float(number) * UNITS_S[unit] for number, unit in PART.findall(text))


class Duration(click.ParamType[float]):
    """A duration; seconds in the code."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds, or fail with wrong usage."""
        try:
            return float(value) if isinstance(value, (int, float)) else read_duration(value)
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object as text."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the object, or fail with wrong usage."""
        try:
            decoded = value if isinstance(value, dict) else json.loads(value)
        except ValueError as wrong:
            self.fail(f"not JSON: {wrong}", param, ctx)
        if not isinstance(decoded, dict):
            self.fail("must be a JSON object, like '{\"a\": 1}'", param, ctx)
        return decoded


DURATION = Duration()
JSON_OBJECT = JsonObject()
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
url_option = click.option(
    "--url",
    envvar="PUNCTUAL_URL",
    show_envvar=True,
    callback=lambda _context, _option, given: service_url(given),
    help="Address of the service. [default: that of a running `make run`, else http://127.0.0.1:8000]",
)
key_option = click.option(
    "--key-file",
    type=click.File(encoding="utf-8"),
    help="File with the API key; - for stdin. [default: PUNCTUAL_API_KEY]",
)


def over_http(command: Callable[P, R]) -> Callable[..., R]:
    """Add `--url`, `--key-file` and `--json` to a command, which receives `service` instead of the first two.

    With --json, a refusal is printed on stderr as the service's problem document.
    """

    @url_option
    @key_option
    @json_option
    @wraps(command)
    def call(*arguments: Any, url: str, key_file: IO[str] | None, as_json: bool, **options: Any) -> R:
        with Service(url, _key(key_file)) as service:
            try:
                return command(*arguments, **options, service=service, as_json=as_json)  # type: ignore[arg-type]
            except Refused as refused:
                if not as_json:
                    raise
                click.echo(to_json(refused.problem), err=True)
                sys.exit(refused.exit_code)

    return call


def _key(file: IO[str] | None) -> str | None:
    """Return the API key to send. The message about an invalid one does not repeat it."""
    key = file.read().strip() if file else client_key()
    if key is not None and not re.fullmatch(r"[!-~]+", key):
        raise click.UsageError(f"{'The key file' if file else 'PUNCTUAL_API_KEY'} does not hold an API key.")
    return key
