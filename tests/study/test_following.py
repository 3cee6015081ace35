"""The markouts of single fills on the picture: as they mature, of both tokens, and no number where there is none to be had."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pmm_tui.core.engine import Engine
from pmm_tui.core.events import (
    BookReset,
    Event,
    ExternalFilled,
    FillSettled,
    LinkDown,
    LinkUp,
    MarketListed,
    MarketResolved,
    OrderFilled,
    Ticked,
)
from pmm_tui.core.market import Side
from pmm_tui.core.snapshot import FillRow
from pmm_tui.core.units import ONE, SHARE, Cash, Price, Size
from pmm_tui.record.journal import Journal
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.playback import Playback
from pmm_tui.study.cells import HORIZONS_S
from pmm_tui.study.markouts import NOTHING, SHOWN, Mark, Markouts, followed
from pmm_tui.tui.rows.fills import MATURE
from tests.core.desk import at, book, knobs, places
from tests.faces.pictures import card
from tests.study.scene import Counted
from tests.study.test_markouts import FINE, LATER, OUT, around, bought, quoting

AT_MS = [2_000 + round(horizon * 1_000) for horizon in HORIZONS_S]
"""When the markouts of a fill at 2 s are due."""


def shown(desk: Counted) -> tuple[FillRow, ...]:
    """The fills as a face gets them."""
    state = desk.engine.state
    return followed(desk.engine.snapshot(), state, desk.tally.marks).fills


def cents(row: FillRow) -> list[float | None]:
    """Its markouts, cents a share."""
    return [None if out is None else out / 10_000 for out in row.markouts]


def past(desk: Counted, until: int, mid: float) -> list[float | None]:
    """Let time pass with a fresh book each second; the newest fill's markouts then."""
    while desk.ms + 100 <= until:
        now = desk.ms // 100 * 100
        desk.tell(around(desk.ms, mid))
        desk.ms = now
        desk.tick(min(until, now + 1_000))
    return cents(shown(desk)[0])


def test_the_fill_of_the_reference_shows_its_markouts_one_by_one_as_their_time_comes() -> None:
    desk = quoting()
    desk.tell(bought(desk, 2_000))
    assert shown(desk)[0].markouts == (), "nothing has matured yet"
    for number, (due, mid) in enumerate(zip(AT_MS, LATER, strict=True)):
        assert len(past(desk, due - 100, 0.485)) == number, "not before its time"
        desk.tell(around(due - 50, mid))
        desk.ms = due - 100
        desk.tick(due)
        assert cents(shown(desk)[0]) == pytest.approx(OUT[: number + 1], abs=0.0051)
    assert tuple(name for name, _ in MATURE[1:]) == tuple(f"{horizon:g}" for horizon in HORIZONS_S), "as the screen heads them"


def test_one_fill_has_exactly_what_the_mean_of_all_has() -> None:
    desk = quoting()
    desk.tell(bought(desk, 2_000, shares=7))
    past(desk, 12_000, 0.4825)
    (row,) = shown(desk)
    for number, horizon in enumerate((0.5, 2.0, 10.0)):
        out = row.markouts[number]
        assert out is not None and out / 1e6 == pytest.approx(desk.total(f"markout_{horizon:g}.s") / desk.total(f"markout_{horizon:g}.w"))


@pytest.mark.parametrize(("token", "side", "price", "sign"), [
    ("yes", Side.BUY, 4_800, 1), ("yes", Side.SELL, 4_800, -1), ("no", Side.BUY, 5_200, -1), ("no", Side.SELL, 5_200, 1),
])  # fmt: skip
def test_a_no_share_is_held_against_the_other_side_of_the_same_book(token: str, side: Side, price: int, sign: int) -> None:
    desk = quoting()
    order = places(desk.asked)[0].order
    live = desk.engine.state.live[order]
    live.token, live.side = token, side
    desk.tell(OrderFilled(at(2_000), order, "t1", Price(price), Size(10 * SHARE)))
    own_mid = 0.50 if token == "yes" else 1 - 0.50
    by_hand = (own_mid - price / ONE) * (1 if side is Side.BUY else -1)
    assert past(desk, 2_500, 0.50) == [pytest.approx(100 * by_hand)] == [pytest.approx(sign * 2.0)]


def stale(desk: Counted) -> None:
    """Nothing is heard for longer than the guard allows."""
    desk.ms = 2_000
    desk.tick(12_000)


def cut(desk: Counted) -> None:
    """The feed is lost; the book is young still."""
    past(desk, 11_000, 0.5)
    desk.tell(LinkDown(at(11_010), "market", "cut"))
    desk.ms = 11_000
    desk.tick(12_000)


def resolved(desk: Counted) -> None:
    """The result comes while books go on."""
    past(desk, 11_000, 0.5)
    desk.tell(MarketResolved(at(11_010), FINE.id, ONE))
    past(desk, 12_000, 0.5)


def half(desk: Counted) -> None:
    """One side of the book was swept away."""
    past(desk, 11_950, 0.5)
    desk.tell(BookReset(at(11_960), FINE.id, at(11_960), ((Price(4_800), Size(SHARE)),), ()))
    desk.ms = 11_900
    desk.tick(12_000)


def crossed(desk: Counted) -> None:
    """The book contradicts itself."""
    past(desk, 11_950, 0.5)
    desk.tell(book(11_960, "52x10 | 48x10", FINE))
    desk.ms = 11_900
    desk.tick(12_000)


def asleep(desk: Counted) -> None:
    """The machine slept over the horizon; a fresh book came before the first tick after it."""
    past(desk, 11_000, 0.5)
    desk.tell(around(13_950, 0.5))
    desk.leap(14_000)


@pytest.mark.parametrize("trouble", [stale, cut, resolved, half, crossed, asleep])
def test_where_no_mid_can_be_believed_at_that_time_there_is_no_markout(trouble: Callable[[Counted], None]) -> None:
    desk = quoting()
    desk.tell(LinkUp(at(1_900), "market"), bought(desk, 2_000))
    trouble(desk)
    after = shown(desk)[0].markouts
    assert len(after) == 3 and after[2] is None, "the one after 10 s"
    assert trouble is stale or after[:2] == (20_000, 20_000), "what was known before stays"


def test_a_stale_markout_stays_none_and_the_later_ones_are_taken_again() -> None:
    desk = quoting()
    desk.tell(bought(desk, 2_000))
    stale(desk)
    assert past(desk, 32_000, 0.50) == [*[pytest.approx(0.5)] * 2, None, pytest.approx(2.0)]


def test_a_fill_that_failed_has_none_at_all_whenever_that_is_told() -> None:
    desk = quoting()
    desk.tell(FillSettled(at(1_950), "t0", 1, False), bought(desk, 2_000, trade="t0"), bought(desk, 2_010, trade="t1"))
    past(desk, 5_000, 0.50)
    newer, older = shown(desk)
    assert (older.status, older.markouts) == ("FAILED", NOTHING) and cents(newer) == [pytest.approx(2.0)] * 2
    desk.tell(FillSettled(at(5_010), "t1", 1, False), FillSettled(at(5_020), "t1", 1, False))
    past(desk, 15_000, 0.50)
    assert [row.markouts for row in shown(desk)] == [NOTHING, NOTHING]
    assert desk.total("failed") == 2, "told twice, it counts once"
    assert {desk.total(name) for name in ("markout_0.5.w", "markout_2.w", "markout_10.w", "judged", "toxic")} == {0}
    assert desk.tally._costs.get(FINE.id, 0) == 0


def test_what_is_not_followed_says_so() -> None:
    desk = quoting()
    desk.tell(bought(desk, 2_000), ExternalFilled(at(2_100), -1, "x1", FINE.id, "yes", Side.BUY, Price(4_800), Size(SHARE), Cash(0)))
    past(desk, 2_600, 0.50)
    external, own = shown(desk)
    assert external.markouts == NOTHING and own.markouts == (20_000,)
    assert {row.markouts for row in followed(desk.engine.snapshot(), desk.engine.state, None).fills} == {NOTHING}


def test_only_the_newest_are_kept_and_each_row_has_its_own() -> None:
    desk = Counted(knobs(default_order_size=400.0), FINE)
    desk.accept(desk.tell(around(1_000, 0.485)) + desk.tick(1_100), 1_140)
    for number in range(SHOWN + 20):
        desk.tell(bought(desk, 2_000 + number, 4_800 - 10 * (number % 3), shares=1, trade=f"t{number}"))
    past(desk, 4_200, 0.50)
    rows = shown(desk)
    assert len(rows) == len(desk.tally.marks._newest) == SHOWN
    assert [row.markouts for row in rows] == [(out, out) for row in rows for out in [int(5_000 - row.price) * 100]]
    assert len({row.markouts for row in rows}) == 3


def test_memory_does_not_grow_with_a_long_run() -> None:
    marks = Markouts(most=100)
    for second in range(5_000):
        marks.add((f"t{second}", 1), Mark(second * 10**9, "m", 0, 1, 0.5, 1.0))
        for _, mark, in_time in marks.due(second * 10**9):
            mark.outs.append(Cash(1) if in_time else None)
    held = [len(kept) for kept in (marks._newest, *marks._pending)]
    assert max(held) <= 100 and len(marks._newest) <= SHOWN and all(len(mark.outs) <= len(HORIZONS_S) for mark in marks._newest.values())


def story(desk: Desk) -> None:
    """A fill, and twelve seconds with a book that moves after it."""
    asked = []
    for event in (LinkUp(at(0), "market"), MarketListed(at(0), FINE), around(1_000, 0.485), Ticked(at(1_100))):
        asked += desk.step(event)
    order = next(place for place in places(asked) if place.side is Side.BUY and place.token == "yes")
    facts: list[Event] = [OrderFilled(at(1_500), order.order, "t1", Price(4_800), Size(5 * SHARE))]
    for ms in range(1_600, 13_600, 100):
        facts += [around(ms - 50, 0.48 + ms / 1e6), Ticked(at(ms))]
    for fact in facts:
        desk.step(fact)


def test_the_desk_tells_them_a_replay_of_its_journal_the_same_and_a_next_run_nothing_of_them(tmp_path: Path) -> None:
    settings = knobs(default_order_size=10.0)
    (tmp_path / "run").mkdir()
    header: dict[str, object] = {"run": "run", "mode": "paper", "knobs": msgspec.to_builtins(settings)}
    desk = Desk(Engine(settings), Journal(tmp_path / "run", header), tmp_path / "run", card(), logging.getLogger("test"), None)
    story(desk)
    (told,) = desk.frame().snapshot.fills
    assert len(told.markouts) == 3 and None not in told.markouts and len(set(told.markouts)) == 3
    desk.close()
    played = Playback(tmp_path / "run", 0.0)
    played._target = played.extent.last
    assert not played._go(2**62)
    assert played.frame().snapshot.fills == (told,)
    lines = (tmp_path / "run" / "trades.jsonl").read_text().splitlines()
    assert len(lines) == 1 and "markouts" not in lines[0], "a line is written before they mature, and never again"


def test_a_bug_in_the_figures_takes_them_from_the_fills_too(tmp_path: Path) -> None:
    settings = knobs(default_order_size=10.0)
    journal = Journal(tmp_path, {"run": "run", "knobs": msgspec.to_builtins(settings)})
    desk = Desk(Engine(settings), journal, tmp_path, card(), logging.getLogger("test"), None)
    story(desk)
    desk._tally = None
    assert [row.markouts for row in desk.frame().snapshot.fills] == [NOTHING]
    desk.close()
