"""The comparison: what is known of a latency and of markouts that overlap, the words of a row, what is compared, and the command."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from random import Random

import msgspec
import pytest
from msgspec.structs import replace

from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event, LinkUp, MarketListed, OrderAccepted, OrderFilled, Ticked
from pmm_tui.core.snapshot import Stats, StatsCell
from pmm_tui.core.units import SHARE, Cash, Size
from pmm_tui.record.journal import Journal
from pmm_tui.runtime.comparing import compare_runs
from pmm_tui.study import intervals as i
from pmm_tui.study.cells import AT, FIELDS, Cells
from pmm_tui.study.compare import Comparison, Row, compare, interval_written, judged, ratio_written, written
from tests.core.desk import MARKET, at, book, knobs, places

MINUTE = 60 * 10**9


def answered(*waits: float) -> Stats:
    """A run of some hours in which each order was answered after one of these, milliseconds, in turn."""
    cells = Cells(10_000)
    for minute in range(240):
        cell = cells.at("m", minute * MINUTE, 0)
        cell.pass_time(60.0, True)
        for ms in waits:
            cell.wait("submit", ms)
    return Stats(60, FIELDS, cells.told(), (), 0.0, 0, 0)


@pytest.mark.parametrize(
    ("paper", "production", "name", "truth", "verdict"),
    [
        ([126.0], [129.0], "submit p50", 129 / 126, ("alike", "differs")),
        ([128.0], [128.1], "submit p50", 128.1 / 128, ("alike",)),
        ([100.0], [143.0] * 49 + [900.0], "submit p50", 1.43, ("differs",)),
        ([100.0], [143.0] * 49 + [900.0], "submit p95", 1.43, ("differs",)),
        ([100.0], [282.0], "submit p95", 2.82, ("DIVERGES",)),
        ([46.0], [46.0] * 5 + [47.0] * 5, "submit p95", 47 / 46, ("alike", "differs")),
    ],
)
def test_a_latency_is_known_to_its_bucket_and_its_interval_says_so(
    paper: list[float], production: list[float], name: str, truth: float, verdict: tuple[str, ...]
) -> None:
    found = row(compare(answered(*paper), answered(*production)), name)
    assert found.paper == pytest.approx(paper[0], rel=0.045) and found.production == pytest.approx(truth * paper[0], rel=0.045)
    assert found.interval is not None and found.interval.holds(truth) and found.verdict in verdict
    assert found.interval.high / found.interval.low < 1.15


def test_nineteen_of_twenty_intervals_of_a_latency_hold_the_truth() -> None:
    """400 pairs of samples of 80 from two lognormals whose medians are 1.3 apart; wider than 95 % by the buckets, never narrower."""
    chance, held = Random(3), 0
    for _ in range(400):
        one, other = (answered_once(chance.lognormvariate(math.log(median), 0.5) for _ in range(80)) for median in (50.0, 65.0))
        found = row(compare(one, other), "submit p50")
        held += found.interval is not None and found.interval.holds(1.3)
    assert 0.935 <= held / 400 <= 1, held


def answered_once(waits: Iterable[float]) -> Stats:
    """A minute with these latencies."""
    cells = Cells(10)
    cells.at("m", 0, 0).pass_time(60.0, True)
    for ms in waits:
        cells.at("m", 0, 0).wait("submit", ms)
    return Stats(60, FIELDS, cells.told(), (), 0.0, 0, 0)


def drifting(chance: Random, cells: Cells, hours: float = 2.5, persists_s: float = 180.0) -> Stats:
    """Fills every 20 s or so on a random walk, one-sided for minutes at a time: their markouts after two minutes overlap six times over,
    and are two cents against us in the mean."""
    step, ahead = 10, 12
    path = [0.0]
    for _ in range(int(hours * 3600) // step + ahead):
        path.append(path[-1] + chance.gauss(0.0, 0.01))
    sign, turns = 1.0, 0.0
    for number in range(len(path) - 1 - ahead):
        at = number * step * 10**9
        if at >= turns:
            sign, turns = chance.choice((-1.0, 1.0)), at + chance.expovariate(1 / persists_s) * 1e9
        cell = cells.at("m", at, 0)
        cell.pass_time(float(step), True)
        if chance.random() < 0.5:
            cell.weigh("markout_120", at, 10.0, 10 * (sign * (path[number + ahead] - path[number]) - 0.02))
    return Stats(cells.stretch_s, FIELDS, cells.told(), (), 0.0, 0, 0)


@pytest.mark.parametrize("persists_s", [180.0, 1e9], ids=["one-sided for minutes", "one-sided"])
def test_markouts_that_overlap_hold_the_truth_in_nineteen_of_twenty_runs(persists_s: float) -> None:
    """200 pairs of runs whose true ratio is 1; two standard errors are 3 %."""
    chance, held, alarmed = Random(11), 0, 0
    for _ in range(200):
        one, other = (drifting(chance, Cells(10_000), persists_s=persists_s) for _ in range(2))
        found = row(compare(one, other), "after 2 min")
        held += found.interval is not None and found.interval.holds(1.0)
        alarmed += found.verdict == "DIVERGES"
    assert 0.92 <= held / 200 <= 0.98 and alarmed <= 0.08 * 200, (held, alarmed)


@pytest.mark.parametrize("hours", [1.0, 40.0])
def test_clusters_are_as_long_on_any_grid(hours: float) -> None:
    """By the minute, and on the grid of a running desk."""
    fine, coarse = (drifting(Random(5), Cells(most), hours) for most in (10_000, 20))
    assert fine.stretch_s == 60 < coarse.stretch_s
    table, other = compare(fine, fine), compare(coarse, coarse)
    assert row(table, "after 2 min").samples == row(other, "after 2 min").samples == (round(hours * 15),) * 2
    between = [row(one, "after 2 min").interval for one in (table, other, compare(fine, coarse))]
    assert all(one is not None and one.low == pytest.approx(between[0].low, rel=1e-4) for one in between if between[0] is not None)


@pytest.mark.parametrize(
    ("ratio", "interval", "enough", "word"),
    [
        (3.0, i.Interval(2.0, 5.0), True, "DIVERGES"),
        (0.3, i.Interval(0.2, 0.6), True, "DIVERGES"),
        (-0.7, i.Interval(-1.5, -0.1), True, "DIVERGES"),
        (None, i.Interval(6.0, math.inf), True, "DIVERGES"),
        (1.5, i.Interval(1.2, 1.9), True, "differs"),
        (3.0, i.Interval(0.8, 9.0), True, "unclear"),
        (1.1, i.Interval(0.7, 1.7), True, "alike"),
        (1.1, i.EVERYTHING, True, "unclear"),
        (9.0, i.Interval(0.1, 0.2, outside=True), True, "unclear"),
        (-9.0, i.Interval(-0.1, 1.2, outside=True), True, "DIVERGES"),
        (9.0, i.Interval(8.0, 10.0), False, "too few"),
    ],
)
def test_the_word_for_a_row(ratio: float | None, interval: i.Interval, enough: bool, word: str) -> None:
    assert judged(ratio, interval, enough, 2.0) == word


def stats(
    fills_a_minute: int = 0, minutes: int = 60, start: int = 0, placed: int = 10, stretch_s: int = 60, captured: float = 0.01
) -> Stats:
    """A run in one market: so many orders and filled orders each minute, ten shares each, a cent captured on each share."""
    cells = Cells(10_000, stretch_s)
    for minute in range(start, start + minutes):
        cell, now = cells.at("m", minute * MINUTE, 0), minute * MINUTE
        cell.pass_time(60.0, True)
        cell.count("placed", 10)
        for number in range(fills_a_minute):
            moment = now + number * 2 * 10**9
            cell.count("filled")
            cell.count("fills")
            cell.count("shares", 10)
            cell.weigh("arrivals", moment, 1.0, 1.0)
            cell.weigh("captured", moment, 10.0, 10 * (captured + 0.002 * (number % 2 - 0.5)))
    return Stats(stretch_s, FIELDS, cells.told(), (), 0.0, 0, 0)


def row(table: Comparison, name: str) -> Row:
    """A row by its name."""
    return next(line for line in table.rows if line.name.strip() == name)


def test_two_desks_that_do_the_same_are_alike() -> None:
    table = compare(stats(2), stats(2))
    assert not table.alarms and not table.why and table.markets == 1 and table.quoted_s == (3_600.0, 3_600.0)
    rate = row(table, "fill rate")
    assert (rate.paper, rate.production, rate.ratio, rate.verdict, rate.samples) == (20.0, 20.0, 1.0, "alike", (600, 600))
    assert row(table, "spread captured").paper == pytest.approx(1.0) and row(table, "spread captured").verdict == "alike"


def test_what_is_twice_apart_with_enough_samples_is_an_alarm() -> None:
    table = compare(stats(1), stats(4, captured=-0.01))
    names = {line.name for line in table.alarms}
    assert {"fill rate", "fills an hour", "spread captured"} <= names
    assert row(table, "fills an hour").ratio == pytest.approx(4.0)
    captured = row(table, "spread captured")
    assert captured.ratio is not None and captured.ratio < 0, "a sign that turned is as bad as a factor"
    assert not compare(stats(1), stats(4), above=5.0).alarms
    assert row(compare(stats(1), stats(4), least=100), "fills an hour").verdict == "DIVERGES", "240 on one side say enough of a rate"
    assert row(compare(stats(1), stats(4), least=700), "fill rate").verdict == "too few"


def test_no_fill_at_all_where_paper_had_many_is_an_alarm() -> None:
    table = compare(stats(2), stats(0))
    assert row(table, "fills an hour").verdict == row(table, "fill rate").verdict == "DIVERGES"
    assert row(table, "spread captured").verdict == "too few"


def test_only_stretches_that_both_quoted_count() -> None:
    early, late = stats(2, minutes=60), stats(2, minutes=60, start=50)
    table = compare(early, late)
    assert table.quoted_s == (600.0, 600.0) and row(table, "fill rate").samples == (100, 100)
    apart = compare(early, stats(2, minutes=5, start=500))
    assert apart.why == "they have not watched the same market at the same time yet" and not apart.alarms and apart.markets == 0
    other = replace(early, cells=tuple(replace(cell, market="another") for cell in early.cells))
    assert compare(early, other).why == "they have no market in common"


def test_time_quoting_counts_where_both_watched() -> None:
    half = stats(1)
    idle = Stats(60, FIELDS, tuple(_silent(cell) if cell.stretch % 2 else cell for cell in half.cells), (), 0.0, 0, 0)
    table = compare(half, idle)
    assert table.quoted_s == compare(idle, half).quoted_s == (1_800.0, 1_800.0)
    quoting = row(table, "time quoting")
    assert (quoting.paper, quoting.production, quoting.samples) == (100.0, 50.0, (60, 60))


def _silent(cell: StatsCell) -> StatsCell:
    values = list(cell.values)
    values[AT["quoting_s"]] = 0.0
    return replace(cell, values=tuple(values))


def test_a_longer_run_meets_a_shorter_one_on_its_own_grid() -> None:
    table = compare(stats(2, stretch_s=240), stats(2, minutes=8, start=4, stretch_s=60))
    assert table.stretch_s == 240 and table.quoted_s == (480.0, 480.0)


def test_runs_that_count_different_figures_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different versions"):
        compare(stats(), replace(stats(), fields=("watched_s",)))


def test_gas_is_by_the_operation_and_never_judged() -> None:
    table = compare(stats(1), replace(stats(1), gas_usd=0.06, gas_operations=3))
    gas = row(table, "gas an operation")
    assert gas.production == pytest.approx(0.02) and (gas.paper, gas.samples, gas.verdict) == (None, (0, 3), "")


def test_numbers_are_written_short() -> None:
    assert [written(3.14159, unit) for unit in ("%", "¢/sh", "ms", "$")] == ["3.1", "3.14", "3.1", "3.142"]
    assert [written(value, "ms") for value in (None, math.nan, 41.6)] == ["–", "–", "42"]
    assert [written(-value, "$/h") for value in (999.5, 1_234.56, 12_345.67)] == ["-999.50", "-1,234.6", "-12,346"]
    assert [ratio_written(value) for value in (None, 0.524, 12.3, 345.0, 12_000.0, -5_000.0)] == [
        "–",
        "0.52",
        "12.3",
        "345",
        ">999",
        "<-999",
    ]
    shown = [i.Interval(0.41, 0.66), i.Interval(1.3, math.inf), i.Interval(0, 0.74), i.Interval(0, math.inf), i.Interval(-2.0, 0.06, True)]
    assert [interval_written(one) for one in (None, *shown)] == ["–", "0.41–0.66", "≥1.30", "≤0.74", "all", "¬ -2.00 to 0.06"]
    below = [i.Interval(-0.84, -0.37), i.Interval(-0.84, 0.37), i.Interval(-12.34, -1.0, True), i.Interval(-5e3, -1e3)]
    assert [interval_written(one) for one in below] == ["-0.84 to -0.37", "-0.84 to 0.37", "¬ -12.3 to -1.00", "<-999 to <-999"]


def a_run(folder: Path, mode: str, fills: int) -> Path:
    """A finished run's journal: a minute in one market with so many fills."""
    folder.mkdir()
    settings = knobs(default_order_size=100.0)
    engine = Engine(settings)
    journal = Journal(folder, {"run": folder.name, "mode": mode, "knobs": msgspec.to_builtins(settings)})

    def tell(event: Event) -> list[int]:
        commands = engine.step(event)
        journal.write(event, commands)
        return [place.order for place in places(commands)]

    orders: list[int] = []
    for event in (LinkUp(at(0), "market"), MarketListed(at(0), MARKET), book(1_000, "48x500 | 52x500"), Ticked(at(1_100))):
        orders += tell(event)
    for order in orders:
        tell(OrderAccepted(at(1_140), order))
    for number in range(fills):
        tell(OrderFilled(at(2_000 + 100 * number), orders[0], f"t{number}", engine.state.live[orders[0]].price, Size(SHARE), Cash(0)))
    for second in range(10, 120):
        tell(Ticked(at(second * 1_000)))
    journal.close(engine.digest())
    return folder


def test_the_command_lays_two_journals_side_by_side_paper_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live, paper = a_run(tmp_path / "prod-1", "live", 3), a_run(tmp_path / "demo-1", "paper", 1)
    assert compare_runs(live, paper, False, 2.0, 30) == 0
    text = capsys.readouterr().out
    assert text.index("paper       demo-1") < text.index("production  prod-1") and "too few" in text and "nothing diverges" in text
    assert compare_runs(live, paper, True, 2.0, 30) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["paper"], told["production"], told["alarms"], told["markets"]) == ("demo-1", "prod-1", [], 1)
    assert {"fill rate", "submit p95", "after 10 min"} <= {line["name"].strip() for line in told["rows"]}
    with pytest.raises(FileNotFoundError):
        compare_runs(tmp_path / "nothing", paper, False, 2.0, 30)


def test_two_runs_of_one_kind_are_the_first_and_the_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [a_run(tmp_path / name, "paper", fills) for name, fills in (("demo-2", 3), ("demo-1", 1))]
    compare_runs(runs[0], runs[1], False, 2.0, 30)
    text = capsys.readouterr().out
    assert text.startswith("first       demo-2\nsecond      demo-1\n") and "production" not in text and "paper" not in text
    compare_runs(runs[0], runs[1], True, 2.0, 30)
    told = json.loads(capsys.readouterr().out)
    assert compare_runs(runs[0], runs[1], False, 2.0, 30, by_minute=True) == 0 and "stretches of 60 s; *" in capsys.readouterr().out
    assert (told["first"], told["second"], told["modes"]) == ("demo-2", "demo-1", ["paper", "paper"])
    assert {"first", "second"} < told["rows"][0].keys() and not {"paper", "production"} & (told.keys() | told["rows"][0].keys())


def test_profit_is_of_all_that_both_watched_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An hour that both watch, of which production quotes the first half; in the second half what it holds loses six dollars."""
    made = {}
    for name, quotes, lost in (("paper", 60, 0.0), ("production", 30, 0.2)):
        cells = Cells(10_000)
        for minute in range(60):
            cell = cells.at("m", minute * MINUTE, 0)
            cell.pass_time(60.0, minute < quotes)
            cell.weigh("pnl", minute * MINUTE, 10.0, 0.1 if minute < 30 else 0.1 - lost - 0.1 * (name == "production"))
        made[name] = Stats(60, FIELDS, cells.told(), (), 0.0, 0, 0)
    table = compare(made["paper"], made["production"])
    hourly = row(table, "PnL an hour")
    assert [hourly.paper, hourly.production] == pytest.approx([6.0, 3.0 - 6.0]) and hourly.verdict == "DIVERGES"
    assert row(table, "PnL a share").production == pytest.approx(-0.5) and hourly.samples == (60, 60)
    assert table.quoted_s == (1_800.0, 1_800.0) and table.watched_s == (3_600.0, 3_600.0)
    assert [line.name for line in table.rows if line.watched] == ["time quoting", "PnL an hour", "PnL a share"]
    a_run(tmp_path / "a", "paper", 1)
    compare_runs(tmp_path / "a", tmp_path / "a", False, 2.0, 30)
    text = capsys.readouterr().out
    assert "PnL an hour [$/h] *" in text and "* in all that both watched: 0.03 h and 0.03 h" in text
