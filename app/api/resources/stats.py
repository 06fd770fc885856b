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

stats = Resource("Stats", __name__, "How it fares.")


@stats.operation(
    "GET", "/stats", Operation(summary="How does the service fare?", scope=Scope.READ, answers={200: (shapes.Stats,)})
)
def show() -> Response:
    """Counts, lateness, backlog, workers and counters, at most two seconds old.

    Nothing is counted beyond `counted_up_to`, so the cost does not depend on the size of the table. When Redis does not
    answer within 250 ms, `redis` says so, and what only Redis knows is null.
    """
    return json_answer(services().statistics.all())
