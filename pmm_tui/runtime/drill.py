"""One seed, the whole production desk against the whole exchange in virtual time: real client, real signing, real feeds, no socket."""

import asyncio
import logging
import traceback
from random import Random
from typing import cast

import httpx
from eth_account import Account

from pmm_tui.core.commands import Command, Unwatch, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event, OrderFilled, OrderRejected, OrderUncertain
from pmm_tui.core.instructions import Instruction, Paused, Resumed
from pmm_tui.core.market import Side
from pmm_tui.core.selection import TargetingKnobs
from pmm_tui.core.units import DOLLAR, SECOND, SHARE, Cash, Nanos, Price, Size, to_cash
from pmm_tui.exchange.auth import Keys as ExchangeKeys
from pmm_tui.exchange.faults import NEVER, UNTOUCHED, Act, Faults, Verdict
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.polymarket import Polymarket
from pmm_tui.exchange.terms import Ask, Frame, Lasts, Order
from pmm_tui.exchange.traders import Agents
from pmm_tui.feeds.base import Feed
from pmm_tui.feeds.discovery import GammaFeed, GammaKnobs
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.drawn import START
from pmm_tui.record.invariants import Broken
from pmm_tui.record.lines import decode_fact, encode
from pmm_tui.record.simulate import Outcome
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.drill_checks import Checks
from pmm_tui.runtime.drill_drawn import ACTOR, Scenario, draw
from pmm_tui.runtime.loop import NOT_YET, Live
from pmm_tui.runtime.virtual import Deadlock, InProcess, Network, clock, run
from pmm_tui.runtime.virtual_ws import Sockets
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.port import Trouble
from pmm_tui.venues.clob.venue import ClobVenue

QUIET_MAX_S = 200
"""A trade may be tried again for two minutes before it is mined."""
CALM_S = 12
"""So long all must stay at rest: a reading of the account and its comparison fall into it."""
KEY = "0x" + "11" * 32
_CRASHES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, OSError, Trouble)


class Ceasing(Faults):
    """Faults that begin and cease when they are told to."""

    on = False

    def judge(self, ask: Ask, at: Nanos) -> Verdict:
        """As drawn, while it is on."""
        return super().judge(ask, at) if self.on else UNTOUCHED

    def bend(self, frame: Frame, at: Nanos) -> list[Frame]:
        """As drawn, while it is on."""
        return super().bend(frame, at) if self.on else [frame]

    def refuse_leg(self, at: Nanos) -> str:
        """As drawn, while it is on."""
        return super().refuse_leg(at) if self.on else ""

    def due_acts(self, at: Nanos) -> list[Act]:
        """As drawn, while it is on; then only what ends one."""
        return [act for act in super().due_acts(at) if self.on or act[1].get("on") is False]


class Nobody:
    """A crowd that has gone home."""

    def act(self, matching: Matching, at: Nanos) -> Nanos:
        """Nothing, for ever."""
        return NEVER


class Written:
    """What the loop needs of a desk: the engine, every step written down as a journal would, every invariant checked."""

    def __init__(self, engine: Engine, checks: Checks) -> None:
        self.engine = engine
        self.checks = checks
        self.log = logging.getLogger(__name__)
        self.lines: list[tuple[bytes, bytes]] = []
        self.last: Event | None = None
        self.counts: dict[str, int] = {}

    def step(self, event: Event) -> list[Command]:
        """One fact."""
        self.last = event
        said = encode(event)
        commands = self.engine.step(event)
        self.lines.append((said, encode(commands)))
        if isinstance(event, OrderFilled | OrderRejected | OrderUncertain | Instruction):
            name = type(event).__name__
            self.counts[name] = self.counts.get(name, 0) + 1
        self.checks.after(event, commands)
        return commands

    def seal(self, facts: list[Event], commands: list[Command]) -> list[Command]:
        """The ids of what is about to leave."""
        for fact in facts:
            self.step(fact)
        return commands


class VirtualClock(Clock):
    """The loop's time; it never jumps."""

    def __call__(self) -> Nanos:
        """Now."""
        return clock()

    def catch_up(self) -> int:
        """Nothing to follow."""
        return 0


class Drill:
    """One desk, one exchange."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        seed = scenario.seed
        self.faults = Ceasing(scenario.script, _chance(seed, 1), START)
        self.matching = Matching(_chance(seed, 2), scenario.rules)
        self.engine = Engine(scenario.knobs)
        self.keys = Keys(Account.from_key(KEY))
        self.wallet = str(self.keys.account.address).lower()
        self.capital = to_cash(scenario.knobs.desk.initial_balance)
        aside = Cash(scenario.aside * DOLLAR)
        self.exchange = Polymarket(self.matching, ExchangeKeys(b"drill"), self.faults, grant=Cash(self.capital + aside), trusting=True)
        self.desk = Written(self.engine, Checks(self.engine, self.matching, self.wallet, aside))
        self.failures: list[BaseException] = []
        self.stop = asyncio.Event()

    async def play(self) -> None:
        """The run, the quiet after it and its end."""
        scenario, seed = self.scenario, self.scenario.seed
        self.exchange.join(Agents(self.matching, _chance(seed, 3), START, scenario.lasts), START)
        self.network = Network(_chance(seed, 4), scenario.out_ms, scenario.back_ms)
        self.sockets = Sockets(self.exchange, self.network, self.faults.judge)
        road = InProcess(self.exchange.answer, self.network, self.faults.judge, self.sockets.pump)
        http = httpx.AsyncClient(base_url="http://exchange", transport=road, timeout=httpx.Timeout(5, connect=3))
        clob = await client.make(self.keys, "http://exchange", http, chance=_chance(seed, 5), clock=clock)
        venue = ClobVenue(
            clob, ClobKnobs(), clock, self.capital, "ws://exchange/ws/user", _chance(seed, 6), lambda: True, self.sockets.connect
        )
        books = MarketFeed(
            MarketWsKnobs(), "ws://exchange/ws/market", "http://exchange", Decoder(), clock, _chance(seed, 7),
            connect=self.sockets.connect, transport=road,
        )  # fmt: skip
        names = ("made-up-1", "made-up-2", "made-up-3")
        gamma = GammaFeed(GammaKnobs(), TargetingKnobs(), names, "http://exchange/gamma", clock, _chance(seed, 8), transport=road)
        feeds: dict[str, Feed] = {"market": venue.tap(books), "gamma": venue.tap(gamma)}
        markets = self.engine.state.markets

        def watch(command: Command) -> None:
            if isinstance(command, Watch):
                books.watch(markets[command.market].market)
            elif isinstance(command, Unwatch):
                books.unwatch(command.market)

        crew = Crew(self._failed)
        # The loop asks no more of its desk than Written has; the real one writes files.
        live = Live(cast("Desk", self.desk), feeds, venue, VirtualClock(), watch, crew)
        running = crew.start("the desk's loop", live.run(self.stop, asyncio.Event()))
        try:
            await self._trouble(live)
            if not self.failures:
                await self._rest(live)
            self.stop.set()
            await asyncio.wait({running})
            if not self.failures:
                self.desk.checks.ended()
        finally:
            await crew.end()
            await live.close()
            await http.aclose()
        if self.failures:
            raise self.failures[0]

    async def _trouble(self, live: Live) -> None:
        """What happens outside, in order of time, until the length is over."""
        scenario = self.scenario
        self.faults.on = True
        acts: list[tuple[Nanos, int, object]] = []
        for at, told in scenario.instructions:
            acts.append((at, len(acts), told))
        for down, up, how in scenario.cuts:
            acts += [(down, len(acts), how), (up, len(acts) + 1, "")]
        for at in scenario.by_hand:
            acts.append((at, len(acts), None))
        for at, _, what in sorted(acts, key=lambda one: one[:2]):
            if not await self._until(min(at, Nanos(START + scenario.length))):
                return
            if isinstance(what, Instruction):
                live.submit(what)
            elif isinstance(what, str):
                self.network.cut = what
                if what:
                    self.sockets.snap()
            else:
                self._by_hand()
        await self._until(Nanos(START + scenario.length))

    async def _until(self, at: Nanos) -> bool:
        """Whether the desk still runs at this time."""
        wait_s = max(0.0, (at - clock()) / SECOND)
        try:
            async with asyncio.timeout(wait_s):
                await self.stop.wait()
        except TimeoutError:
            return True
        return False

    def _by_hand(self) -> None:
        """Somebody with the same key bids far from the market."""
        market = next((pit.market for pit in self.matching.markets.values() if not pit.closed), None)
        if market is None:
            return
        order = Order(
            "0x" + "ee" * 32, self.wallet, "", market.id, market.yes, Side.BUY, Price(100), Size(10 * SHARE), Lasts.GTC, False, clock()
        )
        self.desk.checks.foreign.add(order.id)
        self.matching.place(order, clock())
        self.sockets.pump()

    async def _rest(self, live: Live) -> None:
        """No more troubles: the desk is paused, and time passes until nothing is under way."""
        self.faults.on, self.network.cut = False, ""
        self.exchange.join(Nobody(), clock())
        self.matching.settling.fail_share = 0.0
        self.matching.cancel(list(self.desk.checks.foreign), self.wallet, clock())
        self.sockets.pump()
        live.submit(Resumed(NOT_YET, ACTOR))  # ends a flatten that may never find a price
        live.submit(Paused(NOT_YET, ACTOR))
        state, calm = self.engine.state, 0
        for _ in range(QUIET_MAX_S):
            if not await self._until(Nanos(clock() + SECOND)):
                return
            owed = any(trade.status not in ("CONFIRMED", "FAILED") for trade in self.matching.trades.values())
            owed = owed or any(fill.status == "MATCHED" for fill in state.portfolio.fills.values())
            calm = 0 if state.live or owed or state.kill.phase == "killing" else calm + 1
            if calm > CALM_S:
                break
        self.desk.checks.quiet()

    def _failed(self, where: str, error: BaseException) -> None:
        self.failures.append(error)
        self.stop.set()

    def replay(self) -> None:
        """What was written down, through a fresh engine, byte for byte."""
        engine = Engine(self.scenario.knobs)
        for number, (event, commands) in enumerate(self.desk.lines):
            answered = encode(engine.step(decode_fact(event)))
            if answered != commands:
                raise Broken("a replay answers byte for byte", f"step {number}: {answered!r} for {commands!r}")
        if engine.digest() != self.engine.digest():
            raise Broken("a replay ends in the same state", f"{engine.digest()} for {self.engine.digest()}")


def run_seed(seed: int) -> Outcome:
    """Play one seed to its end, or to the first invariant that does not hold."""
    drill = Drill(draw(seed))
    outcome = Outcome(seed)
    try:
        run(drill.play(), START)
        drill.replay()
    except Broken as wrong:
        outcome.broken = str(wrong)
    except (*_CRASHES, Deadlock):
        outcome.broken = f"nothing raises: {traceback.format_exc()}"
    outcome.steps = len(drill.desk.lines)
    if outcome.broken:
        outcome.at = f"step {outcome.steps}, {drill.desk.last}"
    struck = sum(drill.faults.struck.values())
    verified = drill.desk.checks.kills_verified
    outcome.counts = {"placed": drill.engine.state.orders_sent, "troubles": struck, "kills verified": verified, **drill.desk.counts}
    return outcome


def _chance(seed: int, part: int) -> Random:
    return Random(seed * 100 + part)  # noqa: S311 - a drill is to be repeated, not to be secret
