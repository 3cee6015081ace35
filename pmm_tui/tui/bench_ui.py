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
from collections.abc import Callable, Sequence
from pathlib import Path

SIZE = (48, 160)
WARM_S = 4.0
WINDOW_S = 0.1
"""One update: of each such window the longest block counts."""
KEY_APART_S = 0.7
"""Longer than a held key, so that every press counts."""
PATIENCE_S = 5.0


def child(sockets: Sequence[str], told: str, fps: str) -> int:
    """The console itself, with every callback of its loop timed; what was found is written to `told` at its end."""
    longest: dict[int, float] = {}
    run: Callable[[asyncio.Handle], None] = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.perf_counter()
        try:
            run(handle)
        finally:
            now = time.perf_counter()
            window = int(now / WINDOW_S)
            longest[window] = max(longest.get(window, 0.0), now - began)

    asyncio.Handle._run = timed  # type: ignore[method-assign, assignment] # the one place where every callback of a loop passes
    from pmm_tui.tui.start import Wish, open_console

    code = open_console([Path(one) for one in sockets], Wish(fps=int(fps)))
    Path(told).write_text(json.dumps(sorted(longest.items())))
    return code


class Watched:
    """A console in a terminal of its own."""

    def __init__(self, sockets: Sequence[Path], told: Path, fps: int) -> None:
        program = "import sys; from pmm_tui.tui.bench_ui import child; sys.exit(child(sys.argv[3:], sys.argv[1], sys.argv[2]))"
        words = [sys.executable, "-c", program, str(told), str(fps), *map(str, sockets)]
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execv(sys.executable, words)  # noqa: S606 - our own program, in the terminal that was just made
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        self.wrote = bytearray()

    def read(self, seconds: float, until: bytes = b"") -> float:
        """Take what it writes for so long, or until these bytes come; how long it took."""
        began, start = time.monotonic(), len(self.wrote)
        while (left := began + seconds - time.monotonic()) > 0:
            if select.select([self._fd], [], [], min(left, 0.05))[0]:
                try:
                    self.wrote += os.read(self._fd, 65_536)
                except OSError:
                    break
            if until and until in self.wrote[start:]:
                break
        return time.monotonic() - began

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
        self.read(PATIENCE_S)
        os.waitpid(self.pid, 0)
        os.close(self._fd)


def measure(sockets: Sequence[Path], told: Path, seconds: float, presses: int, fps: int = 10) -> dict[str, float]:
    """Watch a console on these desks. The first one must be a paper desk: its quotes are pulled and placed again by the keys."""
    console = Watched(sockets, told, fps)
    console.read(WARM_S)
    cpu, wrote = console.cpu_s(), len(console.wrote)
    took = console.read(seconds)
    cpu = console.cpu_s() - cpu
    raw = bytes(console.wrote[wrote:])
    waits = []
    for number in range(presses):
        console.read(KEY_APART_S)
        console.press(" ")
        waits.append(console.read(PATIENCE_S, b"resume:" if number % 2 else b"pause:"))
    console.close()
    # The first seconds are the start's (imports, the first layout), the last the end's.
    edge = int(WARM_S / WINDOW_S)
    blocks = sorted(block for _, block in json.loads(told.read_text())[edge : -edge // 2])
    return {
        "seconds": took,
        "cpu_pct": 100 * cpu / took,
        "block_p50_ms": 1e3 * at(blocks, 50),
        "block_p99_ms": 1e3 * at(blocks, 99),
        "raw_kb_s": len(raw) / took / 1e3,
        "compressed_kb_s": len(zlib.compress(raw, 6)) / took / 1e3,
        "key_p50_ms": 1e3 * at(sorted(waits), 50),
        "key_p99_ms": 1e3 * at(sorted(waits), 99),
    }


def at(values: Sequence[float], per_cent: int) -> float:
    """A percentile of sorted values; 0 of none."""
    return values[min(len(values) - 1, len(values) * per_cent // 100)] if values else 0.0
