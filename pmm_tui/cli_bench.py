"""`pmm-tui bench --ui`: two desks of the demo and a console on them; `--minutes`: a long look; `--stall`: a terminal that nobody reads."""

import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from pmm_tui.record.journal import read
from pmm_tui.record.repeated import lengthen
from pmm_tui.runtime.bench import Machine, machine
from pmm_tui.runtime.bench_stall import Lateness, Span, Verdict, measure_stall, verdicts
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.demo import START_AT_S, beside
from pmm_tui.runtime.places import tape_path
from pmm_tui.runtime.profile import find, load
from pmm_tui.runtime.replaying import engine_of
from pmm_tui.runtime.start import Options, Started, launch
from pmm_tui.tui.bench_stall import FILL_S_MAX, PHASES, Phase, stall
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
SPARE_S = 60.0
"""The tape is longer than is watched by this: the console starts, and warms up."""
END_S = 10.0
FLAT = {True: "flat", False: "NOT FLAT", None: "too short to say"}


def bench_ui(as_json: bool, quick: bool, minutes: float = 0.0) -> int:
    """Print what the console costs at 160x48 with two desks and ten updates a second, typical and worst, and at four a second.

    With `minutes`: instead, what a console and two desks at ten times the tape's pace are like after so long. 3 where an event is missing
    or memory is not flat.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its desks end with it, as at ctrl+c
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


class Stalled(Struct, frozen=True):
    """What two desks did while their console's terminal was read, not read, and read again."""

    machine: Machine
    phases: list[Phase]
    lateness: list[Lateness]
    verdicts: list[Verdict]


def bench_stall(as_json: bool, quick: bool) -> int:
    """Print how late two desks under load wake up while nobody reads their console's terminal, and how late otherwise."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seconds, rounds = (3.0, 2) if quick else (10.0, 6)
    before, phases = machine(), list[Phase]()
    with tempfile.TemporaryDirectory(prefix="pmm-tui-") as home:

        def watch(sockets: list[Path]) -> list[Span]:
            phases.extend(stall(sockets, Path(home) / "blocks.json", seconds, rounds, Clock()))
            return [Span(phase.name, phase.began, phase.ended) for phase in phases]

        found = measure_stall(rounds * (len(PHASES) * seconds + FILL_S_MAX), watch)
    told = Stalled(msgspec.structs.replace(before, load_after=machine().load_before), phases, found, verdicts(found, PHASES[1]))
    if as_json:
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        _say_stalled(told, seconds, rounds)
    return 0


def _say_stalled(told: Stalled, seconds: float, rounds: int) -> None:
    write = sys.stdout.write
    write(f"{rounds} rounds of {len(PHASES)} phases of {seconds:g} s, load {told.machine.load_before:.1f} before\n")
    for name in PHASES:
        these = [phase for phase in told.phases if phase.name == name]
        cpu, kb = (sum(values) / len(these) for values in ([one.console_pct for one in these], [one.kb for one in these]))
        write(f"  {name:<12} the console: {cpu:.1f} % of a core, {kb:.0f} KB read from it in a phase\n")
    for one in told.lateness:
        write(f"  {one.desk:<12}{one.what:<7}{one.span:<12} p50 {one.p50:6.2f}  p90 {one.p90:6.2f}  p99 {one.p99:6.2f} ms, ")
        write(f"{one.samples} samples, p99 of a phase {min(one.p99_each):.1f} to {max(one.p99_each):.1f}\n")
    for verdict in told.verdicts:
        write(f"  {verdict.desk:<12}{verdict.what:<7}p99 stalled less p99 read: {verdict.difference:+.2f} ms, ")
        write(f"noise {verdict.noise:.2f} ms: {verdict.says}\n")


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
    """Two desks on the demo's tape, which is played again and again for so long."""

    def __init__(self, folder: Path, minutes: float) -> None:
        tape, profile = folder / "long.tape.zst", folder / "demo.yaml"
        lengthen(tape_path(load("demo"), None), tape, START_AT_S + float(SOAK_SPEED) * (60 * minutes + SPARE_S))
        text = find("demo").read_text(encoding="utf-8")
        profile.write_text(text.replace("tape: demo", f"tape: {tape}"), encoding="utf-8")
        self.all: list[Started] = []
        for _ in range(2):
            self.all.append(launch(Options(str(profile), speed=SOAK_SPEED, logs=folder / "runs", start_at_s=START_AT_S)))

    @property
    def sockets(self) -> list[Path]:
        """Where they are heard."""
        return [desk.socket for desk in self.all]

    def pids(self) -> dict[str, int]:
        """The processes by their runs."""
        return {desk.run: desk.process.pid for desk in self.all if desk.process.poll() is None}

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
        pair = Pair(Path(home), minutes)
        try:
            seen = watch(pair.sockets, told, minutes, pair.pids)
        finally:
            pair.end()
        lines = [msgspec.json.decode(line, type=Told) for line in Path(f"{told}.heard").read_bytes().splitlines()]
        heard = {desk.run: _heard(desk, [line for line in lines if line.run == desk.run]) for desk in pair.all}
    whole = bool(heard) and not any(one.gaps or one.missing for one in heard.values())
    if as_json:
        sys.stdout.write(msgspec.json.encode({"soak": seen, "heard": heard, "whole": whole}).decode() + "\n")
    else:
        _say(seen, heard)
    return 0 if whole and seen.flat is not False else 3


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
        write(f"{one.slope_per_hour:+.2f} an hour; the second half {one.late_slope_per_hour:+.2f} an hour, ")
        write(f"{one.late_rise:+.2f} in all: {FLAT[one.flat]}\n")
    for run, told in heard.items():
        write(f"  {run:<24} {told.events} events and {told.fills} fills told over {told.seq} journal entries: ")
        write(f"{told.gaps} gaps, {told.missing} missing\n")
