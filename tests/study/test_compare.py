"""The comparison: intervals against published examples and against chance itself, the words of a row, what is compared, and the command."""

import json
import math
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
from pmm_tui.study.compare import EDGES, Comparison, Row, compare, interval_written, judged, ratio_written, written
from tests.core.desk import MARKET, at, book, knobs, places

MINUTE = 60 * 10**9


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3."""
    for hits, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):
        found = i.wilson(hits, trials)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert i.wilson(0, 0) == i.Interval(0.0, 1.0)


def test_koopmans_interval_is_the_published_one() -> None:
    """Koopman, Biometrics 40 (1984): 36 of 40 over 16 of 80 is 4.5, from 2.94 to 7.15."""
    found = i.ratio_of_shares(16, 80, 36, 40)
    assert (round(found.low, 2), round(found.high, 2)) == (2.94, 7.15)
    turned = i.ratio_of_shares(36, 40, 16, 80)
    assert turned.low == pytest.approx(1 / found.high, rel=1e-6) and turned.high == pytest.approx(1 / found.low, rel=1e-6)


def test_of_nothing_and_of_all_the_score_still_says_something() -> None:
    assert i.ratio_of_shares(0, 50, 5, 50).high == math.inf and i.ratio_of_shares(0, 50, 5, 50).low > 1
    assert i.ratio_of_shares(5, 50, 0, 50).low == 0 and i.ratio_of_shares(5, 50, 0, 50).high < 1
    whole = i.ratio_of_shares(50, 50, 50, 50)
    assert 0.92 < whole.low < 1 < whole.high < 1.08 and whole.low == pytest.approx(1 / whole.high, rel=1e-6)
    assert i.ratio_of_shares(0, 50, 0, 50) == i.Interval(0.0, math.inf) == i.ratio_of_shares(1, 0, 1, 5)


def test_the_ratio_of_two_rates_is_wilsons_interval_turned_back() -> None:
    found = i.ratio_of_rates(15, 19_017, 41, 28_010)
    part = i.wilson(41, 56)
    assert found.low == pytest.approx(part.low / (1 - part.low) * 19_017 / 28_010)
    assert found.low == pytest.approx(1.036, abs=0.001) and found.high == pytest.approx(3.325, abs=0.001)
    assert i.ratio_of_rates(15, 1, 41, 1, clumping=4.0).low < i.ratio_of_rates(15, 1, 41, 1).low, "fewer are independent"
    assert i.ratio_of_rates(0, 1, 9, 1).high == math.inf and i.ratio_of_rates(0, 0, 9, 1) == i.Interval(0.0, math.inf)


def test_fieller_ends_where_the_two_means_are_just_not_significantly_apart() -> None:
    below, above = i.Mean(50, 2.0, 0.04), i.Mean(50, 3.0, 0.09)
    found = i.fieller(below, above)
    for ratio in (found.low, found.high):
        assert (above.value - ratio * below.value) ** 2 == pytest.approx(i.Z**2 * (above.variance + ratio**2 * below.variance))
    assert found.low < 1.5 < found.high and not found.outside
    gap = i.Z * math.sqrt(0.13)
    assert not i.fieller(below, replace(above, value=2.0 + 1.001 * gap)).holds(1.0)
    assert i.fieller(below, replace(above, value=2.0 + 0.999 * gap)).holds(1.0)


def test_where_below_may_be_nothing_the_ratio_is_open_and_can_still_exclude_one() -> None:
    unknown = i.fieller(i.Mean(50, 0.01, 0.04), i.Mean(50, 0.02, 0.04))
    assert unknown == i.EVERYTHING and unknown.holds(1.0)
    apart = i.fieller(i.Mean(50, 0.1, 0.04), i.Mean(50, -3.0, 0.04))
    assert apart.outside and not apart.holds(1.0) and apart.holds(-30.0) and apart.holds(1e9)
    assert i.fieller(i.Mean(1, 1.0, math.nan), i.Mean(50, 1.0, 1.0)) == i.EVERYTHING
    assert i.fieller(i.Mean(9, 0.0, 0.0), i.Mean(9, 0.0, 0.0)) == i.EVERYTHING


def test_a_mean_over_clusters_by_hand() -> None:
    """Clusters (w, s): (10, 0.2), (20, -0.1), (10, 0.3)."""
    pairs = ((10, 0.2), (20, -0.1), (10, 0.3))
    sums = [sum(part) for part in zip(*((w, s, w * w, s * w, s * s) for w, s in pairs), strict=True)]
    found = i.mean(3, *sums)
    assert found is not None and found.value == pytest.approx(0.01)
    assert found.variance == pytest.approx(sum((s - 0.01 * w) ** 2 for w, s in pairs) / 40**2 * 3 / 2)
    assert i.mean(0, 0, 0, 0, 0, 0) is None
    single = i.mean(1, 10, 0.2, 100, 2, 0.04)
    assert single is not None and math.isnan(single.variance)


def test_quantiles_of_buckets() -> None:
    counts = [0.0] * len(EDGES)
    counts[6], counts[8] = 50, 50
    assert i.quantile(EDGES, counts, 50) == pytest.approx(8.0), "the end of the bucket up to 8 ms"
    assert i.quantile(EDGES, counts, 75) == pytest.approx(math.sqrt(EDGES[7] * EDGES[8]))
    found = i.quantile_interval(EDGES, counts, 0.5)
    assert EDGES[5] < found.low < 8.0 < found.high < EDGES[8]
    assert i.quantile_interval(EDGES, [1.0] * len(EDGES), 0.95).high == math.inf, "28 are too few for a bound on the 95th"


def test_a_ratio_of_estimates_is_as_far_as_both_intervals_together() -> None:
    found = i.ratio_of_estimates(10.0, i.Interval(8.0, 12.5), 20.0, i.Interval(16.0, 25.0))
    half = math.hypot(math.log(1.25), math.log(1.25))
    assert found.low == pytest.approx(2 * math.exp(-half)) and found.high == pytest.approx(2 * math.exp(half))
    assert i.ratio_of_estimates(10.0, i.Interval(8.0, math.inf), 20.0, i.Interval(16.0, 25.0)).low == 0.0
    assert i.ratio_of_estimates(0.0, i.Interval(0, 1), 1.0, i.Interval(0, 2)) == i.Interval(0.0, math.inf)


def poisson(chance: Random, mean: float) -> int:
    """Knuth's count."""
    edge, product, count = math.exp(-mean), chance.random(), 0
    while product > edge:
        product, count = product * chance.random(), count + 1
    return count


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    """Coverage over 800 draws each: between 93 and 97.5 % is three standard errors around 95 and what discrete counts add."""
    chance, held = Random(7), [0, 0, 0]
    for _ in range(800):
        held[0] += i.ratio_of_rates(poisson(chance, 30), 2.0, poisson(chance, 45), 1.5).holds(2.0)
        below, above = (sum(chance.random() < share for _ in range(n)) for share, n in ((0.2, 80), (0.3, 60)))
        held[1] += i.ratio_of_shares(below, 80, above, 60).holds(1.5)
        held[2] += i.fieller(clustered(chance, 0.5), clustered(chance, 0.8)).holds(1.6)
    assert all(0.93 <= count / 800 <= 0.975 for count in held), held


def clustered(chance: Random, truth: float, clusters: int = 50) -> i.Mean:
    """A mean of observations that come in clusters: members of a cluster share most of their noise."""
    sums = [0.0] * 5
    for _ in range(clusters):
        shared = chance.gauss(0, 0.5)
        values = [truth + shared + chance.gauss(0, 0.1) for _ in range(chance.randint(1, 5))]
        w, s = len(values), sum(values)
        sums = [one + other for one, other in zip(sums, (w, s, w * w, s * w, s * s), strict=True)]
    found = i.mean(clusters, *sums)
    assert found is not None
    return found


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
    assert apart.why == "they have no market in common" and not apart.alarms and apart.markets == 0


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
