"""The computation from records of the peers' tasks, and the page that documents the peers."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers.peer import DESCRIPTION, HERE, INSIDE, Peer, read_peers
from benchmarks.peers.records import RECORD, count_records, ended_of, read_records, starts_of
from benchmarks.peers.result import Drain, Kill, Lag, PeerResult, quantile
from benchmarks.peers.table import table_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
MS = 1_000_000
DUE = 1_000_000 * MS


def test_a_drain_counts_early_doubled_and_missing_tasks() -> None:
    starts = {0: [DUE - 5 * MS], 1: [DUE + 100 * MS, DUE + 900 * MS], 2: [DUE + 500 * MS]}
    assert Drain.of(starts, numbers=range(4), due_ns=DUE) == Drain(
        tasks=4, per_s=6.0, first_ms=-5.0, early=1, doubled=1, missing=1
    )


def test_a_drain_without_starts_is_no_error() -> None:
    drain = Drain.of({}, numbers=range(2), due_ns=DUE)
    assert (drain.per_s, drain.missing) == (0.0, 2)
    assert math.isnan(drain.first_ms)


def test_a_drain_that_ended_before_it_was_due_has_no_rate() -> None:
    assert Drain.of({0: [DUE - MS]}, numbers=range(1), due_ns=DUE).per_s == math.inf


def test_lags_are_those_of_the_first_starts() -> None:
    due_ns = {number: DUE + number * MS for number in range(101)}
    starts = {number: [DUE + 2 * number * MS, DUE + 10_000 * MS] for number in range(100)}  # 0 to 99 ms late
    starts[0] = [DUE - 3 * MS]
    assert Lag.of(starts, due_ns=due_ns) == Lag(
        tasks=101, p50=49.0, p95=94.0, p99=98.0, worst=99.0, early=1, earliest=-3.0, doubled=99, missing=1
    )


def test_lags_without_starts_are_no_error() -> None:
    lag = Lag.of({}, due_ns={7: DUE})
    assert lag.missing == 1
    assert math.isnan(lag.p50)


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.75, 3), (0.76, 4), (0.99, 4), (0.0, 1)])
def test_a_quantile_is_one_of_the_values(share: float, value: float) -> None:
    assert quantile([1, 2, 3, 4], share) == value


def test_after_a_kill_a_task_without_an_end_is_open_and_one_with_two_starts_is_doubled() -> None:
    records = [(1, DUE), (~1, DUE), (2, DUE), (2, DUE + MS), (~2, DUE + MS), (3, DUE), (9, DUE), (~9, DUE)]
    numbers = range(1, 5)
    kill = Kill.of(
        starts_of(records, numbers), ended_of(records, numbers), numbers=numbers, begun_at_kill=3, after_s=20.0
    )
    assert (kill.tasks, kill.open, kill.doubled) == (4, 2, 1)


def test_records_are_read_as_the_task_writes_them(tmp_path: Path) -> None:
    program = "import record; record.run(5); record.run(6)"
    environment = {"PEER_RECORDS": str(tmp_path), "PEER_TASK_S": "0.001", "PYTHONPATH": str(INSIDE)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    (file,) = tmp_path.iterdir()
    with file.open("ab") as torn:
        torn.write(RECORD.pack(8, 1)[:-1])
    records = read_records(tmp_path)
    assert [number for number, _ in records] == [5, ~5, 6, ~6]
    assert count_records(tmp_path) == 4
    assert starts_of(records, range(6)) == {5: [records[0][1]]}
    assert ended_of(records, range(6)) == {5}


def test_a_result_has_medians_and_is_json_even_without_values() -> None:
    drains = [Drain(10, rate, math.nan, 0, 0, 0) for rate in (5.0, math.inf, 7.0)]
    result = PeerResult("X", "redis", {"x": "1"}, drains=drains, creates_per_s=[1.0, 9.0, 2.0])
    kept = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert (kept["drain"]["per_s"], kept["create_per_s"], kept["bulk_create_per_s"]) == (7.0, 2.0, None)
    assert kept["drains"][0]["first_ms"] is None


def test_the_table_has_a_row_for_each_peer_and_lists_what_was_skipped() -> None:
    drains = [Drain(10, rate, 3.0, 0, 1, 2) for rate in (50.0, 40.0, 60.0)]
    whole = PeerResult("X", "redis", {}, drains=drains, lag=Lag(9, 1, 2, 3, 4, 5, -1, 0, 0), kill=Kill(8, 4, 6, 7, 20))
    lines = table_of(
        [whole, PeerResult("Y", "redis", {}, creates_per_s=[12.0]), PeerResult("Z", "redis", {}, skipped="why")]
    )
    assert len(lines) == 4
    assert " ".join(lines[1].split()) == "X 50 40..60 10 3 0 1 2 1.0 2.0 3.0 4.0 5 6 7"
    assert lines[2].split() == ["Y", "12"]
    assert lines[3] == "Z: why"


def test_every_peer_is_pinned_to_exact_versions() -> None:
    peers = read_peers()
    assert {peer.name for peer in peers} == {path.parent.name for path in HERE.glob(f"*/{DESCRIPTION}")}
    for peer in peers:
        assert re.fullmatch(r"[\d.]+", peer.versions()[peer.package]), peer.name
        assert all(path.exists() for path in peer.pins())
        assert len(list(peer.folder.glob("adapter.*"))) == 1


def test_an_unknown_peer_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no such peer: cron; there are bullmq"):
        read_peers(["huey", "cron"])


def test_no_lock_file_names_a_registry() -> None:
    for path in HERE.glob("*/package-lock.json"):
        assert '"resolved"' not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("peer", read_peers(), ids=lambda peer: peer.name)
def test_the_page_of_peers_has_the_version_of_each_and_every_option(peer: Peer) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {peer.title} ")]
    assert f" {peer.versions()[peer.package]} " in row
    options = [word for command in peer.processes for word in command if word.startswith("-")]
    for option in {*options, *(name for name in peer.environment if peer.environment[name] != "{store}")}:
        assert f"`{option}" in row or f" {option}" in row, option
