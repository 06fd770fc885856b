"""The table of peers, a row each."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers.result import Kill, Lag, PeerResult

HEADINGS = (
    "peer", "drain/s", "range", "tasks", "first ms", "early", "2x", "lost",
    "lag p50", "p95", "p99", "max ms", "early", "create/s", "bulk/s", "bytes", "open", "2x",
)  # fmt: skip


def table_of(results: Sequence[PeerResult]) -> list[str]:
    """Format lines of equal width without empty columns; below them, the peers that were skipped and why."""
    rows = [HEADINGS, *(_row(result) for result in results if result.drains or not result.skipped)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    filled = [column for column in range(len(HEADINGS)) if any(row[column] for row in rows[1:])]
    lines = ["  ".join(_placed(row[column], widths[column], column) for column in filled) for row in rows]
    return [line.rstrip() for line in lines] + [
        f"{result.peer}: {result.skipped}" for result in results if result.skipped
    ]


def _placed(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)


def _row(result: PeerResult) -> tuple[str, ...]:
    return (
        result.peer,
        *_drain(result),
        *_lag(result.lag),
        _n(result.create_per_s),
        _n(result.bulk_create_per_s),
        _n(result.bytes_per_task),
        *_kill(result.kill),
    )


def _drain(result: PeerResult) -> tuple[str, ...]:
    drain, rates = result.drain, [run.per_s for run in result.drains]
    if drain is None:
        return ("",) * 7
    spread = f"{_n(min(rates))}..{_n(max(rates))}" if len(rates) > 1 else "1 run"
    counts = (drain.early, drain.doubled, drain.missing)
    return _n(drain.per_s), spread, _n(drain.tasks), _n(drain.first_ms), *map(str, counts)


def _lag(lag: Lag | None) -> tuple[str, ...]:
    if lag is None:
        return ("",) * 5
    return _ms(lag.p50), _ms(lag.p95), _ms(lag.p99), _ms(lag.worst), str(lag.early)


def _kill(kill: Kill | None) -> tuple[str, ...]:
    return (str(kill.open), str(kill.doubled)) if kill else ("", "")


def _n(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _ms(value: float) -> str:
    return f"{value:,.1f}"
