"""Whether a worker can run tasks, and when it ends because it cannot."""

from __future__ import annotations

import pytest

from app import liveness
from app.liveness import LoopState
from workers.pool.slot_source import StartTrouble
from workers.worker.ability import UNABLE_LIMIT_S, Ability


class Pool:
    """A pool that has failed to start children since the instant 100 s."""

    def __init__(self, *, children: bool) -> None:
        self.trouble: StartTrouble | None = StartTrouble("cannot fork: out of memory", since=100.0)
        self.children = children

    def start_trouble(self) -> StartTrouble | None:
        return self.trouble

    def has_children(self) -> bool:
        return self.children


@pytest.fixture(autouse=True)
def no_loops(monkeypatch: pytest.MonkeyPatch) -> list[LoopState]:
    loops: list[LoopState] = []
    monkeypatch.setattr(liveness, "_loops", loops)
    return loops


@pytest.mark.parametrize(
    ("children", "after_s", "ends"),
    [
        (False, UNABLE_LIMIT_S - 1, False),
        (False, UNABLE_LIMIT_S + 1, True),
        (True, 3600.0, False),
    ],
)
def test_a_worker_without_children_that_can_start_none_ends(*, children: bool, after_s: float, ends: bool) -> None:
    said: list[str] = []
    ability = Ability(Pool(children=children), said.append, clock=lambda: 100.0 + after_s)  # type: ignore[arg-type]
    ability.step()
    assert said == ["no child can be started: cannot fork: out of memory"] * ends
    assert ability.trouble() == "no child can be started: cannot fork: out of memory"


def test_a_worker_whose_loop_is_stuck_claims_nothing(
    no_loops: list[LoopState], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(children=True)
    pool.trouble = None
    ability = Ability(pool, lambda _: None)  # type: ignore[arg-type]
    no_loops.append(state := LoopState("finisher"))
    assert (ability.may_claim(), ability.trouble()) == (True, None)
    state.step_failed(OSError())
    at = state._well_at + 20
    monkeypatch.setattr("app.liveness.time.monotonic", lambda: at)
    assert not ability.may_claim()
    assert ability.trouble() == "finisher has failed for 20 s (OSError)"
