"""The key cache: how old it may be, what a guess costs, and that no key is accepted before the first load."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from app.api.auth.key_ring import FRESH_S, MAX_AGE_S, MAX_UNKNOWN, KeyRing
from app.api_key import LENGTH, PREFIX, ApiKey, Scope, digest, new_secret
from app.errors import LedgerUnavailable

NOW = datetime(2030, 1, 31, tzinfo=UTC)


class Ledger:
    """A ledger with keys and a clock that the test sets, which can become unavailable."""

    def __init__(self) -> None:
        self.keys: dict[bytes, ApiKey] = {}
        self.now = 1000.0
        self.loads = 0
        self.is_available = True

    def load(self) -> dict[bytes, ApiKey]:
        self.loads += 1
        if not self.is_available:
            raise LedgerUnavailable
        return dict(self.keys)

    def add(self, name: bytes) -> ApiKey:
        key = self.keys[name] = ApiKey(
            id=uuid4(), name="k", scopes=frozenset({Scope.READ}), max_pending=None,
            created_at=NOW, expires_at=None, revoked_at=None,
        )  # fmt: skip
        return key


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def ring(ledger: Ledger) -> KeyRing:
    return KeyRing(ledger.load, clock=lambda: ledger.now)


def test_a_secret_has_256_random_bits_and_its_own_hash() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith(PREFIX)
    assert len(first) == LENGTH
    hashed = digest(first)
    assert hashed
    assert len(hashed) == 32
    assert digest(first) != digest(second)


@pytest.mark.parametrize("wrong", ["", "x", PREFIX, "x" * LENGTH + "x", PREFIX + "x" * 42, "é" * LENGTH, "x" * LENGTH])
def test_a_text_that_cannot_be_a_secret_has_no_hash(wrong: str) -> None:
    assert digest(wrong) is None


def test_a_key_is_loaded_once_and_then_cached(ring: KeyRing, ledger: Ledger) -> None:
    key = ledger.add(b"a")
    assert all(ring.find(b"a") is key for _ in range(1000))
    assert ring.with_id(key.id) is key
    assert ledger.loads == 1


def test_a_new_key_is_valid_at_once(ring: KeyRing, ledger: Ledger) -> None:
    assert ring.find(b"a") is None
    key = ledger.add(b"a")
    assert ring.find(b"a") is key


def test_a_revoked_key_is_refused_once_the_cache_is_stale(ring: KeyRing, ledger: Ledger) -> None:
    key = ledger.add(b"a")
    ring.find(b"a")
    ledger.keys.clear()
    ledger.now += FRESH_S
    assert ring.find(b"a") is None
    assert ring.with_id(key.id) is None


def test_a_thousand_guesses_cost_few_statements_and_no_memory(ring: KeyRing, ledger: Ledger) -> None:
    ledger.add(b"a")
    for guess in range(1000):
        assert ring.find(f"guess {guess}".encode()) is None
    assert ledger.loads <= MAX_UNKNOWN + 1
    assert len(ring._by_digest) == 1
    ledger.now += FRESH_S
    ledger.add(b"b")
    assert ring.find(b"b") is not None


def test_no_key_is_accepted_before_postgres_was_available_once(ring: KeyRing, ledger: Ledger) -> None:
    ledger.add(b"a")
    ledger.is_available = False
    for _ in range(100):
        with pytest.raises(LedgerUnavailable):
            ring.find(b"a")
    assert ledger.loads == 1, "not once per request"
    ledger.is_available = True
    ledger.now += 1
    assert ring.find(b"a") is not None


def test_cached_keys_are_accepted_only_for_a_limited_time_without_postgres(ring: KeyRing, ledger: Ledger) -> None:
    key = ledger.add(b"a")
    ring.find(b"a")
    ledger.is_available = False
    ledger.now += MAX_AGE_S - 0.1
    assert ring.find(b"a") is key
    ledger.now += 0.1
    with pytest.raises(LedgerUnavailable):
        ring.find(b"a")


def test_the_admin_scope_includes_every_scope() -> None:
    key = Ledger().add(b"a")
    assert key.allows(Scope.READ)
    assert not key.allows(Scope.WRITE)
    object.__setattr__(key, "scopes", frozenset({Scope.ADMIN}))
    assert all(map(key.allows, Scope))
