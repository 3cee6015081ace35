"""Where a run begins: a profile becomes a desk with its feeds, venue, records and window, in this process or in one of its own."""

import asyncio
import gc
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

from msgspec import Struct, to_builtins

import pmm_tui
from pmm_tui.api.server import Api, SocketTaken
from pmm_tui.core.commands import Command, Unwatch, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event
from pmm_tui.core.instructions import Instruction, Killed
from pmm_tui.core.snapshot import DeskCard
from pmm_tui.core.units import Nanos, to_cash
from pmm_tui.feeds.discovery import GammaFeed
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.conduct import Conductor
from pmm_tui.record.files import private_folder, replace_summary
from pmm_tui.record.journal import Journal
from pmm_tui.record.recorded import facts
from pmm_tui.record.tape import read_tape
from pmm_tui.runtime.board import DeskBoard, parse_speed, speed_text
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.logs import start_logs
from pmm_tui.runtime.loop import Live, Pace, play
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.study.performance import report, summarise
from pmm_tui.venues.paper.fills import check_source
from pmm_tui.venues.paper.matching import Matching
from pmm_tui.venues.paper.venue import PaperVenue

CONNECT_S = 15.0
"""How long a console waits for the desk that it started."""


class CannotStart(ValueError):
    """A run that was asked for cannot be: the text says why, and what would do."""


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


def duration_s(text: str) -> float:
    """Seconds of "90s", "30m", "2h"; 0 for none. CannotStart for anything else."""
    if not text:
        return 0.0
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", text)
    if found is None or not float(found[1]):
        raise CannotStart(f"--duration {text[:20]!r}: expected a number with s, m or h, such as 30m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def state_folder() -> Path:
    """Where the user's own records live outside a checkout."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "pmm-tui"


def logs_folder(profile: Profile, given: Path | None) -> Path:
    """The runs' folder: as given, else the profile's, else logs/ in a checkout, else the user's state folder."""
    if given is not None:
        return given
    if profile.run().logs:
        return Path(profile.run().logs).expanduser()
    checkout = Path(pmm_tui.__file__).resolve().parent.parent
    return checkout / "logs" if (checkout / "pyproject.toml").is_file() else state_folder() / "logs"


def run_name(profile: Profile) -> str:
    """A name for a new run: the profile and the moment."""
    return f"{profile.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def socket_path(profile: Profile, run: str) -> Path:
    """The Unix socket of a run, in the runtime folder of the user (0700), or in the state folder where there is none."""
    if profile.run().api_socket:
        return Path(profile.run().api_socket).expanduser()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return (Path(runtime) / "pmm-tui" if runtime else state_folder() / "run") / f"{run}.sock"


def tape_path(profile: Profile, given: Path | None) -> Path:
    """The tape to play: as given, else the profile's."""
    name = str(given or profile.run().tape or "demo")
    path = Path(pmm_tui.__file__).resolve().parent / "data" / "demo.tape.zst" if name == "demo" else Path(name).expanduser()
    if not path.is_file():
        raise CannotStart(f"tape: found {name!r}, which is no file; allowed: demo, or the path of a tape")
    return path


class Run:
    """One desk from start to end."""

    def __init__(self, profile: Profile, options: Options, to_stderr: bool) -> None:
        settings = profile.run()
        if settings.mode != "paper":
            raise CannotStart(f"{profile.file}: mode: found {settings.mode}; allowed: paper (this program has no production venue yet)")
        self.profile = profile
        self.name = options.run or run_name(profile)
        self.folder = private_folder(logs_folder(profile, options.logs) / self.name)
        self.socket = socket_path(profile, self.name)
        self.duration_s = duration_s(options.duration)
        self.stop = asyncio.Event()
        self.clock = Clock()
        self.log: logging.Logger = start_logs(self.folder, "PAPER", to_stderr)
        self.source = "tape" if options.tape is not None else settings.source
        self.tape = tape_path(profile, options.tape) if self.source == "tape" else None
        self.pace = Pace(parse_speed(options.speed or str(settings.speed))) if self.source == "tape" else None
        latch = state_folder() / "latches" / f"{profile.name}.json" if self.source == "live" else None
        self.latched = latch if latch is not None and latch.is_file() else None
        self.knobs = profile.knobs()
        engine = Engine(self.knobs)
        journal = Journal(self.folder, self._header())
        self.desk = Desk(engine, journal, self.folder, self._card(), self.log, latch)
        self.matching = Matching(profile.paper(), settings.seed, to_cash(self.knobs.desk.initial_balance))

    def _header(self) -> dict[str, object]:
        settings = self.profile.run()
        return {
            "program": pmm_tui.__version__,
            "run": self.name,
            "profile": self.profile.name,
            "mode": settings.mode,
            "source": self.source,
            "seed": settings.seed,
            "started": time.time_ns(),
            "knobs": to_builtins(self.knobs),
            "paper": to_builtins(self.profile.paper()),
        }

    def _card(self) -> DeskCard:
        return DeskCard(
            run=self.name,
            profile=self.profile.name,
            mode="PAPER",
            source=self.source,
            started=Nanos(time.time_ns()),
            speed=speed_text(self.pace.speed) if self.pace is not None else "",
            tape_position=0.0,
            engine_p99_us=0.0,
            pid=os.getpid(),
            version=pmm_tui.__version__,
            fill_model=self.profile.paper().fill_model,
            account="",
            busy="",
        )

    async def main(self) -> int:
        """Serve, trade, end in order. The exit code: 0, or 3 where the desk ended killed or broken."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop.set)
        if self.duration_s:
            loop.call_later(self.duration_s, self.stop.set)
        gc.collect()
        gc.freeze()
        if self.pace is not None and self.tape is not None:
            await self._tape(self.pace, self.tape)
        else:
            await self._live()
        summary = summarise(self.desk.engine.state)
        self.desk.close()
        replace_summary(self.folder, summary)
        fields = {"run": self.name, "fills": summary.fills, "profit_usd": summary.profit / 1e6, "phase": summary.phase}
        self.log.info("run ended", extra={"fields": fields})
        return 3 if self.desk.busy or self.desk.engine.state.kill.stopped else 0

    async def _tape(self, pace: Pace, path: Path) -> None:
        tape = read_tape(path)
        check_source(self.profile.paper(), tape.header.trades)
        conductor = Conductor(self.desk.step, self.matching)
        board = DeskBoard(self.desk, self.profile, conductor.inject, self.stop, pace)
        wanted = self.profile.run().markets
        told: Iterable[Event] = facts(tape, Decoder(), wanted)
        async with self._window(board, conductor.inject):
            await play(self.desk, conductor, told, pace, self.stop, lambda: tape.position)
            self.log.info("end of the tape")

    async def _live(self) -> None:
        settings, chance = self.profile.run(), SystemRandom()
        decoder = Decoder()
        books = MarketFeed(self.profile.market_ws(), settings.market_ws_url, settings.clob_url, decoder, self.clock, chance)
        gamma = GammaFeed(self.profile.gamma(), self.profile.targeting(), settings.markets, settings.gamma_url, self.clock, chance)
        venue = PaperVenue(self.matching, self.clock)
        live = Live(self.desk, [venue.tap(books), venue.tap(gamma)], venue, self.clock, self._watcher(books))
        board = DeskBoard(self.desk, self.profile, live.submit, self.stop, None)
        if self.latched is not None:
            live.submit(Killed(Nanos(0), "latch", f"an earlier run was killed and not reset ({self.latched})"))
        async with self._window(board, live.submit):
            await live.run(self.stop)

    def _watcher(self, books: MarketFeed) -> Callable[[Command], None]:
        markets = self.desk.engine.state.markets

        def watch(command: Command) -> None:
            if isinstance(command, Watch):
                books.watch(markets[command.market].market)
            elif isinstance(command, Unwatch):
                books.unwatch(command.market)

        return watch

    def _window(self, board: DeskBoard, submit: Callable[[Instruction], None]) -> "Window":
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: submit(Killed(Nanos(0), "signal", "SIGUSR1")))
        return Window(Api(board, self.socket), self.folder / "KILL", submit)


class Window:
    """While a desk trades: its api is served, and a file named KILL in the run's folder pulls the kill switch."""

    def __init__(self, api: Api, kill_file: Path, submit: Callable[[Instruction], None]) -> None:
        self._api = api
        self._kill_file = kill_file
        self._submit = submit
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(self._api.serve()), asyncio.create_task(self._look())]
        while not self._api.listening and not self._tasks[0].done():
            await asyncio.sleep(0.005)
        if self._tasks[0].done():
            await self._tasks[0]

    async def __aexit__(self, *_: object) -> None:
        self._api.stop()
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            if self._kill_file.exists():
                self._kill_file.unlink()
                self._submit(Killed(Nanos(0), "file", "the KILL file was made"))
            await asyncio.sleep(0.25)


def headless(options: Options, to_stderr: bool = True) -> int:
    """One desk in this process, until its end. Exit codes: 0 ended in order, 2 cannot start, 3 ended killed or broken."""
    run = Run(load(options.profile), options, to_stderr)
    run.log.info("run started", extra={"fields": {"run": run.name, "folder": str(run.folder), "socket": str(run.socket)}})
    try:
        code = asyncio.run(run.main())
    except SocketTaken as taken:
        raise CannotStart(str(taken)) from taken
    if to_stderr:
        sys.stderr.write(report(run.name, summarise(run.desk.engine.state)) + "\n")
    return code


class Started(Struct, frozen=True):
    """A desk in its own process."""

    run: str
    folder: Path
    socket: Path
    pid: int


def launch(options: Options) -> Started:
    """Start a desk in a process and session of its own, its output in the run's folder, and wait until its window is open."""
    profile = load(options.profile)
    run = run_name(profile)
    folder = private_folder(logs_folder(profile, options.logs) / run)
    duration_s(options.duration)
    words = [sys.executable, "-m", "pmm_tui", "desk", "--profile", profile.file, "--run", run, "--logs", str(folder.parent)]
    for flag, value in (("--speed", options.speed), ("--duration", options.duration)):
        if value:
            words += [flag, value]
    with (folder / "desk.out").open("wb") as out:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)  # noqa: S603 - our own program
    socket = socket_path(profile, run)
    deadline = time.monotonic() + CONNECT_S
    while not socket.exists():
        if child.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(
                f"the desk did not start: {(folder / 'desk.out').read_text(encoding='utf-8', errors='replace').strip()[-2000:]}"
            )
        time.sleep(0.02)
    return Started(run, folder, socket, child.pid)
