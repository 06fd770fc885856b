"""The computation, output and graphs of the benchmarks, and the page that documents them."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from benchmarks import records
from benchmarks.graphs import DARK, Chart, Line, drain_chart, draw, lag_chart, look_of, write_graphs
from benchmarks.kept import Kept
from benchmarks.limits.bare import bare_command
from benchmarks.limits.limits import limit_parts
from benchmarks.limits.stores import arguments
from benchmarks.machine import Machine
from benchmarks.measuring import Measuring
from benchmarks.options import read_options
from benchmarks.parts import EXTRAS, TAKES, USUAL
from benchmarks.peers.measures import QUICK, WHOLE
from benchmarks.peers.peer import read_peers
from benchmarks.peers.records import read_records
from benchmarks.peers.result import Drain, Lag, PeerResult
from benchmarks.plans.shortened import Shortened, shorten
from benchmarks.printed import curve_table, limits_table, rows_table
from benchmarks.result import STEPS, Row, distribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
MS, S = 1_000_000, 1_000_000_000
MACHINE = Machine(2, "a processor", "Linux", "3.11.2", optimized=False, loop_ns=51.4)
RATE = Row("raw loop", "drain", "tasks/s", [50_000.0, 40_000.0, 60_000.0])
TIME = Row("raw loop", "lag p50", "ms", [2.0])


def system(name: str, *, lags_ms: list[float], starts_s: list[float]) -> PeerResult:
    starts = {number: [round(at * S)] for number, at in enumerate(starts_s)}
    late = {number: [round(lag * MS)] for number, lag in enumerate(lags_ms)}
    drain = Drain.of(starts, numbers=range(len(starts_s)), due_ns=0)
    return PeerResult(name, "redis", {}, drains=[drain], lag=Lag.of(late, due_ns=dict.fromkeys(late, 0)))


def systems() -> list[PeerResult]:
    return [
        system("Punctual", lags_ms=[1.0, 2.0, 3.0], starts_s=[0.1, 0.2, 0.5]),
        system("raw loop", lags_ms=[0.9, 1.0], starts_s=[0.1, 0.2]),
        system("Early & Late", lags_ms=[-5.0, -1.0, 900.0], starts_s=[-0.5, 4.0, 25.0]),
        PeerResult("Z", "redis", {}, skipped="why"),
    ]


def kept() -> Kept:
    row = Row("a part", "a row", "tasks/s", [1.0, 3.0, 2.0], goal="2", limit=RATE)
    return Kept(datetime(2026, 1, 2, 3, 4, tzinfo=UTC), MACHINE, 61.4, [row], [RATE], systems())


def test_the_share_of_a_rate_is_the_rate_divided_by_that_of_the_limit() -> None:
    assert Row("", "", "tasks/s", [10_000.0], limit=RATE).share == 0.2


def test_the_share_of_a_time_is_the_time_of_the_limit_divided_by_it() -> None:
    assert Row("", "", "ms", [8.0, 4.0, 5.0], limit=TIME).share == 0.4


@pytest.mark.parametrize("row", [Row("", "", "ms", [0.0], limit=TIME), Row("", "", "ms", [1.0]),
                                 Row("", "", "ms", [1.0], limit=replace(TIME, values=[]))])  # fmt: skip
def test_without_a_limit_or_values_there_is_no_share(row: Row) -> None:
    assert row.share is None
    assert not row.shared()


def test_a_line_has_the_median_the_spread_the_goal_and_the_share_of_the_limit() -> None:
    row = Row("drain", "until the end", "tasks/s", [9_000.0, 11_000.0, 10_000.0], goal="25,000 or more", limit=RATE)
    lines = rows_table([row])
    assert lines[0].split() == ["row", "value", "spread", "goal", "share", "of", "its", "limit"]
    said = "drain: until the end 10,000 tasks/s 9,000 to 11,000 25,000 or more 20% of raw loop (50,000)"
    assert " ".join(lines[1].split()) == said


def test_limits_are_printed_without_goals_and_an_empty_table_is_not_printed() -> None:
    assert limits_table([TIME])[1].split() == ["raw", "loop:", "lag", "p50", "2.00", "ms"]
    assert limits_table([]) == rows_table([]) == curve_table([RATE]) == []


def test_the_curve_has_a_line_for_each_number_of_workers_and_is_not_in_the_table() -> None:
    rows = [Row(f"workers: {n}", what, "tasks/s", [n * speed], option="curve")
            for n in (1, 2) for what, speed in (("fast", 1000.0), ("slow", 10.0))]  # fmt: skip
    assert [line.split() for line in curve_table(rows)][1:] == [["workers:", "1", "1,000", "10.00"],
                                                               ["workers:", "2", "2,000", "20.00"]]  # fmt: skip
    assert rows_table(rows) == []


def test_every_limit_that_a_row_names_is_measured() -> None:
    known = [limit for part in limit_parts(PeerResult("raw loop", "both", {})) for limit in part.limits]
    assert len({limit.key for limit in known}) == len(known)
    units = {limit.key: limit.unit for limit in known}
    for part in (*USUAL, *EXTRAS):
        for row in part.rows:
            if row.limit:
                ends = row.unit.endswith("/s"), units[row.limit].endswith("/s")
                assert ends in {(True, True), (False, False)}, row
                assert ends[0] or row.unit == units[row.limit], row


def test_no_two_parts_have_one_name_and_every_option_has_a_part() -> None:
    names = [part.name for part in (*USUAL, *EXTRAS)]
    assert len(set(names)) == len(names)
    assert {part.option for part in EXTRAS} == set(TAKES)
    assert not any(part.option for part in USUAL)


def test_long_measurements_are_run_with_their_option_and_listed_as_left_out_otherwise() -> None:
    usual = read_options([])
    assert usual.parts() == list(USUAL)
    assert usual.peers == QUICK
    assert len(usual.left_out()) == len(TAKES)
    assert all(any(f"--{option}" in said for said in usual.left_out()) for option in TAKES)
    whole = read_options(["--all", "--peers"])
    assert whole.parts() == [*USUAL, *EXTRAS]
    assert whole.peers == WHOLE
    assert whole.left_out() == []


def test_rows_selected_by_a_word_are_measured_without_peers() -> None:
    some = read_options(["--only", "burst", "--only", "10 million"])
    assert [part.name for part in some.parts()] == ["burst of 10,000", "10 million final, 1 million scheduled"]
    assert (some.peers, some.left_out()) == (None, [])
    assert read_options(["--only", "burst", "--peers"]).peers == WHOLE
    assert read_options(["--no-peers"]).peers is None


def test_a_task_writes_the_same_record_as_those_of_the_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(records.RECORDS, str(tmp_path))
    monkeypatch.setattr(records, "_files", {})
    ids = [str(uuid4()) for _ in range(3)]
    for each in ids:
        records.note(each)
    assert [number for number, _ in read_records(tmp_path)] == [records.number_of(each) for each in ids]


def test_a_distribution_begins_with_the_smallest_value_and_ends_with_the_largest() -> None:
    drawn = distribution(float(value) for value in reversed(range(1001)))
    assert (len(drawn), drawn[0], drawn[STEPS // 2], drawn[-1]) == (STEPS + 1, 0.0, 500.0, 1000.0)
    assert distribution([]) == ()
    assert set(distribution([1.23456])) == {1.235}


def test_arrays_have_the_text_format_of_postgres() -> None:
    assert arguments(["a", "b"], [1.5, 2e9]) == ("{a,b}", "{1.5,2000000000.0}")


def test_the_bare_application_is_started_as_the_procfile_starts_ours() -> None:
    assert bare_command() == "python -m benchmarks.limits.bare_app"  # its options: test_web_server_options


def test_the_machine_has_the_speed_of_its_python() -> None:
    assert MACHINE.line() == (
        "2 cores, a processor, Linux; Python 3.11.2, configured without --enable-optimizations, 51 ns a turn of a loop"
    )


def test_the_file_has_limits_shares_and_systems_and_each_list_of_numbers_on_a_line() -> None:
    text = kept().as_json()
    told = json.loads(text)
    (row,) = told["rows"]
    assert (row["median"], row["limit"], row["share"]) == (2.0, "raw loop: drain", 2.0 / 50_000)
    assert '"values": [1.0, 3.0, 2.0]' in text
    assert told["limits"][0]["median"] == 50_000
    assert [each["peer"] for each in told["systems"]] == ["Punctual", "raw loop", "Early & Late", "Z"]
    assert len(told["systems"][0]["lag"]["curve"]) == STEPS + 1
    assert "curve" not in told["systems"][0]["drains"][0]


def test_graphs_are_written_beside_the_file_and_are_deterministic(tmp_path: Path) -> None:
    file = kept().write(tmp_path)
    paths = write_graphs(file)
    assert [path.name for path in paths] == ["2026-01-02-0304-lag.svg", "2026-01-02-0304-drain.svg"]
    texts = [path.read_text() for path in paths]
    assert [path.read_text() for path in write_graphs(file)] == texts
    for text in texts:
        said = [each.text for each in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
        assert {"Punctual", "raw loop", "Early & Late"} <= set(said)
        assert "Z" not in said
        assert "prefers-color-scheme: dark" in text
        for light, dark in DARK.items():
            assert text.count(light) > text.count(dark) > 0, "each colour is used, and has another on dark pages"


def test_without_systems_nothing_is_drawn(tmp_path: Path) -> None:
    assert write_graphs(replace(kept(), systems=[]).write(tmp_path)) == []


def test_the_system_with_the_lowest_lag_or_the_highest_rate_is_first_in_the_legend() -> None:
    told = json.loads(kept().as_json())["systems"]
    assert [line.name for line in lag_chart(told).lines] == ["Early & Late", "raw loop", "Punctual"]
    assert [line.name for line in drain_chart(told).lines] == ["raw loop", "Punctual", "Early & Late"]
    assert [line.value for line in lag_chart(told).lines] == ["67 % early", "p50 0.9 ms", "p50 2 ms"]


def test_a_lag_curve_begins_with_the_share_that_started_early() -> None:
    (early, *_) = lag_chart(json.loads(kept().as_json())["systems"]).lines
    assert round(early.points[0][1]) == 67
    assert early.points[-1] == (900.0, 100.0)


def test_a_drain_is_drawn_up_to_the_end_of_the_axis() -> None:
    slow = drain_chart(json.loads(kept().as_json())["systems"]).lines[-1]
    assert max(seconds for seconds, _ in slow.points) == 4.0


def _xs(axes: Axes) -> list[float]:
    """Return the x values of the first line."""
    drawn: Any = axes.lines[0].get_xdata()
    return [float(x) for x in drawn]


@pytest.mark.parametrize(("high", "step"), [(100, 20), (10_000, 2000), (12, 2.5), (1, 0.2), (0.3, 0.1)])
def test_a_linear_axis_begins_at_0_ends_at_a_mark_and_has_five_steps_at_most(high: float, step: float) -> None:
    chart = Chart("", "", "", "linear", 0.0, high, str, high, str, [Line("a", "", [(-1.0, 0.0), (2 * high, high)])])
    (axes,) = draw(chart).axes
    for (low, end), marks in ((axes.get_xlim(), axes.get_xticks()), (axes.get_ylim(), axes.get_yticks())):
        assert low == 0
        assert high <= end < high + step
        assert math.isclose(marks[-1], end)
        assert len(marks) <= 6
        assert all(math.isclose(after - before, step) for before, after in pairwise(marks))
    assert _xs(axes) == [0.0, high], "what lies beyond the axis stands at its edge"


def test_a_logarithmic_axis_gives_each_power_the_same_width() -> None:
    chart = Chart("", "", "", "log", 0.1, 1000.0, lambda value: f"{value:g}", 1, str, [Line("a", "", [(-5.0, 1)])])
    (axes,) = draw(chart).axes
    marks = [(mark.get_text(), axes.transAxes.inverted().transform(axes.transData.transform((value, 0)))[0])
             for mark, value in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)]  # fmt: skip
    shown = [(said, round(place, 6)) for said, place in marks if 0 <= round(place, 6) <= 1]
    assert shown == [("0.1", 0.0), ("1", 0.25), ("10", 0.5), ("100", 0.75), ("1000", 1.0)]
    assert _xs(axes) == [0.1]


def test_a_lag_chart_reaches_from_the_power_below_the_soonest_to_that_above_the_latest() -> None:
    chart = lag_chart(json.loads(kept().as_json())["systems"])
    assert (chart.low, chart.high) == (0.1, 1000.0)
    assert lag_chart([]).lines == drain_chart([]).lines == []


def test_there_is_a_style_for_each_peer() -> None:
    assert len({look_of(number) for number in range(len(read_peers()))}) == len(read_peers())


def test_the_page_of_the_benchmarks_describes_every_option_limit_and_part() -> None:
    options = {*re.findall(r"--[a-z-]+", (ROOT / "benchmarks" / "options.py").read_text())}
    for option in sorted(options):
        assert f"`{option}" in PAGE or f" {option}" in PAGE, option
    for part in limit_parts(PeerResult("raw loop", "both", {})):
        for limit in part.limits:
            assert f"| {limit.name} |" in PAGE, limit.name
    for row in USUAL:
        assert f"| {row.name} |" in PAGE, row.name


def test_a_failed_part_is_named_and_the_others_are_measured() -> None:
    measuring = Measuring((), runs=1)
    with measuring.progress("first"):
        json.loads("no number")
    with measuring.progress("second"):
        json.loads("2")
    assert measuring.failed == ["first"]
    assert json.loads(replace(kept(), failed=measuring.failed).as_json())["failed"] == ["first"]


def test_a_plan_in_one_line_names_what_was_changed_sorted_and_read_and_how_often() -> None:
    scan = {"Node Type": "Index Scan", "Index Name": "tasks_pkey", "Actual Loops": 500, "Actual Rows": 1.0}
    bitmap = {"Node Type": "Bitmap Index Scan", "Index Name": "tasks_due", "Actual Loops": 1, "Actual Rows": 3.0}
    idle = {"Node Type": "Index Scan", "Index Name": "tasks_running", "Actual Loops": 0, "Actual Rows": 0.0}
    whole = {"Node Type": "Seq Scan", "Relation Name": "workers", "Actual Loops": 2, "Actual Rows": 0.5}
    order = {
        "Node Type": "Sort",
        "Actual Loops": 1,
        "Plans": [scan | {"Rows Removed by Filter": 2}, bitmap, idle, whole],
    }
    top = {"Node Type": "ModifyTable", "Operation": "Update", "Relation Name": "tasks", "Actual Loops": 1}
    pages = {"Shared Hit Blocks": 7, "Shared Read Blocks": 1}
    explained = {"Plan": top | pages | {"Plans": [order]}, "Planning Time": 0.2, "Execution Time": 1.5}
    read = "Index Scan tasks_pkey x 500, Bitmap Index Scan tasks_due, Seq Scan workers x 2"
    assert shorten(explained) == Shortened(f"Update tasks, Sort, {read}", 504, 1000, 8, 0.2, 1.5)
