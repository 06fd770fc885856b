"""What more worker processes bring, on the same cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.rows.drain import drain
from benchmarks.tasks import warm_up

if TYPE_CHECKING:
    from benchmarks.service import Service

NO_OPS, DOZES = 50_000, 5_000


def prepare(service: Service) -> None:
    """Children of both types have started, and how long they take is known."""
    warm_up(service, "bench")
    warm_up(service, "doze")


def drains(service: Service) -> dict[str, float]:
    """Tasks that do nothing, and tasks that wait 5 ms: how many a second, until the last start."""
    return {
        "no-op /s": drain(service, "bench", count=NO_OPS)["drain /s"],
        "doze /s": drain(service, "doze", count=DOZES)["drain /s"],
    }
