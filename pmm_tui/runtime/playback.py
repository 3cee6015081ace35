"""A finished run played again: its journal through a fresh engine, seen through the window of a desk; to hold, step and seek."""

import asyncio
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

import pmm_tui
from pmm_tui.api.server import Api
from pmm_tui.core.engine import Engine
from pmm_tui.core.snapshot import DeskCard, Frame
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.record.journal import read
from pmm_tui.record.lines import Entry
from pmm_tui.runtime.pace import parse_speed, speed_text
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.replaying import engine_of
from pmm_tui.study.markouts import followed
from pmm_tui.study.tally import Tally

SLICE_S = 0.05
"""The faces get their turn this often, however fast it plays."""
NAP_S = 0.02
FRAME_EVERY_NS = 95_000_000
STEPS_MAX = 1_000
PATIENCE_S = 0.7
"""What takes longer to start is said to be under way."""
STDIN = 0
Args = dict[str, str | int | float | bool]


class Extent(Struct, frozen=True):
    """From when to when a run goes, in the desk's time."""

    first: Nanos
    last: Nanos
    entries: int


def extent(folder: Path) -> Extent:
    """Read a journal once through; ValueError or OSError where it cannot be."""
    first, last, entries = Nanos(0), Nanos(0), 0
    for entry in read(folder):
        first, last, entries = first or entry.event.at, max(last, entry.event.at), entries + 1
    if not entries:
        raise ValueError(f"{folder}: the journal has a header and nothing after it")
    return Extent(first, last, entries)


class Playback:
    """One run, played. It is what the api needs of a desk; every command that would change a market is refused."""

    def __init__(self, folder: Path, speed: float) -> None:
        """ValueError or OSError where the journal cannot be read."""
        self.extent = extent(folder)
        self.playing = True
        self.stop = asyncio.Event()
        self._folder = folder
        self._speed = speed
        self._target = self.extent.first
        self._frame: Frame | None = None
        self._frame_at = 0
        self._rewind()

    def _rewind(self) -> None:
        journal = read(self._folder)
        self._header = journal.header
        self._engine: Engine = engine_of(journal.header)
        self._tally = Tally()
        self._entries: Iterator[Entry] = journal
        self._next: Entry | None = next(self._entries, None)
        self._seen = 0
        self._at = self.extent.first

    @property
    def arrived(self) -> bool:
        """Whether the picture is that of the time that was asked for."""
        return self._next is None or self._next.event.at > self._target

    @property
    def place(self) -> Nanos:
        """The time of the picture: that which was asked for, or of the last entry on the way there."""
        return self._target if self.arrived else self._at

    def frame(self) -> Frame:
        """The picture at this place of the run."""
        now = time.monotonic_ns()
        if self._frame is None or now - self._frame_at >= FRAME_EVERY_NS:
            snapshot = followed(self._engine.snapshot(), self._engine.state, self._tally.marks)
            self._frame, self._frame_at = Frame(self._card(), snapshot), now
        return self._frame

    def _card(self) -> DeskCard:
        header = self._header
        return DeskCard(
            run=str(header.get("run", self._folder.name)),
            profile=str(header.get("profile", "")),
            mode="LIVE" if header.get("mode") == "live" else "PAPER",
            source="replay",
            started=Nanos(int(str(header.get("started", 0)))),
            speed=speed_text(self._speed) if self.playing else "held",
            tape_position=(self.place - self.extent.first) / max(1, self.extent.last - self.extent.first),
            engine_p99_us=0.0,
            pid=os.getpid(),
            version=pmm_tui.__version__,
            fill_model="the journal",
            account="",
            busy="",
        )

    async def run(self) -> None:
        """Play until it is stopped; at the end it stands still."""
        before = time.monotonic_ns()
        while not self.stop.is_set():
            now = time.monotonic_ns()
            if self.playing:
                on = int((now - before) * self._speed) if self._speed else self.extent.last
                self._target = Nanos(min(self.extent.last, self._target + on))
            before = now
            await asyncio.sleep(0 if self._go(now + int(SLICE_S * SECOND)) else NAP_S)

    def _go(self, until: int) -> bool:
        """Steps towards the target, for one slice of time; whether more is to be done."""
        while not self.arrived:
            self._step()
            if self._seen % 64 == 0 and time.monotonic_ns() > until:
                return True
        return False

    def _step(self) -> None:
        if self._next is not None:
            event = self._next.event
            self._at = max(self._at, event.at)
            self._tally.step(self._engine.state, event, self._engine.step(event))
            self._next = next(self._entries, None)
            self._seen += 1

    async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        """Pause, step, seek, speed; nothing here trades."""
        if cmd == "stop":
            self.stop.set()
            return True, "the replay ends"
        if cmd == "play":
            self.playing = args.get("on", not self.playing) is True
            if not self.playing:
                self._target = self.place
            return True, "playing" if self.playing else "held"
        if cmd == "speed":
            return self._change(str(args.get("speed", "")))
        if cmd == "step":
            return self._one(int(_number(args.get("events", 1))))
        if cmd == "seek":
            return self._seek(_number(args.get("by_s", 0.0)))
        return False, "this is a replay: nothing trades here"

    def _change(self, text: str) -> tuple[bool, str]:
        try:
            speed = parse_speed(text)
        except ValueError as wrong:
            return False, str(wrong)
        if self.playing:
            self._target = self.place  # at full speed it was the end
        self._speed = speed
        return True, f"speed {speed_text(self._speed)}"

    def _one(self, events: int) -> tuple[bool, str]:
        """Some entries further, and hold there."""
        self.playing, name, self._target = False, "the end of the run", self.place
        for _ in range(max(1, min(events, STEPS_MAX))):
            if self._next is None:
                return False, name
            self._target = max(self._target, self._next.event.at)
            name = type(self._next.event).__name__
            self._step()
        self._frame = None
        return True, f"event {self._seen} of {self.extent.entries}: {name}"

    def _seek(self, by_s: float) -> tuple[bool, str]:
        """So many seconds on, or back: a run is played again from its start, since no state is kept of the way."""
        aim = int((self.place if self.playing and not self._speed else self._target) + by_s * SECOND)
        self._target = Nanos(max(self.extent.first, min(self.extent.last, aim)))
        if by_s < 0:
            self._rewind()
        self._frame = None
        return True, f"{(self._target - self.extent.first) / SECOND:.0f} s of {(self.extent.last - self.extent.first) / SECOND:.0f} s"


async def serve(playback: Playback, socket: Path) -> None:
    """Show it on a socket until it is stopped. SocketTaken or OSError where that cannot be had."""
    api = Api(playback, socket)
    async with asyncio.TaskGroup() as group:
        group.create_task(api.serve())
        await playback.run()
        api.stop()


async def _for_a_parent(playback: Playback, socket: Path) -> None:
    """Serve it for as long as whoever started this is there: however that ends, the pipe that is our standard input is closed then."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if not os.read(STDIN, 4_096):
            loop.remove_reader(STDIN)
            playback.stop.set()

    with suppress(PermissionError):  # /dev/null and files: nobody is to be watched
        loop.add_reader(STDIN, heard)
    await serve(playback, socket)
    with suppress(OSError):  # it is empty where it was made for this, and nobody else may be left to do it
        socket.parent.rmdir()


def play_run(folder: Path, socket: Path, speed: str) -> int:
    """Serve a run on a socket until somebody stops it or closes the pipe that is the standard input."""
    asyncio.run(_for_a_parent(Playback(folder, parse_speed(speed or "1")), socket))
    return 0


@contextmanager
def opened(folder: Path, speed: str) -> Iterator[Path]:
    """A run, played in a process of its own: the socket to look through. CannotStart where it cannot be."""
    parse_speed(speed or "1")
    with tempfile.TemporaryDirectory(prefix="pmm-tui-") as home:
        socket = Path(home) / "replay.sock"
        words = [sys.executable, "-m", "pmm_tui", "playback", str(folder), str(socket), "--speed", speed or "1"]
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own program
        said_at = time.monotonic() + PATIENCE_S
        try:
            while not socket.is_socket():
                if time.monotonic() > said_at:
                    sys.stderr.write(f"pmm-tui: reading {folder.name} …\n")
                    said_at = math.inf
                if child.poll() is not None:
                    said = child.stderr.read().decode(errors="replace") if child.stderr is not None else ""
                    raise CannotStart(f"the replay did not start: {said.strip().removeprefix('pmm-tui: ')}")
                time.sleep(0.02)
            yield socket
        finally:
            child.terminate()
            child.wait()
            for pipe in (child.stdin, child.stderr):
                if pipe is not None:
                    pipe.close()


def _number(value: str | float) -> float:
    """A request's number; 0 for anything else."""
    try:
        number = float(value)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
