"""The work that `pmm-tui bench` times: decoding, decisions, replays and a desk in a process of its own."""

import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from pmm_tui.core.book import Book
from pmm_tui.core.commands import Cancel, Command, Place
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import BookChanged, BookReset, Event, OrderAccepted, OrderCancelled, Ticked
from pmm_tui.core.knobs import DeskKnobs, Knobs
from pmm_tui.core.risk.review import RiskKnobs
from pmm_tui.core.signals.integrity import Integrity
from pmm_tui.core.units import MILLI, Nanos, Size, to_cash
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.conduct import TICK_NS, Conductor
from pmm_tui.record.journal import Journal
from pmm_tui.record.recorded import facts
from pmm_tui.record.tape import read_tape
from pmm_tui.runtime.bench_tape import START_AT, STEP_NS, Frames, Walk, market, tape
from pmm_tui.runtime.places import tape_path
from pmm_tui.runtime.profile import load
from pmm_tui.venues.paper.fills import PaperKnobs
from pmm_tui.venues.paper.matching import Matching

SEED = 7
BALANCE_USD = 100_000.0
"""Enough that neither the balance nor the kill switch ends the quoting."""
JUDGED_EVERY = 10
"""Frames 10 ms apart, judged at each tick of 100 ms, as a desk does."""
STEPS_A_TICK = 100
FIRST_QUOTE_S = 60.0
LOOK_S = 0.001
_PLACED = b'{"type":"Place"'


class NotMeasured(ValueError):
    """The work did not do what was to be timed: its figure would be a lie."""


def decode_rate(frames: Frames, hashed: bool) -> float:
    """Frames a second through the decoder into the book, and through the hash check too where `hashed`; one level change each."""
    decoder, book, integrity = Decoder(), Book(frames.market.tick), Integrity(frames.market)
    decoder.know(frames.market)
    for whole in decoder.decode(frames.book, START_AT):
        if isinstance(whole, BookReset):
            book.reset(whole.bids, whole.asks, whole.ts, whole.tick)
            integrity.frame(whole)
    at, changes, decode, change = START_AT, 0, decoder.decode, book.change
    gc.collect()
    began = time.perf_counter()
    for number, raw in enumerate(frames.changes, 1):
        at = Nanos(at + STEP_NS)
        for event in decode(raw, at):
            if type(event) is BookChanged:
                for side, price, size in event.changes:
                    change(side, price, size, event.ts)
                    changes += 1
                if hashed:
                    integrity.frame(event)
        if hashed and not number % JUDGED_EVERY:
            integrity.judge(at)
    if hashed:
        integrity.judge(Nanos(at + 1_000 * MILLI))
    took = time.perf_counter() - began
    said = 2 * changes + 1 if hashed else 0
    if changes != len(frames.changes) or decoder.malformed or integrity.verified != said:
        raise NotMeasured(f"{changes} changes, {decoder.malformed} malformed, {integrity.verified} of {said} hashes verified")
    return changes / took


class Paces(Struct, frozen=True):
    """How long steps took, microseconds, sorted."""

    decisions: list[float]
    ticks: list[float]

    @staticmethod
    def at(took: list[float], share: float) -> float:
        """The value that this share of the steps did not exceed."""
        return took[min(len(took) - 1, int(len(took) * share))]


def decision_paces(markets: int, steps: int) -> Paces:
    """Time each step that decides, at changes of the touch, over so many markets in turn; orders are accepted and cancelled as asked."""
    desk = DeskKnobs(initial_balance=1e6, quote_interval_s=0.0)
    engine = Engine(Knobs(desk=desk, risk=RiskKnobs(warm_up_s=0.0, max_open_orders=10_000)))
    walks = [Walk(SEED + number, market(number)) for number in range(markets)]
    for walk in walks:
        for event in walk.opening():
            _answer(engine, engine.step(event), event.at)
    decisions: list[float] = []
    ticks: list[float] = []
    at = START_AT
    gc.collect()
    for number in range(steps):
        at = Nanos(at + MILLI)
        if not number % STEPS_A_TICK:
            at = Nanos(at - at % TICK_NS + TICK_NS)
            _answer(engine, _timed(engine, Ticked(at), ticks), at)
        change = walks[number % markets].change()
        seen = engine.state.markets[change.market]
        before = seen.next_at
        took: list[float] = []
        commands = _timed(engine, BookChanged(at, change.market, at, change.changes), took)
        if seen.next_at != before:
            decisions += took
        _answer(engine, commands, at)
    if not engine.state.orders_sent > markets:
        raise NotMeasured("the desk did not quote")
    return Paces(sorted(decisions), sorted(ticks))


def _timed(engine: Engine, event: Event, into: list[float]) -> list[Command]:
    began = time.perf_counter_ns()
    commands = engine.step(event)
    into.append((time.perf_counter_ns() - began) / 1e3)
    return commands


def _answer(engine: Engine, commands: Iterable[Command], at: Nanos) -> None:
    """A venue that says yes to everything at once, until nothing more is asked for."""
    while commands:
        asked: list[Command] = []
        for command in commands:
            if isinstance(command, Place):
                asked += engine.step(OrderAccepted(at, command.order))
            elif isinstance(command, Cancel):
                asked += engine.step(OrderCancelled(at, command.order, Size(0)))
        commands = asked


class Replayed(Struct, frozen=True):
    """One replay of the generated tape. Rates are events of the tape a second; ticks and answers come on top and are not counted."""

    rate: float
    """By the clock on the wall."""
    cpu_rate: float
    """By the processor time of this thread: what the wall would say on a machine that does nothing else."""
    flatness: float
    """The rate over the last quarter of the tape over that of the first, by processor time."""
    fills: int


def replay_delta(changes: int, trades: int, quote_interval_s: float, journal: bool) -> Replayed:
    """The generated tape through engine and paper venue with the queue model. The making of the facts, piece by piece, is not timed."""
    engine = Engine(Knobs(desk=DeskKnobs(initial_balance=BALANCE_USD, quote_interval_s=quote_interval_s)))
    matching = Matching(PaperKnobs(fill_model="queue"), SEED, to_cash(BALANCE_USD))
    pieces: list[tuple[int, float, float]] = []
    with tempfile.TemporaryDirectory(prefix="pmm-tui-bench-") as folder:
        log = Journal(Path(folder) / "run", {"bench": SEED}) if journal else None
        conductor = Conductor(engine.step if log is None else _written(engine, log), matching)
        gc.collect()
        for piece in tape(SEED, changes, trades, chunk=max(100, min(10_000, changes // 20))):
            began, worked = time.perf_counter(), time.thread_time()
            conductor.run(piece)
            pieces.append((len(piece), time.perf_counter() - began, time.thread_time() - worked))
        if log is not None:
            log.close(engine.digest())
    if engine.state.kill.stopped or not engine.state.orders_sent:
        raise NotMeasured(f"the desk did not quote to the end: {engine.state.kill.why or 'no order'}")
    quarter = len(pieces) // 4
    rate = sum(count for count, _, _ in pieces) / sum(seconds for _, seconds, _ in pieces)
    flatness = _cpu_rate(pieces[-quarter:]) / _cpu_rate(pieces[1 : quarter + 1])  # the first piece is the opening: one book
    return Replayed(rate, _cpu_rate(pieces), flatness, engine.state.portfolio.fill_count)


def _cpu_rate(pieces: list[tuple[int, float, float]]) -> float:
    return sum(count for count, _, _ in pieces) / sum(worked for _, _, worked in pieces)


def _written(engine: Engine, log: Journal) -> Callable[[Event], list[Command]]:
    def step(event: Event) -> list[Command]:
        commands = engine.step(event)
        log.write(event, commands)
        return commands

    return step


def replay_demo() -> tuple[float, float]:
    """The demo's tape through the demo's desk, decoding included: (facts of the tape, steps of the engine) a second."""
    profile = load("demo")
    knobs, told = profile.knobs(), 0
    engine = Engine(knobs)
    conductor = Conductor(engine.step, Matching(profile.paper(), profile.run().seed, to_cash(knobs.desk.initial_balance)))

    def counted(events: Iterable[Event]) -> Iterable[Event]:
        nonlocal told
        for event in events:
            told += 1
            yield event

    gc.collect()
    began = time.perf_counter()
    conductor.run(counted(facts(read_tape(tape_path(profile, None)), Decoder(), profile.run().markets)))
    took = time.perf_counter() - began
    if not engine.state.orders_sent:
        raise NotMeasured("the demo's desk did not quote")
    return told / took, engine.state.seq / took


class DeskSeen(Struct, frozen=True):
    """A real desk, watched from outside."""

    first_quote_s: float
    peak_mib: float
    """0 where it was stopped at its first quote."""


def start_desk(to_the_end: bool) -> DeskSeen:
    """Start the demo's desk as fast as its tape goes, and read its journal for the first order; then stop it, or watch it to its end."""
    with tempfile.TemporaryDirectory(prefix="pmm-tui-bench-") as folder, (Path(folder) / "out").open("w+b") as out:
        words = [sys.executable, "-m", "pmm_tui", "desk", "--profile", "demo", "--speed", "max", "--logs", f"{folder}/logs"]
        began = time.perf_counter()
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)  # noqa: S603 - our own program
        try:
            first = _first_quote(child, Path(folder) / "logs", began)
            peak = peak_mib(child.pid)
            while to_the_end and child.poll() is None:
                peak = peak_mib(child.pid) or peak
                time.sleep(0.02)
        except NotMeasured as why:
            out.seek(0)
            raise NotMeasured(f"{why}: {out.read(2_000).decode(errors='replace').strip()}") from None
        finally:
            child.kill()
            child.wait()
    return DeskSeen(first, peak if to_the_end else 0.0)


def _first_quote(child: "subprocess.Popen[bytes]", logs: Path, began: float) -> float:
    """Seconds until the journal holds an order."""
    read, journal = b"", None
    try:
        while time.perf_counter() - began < FIRST_QUOTE_S and child.poll() is None:
            if journal is None:
                path = next(iter(logs.glob("*/journal.jsonl")), None)
                journal = path.open("rb") if path is not None else None
            else:
                read = read[-len(_PLACED) :] + journal.read()
                if _PLACED in read:
                    return time.perf_counter() - began
            time.sleep(LOOK_S)
    finally:
        if journal is not None:
            journal.close()
    raise NotMeasured("the demo's desk did not quote")


def delta_peak_mib(changes: int, trades: int) -> float:
    """Peak memory of a process of its own that replays the generated tape, quoting every 2 s."""
    code = f"from pmm_tui.runtime import bench_work as w; w.replay_delta({changes}, {trades}, 2.0, False); print(w.peak_mib())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode:
        raise NotMeasured(f"the replay failed: {done.stderr[-2_000:]}")
    return float(done.stdout)


def peak_mib(pid: int | None = None) -> float:
    """Peak resident memory of a process (this one where none is named), MiB; 0 where it has gone, or its system does not tell of others.

    Linux is asked by /proc: there ru_maxrss starts at what the parent had when it forked.
    """
    try:
        status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit if pid is None else 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0")
    return int(line.split()[1]) / 1_024
