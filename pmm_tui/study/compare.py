"""Two desks side by side: each figure of paper and of production, their ratio with a 95 % interval, and whether they diverge.

Only what both did on the same market and clock is compared: stretches of a market's time in which both had an order resting. The time
quoting and the profit are of the time that both watched: shares that are held earn and lose while nothing is quoted, at the end most of
all. The two see the same takers, so their figures move together; the intervals take them as independent, which makes them wider than need
be, never narrower.
"""

import math
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.core.snapshot import Stats
from pmm_tui.study import intervals as i
from pmm_tui.study.cells import AT, CODES, EDGES, HORIZONS_S, LEVELS, OVERLAP, SUMS, Cell, coarser, together

DIVERGES_ABOVE = 2.0
"""More than this many times apart, either way, is alarmed."""
SAMPLES_MIN = 30
"""Independent samples that each side needs before anything is said."""


class Row(Struct, frozen=True):
    """One figure of both desks. The ratio is production over paper."""

    group: str
    name: str
    unit: str
    """How it is written: % of a count, /h an hour, $/h, c/sh cents a share, c cents, bps, ms, sh shares, $."""
    paper: float | None
    production: float | None
    ratio: float | None
    interval: i.Interval | None
    """Of the ratio; None where there is none."""
    samples: tuple[int, int]
    """Independent samples of paper and of production."""
    verdict: str
    """DIVERGES | differs | alike | unclear | too few | empty where nothing is judged."""
    words: str = ""
    """The venue's newest words of this refusal, production's first."""
    watched: bool = False
    """Of the time that both watched, not only of the stretches in which both had an order resting."""


class Comparison(Struct, frozen=True):
    """The whole table."""

    rows: tuple[Row, ...]
    markets: int
    """Markets that both quoted at the same time."""
    quoted_s: tuple[float, float]
    """Market time with an order resting in the stretches compared, seconds."""
    stretch_s: int
    why: str
    """Why there is nothing to compare; empty where there is something."""
    watched_s: tuple[float, float] = (0.0, 0.0)
    """Market time in the stretches that both watched, seconds."""
    older: tuple[int, int] = (0, 0)
    """Stretches of each that are left out, as a running desk tells only its newest ones."""

    @property
    def alarms(self) -> tuple[Row, ...]:
        """The rows that diverge."""
        return tuple(row for row in self.rows if row.verdict == "DIVERGES")


class Figure(Struct, frozen=True):
    """One side of a row: its value, its independent samples and what an interval needs."""

    value: float | None
    samples: int
    hits: float = 0.0
    of: float = 0.0
    clumping: float = 1.0
    mean: i.Mean | None = None
    own: i.Quantile | None = None


Measure = Callable[[Cell], Figure]
Ratio = Callable[[Figure, Figure], i.Interval | None]


def _sum(cell: Cell, *names: str) -> float:
    return sum(cell.values[AT[name]] for name in names)


def _means(cell: Cell, name: str) -> Sequence[float]:
    first = AT[f"{name}.k"]
    return cell.values[first : first + len(SUMS)]


def _share(hits: Sequence[str], of: Sequence[str], per: float = 1.0) -> Measure:
    """A share of a count; `per` is how many of what is counted make one independent sample."""

    def measure(cell: Cell) -> Figure:
        got, all_of_it = _sum(cell, *hits) / per, _sum(cell, *of) / per
        return Figure(100 * got / all_of_it if all_of_it else None, round(all_of_it), min(got, all_of_it), all_of_it)

    return measure


def _rate(mean: str, count: str) -> Measure:
    """Events an hour of market time watched; those in the same second come together."""

    def measure(cell: Cell) -> Figure:
        events, hours = _sum(cell, count), _sum(cell, "watched_s") / 3600
        k, _, s, _, _, ss = _means(cell, mean) if mean else (events, 0.0, 1.0, 0.0, 0.0, 1.0)
        return Figure(events / hours if hours else None, round(k), events, hours, max(1.0, ss / s) if s else 1.0)

    return measure


def _mean(name: str, times: float) -> Measure:
    """A weighted mean over clusters, in `times` the unit that it is kept in."""

    def measure(cell: Cell) -> Figure:
        found = i.mean(*_means(cell, name))
        if found is None:
            return Figure(None, 0)
        found = replace(found, variance=found.variance * OVERLAP.get(name, 1.0))
        return Figure(found.value * times, found.clusters, mean=found)

    return measure


def _hourly(name: str) -> Measure:
    """A sum an hour of market time watched; how much it varies is told by its minutes."""

    def measure(cell: Cell) -> Figure:
        (k, _, s, _, _, ss), hours = _means(cell, name), _sum(cell, "watched_s") / 3600
        minutes = i.mean(k, k, s, k, s, ss)
        if minutes is None or not hours:
            return Figure(None, 0)
        found = i.Mean(minutes.clusters, s / hours, minutes.variance * (k / hours) ** 2)
        return Figure(found.value, found.clusters, mean=found)

    return measure


def _wait(name: str, part: float) -> Measure:
    """A quantile of a latency, milliseconds."""

    def measure(cell: Cell) -> Figure:
        found = i.quantile(EDGES, cell.waits[name], part)
        return Figure(None, 0) if found is None else Figure(found.value, sum(cell.waits[name].values()), own=found)

    return measure


def _plain(name: str, times: float, an_hour: bool = False) -> Measure:
    """A figure without an interval: a sum an hour of market time watched, or a largest one."""

    def measure(cell: Cell) -> Figure:
        hours = _sum(cell, "watched_s") / 3600
        return Figure(None, 0) if not hours else Figure(_sum(cell, name) * times / (hours if an_hour else 1), 0)

    return measure


def _shares(one: Figure, other: Figure) -> i.Interval | None:
    return i.ratio_of_shares(one.hits, one.of, other.hits, other.of)


def _rates(one: Figure, other: Figure) -> i.Interval | None:
    return i.ratio_of_rates(one.hits, one.of, other.hits, other.of, max(one.clumping, other.clumping))


def _fieller(one: Figure, other: Figure) -> i.Interval | None:
    return None if one.mean is None or other.mean is None else i.fieller(one.mean, other.mean)


def _waits(one: Figure, other: Figure) -> i.Interval | None:
    return None if one.own is None or other.own is None else i.ratio_of_quantiles(one.own, other.own)


def _none(one: Figure, other: Figure) -> i.Interval | None:
    return None


class _Kind(Struct, frozen=True):
    group: str
    name: str
    unit: str
    measure: Measure
    ratio: Ratio
    watched: bool = False
    """Over the time both watched, not only the time both quoted."""
    optional: bool = False
    """Left out where neither desk has any."""


_REJECTS = tuple(f"reject_{code}" for code in CODES)
_AFTER = {0.5: "0.5 s", 2.0: "2 s", 10.0: "10 s", 30.0: "30 s", 120.0: "2 min", 600.0: "10 min"}
GROUPS = ("Fills", "Money", "Markouts", "Venue", "Market")
KINDS = (
    _Kind("Fills", "fill rate", "%", _share(["filled"], ["placed"]), _shares),
    *(_Kind("Fills", f"  {name} level", "%", _share([f"filled_{name}"], [f"placed_{name}"]), _shares, optional=True) for name in LEVELS),
    _Kind("Fills", "fills an hour", "/h", _rate("arrivals", "fills"), _rates),
    _Kind("Fills", "orders an hour", "/h", _rate("", "placed"), _rates),
    _Kind("Fills", "time quoting", "%", _share(["quoting_s"], ["watched_s"], per=60.0), _shares, watched=True),
    _Kind("Fills", "maker fills", "%", _share(["makers"], ["fills"]), _shares),
    _Kind("Money", "PnL an hour", "$/h", _hourly("pnl"), _fieller, watched=True),
    _Kind("Money", "PnL a share", "¢/sh", _mean("pnl", 100), _fieller, watched=True),
    _Kind("Money", "spread captured", "¢/sh", _mean("captured", 100), _fieller),
    _Kind("Money", "fees paid", "$/h", _plain("fees", 1, an_hour=True), _none),
    _Kind("Money", "rebates", "$/h", _plain("rebates", 1, an_hour=True), _none),
    _Kind("Money", "real fee", "bps", _mean("fee", 1e4), _fieller),
    _Kind("Markouts", "at the fill", "¢/sh", _mean("markout_0", 100), _fieller),
    *(_Kind("Markouts", f"after {_AFTER[after]}", "¢/sh", _mean(f"markout_{after:g}", 100), _fieller) for after in HORIZONS_S),
    _Kind("Markouts", "informed flow, 2 s", "%", _share(["toxic"], ["judged"]), _shares),
    _Kind("Venue", "submit p50", "ms", _wait("submit", 0.5), _waits),
    _Kind("Venue", "submit p95", "ms", _wait("submit", 0.95), _waits),
    _Kind("Venue", "cancel p50", "ms", _wait("cancel", 0.5), _waits),
    _Kind("Venue", "cancel p95", "ms", _wait("cancel", 0.95), _waits),
    _Kind("Venue", "fills after cancel", "%", _share(["late"], ["fills"]), _shares),
    _Kind("Venue", "queue when joining", "sh", _mean("ahead_joined", 1), _fieller),
    _Kind("Venue", "queue at the fill", "sh", _mean("ahead_filled", 1), _fieller),
    _Kind("Venue", "rejected", "%", _share(_REJECTS, ["placed"]), _shares),
    *(_Kind("Venue", f"  {code}", "%", _share([f"reject_{code}"], ["placed"]), _shares, optional=True) for code in CODES),
    _Kind("Venue", "trades failed", "%", _share(["failed"], ["fills"]), _shares),
    _Kind("Market", "largest jump, 1 s", "¢", _plain("jump", 100), _none),
    _Kind("Market", "market's spread", "¢", _mean("spread", 100), _fieller),
    _Kind("Market", "our spread", "¢", _mean("ours", 100), _fieller),
)


def judged(ratio: float | None, interval: i.Interval, enough: bool, above: float) -> str:
    """The one word for a row. No ratio is that of something to nothing: as far apart as can be."""
    if not enough:
        return "too few"
    if not interval.holds(1.0):
        return "differs" if ratio is not None and 1 / above <= ratio <= above else "DIVERGES"
    return "alike" if not interval.outside and interval.low >= 1 / above and interval.high <= above else "unclear"


def _row(kind: _Kind, one: Cell, other: Cell, above: float, least: int) -> Row | None:
    paper, production = kind.measure(one), kind.measure(other)
    if kind.optional and not paper.hits and not production.hits:
        return None
    ratio = production.value / paper.value if paper.value and production.value is not None else None
    interval = kind.ratio(paper, production) if paper.value or production.value else None
    samples = (paper.samples, production.samples)
    # of two counts over time one may be nothing and still prove a lot; shares, means and latencies need samples on both sides
    enough = max(samples) >= least and min(paper.of, production.of) > 0 if kind.ratio is _rates else min(samples) >= least
    verdict = judged(ratio, interval, enough, above) if interval is not None else ""
    if kind.ratio is not _none and (paper.value is None) is not (production.value is None):
        verdict = "too few"
    values = (paper.value, production.value)
    return Row(kind.group, kind.name, kind.unit, *values, ratio, interval, samples, verdict, watched=kind.watched)


def _gas(paper: Stats, production: Stats) -> Row:
    one, other = (stats.gas_usd / stats.gas_operations if stats.gas_operations else None for stats in (paper, production))
    samples = (paper.gas_operations, production.gas_operations)
    return Row("Venue", "gas an operation", "$", one, other, other / one if one and other is not None else None, None, samples, "")


def compare(paper: Stats, production: Stats, above: float = DIVERGES_ABOVE, least: int = SAMPLES_MIN) -> Comparison:
    """The table of two desks. ValueError where they count different figures."""
    stretch_s = max(paper.stretch_s, production.stretch_s)
    one, other = coarser(paper, stretch_s), coarser(production, stretch_s)
    both = [key for key in one if key in other and _sum(one[key], "watched_s") and _sum(other[key], "watched_s")]
    quoted = [key for key in both if _sum(one[key], "quoting_s") and _sum(other[key], "quoting_s")]
    watched, quoting = (
        (together({key: one[key] for key in keys}, stretch_s), together({key: other[key] for key in keys}, stretch_s))
        for keys in (both, quoted)
    )
    rows = (_row(kind, *(watched if kind.watched else quoting), above, least) for kind in KINDS)
    words = dict(paper.reasons) | dict(production.reasons)
    done = "quoted" if both else "watched" if {market for market, _ in one} & {market for market, _ in other} else ""
    none = f"they have not {done} the same market at the same time yet" if done else "they have no market in common"
    seconds = (_sum(quoting[0], "quoting_s"), _sum(quoting[1], "quoting_s"))
    said = (replace(row, words=words.get(row.name.strip(), "")) for row in rows if row is not None)
    table = sorted((*said, _gas(paper, production)), key=lambda row: GROUPS.index(row.group))
    seen = (_sum(watched[0], "watched_s"), _sum(watched[1], "watched_s"))
    left_out = (paper.older, production.older)
    return Comparison(tuple(table), len({market for market, _ in quoted}), seconds, stretch_s, "" if quoted else none, seen, left_out)


def called(real: tuple[bool, bool]) -> tuple[str, str]:
    """What the two sides are called, by whether each is with real money."""
    return ("paper", "production") if real == (False, True) else ("first", "second")


def written(value: float | None, unit: str) -> str:
    """A figure as a table shows it, without its unit; a dash where it is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    decimals = {"%": 1, "/h": 1, "bps": 1, "sh": 1, "ms": 0 if size >= 10 else 1, "$": 3}.get(unit, 2)
    decimals = min(decimals, 0 if size >= 10_000 else 1 if size >= 1_000 else decimals)
    return f"{value:,.{decimals}f}"


def ratio_written(value: float | None) -> str:
    """A ratio with two or three digits: 0.52, 1.0, 12, >99."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size > 999:
        return ">999" if value > 0 else "<-999"
    return f"{value:.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def interval_written(interval: i.Interval | None) -> str:
    """An interval: 0.41–0.66, -0.84 to 0.06, ≥1.3, ≤0.74, all; with ¬ before it where it is all outside of these two."""
    if interval is None:
        return "–"
    low, high = interval.low, interval.high
    between = f"{ratio_written(low)}{' to ' if low < 0 else '–'}{ratio_written(high)}"
    if interval.outside:
        return f"¬ {between}"
    if not math.isfinite(high):
        return "all" if low <= 0 else f"≥{ratio_written(low)}"
    return between if low else f"≤{ratio_written(high)}"
