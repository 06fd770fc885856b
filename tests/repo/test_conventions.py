"""What every file of the repository keeps to, and what two files must agree on."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import read_settings
from app.ledger.index_merge import TASK_COLUMNS
from app.ledger.statements import statement
from app.task import Task
from app.task_types import load_task_types

ROOT = Path(__file__).parents[2]
PYTHON_FILES = sorted(path for folder in ("punctual", "app", "workers") for path in (ROOT / folder).rglob("*.py"))
SQL_FILES = sorted((ROOT / "app" / "ledger" / "sql").glob("*.sql"))
SEED_TYPES = {"foo", "bar", "baz", "fizz", "buzz", "fizzbuzz"}
MAX_LINES = 400
LONGER_BECAUSE: dict[str, str] = {}
"""Why a longer file has one role all the same, by its path in the repository."""
NOWHERE = {"DATABASE_URL": "postgresql://nowhere/x", "REDIS_URL": "redis://nowhere"}


def test_every_process_of_the_procfile_is_a_module_that_exists() -> None:
    modules = re.findall(r"^\w+: python -m ([\w.]+)", (ROOT / "Procfile").read_text(), re.MULTILINE)
    assert modules
    for module in modules:
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_every_seed_type_has_a_handler_that_is_built_in() -> None:
    types = load_task_types(read_settings(NOWHERE))
    built_in = {each.name for each in types.delivered if each.handler}
    assert built_in >= SEED_TYPES


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: path.stem)
def test_every_statement_stands_alone_and_is_used(path: Path) -> None:
    assert ";" not in re.sub(r"--.*", "", path.read_text()), "one file, one statement"
    name = re.compile(rf"""["']{path.stem}["']""")
    ledger = [each for each in PYTHON_FILES if each.parent.name == "ledger"]
    assert any(name.search(each.read_text()) for each in ledger), "no function of the ledger runs it"


def test_a_listed_row_has_the_columns_of_a_task_in_their_order() -> None:
    listed = re.findall(r"\w+", statement("get").split("SELECT")[1].split("FROM")[0])
    assert listed == list(Task.__struct_fields__)
    assert [each.name for each in TASK_COLUMNS] == list(Task.__struct_fields__)


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_what_it_is_for_and_stays_small(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "one sentence on top"
    is_explained = str(path.relative_to(ROOT)) in LONGER_BECAUSE
    assert (len(text.splitlines()) > MAX_LINES) == is_explained, "does it have more than one role?"


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_settings_read_the_environment_and_only_handlers_and_commands_print(path: Path) -> None:
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    calls = {node.func.id for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
    if path.name != "config.py" and str(path.relative_to(ROOT)) != "workers/pool/environment.py":  # which restores it
        assert not names & {"environ", "getenv"}
    if "cli" not in path.parts:
        assert "print" not in calls


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_is_written_in_the_ledger_only(path: Path) -> None:
    if "ledger" in path.parts:
        return
    texts = [node.value for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip
    sql = re.compile(r"\b(SELECT .+ FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", re.DOTALL)
    assert not [text for text in texts if sql.search(text)]


def test_importing_a_worker_imports_no_web_framework() -> None:
    program = (
        "import sys, workers.promoter, workers.sweeper, workers.housekeeping, workers.worker.__main__;"
        "sys.exit(bool({'flask', 'werkzeug', 'app.api'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_importing_app_costs_nothing() -> None:
    program = "import app, sys; sys.exit(len([name for name in sys.modules if name.startswith('app.')]))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False).returncode == 0
