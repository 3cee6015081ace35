"""The one door: time that only grows, a pace that never deafens, and a loop that halts when anything in it breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pmm_tui.core.commands import CancelAll, Command, Place
from pmm_tui.core.events import BookReset, Event, MarketListed, OrderCancelled, OrderSigned, Ticked
from pmm_tui.core.instructions import Ended, Killed, Paused, Resumed
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.feeds.base import Feed
from pmm_tui.record.conduct import Conductor
from pmm_tui.record.journal import Journal, read
from pmm_tui.record.lines import Entry
from pmm_tui.runtime import pace as pacing
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.loop import INSTRUCTIONS_MAX, NOT_YET, Inbox, Live, Player
from pmm_tui.runtime.pace import Pace, parse_speed, speed_text
from pmm_tui.venues.paper.fills import PaperKnobs
from pmm_tui.venues.paper.matching import Matching
from pmm_tui.venues.paper.venue import PaperVenue
from tests.core.desk import MARKET, at, book, knobs
from tests.runtime.desks import desk_in, proven
from tests.runtime.scene import PROFILE, Home, logged, running, unsealed, until


@pytest.mark.fault("F20", "F71")
def test_the_clock_never_steps_back_and_follows_a_wall_clock_that_went_ahead() -> None:
    wall, steady = [1_000 * SECOND], [5 * SECOND]
    clock = Clock(lambda: wall[0], lambda: steady[0])
    assert clock() == 1_000 * SECOND
    steady[0] += SECOND
    assert (clock.catch_up(), clock()) == (0, 1_001 * SECOND), "the wall clock went back"
    wall[0] = 1_061 * SECOND
    assert (clock.catch_up(), clock()) == (60_000, 1_061 * SECOND), "a machine that slept for a minute"
    assert clock.catch_up() == 0
    wall[0] += 900_000_000
    assert (clock.catch_up(), clock()) == (0, 1_061 * SECOND), "a clock that was nudged"


def test_a_kill_goes_first_and_always_fits() -> None:
    inbox = Inbox()
    for number in range(INSTRUCTIONS_MAX):
        inbox.put(Paused(NOT_YET, str(number)))
    with pytest.raises(asyncio.QueueFull):
        inbox.put(Resumed(NOT_YET, "one more"))
    inbox.put(Killed(NOT_YET, "operator"))
    assert isinstance(inbox.take(), Killed)
    assert inbox.take() == Paused(NOT_YET, "0")


@pytest.mark.parametrize(("text", "speed"), [("max", 0.0), ("1", 1.0), ("0.25", 0.25), ("100000", 100_000.0)])
def test_speeds(text: str, speed: float) -> None:
    assert parse_speed(text) == speed
    assert speed_text(speed) == text


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "100001", "fast", "1x"])
def test_what_is_no_speed(text: str) -> None:
    with pytest.raises(ValueError, match="speed: found"):
        parse_speed(text)


class Time:
    """The monotonic clock and asyncio.sleep, by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 77 * SECOND
        self.slept: list[float] = []
        patch.setattr("pmm_tui.runtime.pace.time.monotonic_ns", lambda: self.now)
        patch.setattr("pmm_tui.runtime.pace.asyncio.sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Sleep at once."""
        self.slept.append(seconds)
        self.now += round(seconds * SECOND)


async def test_a_tape_waits_as_its_speed_says_in_short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    time, pace = Time(monkeypatch), Pace(10.0)
    assert await pace.reached(Nanos(1_000 * SECOND)), "the first fact is due at once"
    began = time.now
    answers = [await pace.reached(Nanos(1_003 * SECOND)) for _ in range(3)]
    assert answers == [False, False, True]
    assert time.now - began == 300_000_000, "three seconds of the tape in 0.3 of ours"
    pace.change(1.0)
    assert await pace.reached(Nanos(1_004 * SECOND)), "a new speed counts from here"
    began = time.now
    while not await pace.reached(Nanos(1_005 * SECOND)):
        pass
    assert time.now - began == SECOND
    assert max(time.slept) <= pacing.NAP_S


async def test_a_tape_that_fell_behind_does_not_rush(monkeypatch: pytest.MonkeyPatch) -> None:
    time, pace = Time(monkeypatch), Pace(1.0)
    await pace.reached(Nanos(1_000 * SECOND))
    time.now += 60 * SECOND
    assert await pace.reached(Nanos(1_001 * SECOND))
    began = time.now
    while not await pace.reached(Nanos(1_002 * SECOND)):
        pass
    assert time.now - began == SECOND


async def test_as_fast_as_it_goes_still_lets_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    time, pace = Time(monkeypatch), Pace(0.0)
    for second in range(10):
        assert await pace.reached(Nanos(second))
        time.now += 2_000_000
    assert time.slept == [0.0] * 4, "every 5 ms, and at once at the start"


def facts(step_ms: int) -> list[Event]:
    """A market listed, then nineteen books whose touch stands still, so that quotes rest in peace."""
    still = [book(step_ms * n, f"47x{500 + n} | 53x500") for n in range(1, 20)]
    return [MarketListed(at(0), MARKET), *still]


class Tape:
    """Facts, with something done between two of them."""

    def __init__(self, told: list[Event], between: Mapping[int, Callable[[], None]]) -> None:
        self.told, self.between = told, between

    def __iter__(self) -> Any:
        for number, fact in enumerate(self.told):
            if number in self.between:
                self.between[number]()
            yield fact


async def played(
    folder: Path, between: dict[int, Callable[[Player], None]], stop: asyncio.Event | None = None, step_ms: int = 1_000
) -> list[Entry]:
    """Play nineteen books; the entries of the journal, which is proven."""
    desk = desk_in(folder)
    matching = Matching(PaperKnobs(fill_model="coin", fill_probability=1.0, cancel_latency_ms=5, answer_latency_ms=5, feed_latency_ms=5), 1)
    player = Player(desk, Conductor(desk.step, matching), Pace(0.0))
    bound = {number: partial(act, player) for number, act in between.items()}
    await player.run(Tape(facts(step_ms), bound), stop or asyncio.Event(), lambda: 0.5)
    assert not desk.engine.state.live and not matching.resting()
    desk.close()
    assert proven(folder).holds
    return list(read(folder))


@pytest.mark.parametrize("number", range(8, 18))
async def test_an_instruction_between_two_facts_keeps_time_in_order(tmp_path: Path, number: int) -> None:
    """Facts come more often than ticks, so that the answers to the cancels are due between two of them."""

    def kill(player: Player) -> None:
        player.submit(Killed(NOT_YET, "operator"))

    entries = await played(tmp_path / "run", {number: kill}, step_ms=90)
    times = [entry.event.at for entry in entries]
    assert times == sorted(times), "the venue's answers to the cancels come before the tape's next fact"
    killed = next(i for i, entry in enumerate(entries) if isinstance(entry.event, Killed))
    assert CancelAll() in entries[killed].commands
    assert [entry for entry in entries[killed:] if isinstance(entry.event, OrderCancelled)]
    assert not [command for entry in entries[killed:] for command in entry.commands if isinstance(command, Place)]


async def test_a_kill_before_the_first_fact_waits_for_it(tmp_path: Path) -> None:
    entries = await played(tmp_path / "run", {0: lambda player: player.submit(Killed(NOT_YET, "operator"))})
    assert [type(entry.event) for entry in entries[:3]] == [MarketListed, Killed, Ticked]
    assert entries[1].event.at == at(0)
    assert not [command for entry in entries for command in entry.commands if isinstance(command, Place)]


async def test_a_tape_that_is_stopped_leaves_nothing_resting(tmp_path: Path) -> None:
    stop = asyncio.Event()
    entries = await played(tmp_path / "run", {12: lambda _: stop.set()}, stop)
    books = sum(isinstance(entry.event, BookReset) for entry in entries)
    assert 10 <= books <= 12, "the fact that was being waited for is not told any more"
    assert [entry.event.actor for entry in entries if isinstance(entry.event, Ended)] == ["desk"]


async def test_the_same_tape_knobs_and_seed_give_the_same_journal_at_any_speed(
    home: Home, short_tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.enter(monkeypatch)
    profile = home.profile(PROFILE)
    journals, fills = [], set()
    for speed in ("max", "max", "3000"):
        async with running(home, profile, tape=short_tape, speed=speed) as (run, task):
            assert await task == 0
            journals.append(unsealed(run.folder))
            assert run.summary is not None
            fills.add(run.summary.fills)
    assert journals[0][1:] == journals[1][1:] == journals[2][1:]
    assert journals[0][0] != journals[1][0], "the header names another run"
    assert len(fills) == 1 and fills.pop() > 0


class Scripted:
    """A feed that tells what it was given, then waits, ends or breaks."""

    def __init__(self, told: list[Event], then: str | BaseException = "wait") -> None:
        self.told, self.then = told, then
        self.go = asyncio.Event()
        self.closed = False

    async def events(self) -> AsyncIterator[Event]:
        """The facts; then, once `go` is set, what was said."""
        for event in self.told:
            yield event
        await self.go.wait()
        if isinstance(self.then, BaseException):
            raise self.then

    async def close(self) -> None:
        """Closed."""
        self.closed = True


class Seen(PaperVenue):
    """The paper venue, keeping what it was asked."""

    def __init__(self, matching: Matching, clock: Clock) -> None:
        super().__init__(matching, clock)
        self.asked: list[Command] = []
        self.steps: list[str] = []

    async def send(self, command: Command) -> None:
        """Kept, then done."""
        self.asked.append(command)
        self.steps.append(type(command).__name__)
        await super().send(command)

    def prepare(self, commands: Sequence[Command]) -> list[Event]:
        """Signed, as production does."""
        self.steps.append("signed")
        return [OrderSigned(NOT_YET, command.order, f"0x{command.order}") for command in commands if isinstance(command, Place)]

    async def flush(self) -> None:
        """Gone."""
        self.steps.append("gone")


class Scene:
    """A live desk on scripted feeds: a market with a book from the first, nothing from the second."""

    def __init__(self, folder: Path, *, knobs_: Any = None, other: Scripted | None = None) -> None:
        self.desk = desk_in(folder, knobs_ or knobs(stale_after_s=3600.0))
        self.clock = Clock()
        paper = PaperKnobs(fill_model="coin", fill_probability=0.0, placement_latency_ms=5, cancel_latency_ms=5, answer_latency_ms=5)
        self.venue = Seen(Matching(paper, 1), self.clock)
        self.books = Scripted([MarketListed(at(0), MARKET), book(1, "47x500 | 53x500")])
        self.other = other or Scripted([])
        self.failed: list[tuple[str, BaseException]] = []
        self.stop, self.hurry = asyncio.Event(), asyncio.Event()
        self.watched: list[Command] = []
        self.crew = Crew(self.fail)
        feeds: dict[str, Feed] = {"market": self.venue.tap(self.books), "other": self.other}
        self.live = Live(self.desk, feeds, self.venue, self.clock, self.watched.append, self.crew)

    def fail(self, where: str, error: BaseException) -> None:
        """As a run does."""
        self.failed.append((where, error))
        self.desk.fail(where, error)
        self.live.submit(Killed(NOT_YET, "desk", self.desk.busy))
        self.stop.set()

    async def run(self, then: Callable[[], Any]) -> None:
        """Trade until quotes rest, do something, and see the end."""
        task = self.crew.start("the loop", self.live.run(self.stop, self.hurry))
        await until(lambda: len(self.venue.matching.resting()) == 2 or task.done())
        then()
        await until(task.done)
        await self.crew.end()
        await self.live.close()
        self.desk.close()

    @property
    def placed(self) -> int:
        """Orders that were sent."""
        return sum(isinstance(command, Place) for command in self.venue.asked)


async def test_a_live_desk_stops_with_nothing_resting(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "run")
    await scene.run(scene.stop.set)
    assert not scene.failed
    assert scene.placed == 2 and not scene.venue.matching.resting() and not scene.desk.engine.state.live
    assert scene.books.closed and scene.other.closed
    assert scene.venue.asked.count(CancelAll()) == 1, "proven by the account, it needed no more"
    assert proven(tmp_path / "run").recorded_digest
    assert {type(command).__name__ for command in scene.watched} == {"Watch"}
    times = [entry.event.at for entry in read(tmp_path / "run")]
    assert times == sorted(times)
    assert times[0] > at(0), "the loop stamps every fact anew"


async def test_orders_are_signed_and_on_the_disk_before_they_leave_and_cancels_wait_for_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path / "run", knobs_=knobs(stale_after_s=3600.0, quote_interval_s=0.0))
    steps = scene.venue.steps
    monkeypatch.setattr(Journal, "sync", lambda journal: steps.append("disk"))
    scene.books.told.append(book(2, "30x500 | 36x500"))
    await scene.run(scene.stop.set)
    told = " ".join(step for step in steps if step != "Sync")
    assert told.startswith("signed disk Place Place gone Cancel Cancel "), told
    assert "Place gone" in told and "signed disk gone" not in told


@pytest.mark.parametrize("then", [RuntimeError("out of luck"), "end"], ids=["raises", "ends"])
async def test_F72_a_feed_that_breaks_halts_the_desk(tmp_path: Path, then: str | BaseException) -> None:
    scene = Scene(tmp_path / "run", other=Scripted([], then))
    await scene.run(scene.other.go.set)
    assert [where for where, _ in scene.failed] == ["the other feed"]
    assert CancelAll() in scene.venue.asked
    assert not scene.venue.matching.resting() and not scene.desk.engine.state.live
    assert scene.desk.engine.state.kill.phase == "killed", "verified by the venue's account"
    said = "out of luck" if then != "end" else "the other feed ended by itself"
    assert said in scene.desk.engine.state.kill.why and said in scene.desk.busy
    assert any(line["event"] == "the other feed failed" and said in line["why"] for line in logged(tmp_path / "run"))
    assert proven(tmp_path / "run").recorded_digest, "the engine is whole, and so is its journal"


async def test_a_defect_of_the_engine_cancels_everything_and_is_in_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path / "run")
    poison = Paused(NOT_YET, "poison")
    step = scene.desk.engine.step

    class Poisoned:
        """An engine with a defect."""

        state, digest, snapshot = scene.desk.engine.state, scene.desk.engine.digest, scene.desk.engine.snapshot

        def step(self, event: Event) -> list[Command]:
            """Fails on poison."""
            if isinstance(event, Paused) and event.actor == "poison":
                raise KeyError("a defect")
            return step(event)

    monkeypatch.setattr(scene.desk, "engine", Poisoned())
    await scene.run(lambda: scene.live.submit(poison))
    assert [(where, type(error)) for where, error in scene.failed] == [("the loop", KeyError)]
    assert scene.venue.asked[-1] == CancelAll(), "asked of the venue directly, as no engine is there to ask"
    assert scene.desk.dead and scene.books.closed
    journal = read(tmp_path / "run")
    *_, last = journal
    assert isinstance(last.event, Paused) and last.event.actor == "poison", "the fact that broke it can be replayed"
    assert journal.closing is None, "no digest vouches for a broken state"


async def test_F84_a_kill_passes_a_flood(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "run")

    async def flood() -> AsyncIterator[Event]:
        for event in scene.books.told:
            yield event
        tick = 0
        while True:
            tick += 1
            yield book(2 + tick, f"{46 + tick % 3}x500 | 53x500")
            if tick % 100 == 0:
                await asyncio.sleep(0)

    scene.books.events = flood  # type: ignore[method-assign]  # a feed that never pauses
    taken: list[int] = []

    def kill() -> None:
        taken.append(scene.desk.engine.state.seq)
        scene.live.submit(Killed(NOT_YET, "operator"))
        scene.crew.start("the end", stop_once_killed())

    async def stop_once_killed() -> None:
        await until(lambda: scene.desk.engine.state.kill.phase == "killed")
        scene.stop.set()

    await scene.run(kill)
    killed = next(entry.seq for entry in read(tmp_path / "run") if isinstance(entry.event, Killed))
    assert killed - taken[0] <= 2, "taken before anything that was queued already"
    assert scene.desk.engine.state.kill.phase == "killed" and not scene.venue.matching.resting()


async def test_F68_a_second_signal_does_not_wait_for_proof(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "run")

    async def swallow(command: Command) -> None:
        scene.venue.asked.append(command)

    def end() -> None:
        scene.venue.send = swallow  # type: ignore[method-assign]  # a venue that answers nothing any more
        scene.stop.set()
        scene.hurry.set()

    await scene.run(end)
    assert CancelAll() in scene.venue.asked, "quotes are pulled all the same"
    assert len(scene.desk.engine.state.live) == 2, "and not believed gone"
