"""The whole way over loopback sockets: from a frame of the exchange to the bytes of an order, and from a kill to nothing resting.

The exchange is a process of its own and plays the demo's tape many times as fast as it was recorded; the desk decides at every frame. What
is timed is in the desk's process: from a frame's bytes read from their socket to the request that its order leaves in, handed to the
transport with every byte of it.
"""

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from random import Random

import httpx
from eth_account import Account
from msgspec import Struct, structs

from pmm_tui.core.commands import Command, Place, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event
from pmm_tui.core.instructions import Killed, KillReset
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.snapshot import DeskCard
from pmm_tui.core.units import MILLI, Nanos, to_cash
from pmm_tui.feeds.discovery import GammaFeed
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.journal import Journal
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.demo import PLACES, exchange
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.loop import NOT_YET, Live
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.port import Leg, Signed
from pmm_tui.venues.clob.venue import ClobVenue

START_AT_S = 60.0
_RATE = 5_000.0
_FAST = ClobKnobs(
    clob_orders_per_s=_RATE, clob_orders_burst=_RATE, clob_cancels_per_s=_RATE, clob_cancels_burst=_RATE, clob_requests_per_s=_RATE
)
_TERMS = "mode: live\ntarget_days_to_end_min: 0\ntarget_days_to_event_min: 0\ntarget_mid_distance_max: 0.5\nmin_price: 0.0\n"
_carried: ContextVar[tuple[int, ...]] = ContextVar("carried", default=())
"""The desk's numbers of the orders in the POST under way."""


class Road(Struct, frozen=True):
    """What was measured, milliseconds each."""

    frame_to_post: list[float]
    kill_to_empty: list[float]
    frames_a_second: float


class _Stamped(httpx.AsyncHTTPTransport):
    """Notes when the request of each order leaves."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.left: dict[int, Nanos] = {}
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Note, and send."""
        now = self._clock()
        for number in _carried.get():
            self.left.setdefault(number, now)
        return await super().handle_async_request(request)


class _Posting(client.SdkClob):
    """Says which orders a POST carries."""

    async def post(self, orders: Sequence[Signed]) -> list[Leg]:
        _carried.set(tuple(order.order for order in orders))
        try:
            return await super().post(orders)
        finally:
            _carried.set(())


class _Bench:
    """A production desk whose steps are watched."""

    def __init__(self, profile: Profile, folder: Path, clock: Clock) -> None:
        knobs = profile.knobs()
        quick = structs.replace(
            knobs,
            desk=structs.replace(knobs.desk, quote_interval_s=0.0, price_tolerance_ticks=0.0, initial_balance=900.0),
            risk=structs.replace(knobs.risk, warm_up_s=0.0, stop_before_close_s=0.0),
        )
        self.clock = clock
        self.began: dict[int, Nanos] = {}
        """By order: when the frame came that it answers."""
        self._at = Nanos(0)
        self.frames = 0
        self.desk = _desk(quick, folder)
        self.profile = profile

    def seen(self, at: Nanos, channel: str, raw: str) -> None:
        """A frame came."""
        self.frames += 1

    def watch(self, live: Live) -> None:
        """Note for each order the frame that it answers."""
        step, told = self.desk.step, live._tell

        async def tell(event: Event) -> None:
            self._at = event.at
            await told(event)

        def stepped(event: Event) -> list[Command]:
            commands = step(event)
            for command in commands:
                if isinstance(command, Place) and self._at:
                    self.began[command.order] = self._at
            return commands

        live._tell = tell  # type: ignore[method-assign]  # to be watched from outside
        self.desk.step = stepped  # type: ignore[method-assign]  # to be watched from outside


def _desk(knobs: Knobs, folder: Path) -> Desk:
    card = DeskCard("bench", "bench", "LIVE", "loopback", Nanos(0), "", 0.0, 0.0, 0, "", "", "", "")
    return Desk(Engine(knobs), Journal(folder / "run", {"bench": 1}), folder / "run", card, logging.getLogger("pmm_tui.bench"), None)


def measure_road(seconds: float, kills: int, speed: float) -> Road:
    """Run it. The exchange's tape plays `speed` times as fast as it was recorded (about one frame a second)."""
    with tempfile.TemporaryDirectory() as folder, exchange("demo", START_AT_S, speed) as port:
        path = Path(folder) / "bench.yaml"
        path.write_text(_TERMS + "\n".join(f"{name}: {url.format(port=port)}" for name, url in PLACES.items()) + "\n")
        return asyncio.run(_drive(load(str(path)), Path(folder), seconds, kills))


async def _drive(profile: Profile, folder: Path, seconds: float, kills: int) -> Road:
    clock, chance, run = Clock(), Random(1), profile.run()  # noqa: S311 - a bench is to be repeated, not to be secret
    bench, stamped = _Bench(profile, folder, clock), _Stamped(clock)
    http = httpx.AsyncClient(base_url=run.clob_url, transport=stamped, timeout=5)
    clob = _Posting(Keys(Account.create()), "", None, chance, clock)
    clob.connect(http, http, [http])
    await clob.enrol()
    venue = ClobVenue(clob, _FAST, clock, to_cash(900.0), profile.live().user_ws_url, chance, lambda: True)
    books = MarketFeed(profile.market_ws(), run.market_ws_url, run.clob_url, Decoder(), clock, chance, bench.seen)
    gamma = GammaFeed(profile.gamma(), profile.targeting(), run.markets, run.gamma_url, clock, chance)
    broken: list[BaseException] = []
    crew = Crew(lambda where, error: broken.append(error))
    markets = bench.desk.engine.state.markets

    def watched(command: Command) -> None:
        if isinstance(command, Watch):
            books.watch(markets[command.market].market)

    live = Live(
        bench.desk,
        {"market": venue.tap(books), "gamma": venue.tap(gamma)},
        venue,
        clock,
        watched,
        crew,
    )
    bench.watch(live)
    stop, hurry = asyncio.Event(), asyncio.Event()
    running = asyncio.get_running_loop().create_task(live.run(stop, hurry))
    await asyncio.sleep(2.0)
    frames, began = bench.frames, clock()
    await asyncio.sleep(seconds)
    rate = (bench.frames - frames) * 1e9 / (clock() - began)
    killed = [await _kill(bench, live, clob, clock) for _ in range(kills)]
    stop.set()
    await running
    await crew.end()
    await live.close()
    bench.desk.close()
    if broken:
        raise broken[0]
    waits = [(left - bench.began[number]) / MILLI for number, left in stamped.left.items() if number in bench.began]
    return Road(waits, killed, rate)


async def _kill(bench: _Bench, live: Live, clob: client.SdkClob, clock: Clock) -> float:
    """Kill, wait until the exchange holds nothing, reopen; milliseconds from the key to the empty answer."""
    state = bench.desk.engine.state
    async with asyncio.timeout(30):
        while not state.live:
            await asyncio.sleep(0.01)
        began = clock()
        live.submit(Killed(NOT_YET, "bench", "timed"))
        while await clob.open_orders():
            await asyncio.sleep(0)
        took = (clock() - began) / MILLI
        while state.kill.phase != "killed":
            await asyncio.sleep(0.01)
        live.submit(KillReset(NOT_YET, "bench", "timed"))
        await asyncio.sleep(0.3)
    return took
