"""The one door: facts are stamped, stepped and their commands handed on, in real time or at a tape's pace."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from msgspec import structs

from pmm_tui.core.commands import Cancel, CancelAll, Command, Merge, Place, Sync
from pmm_tui.core.events import Event, Ticked
from pmm_tui.core.instructions import Ended, Instruction, Killed
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.feeds.base import Feed
from pmm_tui.record.conduct import Conductor
from pmm_tui.record.tape import TapeCorrupt
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.pace import Breath, Pace
from pmm_tui.venues.base import Venue

QUEUE_MAX = 1_000
"""Short on purpose: a slow desk is to see fewer, newer books, which the feeds see to, and not old ones in a long line."""
INSTRUCTIONS_MAX = 100
TICK_S = 0.1
LAST_S = 1.5
"""Connections get so long to be closed however late it is."""
END_S = 8.0
"""From the word to end until everything is let go of: proof, the last cancel-all and the faces share it."""
LEAVE_S_MAX = 6.0
"""The most of it that the proof takes."""
NOT_YET = Nanos(0)
"""The time of a fact that the loop has not stamped yet."""
GOODBYE = "desk"


class FeedEnded(RuntimeError):
    """A feed stopped telling facts although nobody closed it."""


class Inbox:
    """An operator's instructions, taken before any other fact. Bounded; a kill goes first and always fits."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[Instruction] = deque(maxlen=INSTRUCTIONS_MAX)

    def put(self, instruction: Instruction) -> None:
        """Add one; asyncio.QueueFull where there are too many already."""
        if isinstance(instruction, Killed):
            self._waiting.appendleft(instruction)
        elif len(self._waiting) < INSTRUCTIONS_MAX:
            self._waiting.append(instruction)
        else:
            raise asyncio.QueueFull

    def take(self) -> Instruction | None:
        """The next one."""
        return self._waiting.popleft() if self._waiting else None


def leave_s(desk: Desk) -> float:
    """How long the end of a run may take until every order is proven gone: a silent order is asked about once more."""
    return min(LEAVE_S_MAX, desk.engine.state.knobs.desk.order_timeout_s + 3.0)


def gone(desk: Desk) -> bool:
    """The account was read without an open order of ours, and a kill under way is verified."""
    state = desk.engine.state
    return state.ended_at != 0 and not state.live and state.kill.phase != "killing"


class Player:
    """A tape's time: one desk and its simulated venue, played at a pace."""

    def __init__(self, desk: Desk, conductor: Conductor, pace: Pace) -> None:
        self._desk = desk
        self._conductor = conductor
        self._pace = pace
        self._inbox = Inbox()

    def submit(self, instruction: Instruction) -> None:
        """An operator's instruction; asyncio.QueueFull where there are too many."""
        self._inbox.put(instruction)

    async def run(self, facts: Iterable[Event], stop: asyncio.Event, progress: Callable[[], float]) -> None:
        """The tape to its end, or until `stop`; then every order is cancelled and seen gone. A damaged tape ends the run as broken."""
        desk, reached = self._desk, self._pace.reached
        try:
            for due in self._conductor.play(facts):
                while not await reached(due) and not stop.is_set():
                    self._instruct(due)
                if stop.is_set():
                    break
                self._instruct(due)
                desk.tape_position = progress()
        except (TapeCorrupt, OSError) as damaged:
            desk.fail("the tape", damaged)
        self._leave()

    def _instruct(self, due: Nanos) -> None:
        """Instructions at the present time, and what the venue answers to them before `due`, the time of the tape's next step."""
        conductor, told = self._conductor, False
        while conductor.now and (instruction := self._inbox.take()) is not None:
            conductor.inject(instruction)
            told = True
        if told:
            conductor.pump(conductor.now)
            while (answer := conductor.matching.due()) < due:
                conductor.pump(answer)

    def _leave(self) -> None:
        conductor = self._conductor
        if not conductor.now:
            return
        conductor.inject(Ended(conductor.now, GOODBYE))
        while (instruction := self._inbox.take()) is not None:
            conductor.inject(instruction)
        conductor.pump(conductor.now)
        for _ in conductor.idle(Nanos(conductor.now + int(leave_s(self._desk) * SECOND))):
            if gone(self._desk):
                break


class Live:
    """Real time: every feed and the venue pour into one queue; one task takes from it."""

    def __init__(
        self, desk: Desk, feeds: Mapping[str, Feed], venue: Venue, clock: Clock, watch: Callable[[Command], None], crew: Crew
    ) -> None:
        """`watch` takes the commands that are not for the venue. Whatever a task of `crew` raises must end the run."""
        self._desk = desk
        self._feeds = feeds
        self._venue = venue
        self._clock = clock
        self._watch = watch
        self._crew = crew
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(maxsize=QUEUE_MAX)
        self._inbox = Inbox()
        self._breath = Breath(clock)
        self._last = Nanos(0)
        self._left = False
        self._end_at: float | None = None
        self._hurry: asyncio.Event | None = None

    @property
    def left_s(self) -> float:
        """What is left of END_S since the run was told to end; nothing where it is hurried."""
        if self._hurry is not None and self._hurry.is_set():
            return 0.0
        now = asyncio.get_running_loop().time()
        if self._end_at is None:
            self._end_at = now + END_S
        return max(0.0, self._end_at - now)

    def submit(self, instruction: Instruction) -> None:
        """An operator's instruction; asyncio.QueueFull where there are too many."""
        self._inbox.put(instruction)
        self._wake()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Until `stop`; then quotes are pulled and every order is seen gone, unless `hurry` will not have it waited for."""
        self._hurry = hurry
        for name, feed in [*self._feeds.items(), ("venue", self._venue)]:
            self._crew.start(f"the {name} feed", self._pour(name, feed))
        self._crew.start("the ticker", self._tick())
        self._crew.start("the end's watch", self._watch_end(stop, hurry))
        while not stop.is_set():
            await self._turn()
        patience_s = min(leave_s(self._desk), self.left_s)
        await self._instruct()
        await self._tell(Ended(NOT_YET, GOODBYE))
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not gone(self._desk) and not hurry.is_set():
                    await self._turn()
        self._left = True

    async def close(self) -> None:
        """Let go of the feeds and the venue, once the crew has ended. Where `run` did not end in order, all is cancelled, unproven.

        What is not let go of within what is left of END_S is left to the system.
        """
        if not self._left:
            await self._venue.send(CancelAll())
        closing = {asyncio.create_task(feed.close()) for feed in self._feeds.values()}
        closing.add(asyncio.create_task(self._venue.close(max(0.0, self.left_s - LAST_S))))
        _, late = await asyncio.wait(closing, timeout=max(LAST_S, self.left_s))
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def _wake(self) -> None:
        """Have the loop look up where it waits for facts; where facts are queued it looks up by itself."""
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    async def _turn(self) -> None:
        event = await self._queue.get()
        await self._instruct()
        if event is not None:
            await self._tell(event)
        await self._breath.take()

    async def _instruct(self) -> None:
        while (instruction := self._inbox.take()) is not None:
            await self._tell(instruction)

    async def _pour(self, name: str, feed: Feed) -> None:
        async for event in feed.events():
            await self._queue.put(event)
        raise FeedEnded(f"the {name} feed ended by itself")

    async def _watch_end(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        for asked in (stop, hurry):
            await asked.wait()
            self._wake()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            jumped_ms = self._clock.catch_up()
            if jumped_ms:
                self._desk.log.warning("the clock jumped ahead: suspended, or set", extra={"fields": {"jumped_ms": jumped_ms}})
            await self._queue.put(Ticked(NOT_YET))

    async def _tell(self, event: Event) -> None:
        self._last = max(self._clock(), self._last)
        commands = self._desk.step(structs.replace(event, at=self._last))
        placed = next((at for at, command in enumerate(commands) if isinstance(command, Place)), len(commands))
        asked = await self._act(commands[:placed])  # what adds no risk waits neither for signatures nor for the disk
        rest = commands[placed:]
        if rest and (facts := self._venue.prepare(rest)):
            rest = self._desk.seal([structs.replace(fact, at=self._last) for fact in facts], rest)
        if await self._act(rest) or asked:
            await self._venue.flush()

    async def _act(self, commands: Iterable[Command]) -> bool:
        """Whether any of them was for the venue."""
        asked = False
        for command in commands:
            if isinstance(command, Place | Cancel | CancelAll | Sync | Merge):
                await self._venue.send(command)
                asked = True
            else:
                self._watch(command)
        return asked
