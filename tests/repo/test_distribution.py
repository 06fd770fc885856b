"""The distribution, built, and installed into an environment that has msgspec and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"]
WHERE = "import sysconfig; print(sysconfig.get_path('platlib'))"

DECLARES = """
import json, sys
from importlib.metadata import distributions
from importlib.util import find_spec
from datetime import UTC, datetime

before = set(sys.modules)

from dataclasses import dataclass
import msgspec
from punctual import Context, task
from punctual.types import declared

class Greeting(msgspec.Struct):
    name: str

@dataclass
class Dated:
    name: str

@task
def neither(): return "nothing"

@task("with-payload", timeout_s=2, max_attempts=3)
def with_payload(payload: Greeting): return payload.name

@task(isolation="thread")
def with_context(context: Context): return context.attempt

@task
def with_both(context: Context, payload: Dated): return [payload.name, context.id]

context = Context("an-id", "a-type", 1, 1, 5.0, datetime.now(UTC))
handlers = {name: each.handler for name, each in declared().items()}
print(json.dumps({
    "results": {name: each.call(each.decode(b'{"name": "Ada"}'), context) for name, each in handlers.items()},
    "distributions": sorted(each.metadata["Name"] for each in distributions()),
    "ours": [name for name in ("app", "workers", "migrations", "tests", "local", "benchmarks") if find_spec(name)],
    "imported": sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names),
}))
"""

RIGHT = """
from typing import Any
import msgspec
from punctual import BadTaskType, Context, task

class Greeting(msgspec.Struct):
    name: str

@task
def neither() -> None: ...
@task("named")
def with_payload(payload: Greeting) -> str: return payload.name
@task(timeout_s=2, max_attempts=3, isolation="thread", queue="slow")
def with_context(context: Context) -> int: return context.attempt
@task
def with_both(payload: dict[str, Any], context: Context) -> str: return context.id
@task()
def the_other_order(context: Context, payload: Greeting) -> str: return payload.name

name: str = with_payload(payload=Greeting("Ada"))
try:
    neither()
except BadTaskType:
    pass
"""

WRONG = """
from punctual import Context, task

@task  # error
def two_payloads(one: int, two: int) -> None: ...
@task("named")  # error
def three(one: int, two: int, context: Context) -> None: ...
@task(isolation="container")  # error
def contained() -> None: ...
@task(timeout="2")  # error
def limited() -> None: ...
@task
def typed(payload: dict[str, int]) -> int: return payload["n"]
typed({"n": "text"})  # error
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because setuptools leaves files in its sources."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("punctual", "app", "workers", "migrations", "tests", "local", "benchmarks"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(built), str(source)])
    (made,) = built.iterdir()
    return made


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the environment. Its msgspec is a copy of ours, so that no network is needed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    interpreter = folder / "bin" / "python"
    packages = Path(run([str(interpreter), "-c", WHERE]).strip())
    msgspec = distribution("msgspec")
    for file in msgspec.files or []:
        if ".." not in file.parts and file.suffix != ".pyc":
            (packages / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(msgspec.locate_file(file)), packages / file)
    run([*PIP, "--python", str(interpreter), "install", "--no-index", str(wheel)])
    return interpreter


def run(command: list[str], cwd: Path | None = None) -> str:
    """The command's output; what it says if it fails."""
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_distribution_contains_punctual_alone(wheel: Path) -> None:
    with ZipFile(wheel) as opened:
        names = opened.namelist()
        (metadata,) = (opened.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    kept = {str(path.relative_to(ROOT)) for path in (ROOT / "punctual").rglob("*") if "__pycache__" not in path.parts}
    assert {name for name in names if ".dist-info/" not in name} == {name for name in kept if (ROOT / name).is_file()}
    assert "punctual/py.typed" in names
    assert [name for name in names if name.endswith("entry_points.txt")] == []
    required = re.findall(r"^Requires-Dist: ([\w-]+)", metadata, re.MULTILINE)
    assert required == ["msgspec"]


def test_it_declares_tasks_of_each_signature_where_nothing_else_is_installed(python: Path, tmp_path: Path) -> None:
    (tmp_path / "declares.py").write_text(DECLARES)
    said = json.loads(run([str(python), "-W", "error", "declares.py"], cwd=tmp_path))
    assert said["results"] == {
        "neither": "nothing",
        "with-payload": "Ada",
        "with_context": 1,
        "with_both": ["Ada", "an-id"],
    }
    assert said["distributions"] == ["msgspec", "punctual"]
    assert said["ours"] == []
    assert said["imported"] == ["msgspec", "punctual"]


def test_type_checkers_accept_what_runs_and_refuse_what_does_not(python: Path, tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--python-executable", str(python)]
    checked = subprocess.run(
        [*mypy, "right.py", "wrong.py"], cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
    )
    found = set(re.findall(r"^(\w+\.py):(\d+): error", checked.stdout, re.MULTILINE))
    marked = {("wrong.py", str(at)) for at, line in enumerate(WRONG.split("\n"), 1) if line.endswith("# error")}
    assert found == marked, checked.stdout + checked.stderr
