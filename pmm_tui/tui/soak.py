"""A long look: a console in a real terminal whose screens are visited and scrolled, its memory and that of the desks sampled."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from msgspec import Struct

from pmm_tui.tui.bench_ui import WARM_S, Watched, memory_mib

CONSOLE = "console"
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
LATE_PART = 0.5
"""Whether memory is flat is judged by the time after this part: a leak goes on, a cache is full by then."""
SLOPE_MAX = 2.0
"""MiB an hour that flat memory may seem to rise by."""
NOISE_MIB = 0.5
"""So much the console's may rise in all: pages come and go in steps. A leak of 0.6 KB/s passes it in half an hour."""
DESK_NOISE_MIB = 1.5
"""A desk's: it remembers the orders of 15 minutes of its tape, and keeps the room that those of its liveliest market took."""
JUDGED_S_MIN = 400.0
"""What was watched for less is not judged: by then a leak of 10 KB/s passes either noise."""
SERIES_MAX = 120


class Memory(Struct, frozen=True):
    """A process's resident memory over the time, MiB."""

    first: float
    """After the warm-up."""
    last: float
    most: float
    slope_per_hour: float
    """Of the line of least squares, after the warm-up."""
    samples: int
    late_slope_per_hour: float
    """Of that line through the second half of the time."""
    late_rise: float
    """By how much that line rises."""
    flat: bool | None
    """Whether it rises by no more than SLOPE_MAX an hour, or in all by no more than noise; None where it was watched too shortly to say."""
    series: list[tuple[float, float]]
    """Seconds since the watch began, and MiB; the last sample and at most SERIES_MAX - 1 before it, evenly."""


class Soak(Struct):
    """What was seen of a console."""

    seconds: float
    keys: int
    kb_s: float
    cpu_pct: float
    memory: dict[str, Memory]
    """By process: the console, and each run."""
    flat: bool | None
    """Whether every process that was watched long enough is; None where none was."""


def watch(sockets: Sequence[Path], told: Path, minutes: float, pids: Callable[[], Mapping[str, int]], visits: Sequence[str] = KEYS) -> Soak:
    """Watch a console on these desks for so long. `pids`: the desks of now by the names of their runs; asked at every sample."""
    console = Watched(sockets, told, 10, listens=True)
    console.read(WARM_S)
    began, cpu = time.monotonic(), console.cpu_s()
    seen: dict[str, list[tuple[float, float]]] = {}
    wrote = pressed = 0
    keys = cycle(visits)
    while (past := time.monotonic() - began) < 60 * minutes:
        for name, pid in {CONSOLE: console.pid, **pids()}.items():
            if mib := memory_mib(pid):
                seen.setdefault(name, []).append((past, mib))
        console.press(next(keys))
        pressed += 1
        console.read(min(SAMPLE_S, 60 * minutes - past))
        wrote += len(console.wrote)
        console.wrote.clear()
    took, cpu = time.monotonic() - began, console.cpu_s() - cpu
    console.close()
    found = {name: memory(points, NOISE_MIB if name == CONSOLE else DESK_NOISE_MIB) for name, points in seen.items()}
    return Soak(took, pressed, wrote / took / 1e3, 100 * cpu / took, found, flat(found.values()))


def memory(points: Sequence[tuple[float, float]], noise_mib: float = NOISE_MIB) -> Memory:
    """What samples of (seconds, MiB) come to, those of the warm-up left out."""
    start, end = points[0][0], points[-1][0]
    kept = [point for point in points if point[0] >= start + WARM_PART * (end - start)]
    late = [point for point in points if point[0] >= start + LATE_PART * (end - start)]
    late_slope = slope(late)
    rise = late_slope * (late[-1][0] - late[0][0])
    judged = end - start >= JUDGED_S_MIN
    return Memory(
        first=kept[0][1],
        last=kept[-1][1],
        most=max(mib for _, mib in points),
        slope_per_hour=3_600 * slope(kept),
        samples=len(kept),
        late_slope_per_hour=3_600 * late_slope,
        late_rise=rise,
        flat=3_600 * late_slope <= SLOPE_MAX or rise <= noise_mib if judged else None,
        series=thinned(points),
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """MiB a second of the line of least squares."""
    middle = sum(at for at, _ in points) / len(points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    return sum((at - middle) * mib for at, mib in points) / spread if spread else 0.0


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most SERIES_MAX of them, the last one always; tenths of a second and hundredths of a mebibyte."""
    step = -(-len(points) // SERIES_MAX)
    return [(round(at, 1), round(mib, 2)) for at, mib in reversed(points[::-1][::step])]


def flat(found: Iterable[Memory]) -> bool | None:
    """The one word for all: every one that was judged is flat; None where none was."""
    verdicts = [one.flat for one in found if one.flat is not None]
    return all(verdicts) if verdicts else None
