"""What the pictures of a desk showed of its markets lately, for the charts."""

import math
from array import array
from bisect import bisect_right
from struct import unpack_from
from typing import NamedTuple

from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Nanos
from pmm_tui.tui.arrivals import Arrivals


class TracePoint(NamedTuple):
    """One market at one moment, micro-dollars and shares; our prices are 0 where nothing of ours rests."""

    at: Nanos
    mid: int
    bid: int
    ask: int
    net: int


_FIELDS = len(TracePoint._fields)
_SIZE = 8 * _FIELDS


def point(packed: bytes, number: int) -> TracePoint:
    """One of what is packed in a trace, by its place; -1: the last one."""
    start = number * _SIZE if number >= 0 else len(packed) + number * _SIZE
    return TracePoint._make(unpack_from(f"={_FIELDS}q", packed, start))


def count(packed: bytes) -> int:
    """How many there are."""
    return len(packed) // _SIZE


def points(packed: bytes) -> tuple[TracePoint, ...]:
    """What is packed in a trace, the oldest first."""
    values = array("q", packed)
    return tuple(map(TracePoint._make, zip(*(values[field::_FIELDS] for field in range(_FIELDS)), strict=True)))


class Trace:
    """The last points of one market. Packed: as objects, those of two desks' markets would be most of what a console keeps."""

    POINTS = 600

    def __init__(self) -> None:
        self._packed = array("q")

    def __len__(self) -> int:
        return len(self._packed) // _FIELDS

    @property
    def at(self) -> Nanos:
        """When the last point was; 0 before the first."""
        return Nanos(self._packed[-_FIELDS]) if self._packed else Nanos(0)

    def add(self, point: TracePoint) -> None:
        """Take a point in; the oldest one goes where there are too many."""
        self._packed.extend(point)
        del self._packed[: -self.POINTS * _FIELDS]

    def until(self, at: Nanos) -> bytes:
        """Those up to a time, packed."""
        last = bisect_right(self._packed[::_FIELDS], at)
        return self._packed[: last * _FIELDS].tobytes()

    def clear(self) -> None:
        """Begin anew."""
        del self._packed[:]


class Traces:
    """Of each market: the desk itself keeps no history of mids."""

    APART_NS = 1_000_000_000

    def __init__(self) -> None:
        self.markets: dict[str, Trace] = {}
        self.arrivals = Arrivals()

    def apply(self, frame: Frame, wall: Nanos) -> None:
        """Take a picture in, at this time of ours: a point for every two-sided market, once a second at most; markets that are gone are
        forgotten."""
        self.arrivals.take(frame, wall)
        now = frame.snapshot.at
        for row in frame.snapshot.markets:
            trace = self.markets.setdefault(row.id, Trace())
            if now < trace.at:
                trace.clear()  # another run, or a replay that went back
            if math.isfinite(row.mid) and (not trace or now - trace.at >= self.APART_NS):
                bid = next((level.price for level in row.bids if level.ours), 0)
                ask = next((level.price for level in row.asks if level.ours), 0)
                trace.add(TracePoint(now, round(row.mid * 1e6), 100 * bid, 100 * ask, row.yes - row.no))
        known = {row.id for row in frame.snapshot.markets}
        for over in [market for market in self.markets if market not in known]:
            del self.markets[over]
