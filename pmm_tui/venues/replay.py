"""The replay venue: it answers from a journal what the recorded venue answered, and stops at the first command that differs.

Give a desk the recorded facts of its feeds and this venue, and its whole loop must do what it did. An answer is told when the commands that
were recorded before it have been sent, and not before its recorded time by the clock; so the clock must show the journal's time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Protocol

from pmm_tui.core.commands import Cancel, CancelAll, Command, Merge, Place, Sync
from pmm_tui.core.events import (
    AccountOpened,
    AccountSeen,
    ClockSeen,
    Event,
    ExternalFilled,
    FillSettled,
    LinkDown,
    LinkUp,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSigned,
    OrderUncertain,
    PairsMerged,
    PositionFound,
    VenueModeChanged,
    WalletSeen,
)
from pmm_tui.core.units import SECOND, Nanos

NEVER = Nanos(2**63 - 1)
_ASKED = (Place, Cancel, CancelAll, Sync, Merge)
_ANSWERS = (
    OrderAccepted, OrderRejected, OrderCancelled, OrderFilled, OrderUncertain, FillSettled, AccountSeen, AccountOpened, PositionFound,
    ExternalFilled, WalletSeen, PairsMerged, VenueModeChanged, ClockSeen,
)  # fmt: skip
_LINKS = frozenset({"venue", "user", "account", "heartbeat", "desk"})
"""The connections that a venue tells of; those of the feeds are told by the feeds."""


class Step(Protocol):
    """One entry of a journal."""

    @property
    def event(self) -> Event:
        """What the desk learned."""
        ...

    @property
    def commands(self) -> Sequence[Command]:
        """What it asked for then."""
        ...


class Departed(Exception):
    """The desk asked for something else than was recorded. `number` counts the commands from 1; `recorded` is None after the last."""

    def __init__(self, number: int, recorded: Command | None, asked: Command) -> None:
        super().__init__(f"command {number} differs: recorded {recorded}, asked {asked}")
        self.number = number
        self.recorded = recorded
        self.asked = asked


class ReplayVenue:
    """A venue over the entries of a journal. `clock` is the desk's, in nanoseconds since the epoch as the journal has them."""

    def __init__(self, steps: Iterable[Step], clock: Callable[[], Nanos]) -> None:
        self._script = script(steps)
        self._clock = clock
        self._answers: list[Event] = []
        self._signed: dict[int, OrderSigned] = {}
        self._expected: Command | None = None
        self._number = 1
        self._departed: Departed | None = None
        self._woken = asyncio.Event()
        self._open = True
        self._advance()

    @property
    def finished(self) -> bool:
        """Whether every recorded command was sent and every recorded answer told."""
        return self._expected is None and not self._answers and self._departed is None

    def prepare(self, commands: Sequence[Command]) -> list[Event]:
        """The recorded ids of the orders among these commands."""
        asked = [command.order for command in commands if isinstance(command, Place)]
        return [self._signed.pop(order) for order in asked if order in self._signed]

    async def send(self, command: Command) -> None:
        """Compare with the record; at the first command that differs `events` raises Departed, and nothing more is compared."""
        if self._departed is None:
            if command == self._expected:
                self._number += 1
                self._advance()
            else:
                self._departed = Departed(self._number, self._expected, command)
        self._woken.set()

    async def flush(self) -> None:
        """Nothing: the record has it."""

    async def events(self) -> AsyncIterator[Event]:
        """The recorded answers when they are due, until closed. Departed at the first command that differs."""
        while self._open:
            self._woken.clear()
            while self._departed is None and self.due() <= self._clock():
                yield self._answers.pop(0)
            if self._departed is not None:
                raise self._departed
            await self._rest()

    async def close(self, patience_s: float = 0.0) -> None:
        """End `events`; nothing is under way."""
        self._open = False
        self._woken.set()

    def due(self) -> Nanos:
        """When the next answer is told; NEVER where a command comes first, or nothing more."""
        return self._answers[0].at if self._answers else NEVER

    def wake(self) -> None:
        """Look again at what is due: a clock that is not the wall's was set."""
        self._woken.set()

    def _advance(self) -> None:
        """Read on to the next recorded command."""
        for item in self._script:
            if isinstance(item, Command):
                self._expected = item
                return
            if isinstance(item, OrderSigned):
                self._signed[item.order] = item
            else:
                self._answers.append(item)
        self._expected = None

    async def _rest(self) -> None:
        """Until an answer is due, or something may have changed."""
        due = self.due()
        wait = None if due == NEVER else max(0, due - self._clock()) / SECOND
        try:
            await asyncio.wait_for(self._woken.wait(), wait)
        except TimeoutError:
            # The wait is over: an answer is due.
            return


def script(steps: Iterable[Step]) -> Iterator[Event | Command]:
    """What a venue heard and told, in order; the id of an order before the command that sent it, as it was made before it left."""
    held: list[Command] = []
    for step in steps:
        event = step.event
        asked: list[Command] = [command for command in step.commands if isinstance(command, _ASKED)]
        if isinstance(event, OrderSigned):
            yield event
            held += asked
            continue
        yield from held
        held = asked
        if isinstance(event, _ANSWERS) or (isinstance(event, LinkUp | LinkDown) and event.link in _LINKS):
            yield event
    yield from held
