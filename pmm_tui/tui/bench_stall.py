"""A console whose terminal is read, then not read at all, then read again: from when to when, on the desks' clock."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from pmm_tui.tui.bench_ui import SIZE, WARM_S, Watched

PHASES = ("read", "stalled", "read again")
FILL_S = 0.1
LOOK_S = 0.5
"""A console's loop that runs is seen to within this: it looks at its desks ten times a second."""
FILLS_MAX = 20
FILL_S_MAX = FILLS_MAX * (2 * FILL_S + LOOK_S)
"""Until a terminal is full, at most."""


class NotStalled(RuntimeError):
    """The console went on although nobody read its terminal."""


class Phase(Struct, frozen=True):
    """One stretch of one kind."""

    name: str
    """One of PHASES."""
    began: int
    ended: int
    """Nanoseconds since the epoch, as the desks' journals have them."""
    console_pct: float
    """The console's processor time, per cent of a core."""
    kb: float
    """What it wrote and was read."""


def fill(console: Watched) -> None:
    """Read nothing, and have the whole screen written again and again, until the console waits; NotStalled where it never does."""
    rows, columns = SIZE
    for _ in range(FILLS_MAX):
        for width in (columns - 1, columns):
            console.resize(rows, width)
            time.sleep(FILL_S)
        stood = turns(console.pid)
        time.sleep(LOOK_S)
        if turns(console.pid) == stood:
            return
    raise NotStalled("the console never waited for its terminal")


def turns(pid: int) -> int:
    """How often a process's first thread, where its loop runs, was put aside: the number stands while that thread waits for something."""
    lines = Path(f"/proc/{pid}/task/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "_ctxt_switches" in line)


def stall(sockets: Sequence[Path], told: Path, seconds: float, rounds: int, clock: Callable[[], int]) -> list[Phase]:
    """A console on these desks, each phase for so long, in turn, so many rounds. `clock`: the desks', nanoseconds."""
    console = Watched(sockets, told, 10)
    console.read(WARM_S)
    try:
        return [_phase(console, name, seconds, clock) for _ in range(rounds) for name in PHASES]
    finally:
        console.read(LOOK_S)  # one that stands hears no signal
        console.close()


def _phase(console: Watched, name: str, seconds: float, clock: Callable[[], int]) -> Phase:
    stalled = name == PHASES[1]
    if stalled:
        fill(console)
    console.wrote.clear()
    stood, began, cpu = turns(console.pid), clock(), console.cpu_s()
    if stalled:
        time.sleep(seconds)
        if turns(console.pid) != stood:
            raise NotStalled("the console went on although nobody read its terminal")
    else:
        console.read(seconds)
    ended, cpu = clock(), console.cpu_s() - cpu
    return Phase(name, began, ended, 1e11 * cpu / (ended - began), len(console.wrote) / 1e3)
