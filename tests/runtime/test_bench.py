"""The bench does its work, and says every number; how fast this machine is, is not asked."""

import io
import math
from contextlib import redirect_stdout

import msgspec
import pytest

from pmm_tui.core.book import Book
from pmm_tui.core.events import BookChanged, BookReset, MarketListed, Traded
from pmm_tui.core.market import Side
from pmm_tui.core.signals.integrity import Integrity
from pmm_tui.core.units import Nanos
from pmm_tui.feeds.wire import Decoder
from pmm_tui.runtime import bench
from pmm_tui.runtime.bench import Effort, Report, figure, measure, run_bench, table
from pmm_tui.runtime.bench_tape import START_AT, STEP_NS, TICK, Walk, frames, market, tape
from pmm_tui.runtime.bench_work import DeskSeen, NotMeasured, decision_paces, decode_rate, peak_mib, replay_delta

TINY = Effort(frames=60, steps=300, changes=6_000, trades=180, repeats=2, replays=1, signed=20, road_s=2.0, kills=1)


@pytest.fixture(scope="module")
def report() -> Report:
    """Everything, measured once with little work; the desk in its own process is a real one."""
    return measure(TINY, lambda what: None)


def test_every_figure_is_there_and_positive(report: Report) -> None:
    names = [one.name for one in report.figures]
    assert len(names) == len(set(names))
    for wanted in (
        "decode + book: level changes on the wire",
        "decode + book + hash check: frames",
        *(f"decision, {many}: {share}" for many in ("1 market", "20 markets", "200 markets") for share in ("p50", "p99")),
        "tick, 200 markets: p50 for each market",
        "replay of the demo's tape: frames, decoded",
        *(
            f"replay of the generated tape, quoting {how}, journal {journal}"
            for how in ("every 2 s", "at every event")
            for journal in ("on", "off")
        ),
        "start to the first quote, demo's desk",
        "peak memory, replay of the generated tape",
        "build + sign + serialise an order, eoa: p50",
        "exchange: orders placed and cancelled, money counted",
        "frame in to POST bytes out: p99",
        "the same without the disk's fdatasync: p50",
        "the same by processor time: p50",
        "kill to zero resting orders: worst",
        "kill to zero resting orders, 30 % of requests failing: worst",
    ):
        assert wanted in names
    for one in report.figures:
        assert one.low > 0, one
        assert one.low <= one.median <= one.high and math.isfinite(one.high), one
        assert (one.reached is None) == (one.aim is None)
    assert report.machine.cpus > 0 and report.machine.python


def test_the_json_reads_back_and_the_table_has_a_line_for_each_figure(report: Report) -> None:
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
    text = table(report)
    assert all(one.name in text for one in report.figures)


def test_the_command_prints_json(monkeypatch: pytest.MonkeyPatch, report: Report) -> None:
    monkeypatch.setattr(bench, "measure", lambda *given: report)
    out = io.StringIO()
    with redirect_stdout(out):
        assert run_bench(as_json=True, quick=True) == 0
    assert msgspec.json.decode(out.getvalue().encode(), type=Report) == report


def test_an_aim_is_held_against_the_median() -> None:
    assert figure("rate", "x/s", [1.0, 5.0, 6.0], at_least=4.0).reached is True
    assert figure("time", "us", [1.0, 5.0, 6.0], at_most=4.0).reached is False
    assert figure("plain", "x", [2.0]).reached is None


def test_the_tape_is_seeded_and_its_book_is_never_crossed() -> None:
    pieces = list(tape(7, 5_000, 150, chunk=700))
    assert [event for piece in tape(7, 5_000, 150, chunk=5_000) for event in piece] == [event for piece in pieces for event in piece]
    events = [event for piece in pieces for event in piece]
    assert isinstance(events[0], MarketListed) and isinstance(events[1], BookReset)
    book = Book(TICK)
    book.reset(events[1].bids, events[1].asks, events[1].ts)
    for number, event in enumerate(events[2:], 1):
        assert event.at == START_AT + number * STEP_NS
        if isinstance(event, BookChanged):
            for side, price, size in event.changes:
                book.change(side, price, size, event.ts)
        elif isinstance(event, Traded):
            touch = book.ask if event.side is Side.BUY else book.bid
            shown = book.ask_size if event.side is Side.BUY else book.bid_size
            assert event.price == touch and 0 < event.size <= shown
        assert book.two_sided and not book.crossed
    assert sum(isinstance(event, BookChanged) for event in events) == 5_000
    assert sum(isinstance(event, Traded) for event in events) == 150


def test_another_seed_is_another_tape() -> None:
    first, second = Walk(1, market()), Walk(2, market())
    assert [first.change() for _ in range(20)] != [second.change() for _ in range(20)]


def test_the_frames_are_the_venues_own_and_their_hashes_are_true() -> None:
    told = frames(7, 40)
    decoder, integrity = Decoder(), Integrity(told.market)
    decoder.know(told.market)
    for number, raw in enumerate([told.book, *told.changes]):
        for event in decoder.decode(raw, Nanos(START_AT + number * STEP_NS)):
            integrity.frame(event)
    integrity.judge(Nanos(START_AT + 100 * STEP_NS))
    assert (decoder.malformed, decoder.ignored) == (0, {})
    assert (integrity.verified, integrity.mismatched, integrity.unverifiable) == (2 * 40 + 1, 0, 0)


def test_work_that_was_not_done_is_not_measured() -> None:
    told = frames(7, 10)
    wrong = msgspec.structs.replace(told, changes=[*told.changes[:-1], told.changes[-1].replace('"hash":"', '"hash":"0')])
    assert decode_rate(wrong, hashed=False) > 0
    with pytest.raises(NotMeasured, match="19 of 21 hashes"):
        decode_rate(wrong, hashed=True)
    with pytest.raises(NotMeasured, match="malformed"):
        decode_rate(msgspec.structs.replace(told, changes=["{"]), hashed=False)
    with pytest.raises(NotMeasured, match="did not quote"):
        replay_delta(50, 1, 2.0, journal=False)


def test_decisions_are_counted_where_the_touch_changed() -> None:
    paces = decision_paces(2, 400)
    assert 0 < len(paces.decisions) < 400 and len(paces.ticks) == 4
    assert paces.decisions == sorted(paces.decisions)
    assert paces.at(paces.decisions, 0.5) <= paces.at(paces.decisions, 0.99) <= paces.decisions[-1]


def test_memory_is_this_process_own() -> None:
    assert 5 < peak_mib() < 10_000
    assert peak_mib(2**30) == 0
    assert DeskSeen(1.0, 0.0).peak_mib == 0
