"""Who hears from the slots what became of claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.outcome import Outcome
    from app.task import Claim


class Listener(Protocol):
    """Who hears what became of claims."""

    def ended(self, outcomes: Sequence[Outcome]) -> None:
        """These attempts are over."""

    def unused(self, claims: Sequence[Claim]) -> None:
        """The code of these has not begun, and will not here."""
