"""A long look: a console in a real terminal whose screens are visited and scrolled, its memory and that of the desks sampled."""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from msgspec import Struct

from pmm_tui.tui.bench_ui import WARM_S, Watched, memory_mib

SAMPLE_S = 5.0
DOWN, UP = "\x1b[B", "\x1b[A"
ESCAPE = "\x1b"
KEYS = (
    "2", "3", DOWN, DOWN, UP, "4", DOWN, DOWN, "5", DOWN, "6", DOWN, DOWN, UP, "8", DOWN, "e", "1", "T", "?", ESCAPE, "\t", ESCAPE, "T",
    "T", "T", "T",
)  # fmt: skip
"""Every screen, lists scrolled, the other desk, every theme, the help: one key a sample. None changes a desk."""
WARM_PART = 0.25
"""What memory does in this part of the time, while caches fill, is no slope."""


class Memory(Struct, frozen=True):
    """A process's resident memory over the time, MiB."""

    first: float
    """After the warm-up."""
    last: float
    most: float
    slope_per_hour: float
    """Of the line of least squares, after the warm-up."""
    samples: int


class Soak(Struct):
    """What was seen of a console."""

    seconds: float
    keys: int
    kb_s: float
    cpu_pct: float
    memory: dict[str, Memory]
    """By process: the console, and each run."""


def watch(
    sockets: Sequence[Path], told: Path, minutes: float, pids: Callable[[], Mapping[str, int]], visits: Sequence[str] = KEYS
) -> Soak:
    """Watch a console on these desks for so long. `pids`: the desks of now by the names of their runs; asked at every sample."""
    console = Watched(sockets, told, 10, listens=True)
    console.read(WARM_S)
    began, cpu = time.monotonic(), console.cpu_s()
    seen: dict[str, list[tuple[float, float]]] = {}
    wrote = pressed = 0
    keys = cycle(visits)
    while (past := time.monotonic() - began) < 60 * minutes:
        for name, pid in {"console": console.pid, **pids()}.items():
            if mib := memory_mib(pid):
                seen.setdefault(name, []).append((past, mib))
        console.press(next(keys))
        pressed += 1
        console.read(min(SAMPLE_S, 60 * minutes - past))
        wrote += len(console.wrote)
        console.wrote.clear()
    took, cpu = time.monotonic() - began, console.cpu_s() - cpu
    console.close()
    return Soak(took, pressed, wrote / took / 1e3, 100 * cpu / took, {name: memory(points) for name, points in seen.items()})


def memory(points: Sequence[tuple[float, float]]) -> Memory:
    """What samples of (seconds, MiB) come to, those of the warm-up left out."""
    start, end = points[0][0], points[-1][0]
    kept = [point for point in points if point[0] >= start + WARM_PART * (end - start)]
    middle = sum(at for at, _ in kept) / len(kept)
    spread = sum((at - middle) ** 2 for at, _ in kept)
    slope = sum((at - middle) * mib for at, mib in kept) / spread if spread else 0.0
    return Memory(kept[0][1], kept[-1][1], max(mib for _, mib in points), 3_600 * slope, len(kept))
