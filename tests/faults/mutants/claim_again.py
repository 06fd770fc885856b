"""A bug: a claim without an answer is repeated, as if the first one had not happened."""

from __future__ import annotations

import time
from typing import Any

from app.errors import LedgerUnavailable
from app.ledger import claims
from tests.faults.mutants.seeding import swap

PAUSE_S = 0.1


def seed() -> None:
    """Repeat the claim with another token until there is an answer."""

    def claim(*args: Any, **options: Any) -> Any:
        while True:
            try:
                return original(*args, **options)
            except LedgerUnavailable:
                time.sleep(PAUSE_S)
                options["token"] = claims.new_token()

    original = swap(claims, "claim", claim)
