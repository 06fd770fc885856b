"""What handlers print: each line is written whole, and ends with its task at the latest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.conftest import Run

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def test_text_without_an_end_of_line_is_ended_with_its_task(run_module: Run) -> None:
    ran = run_module(
        """
import sys, threading

@task
def one():
    print("one", end="")
    sys.stdout.flush()
    threading.Thread(target=print, args=("thread",), kwargs={"end": ""}).start()

@task
def two():
    print("two\\nthree", end="")
    sys.stdout.buffer.write(b" bytes")
    sys.stdout.write("\\ud800")
    sys.stdout.close()

@task
def four():
    print("four")
    sys.stdout = sys.stdout.detach()

@task
def five():
    sys.stdout = sys.stderr = None

@task
def six():
    import io
    sys.stdout = io.TextIOWrapper(sys.__stdout__.buffer, encoding="utf-8")
    print("six", end="")

@task
def seven():
    sys.stdout = io = __import__("io").StringIO()
    print("dropped")
    sys.__stdout__.write("seven")
""",
        "one",
        "two",
        "four",
        "five",
        "six",
        "seven",
    )
    lines = ["one", "thread", "two", "three bytes\\ud800", "four", "six", "seven"]
    assert sorted(ran.out.splitlines()) == sorted(lines)
    assert len([line for line in ran.lines if line["event"] == "ended"]) == 6


def test_a_line_of_the_log_is_alone_on_its_line(run_module: Run) -> None:
    ran = run_module(
        """
import logging, sys

@task
def one():
    print("begun", end="", file=sys.stderr)
    logging.info("logged", extra={"event": "mine"})
    print("ended", file=sys.stderr)
""",
        "one",
    )
    assert ran.err.splitlines()[0] == "begun"
    assert ran.line("logged")["extra_event"] == "mine"
    assert "\nended\n" in ran.err


def test_closed_standard_streams_fail_no_task(run_module: Run) -> None:
    text = (
        "import logging, sys\n\n@task\ndef one():\n    print('x')\n    sys.stdout.write('y')\n"
        "    logging.warning('z')\n"
    )
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        ran = run_module(text + "    open('ran', 'a').write('r')\n", "one", shell=closed)
        assert ran.file("ran") == "r"


def test_lines_of_processes_do_not_mix_however_long_they_are(tmp_path: Path) -> None:
    text = (
        "import sys\nfrom workers.pool import output\noutput.write_whole_lines()\n"
        "for n in range(100):\n    print(sys.argv[1] * 20_000)\n    print(sys.argv[1], end='')\n    output.end_line()\n"
    )
    read, write = os.pipe()
    running = [subprocess.Popen([sys.executable, "-c", text, each], stdout=write, cwd=ROOT) for each in "abcd"]
    os.close(write)
    with os.fdopen(read) as pipe:
        lines = pipe.read().splitlines()
    assert [each.wait(60) for each in running] == [0] * 4
    assert {(line[0], len(line)) for line in lines} == {(each, size) for each in "abcd" for size in (1, 20_000)}
    assert len(lines) == 4 * 200
    assert all(len(set(line)) == 1 for line in lines)
