"""The whole way over loopback sockets: from a frame of the exchange to the bytes of an order, and from a kill to nothing resting.

The exchange is a process of its own and plays a generated tape of CHANGES_A_SECOND; the desk decides at every frame, or at most every so
often. What is timed is in the desk's process: from a frame's bytes read from their socket to the request that its order leaves in, handed
to the transport with every byte of it. Nothing leaves before the disk has it, so the disk's own time is in there, and told beside it.
"""

import asyncio
import gc
import json
import logging
import tempfile
import time
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]  # the one place where every byte passes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from random import Random
from typing import Any

import httpx
from eth_account import Account
from msgspec import Struct, structs

from pmm_tui.core.commands import Command, Place, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event
from pmm_tui.core.instructions import Killed, KillReset
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.snapshot import DeskCard
from pmm_tui.core.units import MILLI, SECOND, Nanos, price_text, size_text, to_cash
from pmm_tui.feeds.discovery import GammaFeed
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.journal import Journal
from pmm_tui.record.tape import TapeWriter
from pmm_tui.runtime.bench_tape import STEP_NS, TICK, Walk, market
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.demo import PLACES, exchange
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.loop import NOT_YET, Live
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.venues.clob import client, sockets
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.port import Leg, Signed
from pmm_tui.venues.clob.venue import ClobVenue

CHANGES_A_SECOND = 330.0
"""With what our own orders change, and with levels that leave and come in two steps, that is about 500 frames a second."""
START_S, KILL_S, FAILING_S = 15.0, 2.0, 12.0
"""What a start, a kill and a kill with failing requests take of the tape at most, until orders rest again."""
FAILING_KILLS = 3
"""One of so many kills is done with failing requests, too."""
_SPEED = CHANGES_A_SECOND * STEP_NS / SECOND
FAILING = 0.3
SILENCE_S = 5.0
"""Longer than a request's patience."""
KILL_S_MAX = 120.0
FRAMES_KEPT = 10_000
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
    disk: list[float]
    """What the disk took of each of them."""
    worked: list[float]
    """What the desk's process computed in each of them, whatever else the machine did meanwhile."""
    kill_to_empty: list[float]
    failing_to_empty: list[float]
    """The same while FAILING of all requests fail."""
    frames_a_second: float


class _Spent(Struct, frozen=True):
    """A moment, and what the disk and the process had taken until then, nanoseconds."""

    at: Nanos
    disk: int
    work: int


@contextmanager
def _stamps(clock: Clock, disk: "_Disk") -> Iterator[dict[int, _Spent]]:
    """By order: when its request's last bytes were given to their socket. Every write of the loop's sockets is looked at."""
    left: dict[int, _Spent] = {}
    write = _SelectorSocketTransport.write

    def written(self: Any, data: bytes) -> None:
        write(self, data)
        for number in _carried.get():
            left[number] = _Spent(clock(), disk.took, time.process_time_ns())

    _SelectorSocketTransport.write = written
    try:
        yield left
    finally:
        _SelectorSocketTransport.write = write


class _Failing(sockets.OneHost):
    """Fails on request: before the venue, after it, or by silence."""

    def __init__(self, url: str, chance: Random) -> None:
        super().__init__(url, httpx.Timeout(5), client.CONNECTIONS_MAX)
        self.failing = 0.0
        """This part of the requests fails."""
        self._chance = chance

    async def request(self, method: str, url: str, **more: Any) -> httpx.Response:  # type: ignore[override]  # all are handed on
        """Ask, or not."""
        if self._chance.random() >= self.failing:
            return await super().request(method, url, **more)
        how = self._chance.randrange(3)
        if how == 0:
            raise httpx.ConnectError("refused, for the bench")
        await super().request(method, url, **more)
        if how == 1:
            raise httpx.ReadError("the answer was lost, for the bench")
        await asyncio.sleep(SILENCE_S)
        raise httpx.ReadTimeout("silence, for the bench")


class _Disk(Journal):
    """A journal that knows how long the disk kept it."""

    took = 0

    def sync(self) -> None:
        """Have it on the disk."""
        began = time.perf_counter_ns()
        super().sync()
        self.took += time.perf_counter_ns() - began


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

    def __init__(self, profile: Profile, folder: Path, clock: Clock, interval_s: float) -> None:
        knobs = profile.knobs()
        quick = structs.replace(
            knobs,
            desk=structs.replace(knobs.desk, quote_interval_s=interval_s, price_tolerance_ticks=0.0, initial_balance=900.0),
            risk=structs.replace(knobs.risk, warm_up_s=0.0, stop_before_close_s=0.0),
        )
        self.clock = clock
        self.began: dict[int, _Spent] = {}
        """By order: when the frame came that it answers."""
        self._came: _Spent | None = None
        self._came_before: dict[Nanos, _Spent] = {}
        """The frames of the last moments, by their time."""
        self.frames = 0
        self.disk = _Disk(folder / "run", {"bench": 1})
        self.desk = _desk(quick, folder, self.disk)
        self.profile = profile

    def seen(self, at: Nanos, channel: str, raw: str) -> None:
        """A frame came."""
        self.frames += 1
        self._came_before[at] = _Spent(at, self.disk.took, time.process_time_ns())
        if len(self._came_before) > FRAMES_KEPT:
            del self._came_before[next(iter(self._came_before))]

    def watch(self, live: Live) -> None:
        """Note for each order the frame that it answers."""
        step, told = self.desk.step, live._tell

        async def tell(event: Event) -> None:
            self._came = self._came_before.get(event.at)
            await told(event)

        def stepped(event: Event) -> list[Command]:
            commands = step(event)
            for command in commands:
                if isinstance(command, Place) and self._came is not None:
                    self.began[command.order] = self._came
            return commands

        live._tell = tell  # type: ignore[method-assign]  # to be watched from outside
        self.desk.step = stepped  # type: ignore[method-assign]  # to be watched from outside


def _desk(knobs: Knobs, folder: Path, journal: Journal) -> Desk:
    card = DeskCard("bench", "bench", "LIVE", "loopback", Nanos(0), "", 0.0, 0.0, 0, "", "", "", "")
    return Desk(Engine(knobs), journal, folder / "run", card, logging.getLogger("pmm_tui.bench"), None)


def measure_road(seconds: float, kills: int, interval_s: float = 0.0) -> Road:
    """Run it: orders for so many seconds, then so many kills without and with failing requests.

    interval_s: quotes are looked at again at most this often, as by the knob of this name; 0: at every frame.
    """
    with tempfile.TemporaryDirectory() as folder:
        tape, path = Path(folder) / "busy.tape.zst", Path(folder) / "bench.yaml"
        write_tape(tape, round((START_S + seconds + kills * KILL_S + _failing(kills) * FAILING_S) * CHANGES_A_SECOND))
        with exchange(str(tape), 0.0, _SPEED) as port:
            path.write_text(_TERMS + "\n".join(f"{name}: {url.format(port=port)}" for name, url in PLACES.items()) + "\n")
            return asyncio.run(_drive(load(str(path)), Path(folder), seconds, kills, interval_s))


def _failing(kills: int) -> int:
    return -(-kills // FAILING_KILLS)


def write_tape(path: Path, count: int) -> None:
    """One market, its book, and its level changes one step apart. Their hashes are not told: the exchange makes its own."""
    walk = Walk(1, market())
    terms = walk.market
    bids, asks = ([{"price": price_text(p), "size": size_text(s)} for p, s in side] for side in walk.levels())
    told = {"market": terms.id, "asset_id": terms.yes, "timestamp": str(walk.at // MILLI), "bids": bids, "asks": asks, "event_type": "book"}
    listed = {
        "slug": terms.slug, "question": terms.question, "conditionId": terms.id, "outcomes": ["Up", "Down"], "closed": False,
        "active": True, "clobTokenIds": [terms.yes, terms.no], "acceptingOrders": True, "enableOrderBook": True, "negRisk": False,
        "endDate": "2030-01-01T00:00:00Z", "orderMinSize": 5, "orderPriceMinTickSize": 0.01,
    }  # fmt: skip
    tape = TapeWriter(path, level=1)
    tape.write(walk.at, "gamma", json.dumps(listed))
    tape.write(walk.at, "market", json.dumps(told | {"tick_size": price_text(TICK)}))
    for _ in range(count):
        event = walk.change()
        ((side, price, size),) = event.changes
        change = {"asset_id": terms.yes, "price": price_text(price), "size": size_text(size), "side": side.value}
        touch = {"best_bid": price_text(walk.bid * TICK), "best_ask": price_text(walk.ask * TICK)}
        frame = {"market": terms.id, "price_changes": [change | touch], "timestamp": str(event.ts // MILLI), "event_type": "price_change"}
        tape.write(event.at, "market", json.dumps(frame))
    tape.close()


async def _drive(profile: Profile, folder: Path, seconds: float, kills: int, interval_s: float) -> Road:
    clock, chance, run = Clock(), Random(1), profile.run()  # noqa: S311 - a bench is to be repeated, not to be secret
    bench = _Bench(profile, folder, clock, interval_s)
    troubled = _Failing(run.clob_url, chance)
    keys = Keys(Account.create())
    clob = _Posting(keys, "", None, chance, clock)
    clob.connect(troubled, troubled, [troubled])
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
    gc.collect()
    gc.freeze()  # as a desk does
    running = asyncio.get_running_loop().create_task(live.run(stop, hurry))
    await asyncio.sleep(2.0)
    frames, began = bench.frames, clock()
    with _stamps(clock, bench.disk) as left:
        await asyncio.sleep(seconds)
    rate = (bench.frames - frames) * 1e9 / (clock() - began)
    watcher = await client.make(keys, run.clob_url, chance=chance, clock=clock)
    killed = [await _kill(bench, live, watcher, clock) for _ in range(kills)]
    failing = []
    for _ in range(_failing(kills)):
        troubled.failing = FAILING
        failing.append(await _kill(bench, live, watcher, clock, lambda: setattr(troubled, "failing", 0.0)))
    await watcher.close()
    stop.set()
    await running
    await crew.end()
    await live.close()
    bench.desk.close()
    gc.unfreeze()
    if broken:
        raise broken[0]
    both = [(bench.began[number], went) for number, went in left.items() if number in bench.began]
    waits = [(went.at - came.at) / MILLI for came, went in both]
    disk = [(went.disk - came.disk) / MILLI for came, went in both]
    return Road(waits, disk, [(went.work - came.work) / MILLI for came, went in both], killed, failing, rate)


async def _kill(bench: _Bench, live: Live, watcher: client.SdkClob, clock: Clock, mended: Callable[[], None] = lambda: None) -> float:
    """Kill, wait until the exchange holds nothing, reopen; milliseconds from the key to the empty answer. `watcher` asks undisturbed.

    mended: called once nothing rests; what verifies the kill is then as quick as ever.
    """
    state = bench.desk.engine.state
    async with asyncio.timeout(KILL_S_MAX):
        while not await watcher.open_orders():
            await asyncio.sleep(0.01)
        began = clock()
        live.submit(Killed(NOT_YET, "bench", "timed"))
        while await watcher.open_orders():
            await asyncio.sleep(0)
        took = (clock() - began) / MILLI
        mended()
        while state.kill.phase != "killed":
            await asyncio.sleep(0.01)
        live.submit(KillReset(NOT_YET, "bench", "timed"))
        await asyncio.sleep(0.3)
    return took
