"""Random slices of the shipped tape of real books, played faster, for simulations."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

from msgspec import structs

from pmm_tui.core.events import BookReset, Event, MarketListed, MarketResolved
from pmm_tui.core.units import Nanos
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.recorded import facts
from pmm_tui.record.tape import read_tape

TAPE = Path(__file__).resolve().parents[1] / "data" / "demo.tape.zst"
FACTS_MAX = 160
SPEEDS = (2, 5, 10)


@cache
def shipped() -> Sequence[Event]:
    """Every fact of the shipped tape, read once a process."""
    return tuple(facts(read_tape(TAPE), Decoder()))


def draw_slice(chance: Random, start: Nanos) -> list[Event]:
    """Some consecutive facts of the tape, moved to `start`, the markets alive there listed first. Every second slice holds a result."""
    tape = shipped()
    results = [i for i, fact in enumerate(tape) if isinstance(fact, MarketResolved)]
    count = chance.randrange(FACTS_MAX // 2, FACTS_MAX)
    first = chance.randrange(len(tape) - count)
    if chance.random() < 0.5:
        first = max(0, chance.choice(results) - chance.randrange(20, count - 1))
    listed = {fact.market.id: fact for fact in tape[:first] if isinstance(fact, MarketListed)}
    for fact in tape[:first]:
        if isinstance(fact, MarketResolved):
            listed.pop(fact.market, None)
    part = tape[first : first + count]
    moved = _Moved(part[0].at, start, chance.choice(SPEEDS))
    return [moved.fact(structs.replace(fact, at=part[0].at)) for fact in listed.values()] + [moved.fact(fact) for fact in part]


class _Moved:
    """Times moved from the tape's to the simulation's, `speed` times as fast."""

    def __init__(self, base: Nanos, start: Nanos, speed: int) -> None:
        self._base = base
        self._start = start
        self._speed = speed

    def time(self, at: Nanos) -> Nanos:
        """A tape's time."""
        return Nanos(self._start + (at - self._base) // self._speed)

    def fact(self, event: Event) -> Event:
        """A fact with all its times moved."""
        event = structs.replace(event, at=self.time(event.at))
        if isinstance(event, BookReset):
            return structs.replace(event, ts=self.time(event.ts))
        if isinstance(event, MarketListed):
            market = structs.replace(event.market, opens=self.time(event.market.opens), closes=self.time(event.market.closes))
            return structs.replace(event, market=market)
        return event
