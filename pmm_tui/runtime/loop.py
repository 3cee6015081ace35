"""The one queue: facts are stamped, stepped and their commands handed on, in real time or at a tape's pace."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from msgspec import structs

from pmm_tui.core.commands import Cancel, CancelAll, Command, Place, Sync
from pmm_tui.core.events import Event, Ticked
from pmm_tui.core.instructions import Instruction, Paused
from pmm_tui.core.units import Nanos
from pmm_tui.feeds.base import Feed
from pmm_tui.record.conduct import Conductor
from pmm_tui.runtime.desk import Desk
from pmm_tui.venues.base import Venue

QUEUE_MAX = 20_000
TICK_S = 0.1
BREATHE_NS = 5_000_000
LEAVE_S = 5.0
"""At the end: how long to wait until every order is proven gone."""


class Pace:
    """How fast a tape is played: its seconds for each of ours, or 0 for as fast as it goes."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._wall = 0
        self._virtual = 0
        self._breath = 0

    def change(self, speed: float) -> None:
        """Another speed from now on."""
        self.speed = speed
        self._wall = 0

    async def wait(self, due: Nanos) -> None:
        """Until `due` is reached at this speed. Always lets other tasks run every few milliseconds."""
        now = time.monotonic_ns()
        if not self.speed:
            if now - self._breath >= BREATHE_NS:
                self._breath = now
                await asyncio.sleep(0)
            return
        if not self._wall:
            self._wall, self._virtual = now, due
        ahead = (due - self._virtual) / self.speed - (now - self._wall)
        if ahead > 1_000_000:
            self._breath = now
            await asyncio.sleep(min(ahead / 1e9, TICK_S))
            if ahead > TICK_S * 1e9:
                await self.wait(due)
        elif now - self._breath >= BREATHE_NS:
            self._breath = now
            await asyncio.sleep(0)


async def play(
    desk: Desk, conductor: Conductor, facts: Iterable[Event], pace: Pace, stop: asyncio.Event, progress: Callable[[], float]
) -> None:
    """A tape to its end, or until `stop`; then every order is cancelled and seen gone."""
    for due in conductor.play(facts):
        if stop.is_set():
            break
        desk.tape_position = progress()
        await pace.wait(due)
    conductor.inject(Paused(conductor.now, "desk: end of the run"))
    for _ in conductor.idle(Nanos(conductor.now + int(LEAVE_S * 1e9))):
        if not desk.engine.state.live and desk.engine.state.paused:
            break


class Live:
    """Real time: every feed and the venue pour into one queue; one task takes from it."""

    def __init__(self, desk: Desk, feeds: list[Feed], venue: Venue, clock: Callable[[], Nanos], watch: Callable[[Command], None]) -> None:
        self._desk = desk
        self._feeds = feeds
        self._venue = venue
        self._clock = clock
        self._watch = watch
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(maxsize=QUEUE_MAX)
        self._last = Nanos(0)

    def submit(self, instruction: Instruction) -> None:
        """An operator's instruction; asyncio.QueueFull where the desk is drowned, which the operator is told."""
        self._queue.put_nowait(instruction)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then quotes are pulled and every order is seen gone."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._pour(feed)) for feed in [*self._feeds, self._venue]]
            tasks.append(group.create_task(self._tick()))
            tasks.append(group.create_task(self._end(stop)))
            while (event := await self._queue.get()) is not None:
                await self._tell(event)
            await self._leave()
            for task in tasks:
                task.cancel()
        for feed in [*self._feeds, self._venue]:
            await feed.close()

    async def _leave(self) -> None:
        await self._tell(Paused(self._last, "desk: end of the run"))
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                while self._desk.engine.state.live:
                    event = await self._queue.get()
                    if event is not None:
                        await self._tell(event)

    async def _pour(self, feed: Feed) -> None:
        async for event in feed.events():
            await self._queue.put(event)

    async def _end(self, stop: asyncio.Event) -> None:
        await stop.wait()
        await self._queue.put(None)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self._queue.put(Ticked(Nanos(0)))

    async def _tell(self, event: Event) -> None:
        self._last = max(self._clock(), self._last)
        for command in self._desk.step(structs.replace(event, at=self._last)):
            if isinstance(command, Place | Cancel | CancelAll | Sync):
                await self._venue.send(command)
            else:
                self._watch(command)
