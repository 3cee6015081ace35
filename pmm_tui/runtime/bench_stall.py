"""How late two desks under load wake up while something happens to their console: read from their journals, nothing is added to a desk.

A production desk and a paper desk, each a process of its own, decide at every frame of one busy loopback exchange. Their tickers sleep
100 ms, again and again, and each tick is journaled when it is stepped: what lies between two ticks beyond 100 ms is how late the second one
was, the sleep's own lateness and the queue's together. Each change of a book carries the exchange's time, so its age when it was stepped is
known, too, to a millisecond; the exchange's own lateness is in there.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import sqrt
from pathlib import Path
from statistics import fmean, variance

from msgspec import Struct

from pmm_tui.core.events import BookChanged, Ticked
from pmm_tui.core.units import MILLI, SECOND
from pmm_tui.record.journal import read
from pmm_tui.runtime.bench_road import CHANGES_A_SECOND, write_tape
from pmm_tui.runtime.bench_tape import STEP_NS
from pmm_tui.runtime.bench_work import NotMeasured
from pmm_tui.runtime.demo import PLACES, exchange
from pmm_tui.runtime.loop import TICK_S
from pmm_tui.runtime.places import practice_path
from pmm_tui.runtime.profile import load
from pmm_tui.runtime.start import Options, Started, launch_all
from pmm_tui.study.intervals import Z

START_S = 30.0
"""What the tape is longer than the phases: the desks' and the console's start and end."""
TICKS_PART = 0.5
"""A phase with fewer of its ticks than this measured a machine that stood still."""
_TERMS = """\
markets: auto
target_days_to_end_min: 0
target_days_to_event_min: 0
target_mid_distance_max: 0.5
min_price: 0
warm_up_s: 0
stop_before_close_s: 0
quote_interval_s: 0
price_tolerance_ticks: 0
initial_balance: 500
"""
_MODES = {"production": "mode: live\n", "paper": "mode: paper\n"}


class Span(Struct, frozen=True):
    """A stretch of time of one kind, nanoseconds since the epoch."""

    name: str
    began: int
    ended: int


class Lateness(Struct, frozen=True):
    """How late one desk was in all spans of one name, milliseconds."""

    desk: str
    what: str
    """tick: beyond its 100 ms; frame: its age when it was stepped."""
    span: str
    samples: int
    p50: float
    p90: float
    p99: float
    """Of all samples together."""
    p99_each: list[float]
    """Of each span by itself."""


class Verdict(Struct, frozen=True):
    """One desk's p99 in the spans of one name against that in all the others, milliseconds."""

    desk: str
    what: str
    difference: float
    """Of the means over the spans."""
    noise: float
    """By so much the difference varies, in 95 of 100 cases, for no other reason than that equal spans differ from one another."""
    says: str


def measure_stall(seconds: float, watch: Callable[[list[Path]], list[Span]]) -> list[Lateness]:
    """Both desks, by name of span. `watch` has the desks' sockets, takes so many seconds at most, and says what happened when.

    NotMeasured where a desk ended by itself, or hardly ticked.
    """
    with tempfile.TemporaryDirectory(prefix="pmm-tui-") as home:
        with _two_desks(Path(home), seconds) as desks:
            spans = watch([desk.socket for desk in desks])
            for desk in desks:
                if desk.process.poll() is not None:
                    last = (desk.folder / "run.log").read_text(encoding="utf-8").splitlines()[-2:]
                    raise NotMeasured(f"{desk.run} ended by itself: {''.join(last)}")
        return [one for name, desk in zip(_MODES, desks, strict=True) for one in lateness(name, desk.folder, spans)]


@contextmanager
def _two_desks(folder: Path, seconds: float) -> Iterator[list[Started]]:
    tape = folder / "busy.tape.zst"
    write_tape(tape, round((START_S + seconds) * CHANGES_A_SECOND))
    with exchange(str(tape), 0.0, CHANGES_A_SECOND * STEP_NS / SECOND) as port:
        places = "".join(f"{key}: {url.format(port=port)}\n" for key, url in PLACES.items())
        files = {name: folder / f"{name}.yaml" for name in _MODES}
        for name, mode in _MODES.items():
            files[name].write_text(mode + places + _TERMS)
        desks = launch_all([Options(str(file), logs=folder / "runs") for file in files.values()])
        try:
            yield desks
        finally:
            for desk in desks:
                desk.end()
            shutil.rmtree(practice_path(load(str(files["production"]))).parent, ignore_errors=True)  # known to that exchange only


def lateness(desk: str, folder: Path, spans: Sequence[Span]) -> list[Lateness]:
    """Of a finished run, by name of span. NotMeasured where a span has hardly any tick."""
    ticks: list[int] = []
    frames: list[tuple[int, int]] = []
    for entry in read(folder):
        event = entry.event
        if isinstance(event, Ticked):
            ticks.append(event.at)
        elif isinstance(event, BookChanged):
            frames.append((event.at, event.at - event.ts))
    late = [(at, at - before - round(TICK_S * SECOND)) for before, at in pairwise(ticks)]
    found = []
    for what, told in (("tick", late), ("frame", frames)):
        for name in dict.fromkeys(span.name for span in spans):
            each = [sorted(ns / MILLI for at, ns in told if span.began < at <= span.ended) for span in spans if span.name == name]
            least = sum(span.ended - span.began for span in spans if span.name == name) / SECOND / TICK_S * TICKS_PART
            every = sorted(ms for one in each for ms in one)
            if len(every) < least or not all(each):
                raise NotMeasured(f"{desk}: {len(every)} samples of {what} while {name}")
            p50, p90, p99 = (_at(every, share) for share in (50, 90, 99))
            found.append(Lateness(desk, what, name, len(every), p50, p90, p99, [_at(one, 99) for one in each]))
    return found


def verdicts(found: Sequence[Lateness], apart: str) -> list[Verdict]:
    """Each desk's p99 in the spans named `apart` against its p99 in all the others."""
    told = []
    for desk, what in dict.fromkeys((one.desk, one.what) for one in found):
        these = [one for one in found if (one.desk, one.what) == (desk, what)]
        within = [p99 for one in these if one.span == apart for p99 in one.p99_each]
        outside = [p99 for one in these if one.span != apart for p99 in one.p99_each]
        difference = fmean(within) - fmean(outside)
        noise = Z * sqrt(variance(within) / len(within) + variance(outside) / len(outside))
        says = "unchanged within noise" if abs(difference) <= noise else "higher" if difference > 0 else "lower"
        told.append(Verdict(desk, what, difference, noise, says))
    return told


def _at(values: Sequence[float], per_cent: int) -> float:
    return values[min(len(values) - 1, len(values) * per_cent // 100)]
