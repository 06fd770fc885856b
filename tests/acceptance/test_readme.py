"""The shell blocks of the README and of docs/api.md, as a reader would run them, answer what these documents say."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acceptance.service import Service

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(bash|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BETWEEN = "\x1e"
WORTH_COMPARING = {"state", "status", "title"}


def blocks(document: str, heading: str) -> list[tuple[str, Any]]:
    """The shell blocks of a section, each with the answer that follows it, if one does."""
    text = (ROOT / document).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found: list[tuple[str, Any]] = []
    for language, text in BLOCK.findall(section):
        if language == "bash":
            found.append((text, None))
        else:
            found[-1] = (found[-1][0], json.loads(text))
    return found


def run_in_one_shell(commands: list[str], url: str) -> list[str]:
    """Return the output of each block; a variable set in one block is known in the next."""
    script = "set -eu\n" + f"printf '{BETWEEN}'\n".join(commands)
    environment = os.environ | {"URL": url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    ran = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.split(BETWEEN)


def compare(documented: Any, answered: Any, place: str) -> None:
    """Assert that fields and their types are the same, and the values of those fields that are worth comparing."""
    assert type(documented) is type(answered), f"{place}: {documented!r} is documented, {answered!r} is the answer"
    if isinstance(documented, dict):
        assert documented.keys() == answered.keys(), place
        for name, value in documented.items():
            compare(value, answered[name], f"{place}.{name}")
            if name in WORTH_COMPARING:
                assert value == answered[name], f"{place}.{name}"
    elif isinstance(documented, list):
        assert bool(documented) == bool(answered), place
        for each in answered:
            compare(documented[0], each, f"{place}[]")


@pytest.mark.parametrize(
    ("document", "heading"), [("README.md", "Try it"), ("docs/api.md", "Tasks"), ("docs/api.md", "Outside workers")]
)
def test_what_the_documents_show_is_what_the_service_answers(document: str, heading: str, service: Service) -> None:
    shown = blocks(document, heading)
    assert sum(answer is not None for _, answer in shown) >= 2
    printed = run_in_one_shell([command for command, _ in shown], service.url)
    for (command, documented), answered in zip(shown, printed, strict=True):
        if documented is not None:
            compare(documented, json.loads(answered), command.strip())
