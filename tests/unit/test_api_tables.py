"""Tables and shapes of the API that must agree."""

from __future__ import annotations

import msgspec
import pytest

from app import task
from app.api import shapes
from app.api.errors import REFUSALS, all_problems
from app.api.openapi.examples import EXAMPLES
from app.errors import Refusal


def test_every_refusal_has_a_status() -> None:
    assert set(REFUSALS) == set(Refusal.__subclasses__())


def test_every_problem_has_a_unique_slug_and_a_text() -> None:
    slugs = [problem.slug for problem in all_problems()]
    assert len(slugs) == len(set(slugs))
    assert all(problem.title and problem.meaning for problem in all_problems())


def test_the_answer_has_the_fields_of_a_task() -> None:
    for shape in (shapes.CreatedTask, shapes.Lease, shapes.Heartbeat):
        assert shape.__struct_fields__[: len(task.Task.__struct_fields__)] == task.Task.__struct_fields__


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_fits_its_shape(name: str) -> None:
    shape = task.Task if name == "Task" else getattr(shapes, name)
    msgspec.json.decode(msgspec.json.encode(EXAMPLES[name]), type=shape)


def test_every_shape_has_an_example() -> None:
    assert {shape.__name__ for shape in (*shapes.ANSWERS, *shapes.REQUESTS)} <= {*EXAMPLES, "Problem"}
