"""What the console costs: its processor time, how long it blocks its loop, what it writes to the terminal, how soon a key is answered."""

import asyncio
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
import zlib
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.dialogs.arming import HELD_S

SIZE = (48, 160)
WARM_S = 4.0
WINDOW_S = 0.1
"""One update: of each such window the longest block counts."""
KEY_APART_S = HELD_S + 0.1
"""Longer than a held key, so that every press counts."""
PATIENCE_S = 5.0
READ_S = 0.05


def child(sockets: Sequence[str], told: str, fps: str, listens: str) -> int:
    """The console itself, watched; what was found is written to `told` at its end.

    `listens` (not empty): beside it, as `told` with .heard behind, goes what it was told of the desks' events.
    """
    blocks = _time_blocks()
    from pmm_tui.tui.start import Wish, open_console

    answers = _time_answers()
    with Path(f"{told}.heard").open("wb") as file:
        if listens:
            _write_down(file)
        code = open_console([Path(one) for one in sockets], Wish(fps=int(fps)))
    Path(told).write_text(json.dumps({"blocks": blocks.tolist(), "answers": answers}))
    return code


def _time_blocks() -> "array[float]":
    """The longest callback of the loop in each window from now on, seconds."""
    longest = array("f")
    start = time.perf_counter()
    run: Callable[[asyncio.Handle], None] = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.perf_counter()
        try:
            run(handle)
        finally:
            now = time.perf_counter()
            window = int((now - start) / WINDOW_S)
            longest.extend([0.0] * (window + 1 - len(longest)))
            longest[window] = max(longest[window], now - began)

    asyncio.Handle._run = timed  # type: ignore[method-assign, assignment] # the one place where every callback of a loop passes
    return longest


def _time_answers() -> list[tuple[float, str]]:
    """When each answer was painted (handed to the terminal), and what it says: an answer is said and painted in one."""
    from pmm_tui.tui.app import PmmApp

    answers: list[tuple[float, str]] = []
    say = PmmApp.say

    def timed(app: PmmApp, text: str, style: str = "") -> None:
        say(app, text, style)
        answers.append((time.monotonic(), text))

    PmmApp.say = timed  # type: ignore[method-assign, assignment] # where every answer passes
    return answers


def _write_down(file: IO[bytes]) -> None:
    """Every picture that is shown, as far as it tells of events."""
    from pmm_tui.api.client import Client
    from pmm_tui.tui.heard import Heard

    heard, latest = Heard(file), Client.latest

    def listened(client: Client) -> Frame | None:
        if (frame := latest(client)) is not None:
            heard.take(frame)
        return frame

    Client.latest = listened  # type: ignore[method-assign, assignment] # where every picture passes


class Watched:
    """A console in a terminal of its own."""

    def __init__(self, sockets: Sequence[Path], told: Path, fps: int, listens: bool = False) -> None:
        """`listens`: it writes down what it is told of the desks' events."""
        program = "import sys; from pmm_tui.tui.bench_ui import child; sys.exit(child(sys.argv[4:], *sys.argv[1:4]))"
        words = [sys.executable, "-c", program, str(told), str(fps), "y" * listens, *map(str, sockets)]
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execv(sys.executable, words)  # noqa: S606 - our own program, in the terminal that was just made
        self.resize(*SIZE)
        self.wrote = bytearray()

    def resize(self, rows: int, columns: int) -> None:
        """Its terminal's."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float) -> float:
        """Take what it writes for so long; how long it was."""
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0:
            if select.select([self._fd], [], [], min(left, 0.05))[0]:
                try:
                    self.wrote += os.read(self._fd, 65_536)
                except OSError:
                    break
        return time.monotonic() - began

    def memory_mib(self) -> float:
        """What it has in memory now."""
        return memory_mib(self.pid)

    def press(self, key: str) -> None:
        """A key."""
        os.write(self._fd, key.encode())

    def cpu_s(self) -> float:
        """Its processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End it: it asks nothing when it is told to by a signal."""
        os.kill(self.pid, signal.SIGTERM)
        ends = time.monotonic() + PATIENCE_S
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() > ends:
                os.kill(self.pid, signal.SIGKILL)
            self.read(READ_S)  # one that is not read does not come to its end
        os.close(self._fd)


def measure(sockets: Sequence[Path], told: Path, seconds: float, presses: int, fps: int = 10) -> dict[str, float]:
    """Watch a console on these desks. The first one must be a paper desk: its quotes are pulled and placed again by the keys."""
    console = Watched(sockets, told, fps)
    console.read(WARM_S)
    cpu, wrote = console.cpu_s(), len(console.wrote)
    took = console.read(seconds)
    cpu = console.cpu_s() - cpu
    raw = bytes(console.wrote[wrote:])
    pressed = []
    for _ in range(presses):
        console.read(KEY_APART_S)
        pressed.append(time.monotonic())
        console.press(" ")
    console.read(KEY_APART_S)
    console.close()
    found = json.loads(told.read_text())
    # The first seconds are the start's (imports, the first layout), the last the end's.
    edge = int(WARM_S / WINDOW_S)
    blocks = sorted(found["blocks"][edge : -edge // 2])
    waits = sorted(waited(pressed, found["answers"]))
    return {
        "seconds": took,
        "cpu_pct": 100 * cpu / took,
        "block_p50_ms": 1e3 * at(blocks, 50),
        "block_p99_ms": 1e3 * at(blocks, 99),
        "raw_kb_s": len(raw) / took / 1e3,
        "compressed_kb_s": len(zlib.compress(raw, 6)) / took / 1e3,
        "key_p50_ms": 1e3 * at(waits, 50),
        "key_p99_ms": 1e3 * at(waits, 99),
    }


def waited(pressed: Sequence[float], answers: Sequence[tuple[float, str]]) -> list[float]:
    """From each press of the pause key to the answer of the desk to it; PATIENCE_S where there was none."""
    waits: list[float] = []
    for number, at_ in enumerate(pressed):
        word = "resume:" if number % 2 else "pause:"
        waits.append(next((answered - at_ for answered, text in answers if answered > at_ and word in text), PATIENCE_S))
    return waits


def memory_mib(pid: int) -> float:
    """Resident memory of a process; 0 once it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def at(values: Sequence[float], per_cent: int) -> float:
    """A percentile of sorted values; 0 of none."""
    return values[min(len(values) - 1, len(values) * per_cent // 100)] if values else 0.0
