"""The panes of orders, fills, guards and events, and the line of the newest one: what matters first, whose it is, and how old."""

import re

import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import FeedRow, Frame, NoteRow
from pmm_tui.tui.keys import KEYS
from pmm_tui.tui.rows import book, desk, fills, foot, ladder, log, market, orders, risk
from pmm_tui.tui.rows.lines import Builder, Row
from pmm_tui.tui.state import Scene
from tests.faces import pictures, scenes
from tests.faces.fake_desk import ENDED, LOST
from tests.faces.pictures import ago
from tests.faces.test_danger import at, without
from tests.faces.test_grids import drawn, text
from tests.faces.test_two_desks import apart


def noted(frame: Frame, *notes: NoteRow) -> Frame:
    """A desk that has told of this alone."""
    return replace(frame, snapshot=replace(frame.snapshot, notes=notes))


def said(scene: Scene, width: int = 80) -> str:
    """The line of the newest event."""
    return text([desk.newest(scene, width)]).strip()


def styles(rows: list[Row], word: str) -> set[str]:
    """How the rows with this word in them are painted."""
    return {style for row in rows if word in text([row]) for part, style in row if part.strip()}


def test_an_alarm_is_told_before_newer_warnings_whichever_desk_has_them() -> None:
    noisy = noted(pictures.three(), *(NoteRow(ago(number), "warn", f"order {number} refused") for number in range(40)))
    live = noted(scenes.production(), NoteRow(ago(50), "alarm", "the wallet does not match"))
    for scene in (apart(noisy, live), apart(live, noisy)):
        assert said(scene) == "14:01:43 L !! the wallet does not match" and desk.newest(scene, 80)[0][1] == "down"
    old = noted(scenes.production(), NoteRow(ago(400), "alarm", "the wallet does not match"))
    assert "order 0 refused" in said(apart(noisy, old)), "five minutes later"


def test_no_alarm_of_paper_keeps_newer_trouble_of_real_money_off_the_line() -> None:
    paper = noted(pictures.three(), NoteRow(ago(50), "alarm", "3 hash mismatches in a row"))
    warned = noted(scenes.production(), NoteRow(ago(9), "info", "requote"), NoteRow(ago(10), "warn", "order 902 uncertain"))
    earlier = noted(scenes.production(), *warned.snapshot.notes, NoteRow(ago(90), "alarm", "KILL: gap"))
    for live, words in ((warned, "L !  order 902 uncertain"), (earlier, "L !! KILL: gap")):
        for scene in (apart(paper, live), apart(live, paper)):
            assert words in said(scene)
    calm = noted(scenes.production(), NoteRow(ago(9), "info", "requote"), NoteRow(ago(51), "warn", "order 902 uncertain"))
    assert "P !! 3 hash" in said(apart(calm, paper))
    assert "KILL: drawdown" in said(at(pictures.killed())), "why, not that it is proven"


def test_of_two_alarms_the_newest_is_told_and_of_one_moment_productions() -> None:
    paper, live = (noted(frame, NoteRow(ago(50), "alarm", "KILL: gap")) for frame in (pictures.three(), scenes.production()))
    newer = noted(pictures.three(), NoteRow(ago(49), "alarm", "KILL: gap"))
    assert " L !! " in said(apart(paper, live)) and " L !! " in said(apart(live, paper)) and " P !! " in said(apart(newer, live))


def test_the_newest_event_is_cut_between_words_and_left_out_where_it_would_say_nothing() -> None:
    told = noted(pictures.quoting(), NoteRow(ago(5), "alarm", "3 hash mismatches in a row"))
    assert said(at(told), 34) == "14:02:28 !! 3 hash mismatches…" and "no-word-at-all" in said(
        at(noted(told, NoteRow(ago(5), "warn", "no-word-at-all-that-fits"))), 30
    )
    waits = replace(at(told), unanswered="KILL NOT ANSWERED - pmm-tui kill prod-001-1795258")
    assert "hash" in text([foot.told(waits, 104)]) and "14:02" not in text([foot.told(waits, 96)])


def test_orders_that_may_rest_unseen_come_first_then_real_moneys() -> None:
    killing = replace(pictures.killing(), card=pictures.live().card)
    for scene in (apart(pictures.three(), killing), apart(killing, pictures.three())):
        first = text(desk.orders(scene, 47, 6).rows).splitlines()[1]
        assert first.startswith("L BUY ▲ Up    52.0"), "before paper's, however uncertain those are"
    blind = without(scenes.production(), "account", "user")
    rows = desk.orders(apart(pictures.three(), blind), 47, 6).rows
    assert [text([row])[:1] for row in rows[1:4]] == ["L", "L", "P"] and "warn" in styles(rows, "resting?")
    calm = text(desk.orders(apart(pictures.quoting(), scenes.production()), 47, 20).rows).splitlines()
    assert [line[:1] for line in calm[2:]] == ["L", "L", *"PPPPP"], "after the one that is uncertain"


def test_the_other_desks_orders_and_fills_are_bright_where_the_keys_desk_has_no_market() -> None:
    scene = replace(scenes.scene(None, scenes.NEW), beside=at(scenes.production()))
    for builder, word in ((desk.orders, "resting"), (desk.fills, "+$0.13")):
        painted = styles(builder(scene, 47, 12).rows, word)
        assert "bid" in painted and not [style for style in painted if "dim" in style.split() and style != "dim"], builder.__name__


@pytest.mark.parametrize("builder", [desk.fills, desk.log, log.log])
@pytest.mark.parametrize("link", [LOST, ENDED], ids=["lost", "ended"])
def test_what_a_desk_told_that_is_not_heard_is_dim_beside_one_that_is(builder: Builder, link: object) -> None:
    scene = replace(at(pictures.three()), beside=at(scenes.production(), link))
    old, new = (styles(builder(scene, 78, 20).rows, word) for word in ("L ", "P "))
    assert old <= {"dim", "live", "alarm"} and new & {"warn", "bid"}


def test_nobody_knows_whether_the_links_of_a_desk_that_is_not_heard_are_up() -> None:
    lost = at(pictures.quoting(), LOST)
    assert "? 3 links were up" in drawn(desk.guards, lost, 40, 5) and "? venue" in drawn(desk.guards, lost, 40, 12)
    assert "●" not in drawn(desk.guards, lost, 40, 12) + drawn(desk.guards, lost, 40, 5)


def test_where_there_is_room_for_one_guard_the_worst_is_named() -> None:
    shown = drawn(desk.guards, at(pictures.held()), 40, 2)
    assert shown.startswith("! data age") and "more" not in shown


def test_in_one_row_the_worst_guard_or_link_stands_with_how_many_more_there_are() -> None:
    assert drawn(desk.guards, at(pictures.held()), 36, 1).rstrip() == "! data age                 4.2 s  +7"
    cut = drawn(desk.guards, at(without(pictures.quoting(), "market")), 36, 1)
    assert cut.startswith("✖ market") and cut.rstrip().endswith("+7") and "…" not in cut


def test_in_one_row_an_order_stands_and_the_title_says_how_many_there_are() -> None:
    shown = desk.orders(at(pictures.quoting()), 40, 2)
    assert shown.title == "Our orders 6" and "BUY ▲ Down  46.0" in text(shown.rows) and "more" not in text(shown.rows)
    assert "and 5 more" in text(desk.orders(at(pictures.quoting()), 40, 3).rows)


@pytest.mark.parametrize("builder", [book.markets, ladder.ladder, desk.position])
def test_what_the_other_desk_knows_is_shown_where_the_keys_desk_has_no_picture(builder: Builder) -> None:
    paper, silent = at(pictures.three()), scenes.scene(None, scenes.NEW)
    for width in (44, 100, 156):
        panels = [builder(one, width, 12) for one in (replace(silent, beside=paper), replace(paper, beside=silent))]
        assert panels[0].rows == panels[1].rows and panels[0].title == panels[1].title


@pytest.mark.parametrize("builder", [desk.orders, desk.fills, log.log, book.markets, market.market])
def test_the_letter_of_a_desk_is_painted_as_its_word(builder: Builder) -> None:
    frame = scenes.production()
    replayed = replace(at(frame), frame=replace(frame, card=replace(frame.card, source="replay")))
    rows = builder(replace(at(pictures.three()), beside=replayed), 156, 40).rows
    painted = {part.strip(): style for row in rows for part, style in row if part.strip() in ("P", "L")}
    assert painted == {"P": "paper", "L": "waiting"}


@pytest.mark.parametrize("height", range(6, 24))
def test_the_range_of_the_risk_screen_counts_what_is_drawn(height: int) -> None:
    shown = risk.risk(at(pictures.held()), 80, height)
    part = re.search(r"(\d+)-(\d+) of", text(shown.rows[:1]))
    listed = text(shown.rows).split("worst case")[1].splitlines()[1:]
    assert part is None or sum(bool(row.strip()) for row in listed) == int(part[2]) - int(part[1]) + 1


def test_a_market_is_named_as_far_as_its_reason_leaves_room() -> None:
    assert "Ethereum Up or Down - November 21, 2:00PM-2:15PM ET  BUY 25" in text(risk.held(pictures.held(), 120))
    frame = scenes.production()
    alone = replace(frame, snapshot=replace(frame.snapshot, markets=(pictures.market(), frame.snapshot.markets[2])))
    assert " Fed cuts 25bp in December?  paused: " in text(risk.held(alone, 80)), "no wider than what is listed"
    assert "Ethereum…2:15PM ET  BUY 25 @ 47.0 level 1  position cap" in text(risk.held(pictures.held(), 56))


@pytest.mark.parametrize("width", [49, 56, 76, 80, 156])
def test_fills_begin_below_the_frame_where_orders_do(width: int) -> None:
    for shown in (fills.fills, orders.orders):
        rows = text(shown(at(pictures.three()), width, 12).rows).splitlines()[1:-1]
        assert {row[0] for row in rows if row.strip() and "open" not in row} <= {" ", "┃", "│"}
        assert all(row[2] == " " for row in rows if row[0] in "┃│" and row.strip("┃│ ") and "open" not in row)


def test_a_reason_loses_no_half_of_a_number() -> None:
    frame = pictures.quoting()
    down = FeedRow("market", False, ago(12.3), "no data for 12.3 s, reconnecting")
    for width in range(36, 60):
        shown = drawn(desk.guards, at(replace(frame, snapshot=replace(frame.snapshot, feeds=(down,)))), width, 12)
        assert "12.3…" not in shown and "no data for…" not in shown


def test_a_small_screen_names_whose_reason_it_tells_and_no_calm_one_is_loud() -> None:
    held = replace(pictures.held(), card=pictures.live().card)
    rows = foot.small(replace(at(pictures.three()), beside=at(held)), 60, 12, KEYS).rows
    assert "warn" in styles(rows, "LIVE: book age 4.2 s")
    ended = foot.small(replace(at(pictures.three()), beside=at(scenes.production(), ENDED)), 60, 12, KEYS).rows
    assert styles(ended, "LIVE: 3 positions left, unwatched") == {"warn"} and "plus" not in styles(ended, "+$1.40")
    calm = foot.small(replace(at(pictures.three()), beside=at(pictures.resolved(), ENDED)), 60, 12, KEYS).rows
    assert styles(calm, "PAPER: ") == {"dim"}
    assert styles(foot.small(at(pictures.resolved()), 60, 12, KEYS).rows[1:], "nothing left to quote") == {"dim"}
