"""What is counted of a run: cells of additive figures, one for each market and stretch of time, that any two desks can lay side by side.

Theory of operation. A cell's stretch is counted from its market's end (from the epoch where none is named), so a recorded market that is
played at another hour has the same cells. Whole stretches double in length where there would be more cells than wanted, by a rule that
looks at nothing but the cells themselves: a desk that runs and its journal that is read again are on the same grid. Two runs of different
lengths still meet on the coarser one, since every figure but a largest one is a sum.

A mean is kept as six sums over clusters (k, w, s, ww, sw, ss): observations that are close together in time move together, so a cluster
of them is one observation, with weight w and weighted sum s. The mean is s / w; its variance follows from the sums (`intervals.mean`).
Clusters are stretches of the market's time as well, each a part or a multiple of every grid: a cell that is shorter than a cluster holds
its part of it, and where cells are put together the parts become one cluster again. So clusters are as long as they are on any grid.
"""

import math
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import islice

from pmm_tui.core.snapshot import Stats, StatsCell
from pmm_tui.core.units import SECOND

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
STRETCH_S = 60
STRETCH_MAX_S = STRETCH_S * 2**11
MEANS_S = {
    "arrivals": 1, "captured": 1, "fee": 1, "markout_0": 1,
    "markout_0.5": 1, "markout_2": 4, "markout_10": 20, "markout_30": 60, "markout_120": 240, "markout_600": 960,
    "pnl": 60, "spread": 60, "ours": 60, "ahead_joined": 10, "ahead_filled": 10,
}  # fmt: skip
"""The means, and how many seconds of them are one cluster: a part of the shortest stretch or a doubling of it, and of a markout between
one and a half and two horizons. Markouts of fills less than a horizon apart look at the same moves of the price."""
OVERLAP = {f"markout_{horizon:g}": 1 / (1 - horizon / (3 * MEANS_S[f"markout_{horizon:g}"])) for horizon in HORIZONS_S}
"""How much more a markout's mean varies than its clusters tell if they are taken as independent, at most: neighbours share what reaches
from the one into the other. Of a random walk that is looked at all the time over h, a cluster of L has the variance h²L - h³/3, and a
whole run h² for each unit of time."""
BUCKETS_AN_OCTAVE = 16
BUCKETS = 13 * BUCKETS_AN_OCTAVE + 2
"""Of a latency: the first up to 1 ms, each next one longer by 4.4 %, the last beyond 8 s."""
EDGES = (*(2 ** (number / BUCKETS_AN_OCTAVE) for number in range(BUCKETS - 1)), math.inf)
"""Where the buckets end, milliseconds."""
WAITS = ("submit", "cancel")
SUMS = ("k", "w", "s", "ww", "sw", "ss")
FIELDS = (*COUNTS, *(f"{name}.{part}" for name in MEANS_S for part in SUMS))
AT = {name: number for number, name in enumerate(FIELDS)}
JUMP = AT["jump"]
_WATCHED, _QUOTING = AT["watched_s"], AT["quoting_s"]
_STARTS = {name: AT[f"{name}.k"] for name in MEANS_S}
_OPEN_NS = 900 * SECOND
"""So long after its end a cell still knows its clusters: the longest markout and the undoing of a trade come before."""

_CLUSTERS_MAX = 20_000
"""More than these no cell knows: what is older than those of the last hour or so."""


def bucket(ms: float) -> int:
    """Which bucket a latency falls into."""
    return bisect_left(EDGES, ms)


def short(value: float) -> float:
    """A figure with eight digits; a whole one without a point, as most are."""
    whole = int(value)
    return whole if whole == value else float(f"{value:.8g}")


class Cell:
    """The figures of one market in one stretch, while they grow."""

    __slots__ = ("_closes", "_clusters", "_told", "values", "waits")

    def __init__(self, closes: int = 0) -> None:
        """`closes`: the market's end, from which its clusters are counted."""
        self.values = array("d", bytes(8 * len(FIELDS)))
        """Packed: a desk of weeks keeps a thousand cells."""
        self.waits: dict[str, dict[int, int]] = {name: {} for name in WAITS}
        """Latencies: how many by bucket."""
        self._closes = closes
        self._clusters: dict[tuple[str, int], tuple[int, float, float]] = {}
        """By mean and cluster: how many observations it has, its weight and its sum."""
        self._told: StatsCell | None = None

    def count(self, name: str, by: float = 1.0) -> None:
        """One more, or so many more."""
        self.values[AT[name]] += by
        self._told = None

    def wait(self, name: str, ms: float) -> None:
        """A latency."""
        waits, number = self.waits[name], bucket(ms)
        waits[number] = waits.get(number, 0) + 1
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
        key = (name, (at - self._closes) // (MEANS_S[name] * SECOND))
        count, w, s = self._clusters.get(key, (0, 0.0, 0.0))
        self._clusters[key] = (count + 1, w + weight, s + total)
        if len(self._clusters) > _CLUSTERS_MAX:
            del self._clusters[next(iter(self._clusters))]
        self._move(name, int(not count), weight, total, w, s)

    def unweigh(self, name: str, at: int, weight: float, total: float) -> None:
        """An observation that never was: as if it had not been weighed; of a cluster that is forgotten, as if it had been alone in it."""
        key = (name, (at - self._closes) // (MEANS_S[name] * SECOND))
        count, w, s = self._clusters.pop(key, (1, weight, total))
        if count > 1:
            self._clusters[key] = (count - 1, w - weight, s - total)
        self._move(name, -int(count == 1), -weight, -total, w, s)

    def _move(self, name: str, clusters: int, weight: float, total: float, w: float, s: float) -> None:
        """Add to a mean's sums what changes as a cluster of (w, s) takes in some weight and some sum."""
        values, first = self.values, _STARTS[name]
        values[first] += clusters
        values[first + 1] += weight
        values[first + 2] += total
        values[first + 3] += (2 * w + weight) * weight
        values[first + 4] += w * total + s * weight + weight * total
        values[first + 5] += (2 * s + total) * total
        self._told = None

    def take(self, other: "Cell", stretch_s: int) -> None:
        """Add the figures of another part of the same stretch, which is so long: parts of one cluster become one."""
        self.add(other)
        for name, long in MEANS_S.items():
            first = _STARTS[name]
            if long >= stretch_s and self.values[first]:
                self.values[first : first + len(SUMS)] = array("d", _sums([(self.values[first + 1], self.values[first + 2])]))
        for key, (count, w, s) in other._clusters.items():
            ours = self._clusters.get(key, (0, 0.0, 0.0))
            self._clusters[key] = (ours[0] + count, ours[1] + w, ours[2] + s)

    def add(self, other: "Cell") -> None:
        """Add the figures of another stretch or market: no cluster of theirs is one of ours."""
        jump = max(self.values[JUMP], other.values[JUMP])
        self.values = array("d", [a + b for a, b in zip(self.values, other.values, strict=True)])
        self.values[JUMP] = jump
        for name, waits in other.waits.items():
            for number, count in waits.items():
                self.waits[name][number] = self.waits[name].get(number, 0) + count
        self._told = None

    def forget(self) -> None:
        """Let go of what only further observations, or a face that looks at it now, would need."""
        self._clusters = {}
        self._told = None

    def told(self, market: str, stretch: int) -> StatsCell:
        """As a face sees it; the same object for as long as nothing is added."""
        if self._told is None or self._told.stretch != stretch:
            waits = (tuple(sorted(self.waits[name].items())) for name in WAITS)
            self._told = StatsCell(market, stretch, tuple(map(short, self.values)), *waits)
        return self._told


def _sums(clusters: Iterable[tuple[float, float]]) -> list[float]:
    """The six sums over clusters of (w, s)."""
    parts = [(1.0, w, s, w * w, s * w, s * s) for w, s in clusters]
    return [sum(column) for column in zip(*parts, strict=True)] if parts else [0.0] * len(SUMS)


class Cells:
    """Every cell of a run, on a grid that grows coarser once there are more than `most`; of more than `kept` the oldest are let go.

    How coarse is decided by the newest 32 cells for each of the `most`: a desk that keeps twice as many, and a reader that keeps all,
    decide the same.
    """

    def __init__(self, most: int, stretch_s: int = STRETCH_S, kept: int = 0) -> None:
        """`kept`: 0 for as many as the grid needs."""
        self.stretch_s = stretch_s
        self.gone = 0
        """Cells that were let go."""
        self._most = most
        self._judged = 32 * most
        self._kept = kept or 2 * self._judged
        self._cells: dict[tuple[str, int], Cell] = {}
        self._closes: dict[str, int] = {}
        """The end of each market, of which stretches are counted."""
        self._newest: dict[str, tuple[int, int, Cell]] = {}
        """By market: from when to when a cell is, and the cell that was last asked for; one look-up instead of many."""
        self._fresh: deque[tuple[int, Cell]] = deque()
        """Cells that still know their clusters, and when they end."""

    def __len__(self) -> int:
        return len(self._cells)

    def at(self, market: str, at: int, closes: int) -> Cell:
        """The cell of a market and a time, made when it is first asked for."""
        newest = self._newest.get(market)
        if newest is not None and newest[0] <= at < newest[1]:
            return newest[2]
        stretch = (at - closes) // (self.stretch_s * SECOND)
        cell = self._cells.get((market, stretch))
        if cell is None:
            self._cells[(market, stretch)] = Cell(closes)
            self._closes[market] = closes
            self._shrink()
            stretch = (at - closes) // (self.stretch_s * SECOND)
            cell = self._cells[(market, stretch)]
            self._forget(at, closes + (stretch + 1) * self.stretch_s * SECOND, cell)
        start = closes + stretch * self.stretch_s * SECOND
        self._newest[market] = (start, start + self.stretch_s * SECOND, cell)
        return cell

    def told(self, most: int | None = None) -> tuple[StatsCell, ...]:
        """As a face sees them; at most so many, those that end last."""
        keys: Iterable[tuple[str, int]] = self._cells
        if most is not None and len(self._cells) > most:
            ends = {key: self._closes[key[0]] + (key[1] + 1) * self.stretch_s * SECOND for key in self._cells}
            keys = sorted(self._cells, key=ends.__getitem__)[-most:]
        return tuple(self._cells[key].told(*key) for key in keys)

    def _forget(self, now: int, end: int, cell: Cell) -> None:
        self._fresh.append((end, cell))
        while self._fresh[0][0] < now - _OPEN_NS:
            self._fresh.popleft()[1].forget()

    def _shrink(self) -> None:
        """Longer stretches, while there are too many cells. With as many markets as are wanted each one has to have one; a quarter of what
        is wanted comes on top, so that a market that goes on among many that end still has its time told apart."""
        while self.stretch_s < STRETCH_MAX_S and self._crowded():
            self.stretch_s *= 2
            self._newest.clear()
            self._cells = _paired(self._cells, self.stretch_s)
            ends = [(self._closes[market] + (at + 1) * self.stretch_s * SECOND, cell) for (market, at), cell in self._cells.items()]
            self._fresh = deque(sorted(ends, key=lambda one: one[0]))
        if len(self._cells) > self._kept:
            self._newest.clear()
            for key in list(islice(self._cells, len(self._cells) - self._kept)):
                del self._cells[key]
                self.gone += 1
            self._closes = {market: self._closes[market] for market, _ in self._cells}

    def _crowded(self) -> bool:
        if len(self._cells) <= self._most:
            return False
        newest = [market for market, _ in islice(reversed(self._cells), self._judged)]
        return len(newest) > max(self._most, len(set(newest)) + self._most // 4)


def _paired(cells: dict[tuple[str, int], Cell], stretch_s: int) -> dict[tuple[str, int], Cell]:
    """Cells on a grid of twice their stretch, which is so long then."""
    found: dict[tuple[str, int], Cell] = {}
    for (market, stretch), cell in cells.items():
        key = (market, stretch // 2)
        if key in found:
            found[key].take(cell, stretch_s)
        else:
            found[key] = cell
    return found


def coarser(stats: Stats, stretch_s: int) -> dict[tuple[str, int], Cell]:
    """The cells of a run on a grid of longer stretches, a doubling of its own; ValueError where it counts other figures."""
    if stats.fields != FIELDS:
        raise ValueError("the two runs count different figures: they were written by different versions")
    cells: dict[tuple[str, int], Cell] = {}
    for told in stats.cells:
        cell = cells[(told.market, told.stretch)] = Cell()
        cell.values = array("d", told.values)
        cell.waits = {"submit": dict(told.submit), "cancel": dict(told.cancel)}
    long = stats.stretch_s
    while long < stretch_s:  # step by step: the parts of a cluster meet where a cell is as long as it is
        long *= 2
        cells = _paired(cells, long)
    return cells


def together(cells: dict[tuple[str, int], Cell], stretch_s: int) -> Cell:
    """The figures of some cells of one grid: what lies in one cluster of a mean is one observation of it."""
    whole = Cell()
    for cell in cells.values():
        whole.add(cell)
    for name, long in MEANS_S.items():
        if long > stretch_s:
            first = _STARTS[name]
            clusters: dict[tuple[str, int], tuple[float, float]] = {}
            for (market, stretch), cell in cells.items():
                if cell.values[first]:
                    key = (market, stretch * stretch_s // long)
                    w, s = clusters.get(key, (0.0, 0.0))
                    clusters[key] = (w + cell.values[first + 1], s + cell.values[first + 2])
            whole.values[first : first + len(SUMS)] = array("d", _sums(clusters.values()))
    return whole
