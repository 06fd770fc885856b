"""Faults of the network between one kind of process and one server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.faults.kinds.fault import MOMENT, Fault
from tests.faults.scene import Hit, Scene

if TYPE_CHECKING:
    from tests.faults.history import Cost
    from tests.faults.revival import Platform

SLOW_S = 0.03
EFFECTS = {
    "reset": "connections are reset, also new ones",
    "hole": "packets are held back without an error; later everything arrives",
    "mute": "the server acts, but its answers do not arrive; then connections are reset",
}


def route_fault(name: str, route: str, mode: str, lasts_s: tuple[float, float], cost: Cost = "nothing") -> Fault:
    """Return a fault that sets the mode of a route (see `proxy.Route`) for a while."""

    def inject(scene: Scene, _platform: Platform) -> Hit:
        scene.network.become(route, mode)
        return Hit(heal=lambda: scene.network.become(route, "open"))

    return Fault(name, route, inject, lasts_s, cost, EFFECTS[mode])


def slow_routes(name: str, routes: Sequence[str]) -> Fault:
    """Return a fault that delays all data on these routes."""

    def inject(scene: Scene, _platform: Platform) -> Hit:
        def all_become(mode: str, seconds: float) -> None:
            for each in routes:
                scene.network.become(each, mode, seconds)

        all_become("slow", SLOW_S)
        return Hit(heal=lambda: all_become("open", 0))

    return Fault(name, "redis", inject, MOMENT, "nothing", f"{SLOW_S * 1000:g} ms of delay for each piece of data")
