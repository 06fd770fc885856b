"""Statistics of the service, in one call for dashboards, scripts and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import shapes
from app.api.answers import json_answer
from app.api.openapi.operation import Operation
from app.api.openapi.resource import Resource
from app.api.services import services
from app.api_key import Scope

if TYPE_CHECKING:
    from flask import Response

stats = Resource("Stats", __name__, "Statistics of the service.")


@stats.operation("GET", "/stats", Operation(summary="Statistics", scope=Scope.READ, answers={200: (shapes.Stats,)}))
def show_stats() -> Response:
    """Return counts, lateness, backlog, workers and counters, at most two seconds old.

    Counting stops at `counted_up_to`, so the cost does not depend on the number of tasks. If Redis does not answer
    within 250 ms, `redis` is `away` and the numbers from Redis are null.
    """
    return json_answer(services().statistics.all())
