"""What the documents and the code must agree on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from app.api.reading import aliases
from app.config import Settings
from app.errors import LedgerUnavailable
from app.ledger.statements import statement
from app.task import TaskState
from tests.faults.checker import check
from tests.faults.history import History
from tests.faults.kinds.table import TABLE
from tests.faults.mutants.table import MUTANTS
from tests.faults.plan import Plan

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
README, CONFIGURATION, ALIASES, STATES, OPERATING, FAULTS = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "docs/configuration.md",
        "docs/aliases.md",
        "docs/states.md",
        "docs/operating.md",
        "docs/faults.md",
    )
)
# Read by `make run`, not by the processes themselves.
BESIDE_THE_SETTINGS = {"WORKERS"}
SQL = ROOT / "app" / "ledger" / "sql"
LOG_CALL = re.compile(r"""log\.(info|warning|error|exception)\(\s*"(\w+)\"""")
CHANGES_A_STATE = re.compile(r"SET state|(INSERT INTO|DELETE FROM) tasks")
LEVELS = {"exception": "error"}


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [each for number, each in enumerate(cells) if not _is_heading(cells, number)]


def _is_heading(cells: list[list[str]], number: int) -> bool:
    def is_rule(row: list[str]) -> bool:
        return all(set(cell) <= set("-: ") and cell for cell in row)

    return is_rule(cells[number]) or (number + 1 < len(cells) and is_rule(cells[number + 1]))


def code(cell: str) -> str:
    (found,) = re.findall(r"`([^`]+)`", cell)
    return str(found)


def test_the_page_of_configuration_lists_every_setting_and_no_other() -> None:
    listed = [code(row[0]) for row in rows(section(CONFIGURATION, "Settings"))]
    assert sorted(listed) == sorted({*Settings.__struct_encode_fields__, *BESIDE_THE_SETTINGS})


def test_the_page_of_configuration_shows_the_defaults_that_the_settings_have() -> None:
    said = {code(row[0]): row[1].strip("`") for row in rows(section(CONFIGURATION, "Settings"))}
    blank = Settings(database_url="", redis_url="")
    for field, name in zip(Settings.__struct_fields__, Settings.__struct_encode_fields__, strict=True):
        default = getattr(blank, field)
        shown = f"{default:g}" if isinstance(default, float) and default < 1e6 else str(default)
        expected = {"": "none", "True": "true", "2592000.0": "2592000"}.get(shown, shown)
        assert said[name] == ("required" if name in {"DATABASE_URL", "REDIS_URL"} else expected), name


def test_every_text_about_an_unanswered_request_says_that_its_effect_is_unknown() -> None:
    """README once said "nothing was decided" where the API said "not known"."""
    texts = {each.name: " ".join(each.read_text(encoding="utf-8").split()) for each in DOCUMENTS}
    assert "may have taken effect" in str(LedgerUnavailable.__doc__)
    assert [name for name, text in texts.items() if "nothing was decided" in text.lower()] == []
    explained = {name for name, text in texts.items() if "unknown whether the request took effect" in text}
    assert explained == {"api.md", "troubleshooting.md"}


def test_no_text_makes_the_attempt_a_part_of_an_idempotency_key() -> None:
    """The pair of id and attempt never repeats, so it prevents no repetition as a key."""
    sources = [*DOCUMENTS, *(ROOT / "punctual").rglob("*.py"), *(ROOT / "app").rglob("*.py")]
    pair = re.compile(r"\bid`?,? (and|with|plus) `?(context\.)?attempt`?|attempt`? (and|with|plus) `?(context\.)?id\b")
    wrong = [
        each.name
        for each in sources
        for paragraph in re.split(r"\n\s*\n", each.read_text(encoding="utf-8"))
        if "idempoten" in paragraph.lower() and pair.search(" ".join(paragraph.split()))
    ]
    assert wrong == []


def test_the_page_of_aliases_shows_every_alias_and_no_other() -> None:
    shown = {(row[0], code(row[1]), code(row[2])) for row in rows(section(ALIASES, "Names of earlier systems"))}
    accepted = {("path", old, new) for old, new in aliases.PATHS.items()}
    accepted |= {("method", f"{old} {path}", f"{new} {path}") for old, (new, path) in aliases.METHODS.items()}
    accepted |= {("field", old, new) for old, new in aliases.FIELDS.items()}
    accepted |= {("filter", old, new) for old, new in aliases.FILTERS.items()}
    accepted |= {("filter", f"filter={old}", new) for old, new in aliases.FILTER_PREFIXES.items()}
    accepted |= {("state", old, new) for old, new in aliases.STATES.items()}
    assert shown == accepted


def test_the_page_of_states_lists_every_state_and_no_other() -> None:
    listed = [code(row[0]) for row in rows(STATES.split("\n## ", maxsplit=1)[0])]
    assert sorted(listed) == sorted(state.value for state in TaskState)


def test_the_page_of_states_names_every_statement_that_changes_a_state() -> None:
    changing = {each.name for each in SQL.glob("*.sql") if CHANGES_A_STATE.search(statement(each.stem))}
    assert changing >= {"insert.sql", "claim.sql", "finish.sql", "delete.sql", "purge_tasks.sql"}
    named = {
        name for row in rows(section(STATES, "Who changes it, and how")) for name in re.findall(r"\w+\.sql", row[3])
    }
    assert named == changing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_statement_that_a_document_names_exists(document: Path) -> None:
    for name in re.findall(r"`(\w+\.sql)`", document.read_text(encoding="utf-8")):
        assert (SQL / name).exists(), name


def test_the_page_of_operating_explains_every_event_that_is_logged_at_its_level() -> None:
    logged = {
        (event, LEVELS.get(level, level))
        for folder in ("app", "workers")
        for path in (ROOT / folder).rglob("*.py")
        for level, event in LOG_CALL.findall(path.read_text(encoding="utf-8"))
    }
    table = rows(section(OPERATING, "What the logs say"))
    explained = {(event, row[1]) for row in table for event in re.findall(r"`(\w+)`", row[0])}
    assert explained == logged


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        led_to = document.parent / unquote(path) if path else document
        assert led_to.exists(), target
        if anchor:
            assert anchor in anchors(led_to.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_command_that_a_document_names_exists(document: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = document.read_text(encoding="utf-8")
    in_text = re.findall(r"`(?:[A-Z_]+=\S+ )*make ([\w-]+)", text)
    in_blocks = re.findall(r"^make ([\w-]+)", text, re.MULTILINE)
    assert {*in_text, *in_blocks} <= targets


def test_the_task_type_in_the_readme_can_be_declared() -> None:
    (module,) = re.findall(r"```python\n(.*?)```", section(README, "Your own task type"), re.DOTALL)
    assert len(module.strip().splitlines()) <= 14
    check = (
        "from punctual.types import declared; declared = declared()['greet'];"
        "print(declared.handler.call(declared.read_payload({'name': 'you'}), type('Context', (), {'attempt': 1})))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"{module}\n{check}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip() == "{'said': 'Hello you, attempt 1'}"


def test_the_page_of_faults_lists_every_mutant() -> None:
    listed = [
        (row[0].strip("`"), row[1], row[3], row[4]) for row in rows(section(FAULTS, "The harness is tested itself"))
    ]
    assert listed == [(each.name, ", ".join(each.processes), each.exposed_by, each.check) for each in MUTANTS]


def test_the_page_of_faults_lists_every_kind_and_every_check() -> None:
    listed = [row[0] for row in rows(section(FAULTS, "The faults"))]
    assert listed == list(TABLE)
    checked = [row[0] for row in rows(section(FAULTS, "What is checked"))]
    assert checked == [each.name for each in check(History(), Plan(seed=0))]
