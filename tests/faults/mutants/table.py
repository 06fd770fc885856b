"""The seeded bugs: the processes that have each, the faults that expose it, and the check that detects it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from local.procfile import read_procfile
from tests.acceptance.processes import ROOT
from tests.faults.mutants.web import MUTANT
from tests.faults.plan import Plan

WEB, MUTANT_WEB = "python -m app.web_server", "python -m tests.faults.mutants.web"
MODULES = {"worker": "workers.worker.__main__", "promoter": "workers.promoter", "sweeper": "workers.sweeper"}
MIX = {"brief": 60.0, "aimed": 15.0, "long": 5.0, "threaded": 5.0, "stumble": 5.0, "outside": 10.0}
LONG = {"long": 1.0}
# Claims without an answer are resolved after twice this time, long before the sweeper hands back what a running
# worker has forgotten.
QUICK = {"DATABASE_TIMEOUT_S": "1"}
PLAN = Plan(
    seed=8,
    tasks=300,
    faults=8,
    seconds=4,
    calm_s=2,
    kinds=(
        "duplicates",
        "flush Redis",
        "fast clock",
        "answers to workers lost",
        "read-only sessions",
        "clock set forward",
    ),
    mix=MIX,
    processes={"web": 1, "promoter": 2, "worker": 2, "sweeper": 1, "scheduler": 0},
    environment=QUICK,
    drained_within_s=30,
    timeout_s=40,
    calm_p99_ms=10_000,
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: the module that seeds it, and the run that exposes it."""

    name: str
    processes: tuple[str, ...]
    exposed_by: str
    check: str
    kinds: tuple[str, ...] = ()
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    seconds: float = PLAN.seconds

    @property
    def plan(self) -> Plan:
        """A run of a service with the bug, with only the faults that expose it."""
        faults = PLAN.faults if self.kinds else 0
        return replace(PLAN, kinds=self.kinds or None, faults=faults, mix=self.mix, commands=self._commands(),
                       seconds=self.seconds, environment={**QUICK, MUTANT: self.name})  # fmt: skip

    def _commands(self) -> dict[str, str]:
        assert read_procfile(ROOT / "Procfile")["web"] == WEB
        commands = {"web": MUTANT_WEB}
        commands |= {kind: f"python -m tests.faults.mutants {self.name} {module}" for kind, module in MODULES.items()}
        return {kind: commands[kind] for kind in self.processes}


MUTANTS = (
    Mutant("no_sweeper", ("sweeper",), "flush Redis", "kept", ("flush Redis",)),
    Mutant("claim_not_due", ("worker",), "fast clock", "not early", ("fast clock",)),
    Mutant("claim_in_two_steps", ("worker",), "duplicates", "begun once", ("duplicates",), LONG),
    Mutant("delete_in_two_steps", ("web", "worker"), "aimed deletions", "deleted never ran", mix={"aimed": 1.0}),
    Mutant("finish_unfenced", ("web", "worker"), "late hand-ins", "late hand-ins refused", mix={"outside": 1.0}),
    Mutant("push_then_remove", ("promoter",), "two promoters", "delivered once while calm", mix={"brief": 1.0}),
    Mutant("claim_again", ("worker",), "answers to workers lost", "kept", ("answers to workers lost",)),
    Mutant(
        "sessions_kept",
        ("sweeper",),
        "read-only sessions",
        "kept",
        ("read-only sessions", "kill worker"),
        {"brief": 50.0, "long": 50.0},
    ),
    Mutant(
        "rescue_by_clock",
        ("sweeper",),
        "clock set forward",
        "no failure without a cause",
        ("clock set forward",),
        LONG,
        seconds=16,  # each clock step must follow a heartbeat by the correct clock
    ),
    Mutant("no_claim", ("worker",), "duplicates", "begun once", ("duplicates",)),
)
