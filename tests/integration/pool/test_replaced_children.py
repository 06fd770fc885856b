"""Children are replaced between tasks, and each imports the handlers' modules by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conditions import wait_until
from tests.integration.pool.one_slot import OneSlot, children_with
from tests.integration.pool.results import PATIENCE_S

if TYPE_CHECKING:
    from app.config import Settings


def test_children_draw_different_numbers_also_from_a_generator_that_a_module_made(settings: Settings) -> None:
    assert settings
    with children_with() as pools:
        pools += [OneSlot(), OneSlot()]
        first, second = (each.run("number", name="") for each in pools)
    assert first[0] != second[0]
    assert first[1] != second[1]


@pytest.mark.slow
def test_a_child_is_replaced_after_its_number_of_tasks(settings: Settings) -> None:
    assert settings
    with children_with(MAX_TASKS_PER_CHILD="1") as pools:
        pools.append(slot := OneSlot(1))
        assert len(set(slot.run_all("pid", 3) + [slot.run("pid") for _ in range(3)])) == 6


@pytest.mark.slow
def test_a_child_that_has_grown_is_replaced_and_no_task_is_lost(settings: Settings) -> None:
    assert settings
    with children_with(MAX_MEMORY_MB="120") as pools:
        pools.append(slot := OneSlot())
        processes = [slot.run("grow") for _ in range(50)]
    assert 3 <= len(set(processes)) <= 10


@pytest.mark.slow
def test_a_lifespan_is_entered_before_the_first_task_and_left_when_the_child_ends(
    settings: Settings, tmp_path: Path
) -> None:
    assert settings
    file = tmp_path / "closed"
    with children_with(UNCLEAN_FILE=str(file)) as pools:
        pools.append(slot := OneSlot())
        assert slot.run("state")["lifespan"]
        process = slot.run("pid")
        slot.run("change", name="process")  # the child is replaced
        wait_until(file.exists, PATIENCE_S, "it is left")
        assert file.read_text() == f"closed {process}\n"
        process = slot.run("pid")
        slot.pool.close()
        assert file.read_text().splitlines()[1] == f"closed {process}"
