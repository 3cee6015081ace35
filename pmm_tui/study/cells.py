"""What is counted of a run: cells of additive figures, one for each market and stretch of time, that any two desks can lay side by side.

Theory of operation. A cell's stretch is counted from its market's end (from the epoch where none is named), so a recorded market that is
played at another hour has the same cells. Whole stretches double in length whenever there would be more cells than wanted: memory stays
bounded, and two runs of different lengths still meet on the coarser grid, since every figure but a largest one is a sum.

A mean is kept as six sums over clusters (k, w, s, ww, sw, ss): observations that are close together in time move together, so a cluster
of them is one observation, with weight w and weighted sum s. The mean is s / w; its variance follows from the sums (`intervals.mean`).
"""

from collections.abc import Sequence

from pmm_tui.core.snapshot import Stats, StatsCell

HORIZONS_S = (0.5, 2.0, 10.0, 30.0, 120.0, 600.0)
"""Markouts are taken this long after a fill."""
LEVELS = ("best", "second", "third")
CODES = ("post_only", "balance", "tick", "size", "closed", "limit", "other")
"""Why a venue refuses an order."""
COUNTS = (
    "watched_s", "quoting_s",
    "placed", *(f"placed_{name}" for name in LEVELS), "filled", *(f"filled_{name}" for name in LEVELS),
    *(f"reject_{code}" for code in CODES),
    "fills", "makers", "late", "failed", "shares", "notional", "fees", "rebates", "judged", "toxic", "jump",
)  # fmt: skip
MEANS_S = {
    "arrivals": 1.0, "captured": 1.0, "fee": 1.0, "markout_0": 1.0,
    **{f"markout_{horizon:g}": max(1.0, horizon) for horizon in HORIZONS_S},
    "pnl": 60.0, "spread": 60.0, "ours": 60.0, "ahead_joined": 10.0, "ahead_filled": 10.0,
}  # fmt: skip
"""The means, and how many seconds of them are one cluster: overlapping markouts are one observation."""
BUCKETS = 28
"""Of a latency: the first up to 1 ms, each next one longer by the square root of two, the last beyond 8 s."""
WAITS = ("submit", "cancel")
SUMS = ("k", "w", "s", "ww", "sw", "ss")
FIELDS = (
    *COUNTS,
    *(f"{name}.{part}" for name in MEANS_S for part in SUMS),
    *(f"{name}.{bucket}" for name in WAITS for bucket in range(BUCKETS)),
)
AT = {name: number for number, name in enumerate(FIELDS)}
JUMP = AT["jump"]
_WATCHED, _QUOTING = AT["watched_s"], AT["quoting_s"]
_STARTS = {name: AT[f"{name}.k"] for name in MEANS_S}
STRETCH_S = 60
STRETCH_MAX_S = STRETCH_S * 2**11
DIGITS = 6


def bucket(ms: float) -> int:
    """Which bucket a latency falls into."""
    number, edge = 0, 1.0
    while ms > edge and number < BUCKETS - 1:
        number, edge = number + 1, edge * 2**0.5
    return number


class Cell:
    """The figures of one market in one stretch, while they grow."""

    __slots__ = ("_clusters", "_told", "values")

    def __init__(self) -> None:
        self.values = [0.0] * len(FIELDS)
        self._clusters: dict[str, tuple[int, float, float]] = {}
        """By mean: the cluster that is open, its weight and its sum."""
        self._told: StatsCell | None = None

    def count(self, name: str, by: float = 1.0) -> None:
        """One more, or so many more."""
        self.values[AT[name]] += by
        self._told = None

    def pass_time(self, seconds: float, quoting: bool) -> None:
        """The market was watched for so long, with an order resting or without."""
        self.values[_WATCHED] += seconds
        if quoting:
            self.values[_QUOTING] += seconds
        self._told = None

    def largest(self, value: float) -> None:
        """A price jump, dollars: the largest one is kept."""
        if value > self.values[JUMP]:
            self.values[JUMP] = value
            self._told = None

    def weigh(self, name: str, at: int, weight: float, total: float) -> None:
        """An observation of a mean at a time (nanoseconds): its weight, and its value times the weight."""
        number, values, first = int(at / 1e9 // MEANS_S[name]), self.values, _STARTS[name]
        cluster = self._clusters.get(name)
        w, s = (0.0, 0.0) if cluster is None or cluster[0] != number else cluster[1:]
        if cluster is None or cluster[0] != number:
            values[first] += 1
        values[first + 1] += weight
        values[first + 2] += total
        values[first + 3] += (2 * w + weight) * weight
        values[first + 4] += w * total + s * weight + weight * total
        values[first + 5] += (2 * s + total) * total
        self._clusters[name] = (number, w + weight, s + total)
        self._told = None

    def take(self, other: "Cell") -> None:
        """Add the figures of a later stretch to these."""
        self.values = added(self.values, other.values)
        self._clusters = other._clusters
        self._told = None

    def told(self, market: str, stretch: int) -> StatsCell:
        """As a face sees it; the same object for as long as nothing is added."""
        if self._told is None or self._told.stretch != stretch:
            self._told = StatsCell(market, stretch, tuple([value and round(value, DIGITS) for value in self.values]))
        return self._told


class Cells:
    """Every cell of a run, at most `most` of them: beyond that stretches grow, and at last the oldest cells are let go."""

    def __init__(self, most: int, stretch_s: int = STRETCH_S) -> None:
        self.stretch_s = stretch_s
        self._most = most
        self._cells: dict[tuple[str, int], Cell] = {}
        self._newest: dict[str, tuple[int, int, Cell]] = {}
        """By market: from when to when a cell is, and the cell that was last asked for; one look-up instead of many."""

    def at(self, market: str, at: int, closes: int) -> Cell:
        """The cell of a market and a time, made when it is first asked for."""
        newest = self._newest.get(market)
        if newest is not None and newest[0] <= at < newest[1]:
            return newest[2]
        long = self.stretch_s * 1_000_000_000
        stretch = (at - closes) // long
        cell = self._cells.get((market, stretch))
        if cell is None:
            self._cells[(market, stretch)] = Cell()
            self._shrink()
            long = self.stretch_s * 1_000_000_000
            stretch = (at - closes) // long
            cell = self._cells[(market, stretch)]
        self._newest[market] = (closes + stretch * long, closes + (stretch + 1) * long, cell)
        return cell

    def told(self) -> tuple[StatsCell, ...]:
        """All of them as a face sees them, oldest first."""
        return tuple(cell.told(*key) for key, cell in self._cells.items())

    def _shrink(self) -> None:
        if len(self._cells) > self._most:
            self._newest.clear()
        while len(self._cells) > self._most and self.stretch_s < STRETCH_MAX_S and self._twice():
            self.stretch_s *= 2
            merged: dict[tuple[str, int], Cell] = {}
            for (market, stretch), cell in self._cells.items():
                key = (market, stretch // 2)
                if key in merged:
                    merged[key].take(cell)
                else:
                    merged[key] = cell
            self._cells = merged
        while len(self._cells) > self._most:
            del self._cells[next(iter(self._cells))]

    def _twice(self) -> bool:
        """Whether a market has several cells: then longer stretches make fewer of them."""
        return len({market for market, _ in self._cells}) < len(self._cells)


def added(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """The figures of two cells together."""
    sums = [a + b for a, b in zip(one, other, strict=True)]
    sums[JUMP] = max(one[JUMP], other[JUMP])
    return sums


def coarser(stats: Stats, stretch_s: int) -> dict[tuple[str, int], list[float]]:
    """The cells of a run on a grid of longer stretches, multiples of its own; ValueError where it counts other figures."""
    if stats.fields != FIELDS:
        raise ValueError("the two runs count different figures: they were written by different versions")
    times = stretch_s // stats.stretch_s
    found: dict[tuple[str, int], list[float]] = {}
    for cell in stats.cells:
        key = (cell.market, cell.stretch // times)
        found[key] = added(found[key], cell.values) if key in found else list(cell.values)
    return found
