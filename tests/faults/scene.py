"""The whole production desk against the whole exchange in virtual time, and one fault at a time that a test causes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar, cast

import httpx
from eth_account import Account
from msgspec import structs

from pmm_tui.core.commands import Command, Place, Unwatch, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event
from pmm_tui.core.instructions import Instruction, Paused
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.market import Market, Side
from pmm_tui.core.orders.life import Status
from pmm_tui.core.selection import TargetingKnobs
from pmm_tui.core.signals.reference import symbols_of
from pmm_tui.core.state import MarketState
from pmm_tui.core.units import DOLLAR, SECOND, Cash, Nanos
from pmm_tui.exchange import acts
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.auth import Keys as ExchangeKeys
from pmm_tui.exchange.fault_script import parse
from pmm_tui.exchange.faults import Faults, Verdict
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.polymarket import Polymarket
from pmm_tui.exchange.terms import Ask, Order
from pmm_tui.feeds.base import Feed
from pmm_tui.feeds.discovery import GammaFeed, GammaKnobs
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.rtds import RtdsFeed
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.drawn import START, turned
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.drill import KEY, Written
from pmm_tui.runtime.drill_checks import Checks
from pmm_tui.runtime.loop import NOT_YET, Live
from pmm_tui.runtime.virtual import InProcess, Network, VirtualLoop, clock
from pmm_tui.runtime.virtual_ws import Sockets
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.timing import VenueTime
from pmm_tui.venues.clob.venue import ClobVenue
from tests.faults.crowd import MARKET, Crowd

ALIVE_NS = 3 * SECOND
STEP_S = 0.05
OPENING_S = 90.0
QUIET_S = 240
CALM_S = 8
KNOBS = {
    "initial_balance": 500.0,
    "quote_interval_s": 0.5,
    "order_timeout_s": 3.0,
    "sync_interval_s": 3.0,
    "vol_samples_min": 1,
    "warm_up_s": 0.0,
    "default_order_size": 10.0,
    "levels": 1,
    "max_position_size": 100.0,
    "failed_hold_s": 10.0,
    "own_orders_in_book": True,
    "redeem_by_hand": True,
}
Fact = TypeVar("Fact", bound=Event)
Said = TypeVar("Said", bound=Command)


class Sudden(Faults):
    """Faults that begin when a test says so."""

    def cause(self, entries: list[dict[str, Any]]) -> None:
        """These, from now on; their times count from now."""
        self._script = parse([{"at": 0, **entry} for entry in entries])
        self._start(clock())

    def cease(self) -> None:
        """No fault strikes any more; what an act began is ended by the scene."""
        self._live.clear()
        self._active.clear()
        self._acts.clear()


class Recorded(Written):
    """A desk whose facts and commands a test can look at."""

    def __init__(self, engine: Engine, checks: Checks) -> None:
        super().__init__(engine, checks)
        self.facts: list[Event] = []
        self.said: list[tuple[Nanos, Command]] = []

    def step(self, event: Event) -> list[Command]:
        """One fact."""
        commands = super().step(event)
        self.facts.append(event)
        self.said += [(event.at, command) for command in commands]
        return commands


class Scene:
    """One desk, one exchange, one market, one crowd. Prices are ten-thousandths of a dollar."""

    def __init__(self, market: Market = MARKET, rules: Rules | None = None, **knobs: Any) -> None:
        self.knobs: Knobs = turned(Knobs(), {**KNOBS, **knobs})
        self.faults = Sudden(None, Random(1))
        self.matching = Matching(Random(2), rules or Rules(mined_after_ms=500, confirmed_after_ms=500))
        self.matching.list_market(market, START)
        self.crowd = Crowd(self.matching, market)
        self.crowd.show(4_700, 5_300, START)
        self.engine = Engine(self.knobs)
        self.keys = Keys(Account.from_key(KEY))
        self.wallet = str(self.keys.account.address).lower()
        self.capital = Cash(round(self.knobs.desk.initial_balance * DOLLAR))
        self.exchange = Polymarket(self.matching, ExchangeKeys(b"scene"), self.faults, grant=self.capital, trusting=True)
        self.checks = Checks(self.engine, self.matching, self.wallet, 0)
        self.desk = Recorded(self.engine, self.checks)
        self.failures: list[BaseException] = []
        self.asks: list[tuple[Nanos, Ask]] = []
        """Every request that reached the exchange's door, answered or not."""
        self.wall_off = Nanos(0)
        """How far the machine's wall clock is from the true time, which is the exchange's and the monotonic clock's."""
        self.clock = Clock(lambda: clock() + self.wall_off, clock)
        """The desk's."""
        self.apart = False
        """Desk and exchange cannot agree in the end: the fault never ends."""
        self.earlier: frozenset[str] = frozenset()
        """Ids of orders that runs before this one signed."""
        self._stop = asyncio.Event()

    # --- the world --------------------------------------------------------------------------------------------------------------------

    def cause(self, what: str, **told: Any) -> None:
        """A fault of the script, from now on."""
        if "lasts" in told:
            told["for"] = told.pop("lasts")
        self.cause_all({"what": what, **told})

    def cause_all(self, *entries: dict[str, Any]) -> None:
        """Faults of the script, from now on, and no others that begin later."""
        self.faults.cause(list(entries))
        self.sockets.pump()

    def cease(self) -> None:
        """All faults end, and what settles from now on settles."""
        self.faults.cease()
        rules, settling = self.matching.rules, self.matching.settling
        settling.fail_share, settling.retry_share, settling.retry_ms = rules.fail_share, rules.retry_share, rules.retry_ms
        self.network.cut = ""

    def by_hand(self, **told: Any) -> None:
        """Somebody with the same key orders past the desk."""
        before = set(self.matching.orders)
        self.faults.cause([{"what": "order_by_hand", **told}])
        self.exchange.advance(clock())
        self.checks.foreign |= set(self.matching.orders) - before
        self.sockets.pump()

    def show(self, bid: int, ask: int, shares: int = 100) -> None:
        """The crowd's touch."""
        self.crowd.show(bid, ask, clock(), shares)
        self.sockets.pump()

    def empty(self, side: Side) -> None:
        """The crowd leaves one side, and its pulse with it."""
        self.crowd.pulsing = False
        self.matching.cancel_where("crowd", clock())
        self.crowd.show(*self.crowd.touch, clock(), sides=(side.other,))
        self.sockets.pump()

    def hit(self, order: Order | None = None, part: float = 1.0) -> Order:
        """Somebody takes a part of a resting order of the desk's (the first one where none is named), and all ahead of it."""
        order = order or self.resting()[0]
        acts.race(self.matching, order.id, part, clock())
        self.sockets.pump()
        return order

    def take(self, token: str, side: Side, price: int, shares: float) -> None:
        """Somebody trades at once what there is within a price."""
        self.crowd.take(token, side, price, shares, clock())
        self.sockets.pump()

    def resting(self) -> list[Order]:
        """The desk's orders at the exchange."""
        return [order for order in self.matching.open_orders(self.wallet) if order.id not in self.checks.foreign]

    def arrived(self, method: str, path: str, since: Nanos = START) -> list[Nanos]:
        """When requests came whose path begins so."""
        return [at for at, ask in self.asks if ask.method == method and ask.path.startswith(path) and at >= since]

    def posted(self, since: Nanos = START) -> int:
        """How many POSTs of orders came."""
        return len(self.arrived("POST", "/order", since))

    def step_wall(self, seconds: float) -> None:
        """Somebody sets the machine's wall clock."""
        self.wall_off = Nanos(self.wall_off + round(seconds * SECOND))

    def stall(self, seconds: float) -> None:
        """The whole process stands still: time passes, and nothing happens in it."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.pass_time(seconds)

    # --- the desk ---------------------------------------------------------------------------------------------------------------------

    @property
    def market(self) -> MarketState:
        """The desk's view of the one market."""
        return next(iter(self.engine.state.markets.values()))

    def facts(self, kind: type[Fact], since: Nanos = START) -> list[Fact]:
        """Facts of one kind that the desk was told."""
        return [fact for fact in self.desk.facts if isinstance(fact, kind) and fact.at >= since]

    def said(self, kind: type[Said], since: Nanos = START) -> list[Said]:
        """Commands of one kind that the desk gave."""
        return [command for at, command in self.desk.said if isinstance(command, kind) and at >= since]

    def places(self, since: Nanos) -> list[Place]:
        """Orders that the desk asked for."""
        return self.said(Place, since)

    def noted(self, text: str) -> bool:
        """Whether the desk's event log says so."""
        return any(text in note.text for note in self.engine.state.notes)

    def tell(self, instruction: Instruction) -> None:
        """The operator's word."""
        self.live.submit(instruction)

    # --- time -------------------------------------------------------------------------------------------------------------------------

    async def seconds(self, count: float) -> None:
        """Let time pass; what the desk raised meanwhile is raised here."""
        await asyncio.sleep(count)
        if self.failures:
            raise self.failures[0]

    async def until(self, holds: Callable[[], object], within_s: float) -> float:
        """Wait until something holds: how many seconds that took. AssertionError where it never does."""
        began = clock()
        while not holds():
            state = self.engine.state
            down = {name: link.why for name, link in state.links.items() if not link.up}
            hold = next(iter(state.markets.values())).hold if state.markets else "no market"
            notes = [note.text for note in list(state.notes)[-8:]]
            assert clock() - began < within_s * SECOND, f"not within {within_s} s; hold {hold!r}, links {down}, notes {notes}"
            await self.seconds(STEP_S)
        return (clock() - began) / SECOND

    async def quoting(self, within_s: float = 30.0) -> float:
        """Wait until the desk rests two orders at the exchange and knows it."""

        def quotes() -> bool:
            live = self.engine.state.live.values()
            return len(self.resting()) >= 2 and len(live) >= 2 and all(order.status is Status.OPEN for order in live)

        return await self.until(quotes, within_s)

    async def pulled(self, within_s: float) -> float:
        """Wait until nothing of the desk's rests at the exchange."""
        return await self.until(lambda: not self.resting(), within_s)

    async def agree(self) -> None:
        """No more faults: the desk is paused, and once nothing is under way both books are the same to the micro-dollar."""
        self.cease()
        self.tell(Paused(NOT_YET, "scene"))
        self.matching.cancel(list(self.checks.foreign), self.wallet, clock())
        self.sockets.pump()
        state, calm = self.engine.state, 0
        for _ in range(QUIET_S):
            await self.seconds(1)
            owed = any(trade.status not in ("CONFIRMED", "FAILED") for trade in self.matching.trades.values())
            owed = owed or any(fill.status == "MATCHED" for fill in state.portfolio.fills.values())
            calm = 0 if state.live or owed or state.kill.phase == "killing" else calm + 1
            if calm > CALM_S:
                break
        self.checks.quiet()

    # --- the run ----------------------------------------------------------------------------------------------------------------------

    def judge(self, ask: Ask, at: Nanos) -> Verdict:
        """What becomes of a request; every one is written down."""
        self.asks.append((at, ask))
        return self.faults.judge(ask, at)

    async def begin(self) -> None:
        """Start everything; the desk opens."""
        self.exchange.join(self.crowd, START)
        self.network = Network(Random(4), 5.0, 5.0, 2.0)
        self.sockets = Sockets(self.exchange, self.network, self.judge)
        road = InProcess(self.exchange.answer, self.network, self.judge, lambda: self.sockets.pump())  # also for a request of a dead desk
        self.http = httpx.AsyncClient(base_url="http://exchange", transport=road, timeout=httpx.Timeout(5, connect=3))
        stamps = VenueTime(self.clock)
        clob = await client.make(self.keys, "http://exchange", self.http, chance=Random(5), clock=stamps)
        state = self.engine.state
        connect = self.sockets.connect
        self.venue = ClobVenue(
            clob, ClobKnobs(), self.clock, self.capital, "ws://exchange/ws/user", Random(6),
            lambda: self.clock() - state.now < ALIVE_NS, connect, stamps=stamps, earlier=self.earlier,
        )  # fmt: skip
        self.books = MarketFeed(
            MarketWsKnobs(), "ws://exchange/ws/market", "http://exchange", Decoder(), self.clock, Random(7), connect=connect, transport=road
        )
        names = (self.crowd.market.slug,)
        gamma = GammaFeed(GammaKnobs(), TargetingKnobs(), names, "http://exchange/gamma", self.clock, Random(8), transport=road)
        feeds: dict[str, Feed] = {"market": self.venue.tap(self.books), "gamma": self.venue.tap(gamma)}
        if symbols := symbols_of(self.knobs.reference):
            self.rtds = RtdsFeed(MarketWsKnobs(), "ws://exchange/rtds", symbols, self.clock, Random(9), connect=connect)
            feeds["rtds"] = self.rtds
        self.crew = Crew(self._failed)
        # The loop asks no more of its desk than Written has; the real one writes files.
        self.live = Live(cast("Desk", self.desk), feeds, self.venue, self.clock, self._watch, self.crew)
        self._running = self.crew.start("the desk's loop", self.live.run(self._stop, asyncio.Event()))

    async def end(self) -> None:
        """The end of the run, in order."""
        self._stop.set()
        await asyncio.wait({self._running})
        if self.failures:
            raise self.failures[0]
        if not self.apart:
            self.checks.ended()

    async def close(self) -> None:
        """Let go of everything."""
        await self.crew.end()
        await self.live.close()
        await self.http.aclose()

    def _watch(self, command: Command) -> None:
        if isinstance(command, Watch):
            self.books.watch(self.engine.state.markets[command.market].market)
        elif isinstance(command, Unwatch):
            self.books.unwatch(command.market)

    def _failed(self, where: str, error: BaseException) -> None:
        self.failures.append(error)
        self._stop.set()


@asynccontextmanager
async def playing(scene: Scene | None = None, first: dict[str, Any] | None = None, **knobs: Any) -> AsyncIterator[Scene]:
    """A scene whose desk quotes, unless a fault comes `first`; in the end desk and exchange agree, unless they cannot."""
    scene = scene or Scene(**knobs)
    if first is not None:
        scene.faults.cause([first])
    await scene.begin()
    try:
        if first is None:
            await scene.quoting(OPENING_S)
        yield scene
        if not scene.apart:
            await scene.agree()
        await scene.end()
    finally:
        await scene.close()


def twin(market: Market, slug: str) -> Market:
    """Another market of the same terms."""
    return structs.replace(market, id="0x" + "cd" * 32, slug=slug, yes=market.yes[:-1] + "7", no=market.no[:-1] + "9")
