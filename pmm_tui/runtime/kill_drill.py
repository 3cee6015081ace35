"""The kill drill of a preflight: a desk as a run has it places one order far from the market, is killed, and proves that none rests.

It is the real thing but for two ends: its records are in a folder that goes away, so that no run takes them for its own, and its switch has
no latch, so that the coming run starts with a switch that was never tripped. Its maker is told to wish for one order and nothing else: the
venue's smallest, post-only, and so far below the market that it costs cents.
"""

import asyncio
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from msgspec import structs

from pmm_tui.core.commands import Command, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.instructions import Killed, Paused, Resumed, Retuned
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.market import Market
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.snapshot import DeskCard
from pmm_tui.core.state import State
from pmm_tui.core.units import MILLI, Nanos, price_text, shares, size_text
from pmm_tui.feeds.base import Feed
from pmm_tui.feeds.discovery import GammaFeed
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.journal import Journal
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.consent import Check
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.loop import NOT_YET, Live
from pmm_tui.runtime.production import open_production
from pmm_tui.runtime.profile import Profile
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.port import Clob
from pmm_tui.venues.clob.venue import ClobVenue

NAME = "kill drill"
ARM_S_MAX = 30.0
"""Until the order rests."""
KILL_S_MAX = 10.0
"""From the kill until the desk says that it is proven."""
LOOK_S = 0.01
_ACTOR = "preflight"
LEEWAY_TICKS = 3
"""Above zero the bid is put; the market may fall by one less until it leaves."""
_AWAY_MAX = 1_000.0
"""Ticks: the most that the knob of the half-spread takes."""


def careful(knobs: Knobs, market: Market) -> Knobs:
    """The profile's knobs, with a maker that wishes for one bid of the smallest size, once, and with no patience for anything else."""
    size = shares(market.min_size)
    return structs.replace(
        knobs,
        desk=structs.replace(knobs.desk, quote_interval_s=3_600.0, price_tolerance_ticks=100.0, merge_pairs=False),
        maker=structs.replace(
            knobs.maker, levels=1, default_order_size=size, width_model="fixed", default_half_spread_bps=0.0, min_half_spread_bps=0.0,
            micro_weight=0.0, gamma_risk_aversion=1e-6,
        ),
        shape=structs.replace(
            knobs.shape, skew_eta=0.0, widen_last_ticks=0.0, max_position_size=1e9, asks_only_against_inventory=True,
            complement_routing=False,
        ),
        risk=structs.replace(knobs.risk, warm_up_s=0.0, stop_before_close_s=0.0, max_open_orders=1),
        reference=structs.replace(knobs.reference, reference_markets=()),
    )  # fmt: skip


async def kill_drill(profile: Profile, keys: Keys, market: Market, clob: Clob) -> Check:
    """Arm a desk, trip it, and time it until it says killed; then the account is read once more, by `clob`, past the desk."""
    with tempfile.TemporaryDirectory(prefix="pmm-tui-drill-") as folder:
        drill = _Drill(profile, market, Path(folder))
        wrong = [why] if (why := await drill.run(keys)) else []
    if left := await clob.open_orders():
        wrong.append(f"{len(left)} orders rest at the venue")
    return Check(NAME, not wrong, "; ".join(wrong) or drill.told)


class _Drill:
    """One desk, from its start to its end."""

    def __init__(self, profile: Profile, market: Market, folder: Path) -> None:
        self.told = ""
        """What there is to say once it worked."""
        self._profile = profile
        self._market = market
        self._clock = Clock()
        card = DeskCard("drill", profile.name, "LIVE", "live", Nanos(0), "", 0.0, 0.0, 0, "", "", "", "")
        log = logging.getLogger("kill drill")
        log.addHandler(logging.NullHandler())  # what it has to say is in the check
        log.propagate = False
        run = folder / "run"
        self._desk = Desk(Engine(careful(profile.knobs(), market)), Journal(run, {"run": "drill"}), run, card, log, None)
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._broken = ""

    @property
    def _state(self) -> State:
        return self._desk.engine.state

    async def run(self, keys: Keys) -> str:
        """Why it failed, or nothing. However it ends, everything is cancelled and let go of."""
        try:
            return await self._play(*await open_production(self._profile, keys, self._clock, SystemRandom(), self._desk))
        finally:
            self._desk.close()

    async def _play(self, venue: ClobVenue, feeds: dict[str, Feed]) -> str:
        profile, settings, clock, chance = self._profile, self._profile.run(), self._clock, SystemRandom()
        books = MarketFeed(profile.market_ws(), settings.market_ws_url, settings.clob_url, Decoder(), clock, chance)
        gamma = GammaFeed(profile.gamma(), profile.targeting(), (self._market.slug,), settings.gamma_url, clock, chance)
        crew = Crew(self._failed)

        def watch(command: Command) -> None:
            if isinstance(command, Watch):
                books.watch(self._state.markets[command.market].market)

        live = Live(self._desk, feeds | {"market": venue.tap(books), "gamma": venue.tap(gamma)}, venue, clock, watch, crew)
        live.submit(Paused(NOT_YET, _ACTOR))
        running = crew.start("the desk's loop", live.run(self._stop, self._hurry))
        try:
            return await self._arm(live) or await self._trip(live)
        finally:
            self._stop.set()
            await asyncio.wait({running})
            await crew.end()
            await live.close()

    async def _arm(self, live: Live) -> str:
        """Have one order rest. Why not, or nothing."""
        if not await self._until(lambda: self._ready() or self._stop.is_set(), ARM_S_MAX):
            return f"the desk was not ready within {ARM_S_MAX:g} s: {self._held()}"
        live.submit(Retuned(NOT_YET, _ACTOR, {"min_half_spread_ticks": self._away()}))
        live.submit(Resumed(NOT_YET, _ACTOR))
        if not await self._until(lambda: self._resting() is not None or self._stop.is_set() or self._refused(), ARM_S_MAX):
            return f"no order came to rest within {ARM_S_MAX:g} s: {self._held()}"
        if self._broken or self._resting() is None:
            return self._broken or f"no order came to rest: {self._held()}"
        return ""

    async def _trip(self, live: Live) -> str:
        """Kill, and wait for the proof. Why there is none, or nothing."""
        order, kill = self._resting(), self._state.kill
        began = self._clock()
        live.submit(Killed(NOT_YET, _ACTOR, NAME))
        proven = await self._until(lambda: kill.phase == "killed" or bool(self._broken), KILL_S_MAX)
        took = (self._clock() - began) / MILLI
        if self._broken or order is None:
            return self._broken or "the order went away by itself"
        if not proven:
            return f"tripped, and {KILL_S_MAX:g} s later the account still does not show that nothing rests: {self._unproven()}"
        if self._state.portfolio.fill_count:
            return f"the order was FILLED: look at the position in {self._market.slug}"
        terms = f"{size_text(order.size)} at {price_text(order.price)} in {self._market.slug}"
        self.told = f"tripped with an order resting ({terms}); the desk proved that none rests after {took:.0f} ms"
        return ""

    async def _until(self, is_so: Callable[[], bool], patience_s: float) -> bool:
        try:
            async with asyncio.timeout(patience_s):
                while not is_so():
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return False
        return True

    def _ready(self) -> bool:
        """Nothing but the pause holds the market, and it has a price."""
        state = self._state
        market = state.markets.get(self._market.id)
        return market is not None and bool(market.seen_at) and market.book.two_sided and all(link.up for link in state.links.values())

    def _away(self) -> float:
        """The half-spread, in ticks, that puts the bid LEEWAY_TICKS above zero."""
        book = self._state.markets[self._market.id].book
        return min(_AWAY_MAX, max(1.0, float((book.bid + book.ask) // 2 // book.tick - LEEWAY_TICKS)))

    def _resting(self) -> Order | None:
        return next((order for order in self._state.live.values() if order.status is Status.OPEN), None)

    def _refused(self) -> bool:
        return bool(self._state.rejects)

    def _held(self) -> str:
        """Why no order rests, as the desk sees it."""
        state = self._state
        market = state.markets.get(self._market.id)
        down = ", ".join(f"{name}: {link.why}" for name, link in state.links.items() if not link.up)
        if market is None or self._broken or down:
            return self._broken or down or "the venue did not list the market"
        held = next((quote.held for quote in market.quotes if quote.held), "")
        said = next((note.text for note in reversed(state.notes) if state.rejects and "refused" in note.text), "")
        return said or state.kill.why or market.hold or held or "the book is empty or one-sided"

    def _unproven(self) -> str:
        alive = [f"order {order.id} is {order.status.value}" for order in self._state.live.values()]
        return ", ".join(alive) or "our own records show none, the account was not read empty"

    def _failed(self, where: str, error: BaseException) -> None:
        """A task of the desk raised: everything is cancelled, and the drill has failed."""
        self._desk.fail(where, error)
        self._broken = self._desk.busy
        self._stop.set()
