"""What faces cost a desk: the time from a fact on a socket to the decision, with none, one and fifty of them, half reading nothing.

The desk, its board and its window are the real ones, in this process. The facts come through a pipe from a second process that stamps each
with the machine's monotonic clock, and the faces live in a third, so that nothing of theirs runs in the desk's loop. The numbers of faces
take turns, so that a machine that gets busier does so for all of them.
"""

import asyncio
import gc
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from pmm_tui.api.protocol import encode_push
from pmm_tui.api.server import Api
from pmm_tui.core.commands import Cancel, Command, Place
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import BookChanged, OrderAccepted, OrderCancelled
from pmm_tui.core.knobs import DeskKnobs, Knobs
from pmm_tui.core.risk.review import RiskKnobs
from pmm_tui.core.snapshot import DeskCard
from pmm_tui.core.units import MILLI, Nanos, Size
from pmm_tui.record.journal import Journal
from pmm_tui.runtime.bench_crowd import FACTS_PER_S, STAMP
from pmm_tui.runtime.bench_tape import START_AT, Walk, market
from pmm_tui.runtime.bench_work import SEED, NotMeasured
from pmm_tui.runtime.board import DeskBoard
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.profile import load

MARKETS = 8
START_S = 60.0
CROWDS = ((0, 0), (1, 0), (25, 25))
"""Faces that read, and faces that do not."""


class Turn(Struct, frozen=True):
    """One stretch with one crowd."""

    faces: int
    waits_us: list[float]
    """From each fact's stamp to its decision, sorted."""
    processor: float
    """The desk's processor time, part of the time."""
    frames_per_s: float
    """Pictures offered."""
    rss_mib: float

    def wait_us(self, share: float) -> float:
        """What this share of the waits did not exceed."""
        return self.waits_us[min(len(self.waits_us) - 1, int(len(self.waits_us) * share))]


class Cost(Struct, frozen=True):
    """All turns, and how long one picture is."""

    turns: list[Turn]
    frame_kib: float


def measure_api(seconds: float, rounds: int) -> Cost:
    """Take the crowds in turn, each for so long, as often as `rounds` says."""
    with tempfile.TemporaryDirectory(prefix="pmm") as folder:
        return asyncio.run(_measure(Path(folder), seconds, rounds))


async def _measure(folder: Path, seconds: float, rounds: int) -> Cost:
    bench = _Bench(folder)
    api = Api(bench.board, folder / "s" / "desk.sock")
    serving = asyncio.get_running_loop().create_task(api.serve())
    while not api.listening:
        await asyncio.sleep(0.01)
    turns = []
    gc.collect()
    gc.freeze()
    try:
        for _ in range(rounds):
            for reading, deaf in CROWDS:
                async with _crowd(folder / "s" / "desk.sock", reading, deaf, api):
                    turns.append(await bench.turn(reading + deaf, seconds, api))
        return Cost(turns, len(encode_push(bench.board.frame())) / 1024)
    finally:
        gc.unfreeze()
        api.stop()
        await serving
        bench.desk.close()


class _Bench:
    """A desk that quotes some markets, and answers itself like a venue that says yes."""

    def __init__(self, folder: Path) -> None:
        desk = DeskKnobs(initial_balance=1e6, quote_interval_s=0.0)
        knobs = Knobs(desk=desk, risk=RiskKnobs(warm_up_s=0.0, max_open_orders=10_000, stale_after_s=3_600.0))
        card = DeskCard("bench", "bench", "PAPER", "loopback", Nanos(0), "", 0.0, 0.0, 0, "", "", "", "")
        journal = Journal(folder / "run", {"bench": 1}, sync_ms=60_000)
        self.desk = Desk(Engine(knobs), journal, folder / "run", card, logging.getLogger("pmm_tui.bench"), None)
        self.board = DeskBoard(self.desk, load("demo"), lambda _: None, asyncio.Event(), None)
        self._walks = [Walk(SEED + number, market(number)) for number in range(MARKETS)]
        self._at, self._number = START_AT, 0
        self._waits: list[float] = []
        for walk in self._walks:
            for event in walk.opening():
                self._answer(self.desk.step(event), event.at)

    async def turn(self, faces: int, seconds: float, api: Api) -> Turn:
        """Take facts for so long."""
        with _facts() as pipe:
            loop = asyncio.get_running_loop()
            loop.add_reader(pipe, self._take, pipe)
            self._waits = []
            async with asyncio.timeout(START_S):
                while not self._waits:
                    await asyncio.sleep(0.05)
            self._waits = []
            began, used, pushed = time.monotonic(), time.process_time(), api.pushed
            await asyncio.sleep(seconds)
            took = time.monotonic() - began
            loop.remove_reader(pipe)
        if len(self._waits) < FACTS_PER_S * seconds / 4 or not self.desk.engine.state.orders_sent > MARKETS:
            raise NotMeasured(f"{len(self._waits)} facts came in {seconds:g} s")
        return Turn(faces, sorted(self._waits), (time.process_time() - used) / took, (api.pushed - pushed) / took, _rss_mib())

    def _take(self, pipe: int) -> None:
        for (stamp,) in STAMP.iter_unpack(os.read(pipe, 100 * STAMP.size)):
            self._number += 1
            self._at = Nanos(self._at + MILLI)
            change = self._walks[self._number % MARKETS].change()
            commands = self.desk.step(BookChanged(self._at, change.market, self._at, change.changes))
            self._waits.append((time.monotonic_ns() - stamp) / 1e3)
            self._answer(commands, self._at)

    def _answer(self, commands: Iterable[Command], at: Nanos) -> None:
        while commands:
            asked: list[Command] = []
            for command in commands:
                if isinstance(command, Place):
                    asked += self.desk.step(OrderAccepted(at, command.order))
                elif isinstance(command, Cancel):
                    asked += self.desk.step(OrderCancelled(at, command.order, Size(0)))
            commands = asked


@contextmanager
def _facts() -> Iterator[int]:
    """A process that writes stamps, and the pipe's end to read them from."""
    reading, writing = os.pipe()
    process = _python(f"stamps({writing})", pass_fds=(writing,))
    os.close(writing)
    try:
        yield reading
    finally:
        process.kill()
        process.wait()
        os.close(reading)


@asynccontextmanager
async def _crowd(path: Path, reading: int, deaf: int, api: Api) -> Any:
    """So many faces, all connected, in a process of their own; gone afterwards."""
    process = _python(f"crowd({str(path)!r}, {reading}, {deaf})")
    try:
        async with asyncio.timeout(START_S):
            while api.faces < reading + deaf:
                await asyncio.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()
        while api.faces:
            await asyncio.sleep(0.02)


def _python(call: str, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", f"from pmm_tui.runtime.bench_crowd import crowd, stamps; {call}"], **more)  # noqa: S603 - our own code


def _rss_mib() -> float:
    """Resident memory now; 0 where the system does not tell it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
