"""The banner, the answers and the keys of one screen agree: one alarm in one colour, nothing offered that nobody takes."""

import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.keys import KEYS, Key, applies, refusal
from pmm_tui.tui.rows import duo, foot, slim, top
from pmm_tui.tui.rows.fresh import aged, blind
from pmm_tui.tui.rows.lines import Builder, length
from pmm_tui.tui.state import Scene, desk_verdict, quoting_verdict, safe_verdict
from tests.faces import pictures, scenes
from tests.faces.fake_desk import ENDED, LOST, NEVER
from tests.faces.test_danger import at, by_hand
from tests.faces.test_grids import drawn
from tests.faces.test_keys import last

KEY = {key.id: key for key in KEYS}
PAPER, PRODUCTION = at(pictures.three()), at(scenes.production())
NOT_ANSWERED = "KILL NOT ANSWERED - pmm-tui kill prod-001"


def barred(mode: str) -> Frame:
    """The production desk, with orders at a venue in this mode."""
    venue = scenes.venue(mode).snapshot.venue
    return replace(scenes.production(), snapshot=replace(scenes.production().snapshot, venue=venue))


@pytest.mark.parametrize(("mode", "word"), [("disabled", "venue closed"), ("key refused", "key refused")])
def test_what_rests_at_a_venue_that_takes_no_cancel_is_exposed(mode: str, word: str) -> None:
    one = at(barred(mode))
    assert desk_verdict(one).word == safe_verdict(one).word == "EXPOSED" and one.market is not None and blind(one, one.market)
    assert safe_verdict(one).why == f"cannot cancel 2 orders: {word}"
    calm = at(scenes.venue(mode))
    assert desk_verdict(calm).style == safe_verdict(calm).style == "alarm" and "cancel" in desk_verdict(calm).why


@pytest.mark.parametrize(
    ("mode", "gone"),
    [("disabled", "x X f F"), ("key refused", "x X f F"), ("restarting", "f F"), ("cancel_only", "f F"), ("limited", ""), ("open", "")],
)
def test_only_what_the_venue_takes_is_offered(mode: str, gone: str) -> None:
    one = at(barred(mode) if mode != "open" else scenes.production())
    offered = {key.show for key in KEYS if applies(key, one)}
    assert {"x", "X", "f", "F"} - offered == set(gone.split()) and "K" in offered


@pytest.mark.parametrize(
    "one",
    [
        at(pictures.alert()),
        replace(PRODUCTION, deadman_s=12.0),
        replace(PRODUCTION, storm="REFUSED 41 in 30s"),
        at(by_hand()),
        replace(at(scenes.production(), LOST), unanswered=NOT_ANSWERED),
    ],
)
def test_one_alarm_has_one_word_and_one_colour(one: Scene) -> None:
    banner, safe = desk_verdict(one), safe_verdict(one)
    assert (banner.word, banner.style) == (safe.word, safe.style) and banner.style in ("alert", "alarm", "killed")


def test_a_kill_that_nobody_answered_stands_in_the_banner_heard_or_not() -> None:
    lost = replace(at(scenes.production(), LOST), unanswered=NOT_ANSWERED)
    assert "KILL NOT ANSWERED  last picture 12s ago" in drawn(top.banner, lost, 80, 1)
    assert "KILL NOT ANSWERED  K again, or pmm-tui kill prod-001" in drawn(top.banner, replace(lost, link=PAPER.link), 120, 1)


def test_nothing_is_quoted_by_a_desk_with_a_fault_and_nobody_was_heard_is_one_tone() -> None:
    fault = at(replace(scenes.production(), card=replace(scenes.production().card, busy="disk full")))
    assert quoting_verdict(fault).word == "NOT QUOTING" and "2 orders may rest" in quoting_verdict(fault).why
    never = scenes.scene(None, NEVER)
    assert quoting_verdict(never).style == safe_verdict(never).style == "alarm"


def test_why_it_was_killed_is_seen_where_the_banner_has_no_room_for_it() -> None:
    cools = replace(scenes.killed().snapshot, resets_at=pictures.NOW + 421_000_000_000)
    one = at(replace(scenes.killed(), snapshot=cools))
    assert "0 open, verified, reset in 7m" in drawn(top.banner, one, 80, 1) and "drawdown 25.32 %" in drawn(slim.summary, one, 80, 2)


def test_a_small_half_tells_the_stake_before_the_connection_and_the_orders_before_what_is_not_realised() -> None:
    one = replace(PAPER, beside=replace(at(scenes.venue("restarting")), place=1))
    for shown in (drawn(slim.summary, one, 120, 2), drawn(duo.duo, one, 116, 8)):
        assert "3 positions, no order open" in shown
    assert drawn(slim.summary, one, 120, 2).count("  orders ") == 2, "each desk's number"


def test_what_rests_while_a_kill_is_not_proven_is_in_doubt() -> None:
    for one, doubtful in ((at(pictures.killing()), True), (at(pictures.killed()), False)):
        assert one.market is not None and blind(one, one.market) is doubtful


@pytest.mark.parametrize("make", [top.money, slim.summary])
def test_profit_by_books_that_differ_is_not_green(make: Builder) -> None:
    """With one desk alone its panes age its rows, of two the builder does."""
    differs = at(scenes.mismatch("wallet check"))
    styles = [{style for row in make(one, 80, 5).rows for _, style in aged(one, row)} for one in (differs, PRODUCTION)]
    assert not {"gain", "loss", "plus", "minus"} & styles[0] and "gain" in styles[1]
    both = slim.summary(replace(differs, beside=PAPER), 160, 2).rows
    assert {style for row in both for _, style in row if style in {"gain", "loss"}} == {"gain"}, "paper's alone"


def test_the_line_of_the_equity_ends_where_the_lines_below_it_do() -> None:
    for width in range(50, 90):
        rows = duo._column(PAPER, True, width, 8)
        assert length(rows[2]) == length(rows[3]), width


def test_a_desk_without_a_picture_is_marked_once_and_has_no_pill_before_an_empty_row() -> None:
    shown = drawn(slim.summary, replace(scenes.scene(None, NEVER), beside=PAPER), 80, 2).splitlines()
    assert shown[0].split() == ["?", "UNKNOWN"] and not shown[1].strip()


def test_what_answers_an_alert_stays_and_no_lesser_key_fills_the_gap_of_a_better_one() -> None:
    alert = replace(at(pictures.alert()), beside=PRODUCTION)
    assert "f flat " in last(alert) and "q quit" in last(alert)
    for width in range(40, 80):
        shown = last(replace(PRODUCTION, beside=PAPER, pane=6), width)
        assert not ("q quit" not in shown and any(word in shown for word in ("m mode", "/ filter", ": palette"))), shown


@pytest.mark.parametrize(
    ("here", "beside", "there"),
    [
        (PAPER, PRODUCTION, True),
        (PAPER, None, True),
        (PRODUCTION, PAPER, True),
        (PAPER, at(scenes.killed()), False),
        (PAPER, at(scenes.production(), LOST), False),
        (PAPER, at(scenes.production(), ENDED), False),
        (at(scenes.killed()), PAPER, False),
        (at(scenes.unwatched()), PAPER, False),
    ],
)
def test_the_mode_is_offered_where_it_leads_somewhere(here: Scene, beside: Scene | None, there: bool) -> None:
    assert applies(KEY["mode"], replace(here, beside=beside)) is there


def test_no_market_is_acted_on_where_none_is_named_and_nothing_is_filtered_where_nothing_stands() -> None:
    acts: list[Key] = [KEY[name] for name in ("quote.market", "cancel", "flatten")]
    for pane in (5, 6, 8):
        assert all("shows none" in refusal(key, replace(PAPER, pane=pane)) for key in acts)
    assert not any(refusal(key, replace(PAPER, pane=3)) for key in acts)
    empty = replace(at(pictures.waiting()), pane=4)
    assert applies(KEY["filter"], replace(PAPER, pane=4)) and not applies(KEY["filter"], empty)
    assert applies(KEY["filter"], replace(empty, filter="up")), "what is set can be taken back"


def test_the_other_desk_is_called_what_it_is() -> None:
    rehearsal = at(replace(scenes.production(), card=replace(scenes.production().card, source="loopback")))
    names = [" ".join(last(replace(PAPER, beside=one), 160).split()) for one in (PRODUCTION, rehearsal, PAPER)]
    assert all(word in name for word, name in zip(("e to LIVE", "e to REHEARSAL", "e other desk"), names, strict=True))


def test_a_tiny_screen_tells_what_is_held_while_nothing_is_quoted_and_that_both_desks_run() -> None:
    cut = at(scenes.venue("restarting"))
    shown = drawn(foot.small, cut, 60, 12)
    assert "held 3" in shown and "CUT OFF: 3 positions, no order open" in shown and "held" not in drawn(foot.small, PRODUCTION, 60, 12)
    assert "The desks keep running." in drawn(foot.small, replace(PAPER, beside=PRODUCTION), 60, 14)
