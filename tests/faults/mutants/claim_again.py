"""A claim without an answer is made again, as if the first one had not been."""

from __future__ import annotations

import time
from typing import Any

from app.errors import LedgerAway
from app.ledger import claims
from tests.faults.mutants.seeding import swap

PAUSE_S = 0.1


def seed() -> None:
    """Try again, with another token, until there is an answer."""

    def claim(*given: Any, **named: Any) -> Any:
        while True:
            try:
                return ours(*given, **named)
            except LedgerAway:
                time.sleep(PAUSE_S)
                named["token"] = claims.new_token()

    ours = swap(claims, "claim", claim)
