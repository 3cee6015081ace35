"""One desk from start to end: its feeds, venue, records and window joined, and let go of in order."""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, structs, to_builtins

import pmm_tui
from pmm_tui.api.server import Api
from pmm_tui.core.commands import Alert, Command, Unwatch, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event
from pmm_tui.core.instructions import Instruction, Killed, Paused
from pmm_tui.core.snapshot import DeskCard
from pmm_tui.core.units import Nanos, to_cash
from pmm_tui.feeds.base import Feed
from pmm_tui.feeds.discovery import GammaFeed
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.conduct import Conductor
from pmm_tui.record.files import replace_summary
from pmm_tui.record.journal import Journal
from pmm_tui.record.recorded import begin_at, facts
from pmm_tui.record.tape import TapeReader, read_tape
from pmm_tui.runtime.board import DeskBoard, Window, door
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crashes import crashed
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.desk import Desk, latched
from pmm_tui.runtime.logs import start_logs
from pmm_tui.runtime.loop import NOT_YET, Inbox, Live, Player
from pmm_tui.runtime.operator import Operator
from pmm_tui.runtime.pace import Pace, parse_speed, speed_text
from pmm_tui.runtime.places import CannotStart, duration_s, latch_path, logs_folder, new_run, run_folder, socket_path, tape_path
from pmm_tui.runtime.profile import Profile
from pmm_tui.runtime.reference import reference_feeds
from pmm_tui.runtime.signals import Signals
from pmm_tui.study.performance import Summary, summarise
from pmm_tui.venues.paper.fills import check_source
from pmm_tui.venues.paper.matching import Matching
from pmm_tui.venues.paper.venue import PaperVenue

if TYPE_CHECKING:
    from pmm_tui.runtime.crier import Crier
    from pmm_tui.venues.clob.keys import Keys, WalletLock
    from pmm_tui.venues.clob.venue import ClobVenue

WINDOW_S = 3.0
"""How long the faces may take to be let go."""
TIDY_S = 60.0
"""Until it collects, the interpreter keeps for use again what was let go, of tuples up to 2,000 of each length: some 4 MB in an hour."""
Opened = TypeVar("Opened")


class Options(Struct, frozen=True):
    """What the command line says over the profile."""

    profile: str
    speed: str = ""
    duration: str = ""
    logs: Path | None = None
    tape: Path | None = None
    """A tape to play instead of the profile's source."""
    run: str = ""
    """The run's name, where a console has chosen it for the desk that it starts."""
    live: bool = False
    """The flag that real money needs."""
    confirm: str = ""
    """The wallet's last characters, typed."""
    start_at_s: float = 0.0
    """Begin a tape so many seconds in."""
    owned: bool = False
    """It ends with the process that started it, which holds its standard input open."""


class Plan(Struct, frozen=True):
    """What a run will be, checked before anything of it exists."""

    tape: Path | None
    """None: live data."""
    speed: float
    duration_s: float


def plan(profile: Profile, options: Options) -> Plan:
    """Check what was asked for; ValueError or OSError where it cannot be."""
    settings = profile.run()
    if options.live and not profile.is_live:
        raise CannotStart(f"{profile.file}: --live was given, but mode is {settings.mode}: this profile trades no real money")
    if options.tape is not None and profile.is_live:
        raise CannotStart(f"{profile.file}: mode is live: a tape is played by a paper profile")
    speed = parse_speed(options.speed or str(settings.speed))
    seconds = duration_s(options.duration)
    if options.tape is None and settings.source == "live":
        return Plan(None, speed, seconds)
    path = tape_path(profile, options.tape)
    tape = read_tape(path)
    tape.close()
    check_source(profile.paper(), tape.header.trades)
    return Plan(path, speed, seconds)


async def tidied(every_s: float) -> None:
    """Collect so often, for ever.

    The collector would hardly come by itself: nearly all that a desk makes is none of its business. So it takes no more than a millisecond.
    """
    while True:
        await asyncio.sleep(every_s)
        gc.collect()


class Run:
    """One desk. ValueError or OSError where it cannot be started."""

    matching: Matching
    """The simulated venue; a live desk has none."""

    def __init__(self, profile: Profile, options: Options, to_stderr: bool, keys: "Keys | None" = None) -> None:
        """`keys`: what a live profile trades with, and nothing for any other; the yeses were asked for before."""
        if (keys is not None) is not profile.is_live:
            raise CannotStart(f"{profile.file}: mode is {profile.run().mode}: keys belong to a live desk, and to no other")
        self.plan = plan(profile, options)
        crier = None if self.plan.tape is not None else _crier()
        self._door = door(profile)
        self._start_at_s = options.start_at_s
        self.profile = profile
        logs = logs_folder(profile, options.logs)
        self.folder = run_folder(logs, options.run) if options.run else new_run(logs, profile)
        self.name = self.folder.name
        self.socket = socket_path(profile, self.name)
        self.mode = "PAPER" if keys is None else "LIVE"
        self.log: logging.Logger = start_logs(self.folder, self.mode, to_stderr)
        self._keys = keys
        self._lock: WalletLock | None = None
        self._account = ""
        if keys is None:
            self.matching = Matching(profile.paper(), profile.run().seed, to_cash(profile.knobs().desk.initial_balance))
        else:
            from pmm_tui.runtime.production import secure, short, wallet_of  # a paper desk has no signer, not even the code of one

            self._lock = secure(profile, keys)
            self._account = short(wallet_of(profile, keys))
        self._early = Inbox()
        """What came before there is a loop to take it: its first facts."""
        self._submit: Callable[[Instruction], None] = self._early.put
        self._owned = options.owned and (keys is None or profile.is_loopback)
        self._signals = Signals(self.log, self._take, keys is None or profile.live().on_hangup == "stop")
        self.stop, self.hurry = self._signals.stop, self._signals.hurry
        self.summary: Summary | None = None
        self.code = 0
        """The exit code, once the run has ended."""
        rehearses = self.plan.tape is not None or (keys is not None and profile.is_loopback)
        latch = None if rehearses else latch_path(profile)
        self._latched = latched(latch)
        knobs = profile.knobs()
        journal = Journal(self.folder, self._header())
        card = self._card()
        self.desk = Desk(Engine(knobs), journal, self.folder, card, self.log, latch)
        self._crier = None if crier is None else crier(self.desk, card)

    def _header(self) -> dict[str, object]:
        settings = self.profile.run()
        return {
            "program": pmm_tui.__version__,
            "run": self.name,
            "profile": self.profile.name,
            "mode": settings.mode,
            "source": "live" if self.plan.tape is None else "tape",
            "tape": "" if self.plan.tape is None else self.plan.tape.name,
            "seed": settings.seed,
            "started": time.time_ns(),
            "knobs": to_builtins(self.profile.knobs()),
            "paper": to_builtins(self.profile.paper()) if self._keys is None else None,
        }

    def _card(self) -> DeskCard:
        live = "loopback" if self.profile.is_loopback else "live"
        return DeskCard(
            run=self.name,
            profile=self.profile.name,
            mode=self.mode,
            source=live if self.plan.tape is None else "tape",
            started=Nanos(time.time_ns()),
            speed="" if self.plan.tape is None else speed_text(self.plan.speed),
            tape_position=0.0,
            engine_p99_us=0.0,
            pid=os.getpid(),
            version=pmm_tui.__version__,
            fill_model=self.profile.paper().fill_model if self._keys is None else "the venue",
            account=self._account,
            busy="",
        )

    async def main(self) -> int:
        """Serve, trade, end in order. The exit code: 0, or 3 where the desk ended killed, broken, or with orders not proven gone."""
        self._signals.listen(self._owned)
        asyncio.get_running_loop().set_exception_handler(self._stray)
        fields = {"run": self.name, "folder": str(self.folder), "socket": str(self.socket)}
        self.log.info("run started", extra={"fields": fields})
        if self.plan.duration_s:
            asyncio.get_running_loop().call_later(self.plan.duration_s, self.stop.set)
        gc.collect()
        gc.freeze()
        crew = Crew(self._failed)
        crew.start("the kill file's watch", self._signals.look_for_kill_file(self.folder))
        crew.start("the tidying of memory", tidied(TIDY_S))
        try:
            if self.plan.tape is not None:
                await self._play(crew, read_tape(self.plan.tape))
            else:
                await self._live(crew)
        finally:
            await crew.end()
            gc.unfreeze()
            if self._lock is not None:
                self._lock.release()
            await asyncio.wait({crew.start("the records' end", self._close())})
        code = self._end()
        if self._crier is not None:
            await self._crier.last(code)
        return code

    async def _play(self, crew: Crew, tape: TapeReader) -> None:
        pace = Pace(self.plan.speed)
        conductor = Conductor(self.desk.step, self.matching)
        player = Player(self.desk, conductor, pace)
        self._take_up(player.submit)
        told: Iterator[Event] = facts(tape, Decoder(), self.profile.run().markets)
        if self._start_at_s:
            told = begin_at(told, self._start_at_s)
        window = await self._open(crew, pace)
        await self._trade(crew, player.run(told, self.stop, lambda: tape.position))
        await window.shut(WINDOW_S)
        tape.close()

    async def _live(self, crew: Crew) -> None:
        settings, chance, clock = self.profile.run(), SystemRandom(), Clock()
        window = await self._open(crew, None)
        venue: PaperVenue | ClobVenue
        feeds: dict[str, Feed] = {}
        if self._keys is None:
            venue = PaperVenue(self.matching, clock)
        else:
            from pmm_tui.runtime.production import open_production

            opened = await self._unless_ended(open_production(self.profile, self._keys, clock, chance, self.desk))
            if opened is None:
                self._take_up(lambda told: self._step_unheard(structs.replace(told, at=clock())))
                await window.shut(WINDOW_S)
                return
            venue, feeds = opened
        books = MarketFeed(self.profile.market_ws(), settings.market_ws_url, settings.clob_url, Decoder(), clock, chance)
        gamma = GammaFeed(self.profile.gamma(), self.profile.targeting(), settings.markets, settings.gamma_url, clock, chance)
        feeds |= {"market": venue.tap(books), "gamma": venue.tap(gamma)} | reference_feeds(self.profile, clock, chance)
        live = Live(self.desk, feeds, venue, clock, self._watcher(books), crew)
        self._take_up(live.submit)
        if self._latched:
            live.submit(Killed(NOT_YET, "latch", self._latched))
        self._start_safe()
        try:
            await self._trade(crew, live.run(self.stop, self.hurry))
            await window.shut(min(WINDOW_S, live.left_s))
        finally:
            await crew.end()
            await live.close()

    def _take(self, instruction: Instruction) -> None:
        """An operator's word, whenever it comes; asyncio.QueueFull where there are too many."""
        self._submit(instruction)

    def _take_up(self, submit: Callable[[Instruction], None]) -> None:
        """There is somebody to take instructions now: first those that came before."""
        self._submit = submit
        while (kept := self._early.take()) is not None:
            submit(kept)

    def _step_unheard(self, told: Instruction) -> None:
        """A word to a desk that never came to have a venue: it is written down, and a kill latched."""
        self.desk.step(told)

    async def _unless_ended(self, work: Awaitable[Opened]) -> Opened | None:
        """What the work comes to; None where the run is told to end first, and then the work is given up."""
        working, ended = asyncio.ensure_future(work), asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return None

    def _start_safe(self) -> None:
        """A desk that crashes again and again cancels all and reconciles as at any start, and then waits for a person."""
        most = self.profile.live().safe_mode_crashes if self._keys is not None else 0
        found = crashed(self.folder.parent, self.profile.name, self.name, datetime.now(UTC)) if most else 0
        if most and found >= most:
            why = f"safe mode: {found} crashes within ten minutes"
            self._submit(Paused(NOT_YET, "desk", why=why))
            self.desk.alerts.append(Alert("alarm", "safe mode", f"{why}; it starts paused"))

    def _watcher(self, books: MarketFeed) -> Callable[[Command], None]:
        markets = self.desk.engine.state.markets

        def watch(command: Command) -> None:
            if isinstance(command, Watch):
                books.watch(markets[command.market].market)
            elif isinstance(command, Unwatch):
                books.unwatch(command.market)

        return watch

    async def _open(self, crew: Crew, pace: Pace | None) -> Window:
        """Serve the api and look after the operator. SocketTaken or OSError where the api cannot be served."""
        settings = self.profile.run()
        deadman_s = settings.operator_deadman_s if self.mode == "LIVE" else 0.0
        operator = Operator(settings.on_ui_lost, deadman_s, self._take, self.desk.alerts.append)
        board = DeskBoard(self.desk, self.profile, self._take, self.stop, pace, operator, self._unproven())
        api = Api(board, self.socket, folder=self.folder, door=self._door)
        serving = asyncio.get_running_loop().create_task(api.serve(), name="the api")
        while not api.listening:
            if serving.done():
                serving.result()
                raise CannotStart("the api ended before it began")
            await asyncio.sleep(0.005)
        crew.adopt(serving)
        crew.start("the operator's watch", operator.watch(lambda: api.consoles))
        if self._crier is not None:
            crew.start("the alerts", self._crier.run())
        return Window(api, serving)

    def _unproven(self) -> Callable[[Profile], str] | None:
        """Why the desk may not trade with other values, empty where it may; None for one of simulated money."""
        if self._keys is None:
            return None
        from pmm_tui.runtime.consent import unproven
        from pmm_tui.runtime.production import wallet_of

        return unproven(self.profile, wallet_of(self.profile, self._keys))

    async def _trade(self, crew: Crew, loop: Any) -> None:
        await asyncio.wait({crew.start("the desk's loop", loop)})

    def _stray(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught. A task's exception is a defect like any other; a broken connection of a face is only written down."""
        error = context.get("exception")
        if isinstance(error, BaseException) and ("task" in context or "future" in context):
            self._failed("a task nobody waited for", error)
        else:
            self.log.error("%s", context.get("message"), exc_info=error)

    def _failed(self, where: str, error: BaseException) -> None:
        """A task raised: admission closes, everything is cancelled, and the run ends as broken."""
        self.desk.fail(where, error)
        self._submit(Killed(NOT_YET, "desk", self.desk.busy))
        self.stop.set()

    async def _close(self) -> None:
        """The records' end. The state of an engine that failed is not summed up: no number of it can be believed."""
        self.desk.close()
        if not self.desk.dead:
            self.summary = summarise(self.desk.engine.state)
            try:
                replace_summary(self.folder, self.summary)
            except OSError as error:
                self.desk.fail("writing the summary", error)

    def _end(self) -> int:
        """What there is to say of the end, and the exit code."""
        state, self.code = self.desk.engine.state, 0
        left = sum(order.rest > 0 for order in state.live.values())
        if left:
            self.log.error("orders not proven gone", extra={"fields": {"orders": left}})
        if left or state.kill.stopped or self.desk.busy:
            self.code = 3
        money = {"fills": self.summary.fills, "profit_usd": self.summary.profit / 1e6} if self.summary is not None else {}
        self.log.info("run ended", extra={"fields": {"run": self.name, "code": self.code, "killed": state.kill.stopped, **money}})
        return self.code


def _crier() -> "Callable[[Desk, DeskCard], Crier] | None":
    """What makes the voice of a desk; None where nobody is to be told. ValueError where a channel is none."""
    from pmm_tui.runtime.alerts import find_channels  # a tape's desk tells nobody, and starts faster without
    from pmm_tui.runtime.crier import Crier

    channels = find_channels()
    return (lambda desk, card: Crier(desk, channels, card)) if channels else None
