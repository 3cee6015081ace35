"""When what a desk tells of happened on this machine's clock: desks whose clocks differ stand in one list."""

from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import SECOND, Nanos

AGREE_NS = 60 * SECOND
"""A desk whose clock is this near to ours needs no other."""


class Arrivals:
    """Of one desk's events and fills. What was seen once keeps its place, whatever becomes of the desk's speed."""

    def __init__(self) -> None:
        self._walls: dict[Nanos, Nanos] = {}
        self._last: Frame | None = None

    def take(self, frame: Frame, wall: Nanos) -> None:
        """Take a picture in, at this time of ours; what it no longer tells of is forgotten."""
        if frame is self._last:
            return
        self._last, now = frame, frame.snapshot.at
        told = {note.at for note in frame.snapshot.notes} | {fill.at for fill in frame.snapshot.fills}
        agrees, speed = abs(wall - now) < AGREE_NS, _speed(frame.card.speed)
        fresh = {at: at if agrees else Nanos(wall - round((now - at) / speed)) for at in told - self._walls.keys()}
        self._walls = {at: one for at, one in self._walls.items() if at in told} | fresh

    def of(self, at: Nanos) -> Nanos:
        """Our time of a moment that the desk told of; the desk's own where it never did."""
        return self._walls.get(at, at)


def _speed(text: str) -> float:
    """How many of a tape's seconds pass in one of ours; 1 where that is not told."""
    return max(0.001, float(text)) if text.replace(".", "", 1).isdigit() else 1.0
