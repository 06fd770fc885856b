"""The report of a run: a screen, JSON and a picture."""

from __future__ import annotations

import json
from random import Random
from xml.etree import ElementTree as ET

from tests.acceptance.witness import Sight
from tests.faults.checker import check
from tests.faults.history import Answer, Change, History, Row, Struck
from tests.faults.kinds.table import TABLE
from tests.faults.nemesis import timetable
from tests.faults.picture import picture
from tests.faults.plan import Plan
from tests.faults.report import Report

SCREEN_LINES = 50
PLAN = Plan(seed=7)


def a_run() -> History:
    """Return a history with many tasks, every kind of fault, and a task that did not start."""
    chance, history = Random(1), History(healed_at=100.0, final_at=101.0, calm=((0.0, 10.0),))
    for number in range(500):
        task, due = f"task-{number}", number / 5
        history.tasks[task] = Row(task, "brief", "succeeded", due, 1, 1, number)
        history.changes += [
            Change(due - 1, task, None, "scheduled"),
            Change(due, task, "scheduled", "running", 0, 1, due, "host.1.a"),
            Change(due + 1, task, "running", "succeeded", 1, 1, due, "host.1.a"),
        ]
        late = chance.expovariate(10)
        history.sights += [Sight("began", task, 1, due + late, 1), Sight("ended", task, 1, due + late, 1)]
        history.answers.append(Answer("create", due - 1.1, due - 1, 201, task))
    history.tasks["left"] = Row("left", "brief", "scheduled", 5.0, 0, 1, 1000)
    history.faults = [Struck(kind, "group", 2.0 * n, 2.0 * n + 1) for n, kind in enumerate(TABLE)]
    return history


def report() -> Report:
    history = a_run()
    return Report(PLAN, history, check(history, PLAN))


def test_the_report_fits_on_one_screen_and_names_broken_promises() -> None:
    screen = report().screen()
    assert len(screen.splitlines()) <= SCREEN_LINES
    assert max(len(line) for line in screen.splitlines()) <= 120
    assert screen.startswith("seed 7: 500 tasks answered with 201, 501 exist")
    assert "BROKEN 1 x kept" in screen
    assert "left (brief) is scheduled" in screen


def test_the_figures_are_json_and_count_everything() -> None:
    figures = json.loads(json.dumps(report().figures()))
    assert (figures["ok"], figures["checks"]["kept"], figures["checks"]["begun once"]) == (False, 1, 0)
    assert figures["answers"] == {"create": {"201": 500}}
    assert figures["states"] == {"succeeded": 500, "scheduled": 1}
    assert figures["faults"] == dict.fromkeys(sorted(TABLE), 1)


def test_the_picture_is_xml_with_a_bar_for_each_fault() -> None:
    root = ET.fromstring(picture(a_run(), seed=7))  # our own
    titles = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert [any(title.startswith(f"{kind}, ") for title in titles) for kind in TABLE] == [True] * len(TABLE)


def test_an_empty_history_can_be_drawn() -> None:
    ET.fromstring(picture(History(), seed=7))


def test_the_seed_determines_the_timetable_and_every_kind_has_its_turn() -> None:
    plan = Plan(seed=3, faults=2 * len(TABLE), seconds=60)
    drawn = timetable(plan)
    assert drawn == timetable(plan)
    assert drawn != timetable(Plan(seed=4, faults=2 * len(TABLE), seconds=60))
    assert sorted(each.fault.name for each in drawn) == sorted([*TABLE, *TABLE])
    assert all(0 <= each.at < 60 for each in drawn)


def test_only_the_given_kinds_are_injected() -> None:
    plan = Plan(seed=3, faults=5, kinds=("deploy", "flush Redis"))
    assert {each.fault.name for each in timetable(plan)} == {"deploy", "flush Redis"}
