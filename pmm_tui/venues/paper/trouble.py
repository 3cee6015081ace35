"""What goes wrong between a venue and a desk, on purpose and seeded: for simulations, off by default.

The troubles lie on the road, never in the books: the exchange underneath stays exact, so what the desk believes in the end can be checked.
"""

from typing import Annotated

from msgspec import Meta, Struct, structs

from pmm_tui.core.commands import Command, Place
from pmm_tui.core.events import (
    AccountSeen,
    BookChanged,
    BookReset,
    Event,
    FillSettled,
    OrderAccepted,
    OrderRejected,
    OrderUncertain,
    Traded,
)
from pmm_tui.core.units import Cash, Nanos
from pmm_tui.venues.paper.chance import Chance
from pmm_tui.venues.paper.fills import PaperKnobs
from pmm_tui.venues.paper.latency import Road, nanos
from pmm_tui.venues.paper.matching import START_CASH, Matching, Reply


def _chance(description: str) -> Meta:
    return Meta(ge=0, le=1, description=description, extra={"restart": True})


def _time(description: str) -> Meta:
    return Meta(ge=0, le=60_000, description=description, extra={"restart": True})


class TroubleKnobs(Struct, frozen=True):
    """How often each thing goes wrong: probabilities per order, per answer or per frame."""

    trouble_reject: Annotated[float, _chance("an order is refused for no reason of its own")] = 0.0
    trouble_timeout_booked: Annotated[float, _chance("an order is booked, but its answer never comes: uncertain")] = 0.0
    trouble_timeout_lost: Annotated[float, _chance("an order never arrives, and nobody says so: uncertain")] = 0.0
    trouble_command_lost: Annotated[float, _chance("a cancel, or a question about the account, never arrives, and nobody says so")] = 0.0
    trouble_timeout_ms: Annotated[float, _time("after this long without an answer an order is reported uncertain, milliseconds")] = 2_000.0
    trouble_drop: Annotated[float, _chance("an answer is lost; a settlement is only late, since the chain can be asked again")] = 0.0
    trouble_duplicate: Annotated[float, _chance("an answer comes twice")] = 0.0
    trouble_delay: Annotated[float, _chance("an answer is late, so that later ones overtake it")] = 0.0
    trouble_delay_ms_max: Annotated[float, _time("the longest such delay, milliseconds")] = 500.0
    trouble_frame_drop: Annotated[float, _chance("a book or trade frame is lost")] = 0.0
    trouble_frame_duplicate: Annotated[float, _chance("a book or trade frame comes twice")] = 0.0
    trouble_frame_reorder: Annotated[float, _chance("a book or trade frame comes after its successor")] = 0.0


class Troubled(Matching):
    """The paper exchange behind a bad road.

    A reply to Sync is one answer, as over REST: its fills and its account are lost, repeated or delivered together and in order.
    Every other event goes its own way, so a fill can come before its acceptance, and a cancel before the last fill.
    """

    def __init__(self, knobs: PaperKnobs, seed: int, trouble: TroubleKnobs, cash: Cash = START_CASH) -> None:
        super().__init__(knobs, seed, cash)
        self.trouble = trouble
        self.troubles = 0
        """How many things went wrong so far."""
        self._luck = Chance(~seed)
        self._silent: set[int] = set()
        self._late: Road[Reply] = Road()

    def send(self, command: Command, at: Nanos) -> None:
        """As the exchange's, unless the command is lost on the way, or the order refused on the way or booked in silence."""
        knobs = self.trouble
        if isinstance(command, Place):
            if self._strikes(knobs.trouble_reject):
                told = Nanos(at + self._placement + self._answer)
                self._late.put(told, (OrderRejected(told, command.order, "service not ready", "other"),))
                return
            lost = self._strikes(knobs.trouble_timeout_lost)
            if lost or self._strikes(knobs.trouble_timeout_booked):
                told = Nanos(at + max(nanos(knobs.trouble_timeout_ms), self._placement + self._answer))
                self._late.put(told, (OrderUncertain(told, command.order, "no answer in time"),))
                self._silent.add(command.order)
            if lost:
                return
        elif self._strikes(knobs.trouble_command_lost):
            return
        super().send(command, at)

    def due(self) -> Nanos:
        """The next desk time at which something of ours may happen, late answers included."""
        return min(super().due(), self._late.next)

    def replies(self, to: Nanos) -> list[Reply]:
        """What arrives at or before `to`, after the road did its worst."""
        for reply in super().replies(to):
            if isinstance(reply[-1], AccountSeen):
                self._travel(reply, drop=True, delay=False)
                continue
            for event in reply:
                if isinstance(event, OrderAccepted | OrderRejected) and event.order in self._silent:
                    self._silent.discard(event.order)
                    continue
                self._travel((event,), drop=not isinstance(event, FillSettled), delay=True)
        ready = []
        while self._late.next <= to:
            ready.append(self._late.take()[1])
        return ready

    def _travel(self, reply: Reply, drop: bool, delay: bool) -> None:
        """Put a reply on the road: on time or late, once or twice, or not at all."""
        knobs, at = self.trouble, reply[-1].at
        if self._strikes(knobs.trouble_drop):
            if drop:
                return
            at = Nanos(at + nanos(10 * knobs.trouble_delay_ms_max))
        if delay and self._strikes(knobs.trouble_delay):
            at = self._later(at)
        self._put(reply, at)
        if self._strikes(knobs.trouble_duplicate):
            self._put(reply, self._later(at) if delay else at)

    def _put(self, reply: Reply, at: Nanos) -> None:
        self._late.put(at, tuple(structs.replace(event, at=at) for event in reply))

    def _later(self, at: Nanos) -> Nanos:
        return Nanos(at + int(self._luck.unit() * nanos(self.trouble.trouble_delay_ms_max)))

    def _strikes(self, probability: float) -> bool:
        struck = self._luck.hits(probability)
        self.troubles += struck
        return struck


class NoisyLine:
    """A feed's line to the desk that loses, repeats and swaps frames. The exchange itself misses nothing: let it observe the true ones."""

    def __init__(self, trouble: TroubleKnobs, seed: int) -> None:
        self._trouble = trouble
        self._luck = Chance(seed)
        self._held: Event | None = None

    def hear(self, event: Event) -> list[Event]:
        """What the desk hears when this is sent: nothing, it, or more. A frame held back follows the next one, at that one's time."""
        knobs, luck = self._trouble, self._luck
        heard = [event]
        if isinstance(event, BookReset | BookChanged | Traded):
            if luck.hits(knobs.trouble_frame_drop):
                heard = []
            elif luck.hits(knobs.trouble_frame_duplicate):
                heard = [event, event]
            elif self._held is None and luck.hits(knobs.trouble_frame_reorder):
                self._held = event
                return []
        if self._held is not None:
            heard.append(structs.replace(self._held, at=event.at))
            self._held = None
        return heard
