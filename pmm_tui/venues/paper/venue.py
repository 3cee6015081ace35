"""The paper venue's async coat: the pure exchange behind the port of a venue, and a tap that lets it see a feed before the desk does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from pmm_tui.core.commands import Command
from pmm_tui.core.events import Event
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.feeds.base import Feed
from pmm_tui.venues.paper.latency import NEVER
from pmm_tui.venues.paper.matching import Matching

Clock = Callable[[], Nanos]


class PaperVenue:
    """A venue over the simulated exchange. `clock` is the desk's: monotonic nanoseconds since the epoch, the one that stamps its events.

    Answers come no earlier than their due time by that clock. The exchange holds them, so there is no queue here to overflow.
    """

    def __init__(self, matching: Matching, clock: Clock) -> None:
        self.matching = matching
        self._clock = clock
        self._woken = asyncio.Event()
        self._open = True

    def prepare(self, commands: Sequence[Command]) -> list[Event]:
        """Nothing: the simulated exchange knows an order by the desk's own count."""
        return []

    async def send(self, command: Command) -> None:
        """Ask; the answer is a fact, and comes through `events`."""
        self.matching.send(command, self._clock())
        self._woken.set()

    async def flush(self) -> None:
        """Nothing: the simulated exchange has it."""

    async def events(self) -> AsyncIterator[Event]:
        """Answers when they are due, until closed."""
        while self._open:
            self._woken.clear()
            for event in self.matching.advance(self._clock()):
                yield event
            await self._rest()

    async def close(self, patience_s: float = 0.0) -> None:
        """End `events`; what was under way is never told, however long that may take."""
        self._open = False
        self._woken.set()

    def wake(self) -> None:
        """Look again at what is due: the market moved, or a clock that is not the wall's was set."""
        self._woken.set()

    def tap(self, feed: Feed) -> "Tapped":
        """The same feed, seen by the exchange first."""
        return Tapped(feed, self)

    async def _rest(self) -> None:
        """Until something is due, or something new may be."""
        due = self.matching.due()
        wait = None if due == NEVER else max(0, due - self._clock()) / SECOND
        try:
            await asyncio.wait_for(self._woken.wait(), wait)
        except TimeoutError:
            # The wait is over: something is due.
            return


class Tapped:
    """A feed whose facts the paper exchange observes before the desk has them."""

    def __init__(self, feed: Feed, venue: PaperVenue) -> None:
        self._feed = feed
        self._venue = venue

    async def events(self) -> AsyncIterator[Event]:
        """The feed's facts, unchanged."""
        async for event in self._feed.events():
            self._venue.matching.observe(event)
            self._venue.wake()
            yield event

    async def close(self) -> None:
        """Close the feed."""
        await self._feed.close()
