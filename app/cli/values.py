"""Values on the command line: durations like 90s, 5m, 1h30m, and JSON objects."""

from __future__ import annotations

import json
import re
from typing import Any

import click

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
WHOLE = re.compile(rf"(?:{PART.pattern})+")


def read_duration(text: str) -> float:
    """Seconds from `90s`, `5m`, `2h`, `1h30m`, `250ms`; a number alone is seconds.

    Raises:
        ValueError: it is none of these.
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
        """Seconds, or wrong usage."""
        try:
            return float(value) if isinstance(value, (int, float)) else read_duration(value)
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object as text."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """The object, or wrong usage."""
        try:
            read = value if isinstance(value, dict) else json.loads(value)
        except ValueError as wrong:
            self.fail(f"not JSON: {wrong}", param, ctx)
        if not isinstance(read, dict):
            self.fail("must be a JSON object, like '{\"a\": 1}'", param, ctx)
        return read


DURATION = Duration()
JSON_OBJECT = JsonObject()
