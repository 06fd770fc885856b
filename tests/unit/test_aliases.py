"""Names of fields, filters and states in five earlier systems."""

from __future__ import annotations

import pytest

from app.api.reading.aliases import FIELDS, FILTERS, STATES, rename_fields, rename_filters, state_word
from app.api.reading.field_errors import FieldErrors
from app.errors import InvalidInput
from app.task import TaskState

WORDS = {
    "Pending": "scheduled",
    "submitted": "scheduled",
    "waiting": "scheduled",
    "InProgress": "running",
    "started_executing": "running",
    "claimed": "running",
    "Completed": "succeeded",
    "done": "succeeded",
    "complete": "succeeded",
}


@pytest.mark.parametrize(("old", "new"), FIELDS.items())
def test_a_field_has_its_old_name(old: str, new: str) -> None:
    assert rename_fields({old: "x", "payload": {old: "kept"}}, FieldErrors()) == {new: "x", "payload": {old: "kept"}}


@pytest.mark.parametrize(("old", "new"), FILTERS.items())
def test_a_filter_has_its_old_name(old: str, new: str) -> None:
    assert rename_filters({old: ["x", "y"], "limit": ["1"]}) == {new: ["x", "y"], "limit": ["1"]}


def test_filters_in_one_parameter_are_split() -> None:
    assert rename_filters({"filter": ["status:Pending", "kind:foo"]}) == {"state": ["Pending"], "type": ["foo"]}


@pytest.mark.parametrize(("old", "new"), WORDS.items())
def test_a_state_has_its_old_word(old: str, new: str) -> None:
    assert state_word(old) == new


def test_every_old_word_is_listed_here_and_means_a_state() -> None:
    assert {word.lower() for word in WORDS} == set(STATES)
    assert {TaskState(word) for word in STATES.values()} < set(TaskState)


@pytest.mark.parametrize("body", [{"type": "foo", "kind": "bar"}, {"time": "a", "send_ts": "b"}])
def test_two_names_that_disagree_are_refused(body: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        rename_fields(body, FieldErrors())


@pytest.mark.parametrize(
    "query",
    [
        {"state": ["scheduled"], "status": ["Pending"]},
        {"type": ["foo,BAR"], "filters.type": ["bar", "foo"]},
        {"filter": ["status:done", "status:Pending"], "state": ["succeeded,scheduled"]},
    ],
)
def test_filters_with_the_same_meaning_agree_in_any_spelling(query: dict[str, list[str]]) -> None:
    assert len(rename_filters(query)) == 1


def test_types_that_differ_in_letter_case_agree() -> None:
    assert rename_fields({"kind": "BAZ", "type": "baz"}, FieldErrors())["type"] in {"baz", "BAZ"}


def test_two_names_that_agree_are_one() -> None:
    assert rename_fields({"type": "foo", "kind": "foo", "task_type": "foo"}, FieldErrors()) == {"type": "foo"}


@pytest.mark.parametrize(
    "query",
    [{"state": ["running"], "status": ["done"]}, {"filter": ["status:a"], "state": ["b"]}, {"filter": ["nothing"]}],
)
def test_filters_that_disagree_or_have_no_value_are_refused(query: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidInput):
        rename_filters(query)
