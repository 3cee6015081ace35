"""`pmm-tui bench --ui`: two desks of the demo, and the console on them; `--minutes` for a long look at memory and events."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from pmm_tui.record.journal import read
from pmm_tui.runtime.demo import START_AT_S, beside
from pmm_tui.runtime.replaying import engine_of
from pmm_tui.runtime.start import Options, Started, launch
from pmm_tui.tui.bench_ui import measure
from pmm_tui.tui.heard import Told
from pmm_tui.tui.soak import Soak, watch

LOADS = {"typical": "1", "worst": "60"}
"""How fast the tape is played: at 60 every number of every picture is another one."""
AIMS = {
    "cpu_pct": 6.0, "block_p50_ms": 4.0, "block_p99_ms": 12.0, "raw_kb_s": 45.0, "compressed_kb_s": 4.0, "key_p99_ms": 150.0,
}  # fmt: skip
SLOW = "typical, 4 a second"
SLOW_KB_S = 20.0
SOAK_SPEED = "10"
END_S = 10.0


def bench_ui(as_json: bool, quick: bool, minutes: float = 0.0) -> int:
    """Print what the console costs at 160x48 with two desks and ten updates a second, typical and worst, and at four a second.

    With `minutes`: instead, what a console and two desks at ten times the tape's pace are like after so long. 3 where an event is missing.
    """
    if minutes:
        return soak_ui(as_json, minutes)
    seconds, presses = (5.0, 4) if quick else (30.0, 40)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="pmm-tui-") as home:
        for load, speed in LOADS.items():
            found[load] = _one(Path(home) / load, speed, seconds, presses, 10)
        found[SLOW] = _one(Path(home) / "slow", LOADS["typical"], seconds, 0, 4)
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0
    for load, figures in found.items():
        aims = AIMS | ({"raw_kb_s": SLOW_KB_S} if load == SLOW else {})
        sys.stdout.write(f"{load}\n")
        for name, value in figures.items():
            sys.stdout.write(f"  {name:<16} {value:>8.2f}{f'   aim {aims[name]:g}' if name in aims else ''}\n")
    return 0


def _one(folder: Path, speed: str, seconds: float, presses: int, fps: int) -> dict[str, float]:
    folder.mkdir()
    asked = Options("demo", speed=speed, logs=folder)
    with beside([asked] if speed == LOADS["typical"] else [asked, asked]) as shown:
        desks = [launch(options) for options in shown.wanted]
        try:
            return measure([desk.socket for desk in desks], folder / "blocks.json", seconds, presses, fps)
        finally:
            for desk in desks:
                desk.process.terminate()
                desk.ended(END_S)


class Heard(Struct, frozen=True):
    """One run's events as the console was told them, beside those in its journal."""

    pictures: int
    """Pictures that told something."""
    events: int
    """Lines of the event log that the console was told, each once and in their order."""
    fills: int
    gaps: int
    """Pictures whose events or fills did not join those before."""
    missing: int
    """Lines of the event log up to the last picture, by the run's journal, that the console was not told in their place."""
    seq: int
    """Entries of the journal up to the last picture."""


class Pair:
    """Two desks behind two names that stay: when both have come to the end of the tape, two others follow behind the same names."""

    def __init__(self, folder: Path) -> None:
        self.names = [folder / "a.sock", folder / "b.sock"]
        self.all: list[Started] = []
        self._logs = folder / "runs"
        self._start()

    def pids(self) -> dict[str, int]:
        """The processes of now by their runs."""
        if all(desk.process.poll() is not None for desk in self.all):
            self._start()
        return {desk.run: desk.process.pid for desk in self.all if desk.process.poll() is None}

    def _start(self) -> None:
        for name in self.names:
            desk = launch(Options("demo", speed=SOAK_SPEED, logs=self._logs, start_at_s=START_AT_S))
            self.all.append(desk)
            name.unlink(missing_ok=True)
            name.symlink_to(desk.socket)

    def end(self) -> None:
        """Stop those that run."""
        for desk in self.all:
            if desk.process.poll() is None:
                desk.process.terminate()
                desk.ended(END_S)


def soak_ui(as_json: bool, minutes: float) -> int:
    """Two desks, a console on them, and what it was told compared with what the desks wrote down."""
    with tempfile.TemporaryDirectory(prefix="pmm-tui-") as home:
        told = Path(home) / "blocks.json"
        pair = Pair(Path(home))
        try:
            seen = watch(pair.names, told, minutes, pair.pids)
        finally:
            pair.end()
        lines = [msgspec.json.decode(line, type=Told) for line in Path(f"{told}.heard").read_bytes().splitlines()]
        heard = {desk.run: _heard(desk, [line for line in lines if line.run == desk.run]) for desk in pair.all}
    whole = bool(heard) and not any(one.gaps or one.missing for one in heard.values())
    if as_json:
        sys.stdout.write(msgspec.json.encode({"soak": seen, "heard": heard, "whole": whole}).decode() + "\n")
    else:
        _say(seen, heard)
    return 0 if whole else 3


def _heard(desk: Started, lines: list[Told]) -> Heard:
    """Compare line by line: the journal's events, made anew by replaying it, and the console's."""
    seq = lines[-1].seq if lines else 0
    told = [(note.at, note.level, note.text) for line in lines for note in line.notes]
    missing = sum(1 for number, true in enumerate(_noted(desk.folder, seq)) if number >= len(told) or told[number] != true)
    return Heard(len(lines), len(told), lines[-1].fills if lines else 0, sum(line.gap for line in lines), missing, seq)


def _noted(folder: Path, entries: int) -> Iterator[tuple[int, str, str]]:
    """The event log that the first entries of a journal make, oldest first."""
    journal = read(folder)
    try:
        engine = engine_of(journal.header)
        last: object = None
        for entry in journal:
            if engine.state.seq >= entries:
                break
            engine.step(entry.event)
            fresh = []
            for note in reversed(engine.state.notes):
                if note is last:
                    break
                fresh.append(note)
            last = fresh[0] if fresh else last
            yield from ((note.at, note.level, note.text) for note in reversed(fresh))
    finally:
        journal.close()


def _say(seen: Soak, heard: dict[str, Heard]) -> None:
    write = sys.stdout.write
    write(f"{seen.seconds / 60:.1f} minutes, {seen.keys} keys, {seen.cpu_pct:.1f} % of a core, {seen.kb_s:.1f} KB/s\n")
    for name, one in seen.memory.items():
        write(f"  {name:<24} {one.first:6.1f} MiB after the warm-up, {one.last:6.1f} at the end, {one.most:6.1f} at most, ")
        write(f"{one.slope_per_hour:+.2f} an hour\n")
    for run, told in heard.items():
        write(f"  {run:<24} {told.events} events and {told.fills} fills told over {told.seq} journal entries: ")
        write(f"{told.gaps} gaps, {told.missing} missing\n")
