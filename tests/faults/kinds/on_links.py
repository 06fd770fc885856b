"""Faults of the network: one kind of process is cut off from one server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.kinds.fault import MOMENT, Fault
from tests.faults.scene import Hit, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.history import Cost
    from tests.faults.revival import Platform

SLOW_S = 0.03
DOES = {
    "reset": "connections are reset, new ones too",
    "hole": "nothing passes, nobody is told; later everything arrives",
    "mute": "it acts, but its answers do not arrive; then connections are reset",
}


def cut(name: str, route: str, mode: str, lasts_s: tuple[float, float], cost: Cost = "nothing") -> Fault:
    """The route behaves like this (see `proxy.Route`) for a while."""

    def strike(scene: Scene, _platform: Platform) -> Hit:
        scene.network.become(route, mode)
        return Hit(heal=lambda: scene.network.become(route, "open"))

    return Fault(name, route, strike, lasts_s, cost, DOES[mode])


def slow(name: str, routes: Sequence[str]) -> Fault:
    """Every piece that passes waits a little."""

    def strike(scene: Scene, _platform: Platform) -> Hit:
        def all_become(mode: str, seconds: float) -> None:
            for each in routes:
                scene.network.become(each, mode, seconds)

        all_become("slow", SLOW_S)
        return Hit(heal=lambda: all_become("open", 0))

    return Fault(name, "redis", strike, MOMENT, "nothing", f"{SLOW_S * 1000:g} ms more for each piece that passes")
