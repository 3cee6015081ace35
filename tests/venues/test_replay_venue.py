"""The replay venue under the common suite, on what the paper venue did under it; and whole runs: the record answers, or it stops."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from pmm_tui.core.commands import Alert, Cancel, CancelAll, Command, Place, Sync, Unwatch, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event, LinkUp, OrderAccepted, OrderCancelled, OrderSigned, Ticked
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import SECOND, Nanos, Price, Size
from pmm_tui.record.drawn import draw
from pmm_tui.record.journal import Journal, read
from pmm_tui.record.lines import Entry, Request, decode_fact
from pmm_tui.record.simulate import Simulated
from pmm_tui.venues.base import Venue
from pmm_tui.venues.replay import NEVER, Departed, ReplayVenue, script
from tests.venues.scene import MARKET, at, sh
from tests.venues.test_paper_venue import PaperStage
from tests.venues.venue_suite import Stage, VenueSuite


class Session:
    """What a stage and its venue did, in a journal; and the time of each moment at which everything was settled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settled: list[Nanos] = []
        self._journal = Journal(folder, {"run": "suite"}, ballast_mib=0)
        self._event: Event = Ticked(at(0))
        self._commands: list[Command] = []

    def asked(self, command: Command) -> None:
        self._commands.append(command)

    def heard(self, event: Event) -> None:
        self._journal.write(self._event, self._commands)
        self._event, self._commands = event, []

    def end(self) -> None:
        self._journal.write(self._event, self._commands)
        self._journal.close("ended")


class Taped:
    """A venue whose commands are written down as they are sent."""

    def __init__(self, venue: Venue, session: Session) -> None:
        self._venue = venue
        self._session = session

    def prepare(self, commands: Sequence[Command]) -> list[Event]:
        return self._venue.prepare(commands)

    async def send(self, command: Command) -> None:
        self._session.asked(command)
        await self._venue.send(command)

    async def flush(self) -> None:
        await self._venue.flush()

    def events(self) -> AsyncIterator[Event]:
        return self._venue.events()

    async def close(self, patience_s: float = 0.0) -> None:
        await self._venue.close(patience_s)


class TapedStage:
    """The paper stage, written down."""

    market: Market = MARKET

    def __init__(self, session: Session) -> None:
        self._session = session
        self._paper = PaperStage()
        self.venue: Venue = Taped(self._paper.venue, session)

    async def show(self, bid: int, ask: int) -> None:
        await self._paper.show(bid, ask)

    async def sell_into(self, price: int, shares: int) -> None:
        await self._paper.sell_into(price, shares)

    async def settled(self) -> list[Event]:
        told = await self._paper.settled()
        for event in told:
            self._session.heard(event)
        self._session.settled.append(self._paper.now)
        return told

    async def close(self) -> None:
        await self._paper.close()
        self._session.end()


class Taping(VenueSuite):
    """The suite on the paper venue, for its journal."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def stage(self) -> Stage:
        stage = TapedStage(self._session)
        await stage.show(4_800, 5_200)
        return stage


class ReplayStage:
    """A stage where the others do nothing and the record says everything. Its clock moves from one settled moment to the next."""

    market: Market = MARKET

    def __init__(self, session: Session) -> None:
        self._moments = iter(session.settled)
        self._now = at(0)
        self.replay = ReplayVenue(read(session.folder), lambda: self._now)
        self._told: list[Event] = []
        self._task = asyncio.create_task(self._listen())

    @property
    def venue(self) -> Venue:
        return self.replay

    async def _listen(self) -> None:
        async for event in self.replay.events():
            self._told.append(event)

    async def show(self, bid: int, ask: int) -> None:
        pass

    async def sell_into(self, price: int, shares: int) -> None:
        pass

    async def settled(self) -> list[Event]:
        self._now = next(self._moments)
        self.replay.wake()
        for _ in range(5):
            await asyncio.sleep(0)
        if self._task.done():
            self._task.result()
        told, self._told = self._told, []
        return told

    async def close(self) -> None:
        assert self.replay.finished, "all that was recorded was asked and told"
        await self.replay.close()
        await self._task


class TestReplayVenue(VenueSuite):
    @pytest.fixture(autouse=True)
    async def taped(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.session = Session(tmp_path / "run")
        await getattr(Taping(self.session), request.node.name)()

    async def stage(self) -> Stage:
        return ReplayStage(self.session)


# --- small journals ---------------------------------------------------------------------------------------------------------------------


def place(number: int, price: int = 4_900) -> Place:
    return Place(number, MARKET.id, MARKET.yes, Side.BUY, Price(price), sh(10))


def entries(*steps: tuple[Event, list[Command]]) -> list[Entry]:
    return [Entry(number, event, commands, b"") for number, (event, commands) in enumerate(steps, 1)]


class Hand:
    """A replay venue on a clock that stands until somebody moves it."""

    def __init__(self, *steps: tuple[Event, list[Command]]) -> None:
        self.now = at(0)
        self.venue = ReplayVenue(entries(*steps), lambda: self.now)
        self._events = self.venue.events()

    async def told(self, ms: float) -> Event | None:
        """The next answer by this time; None where there is none."""
        self.now = at(ms)
        return await anext(self._events) if self.venue.due() <= self.now or self.stopped else None

    @property
    def stopped(self) -> bool:
        return self.venue._departed is not None


ACCEPTED = OrderAccepted(at(100), 1)


async def test_an_answer_waits_for_its_command_and_for_its_time() -> None:
    cancelled = OrderCancelled(at(200), 1, Size(0))
    hand = Hand((Ticked(at(0)), [Watch("m"), place(1), Alert("info", "k", "t")]), (ACCEPTED, [Cancel(1)]), (cancelled, []))
    assert (hand.venue.due(), await hand.told(500)) == (NEVER, None), "nothing was asked yet"
    await hand.venue.send(place(1))
    assert (hand.venue.due(), await hand.told(99)) == (at(100), None)
    assert await hand.told(100) == ACCEPTED
    assert await hand.told(900) is None and not hand.venue.finished
    await hand.venue.send(Cancel(1))
    assert await hand.told(900) == cancelled
    assert hand.venue.finished


@pytest.mark.parametrize(
    ("asked", "number", "recorded"),
    [
        ([place(1, 4_800)], 1, place(1)),
        ([CancelAll()], 1, place(1)),
        ([place(1), Cancel(2)], 2, Cancel(1)),
        ([place(1), Cancel(1), Sync(())], 3, None),
    ],
)
async def test_it_stops_at_the_first_command_that_differs(asked: list[Command], number: int, recorded: Command | None) -> None:
    hand = Hand((Ticked(at(0)), [place(1), Cancel(1)]), (ACCEPTED, []))
    for command in [*asked, place(9)]:
        await hand.venue.send(command)
    with pytest.raises(Departed) as stopped:
        await hand.told(1_000)
    assert (stopped.value.number, stopped.value.recorded, stopped.value.asked) == (number, recorded, asked[-1])
    assert f"command {number} differs" in str(stopped.value)
    assert not hand.venue.finished


async def test_ids_are_given_before_their_orders_leave_as_they_were() -> None:
    signed = [OrderSigned(at(1), number, f"0x{number}") for number in (1, 2)]
    steps: list[tuple[Event, list[Command]]] = [(Ticked(at(0)), [place(1), place(2)]), (signed[0], []), (signed[1], [])]
    steps.append((ACCEPTED, [place(3)]))
    assert list(script(entries(*steps))) == [*signed, place(1), place(2), ACCEPTED, place(3)]
    hand = Hand(*steps)
    assert hand.venue.prepare([CancelAll(), place(1), place(2)]) == signed
    assert hand.venue.prepare([place(1)]) == [], "once"
    for number in (1, 2):
        await hand.venue.send(place(number))
    assert await hand.told(100) == ACCEPTED, "an id is told by `prepare` alone"


async def test_the_feeds_links_are_told_by_the_feeds() -> None:
    hand = Hand((LinkUp(at(1), "market"), []), (LinkUp(at(2), "gamma"), []), (LinkUp(at(3), "user"), []))
    assert await hand.told(10) == LinkUp(at(3), "user")
    assert hand.venue.finished


async def test_an_answer_comes_by_itself_when_its_time_has_come() -> None:
    """Nobody wakes the venue here: its own timer does."""
    now = [at(0)]

    def clock() -> Nanos:
        now[0] = Nanos(now[0] + SECOND // 2_000)
        return now[0]

    venue = ReplayVenue(entries((Ticked(at(0)), [place(1)]), (OrderAccepted(at(3), 1), [])), clock)
    answers = venue.events()
    await venue.send(place(1))
    assert isinstance(await anext(answers), OrderAccepted)
    await venue.close()
    assert [event async for event in answers] == []


# --- a whole run ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [3, 8])
async def test_a_desk_on_its_own_record_does_what_it_did(seed: int) -> None:
    """The recorded facts of the feeds, the clock and the operator are told anew; every answer comes from the venue."""
    run = Simulated(draw(seed))
    run.play()
    journal = [Entry(number, decode_fact(event), commands_of(commands), commands) for number, (event, commands) in enumerate(run._written)]
    now = journal[0].event.at
    venue, engine = ReplayVenue(journal, lambda: now), Engine(run.scenario.knobs)
    answers, told = venue.events(), 0
    answered = {id(item) for item in script(journal) if isinstance(item, Event)}
    for entry in journal:
        now, event = entry.event.at, entry.event
        if id(event) in answered:
            event = await anext(answers)
            told += 1
            assert event == entry.event
        for command in engine.step(event):
            if not isinstance(command, Watch | Unwatch | Alert):
                await venue.send(command)
    assert venue.finished and told > 10
    assert engine.digest() == run.engine.digest()


def commands_of(text: bytes) -> list[Command]:
    return list(msgspec.json.decode(text, type=list[Request]))
