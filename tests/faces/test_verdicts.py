"""Am I safe, why does it not quote, whose state is it: each answered by its important half first, however narrow the screen."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Nanos
from pmm_tui.tui import format as f
from pmm_tui.tui.rows import desk, duo, slim, top
from pmm_tui.tui.rows.lines import Row
from pmm_tui.tui.signs import badges
from pmm_tui.tui.state import Scene, desk_verdict, quoting_verdict, safe_verdict
from pmm_tui.tui.words import short
from tests.faces import pictures, scenes
from tests.faces.fake_desk import ENDED, LOST, NEVER
from tests.faces.pictures import NOW
from tests.faces.test_danger import at, by_hand, cancelling, without
from tests.faces.test_grids import drawn


def of(source: str) -> Frame:
    """The production desk's pictures from somewhere else."""
    return replace(scenes.production(), card=replace(scenes.production().card, source=source))


def cooling() -> Frame:
    """A kill that may be reset in seven minutes."""
    frame = scenes.killed()
    return replace(frame, snapshot=replace(frame.snapshot, resets_at=Nanos(NOW + 421_000_000_000)))


def unproven() -> Frame:
    """The production desk, whose cancels nobody confirms."""
    return replace(scenes.unconfirmed(), card=scenes.production().card)


def live(frame: Frame) -> Frame:
    """The same picture from the production desk."""
    return replace(frame, card=replace(scenes.production().card, busy=frame.card.busy))


def pair(keys: Scene, other: Scene, pane: int = 1) -> Scene:
    """Two desks on one screen."""
    return replace(keys, beside=replace(other, place=1), pane=pane)


PAPER = at(pictures.three())
DISK = "records cannot be written, trading is halted: [Errno 28] disk full"


@pytest.mark.parametrize(
    ("text", "width", "told"),
    [
        ("nothing is quoted: our books differ", 32, "nothing is quoted…"),
        ("drawdown 25.3 % ≥ 25 % of start", 20, "drawdown 25.3 %…"),
        ("last picture 12s ago; q leaves", 29, "last picture 12s ago…"),
        ("nobody was heard; a: I am here", 24, "nobody was heard…"),
        ("book age 4.2 s, limit 2 s", 14, "book age…"),
        ("1 order, 1 fill not of this desk", 28, "1 order, 1 fill…"),
        ("no order, no cancel works", 14, "no order…"),
        ("try 5: its socket is not there", 12, "try 5…"),
        ("Bitcoin: our quotes rest beyond the touch", 40, "Bitcoin: our quotes rest beyond…"),
        ("order 903 SELL 10 Up refused: the venue takes post-only orders", 58, "order 903 SELL 10 Up refused: the venue takes post-only…"),
        ("the wallet on chain does not match our books", 40, "wallet and books differ"),
        ("the venue's account does not match ours", 30, "account and books differ"),
        ("flattening", 6, ""),
        ("for our", 6, ""),
        ("it fits", 7, "it fits"),
    ],
)
def test_a_reason_is_cut_where_it_still_means_something(text: str, width: int, told: str) -> None:
    assert short(text, width) == told


def test_a_desk_whose_records_failed_is_broken_after_its_kill_too_and_not_reset() -> None:
    frame = scenes.killed()
    one = at(replace(frame, card=replace(frame.card, busy=DISK)))
    assert (desk_verdict(one).word, safe_verdict(one).word) == ("DESK FAULT", "DESK FAULT")
    assert desk_verdict(one).why == "cannot record: disk full; 0 open, verified"
    assert "type RESET" not in drawn(desk.kill, one, 100, 12) and "mend the cause" in drawn(desk.kill, one, 100, 12)


STAKES: dict[str, tuple[Callable[[], Scene], str, str]] = {
    "paused": (lambda: at(pictures.paused()), "SAFE", "1 position, no order open; nothing quoted"),
    "markets paused": (lambda: at(scenes.every("paused", "paused by the operator")), "SAFE", "3 positions"),
    "flattening": (lambda: at(scenes.every("closing", "flattening")), "SAFE", "3 positions, 6 orders open; no new quotes"),
    "warming up": (lambda: at(scenes.every("warming", "warming up")), "SAFE", "3 positions"),
    "unwatched": (lambda: at(scenes.unwatched()), "UNWATCHED", "3 positions"),
    "dead-man": (lambda: replace(at(scenes.production()), deadman_s=12.4), "DEAD-MAN 12s", "nobody was heard"),
    "storm": (lambda: replace(at(scenes.production()), storm="REFUSED 41 in 30s"), "REFUSED 41 in 30s", "3 positions"),
}


@pytest.mark.parametrize("name", STAKES)
def test_safe_is_not_green_while_something_is_at_stake_that_nobody_quotes_or_minds(name: str) -> None:
    make, word, why = STAKES[name]
    verdict = safe_verdict(make())
    loud = {"UNWATCHED": "alert", "DEAD-MAN 12s": "killed", "REFUSED 41 in 30s": "alert"}
    assert (verdict.word, verdict.style) == (word, loud.get(word, "warn")) and verdict.why.startswith(why)
    assert why.split(",")[0] in drawn(slim.summary, make(), 80, 2), "where the banner says something else"


def test_safe_is_green_beside_a_dead_man_that_is_far_and_grey_before_the_first_picture() -> None:
    assert safe_verdict(replace(at(scenes.production()), deadman_s=40.0)).style == "up"
    first, never = (safe_verdict(scenes.scene(None, link)) for link in (scenes.NEW, NEVER))
    assert (first.word, first.style, never.style) == ("UNKNOWN", "waiting", "alarm")


def test_what_is_not_confirmed_is_quoted_in_amber() -> None:
    for frame in (without(scenes.production(), "account"), cancelling(scenes.production(), 60)):
        verdict = quoting_verdict(at(frame))
        assert (verdict.glyph, verdict.word, verdict.style) == ("!", "QUOTING 1 of 3", "held") and verdict.why in drawn(
            top.quotes, at(frame), 60, 8
        )
        row = next(row for row in duo.duo(pair(PAPER, at(frame)), 116, 5).rows if ("ours", "head") in _trimmed(row) and "?" in str(row))
        assert ("?52.0/?54.0", "warn") in row and sum(style == "ours" for _, style in row) == 1, "paper's are sure"
    assert "?" not in drawn(duo.duo, pair(PAPER, at(scenes.production())), 116, 5)


def _trimmed(row: Row) -> list[tuple[str, str]]:
    return [(text.strip(), style) for text, style in row]


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (lambda: scenes.mismatch("account check"), "one more miss kills"),
        (lambda: scenes.venue("restarting"), "no orders meanwhile"),
        (lambda: scenes.venue("cancel_only"), "no new orders"),
        (lambda: scenes.venue("key refused"), "no order, no cancel works"),
        (lambda: live(replace(pictures.three(), card=replace(pictures.card(), busy=DISK))), "cannot record: disk full"),
        (cooling, "0 open, verified, reset in 7m"),
        (unproven, "1 order may rest"),
        (lambda: live(scenes.every("closing", "flattening at the operator's word")), "» FLATTENING  at the operator's word"),
    ],
)
def test_what_matters_is_said_at_eighty_columns(frame: Callable[[], Frame], told: str) -> None:
    one = at(frame())
    assert all(told in drawn(top.banner, shown, 80, 1) for shown in (one, pair(one, PAPER, 2)))


def test_a_calm_desk_leaves_the_banner_to_the_one_in_trouble() -> None:
    trouble = at(live(pictures.held()))
    for keys, other in ((trouble, PAPER), (PAPER, trouble)):
        shown = drawn(top.banner, pair(keys, other, 2), 80, 1)
        assert "■ NOT QUOTING  book age 4.2 s" in shown and "●" in shown
    shown = drawn(top.banner, pair(at(scenes.production()), PAPER, 2), 80, 1)
    assert "PAPER ● QUOTING 2 of 3" in shown and "███  ● QUOTING 1 of 3 ███" in shown, "both are well: all of it"


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        (PAPER, at(pictures.live(), ENDED), ("QUOTING 2 of 3", "1 position left, unwatched; last picture")),
        (at(pictures.quoting(), ENDED), at(pictures.live(), ENDED), ("ENDED  1 position left", "LIVE $$$ REAL MONEY")),
        (PAPER, scenes.scene(None, scenes.SILENT), ("QUOTING 2 of 3", "connected, no picture yet")),
        (PAPER, at(live(scenes.every("warming", "warming up"))), ("QUOTING 2 of 3", "watching before the first quote")),
        (at(pictures.quoting(), LOST), at(scenes.production()), ("last picture 12s ago, try 5…", "QUOTING 1 of 3")),
        (at(pictures.held()), at(scenes.venue("restarting")), ("book age 4.2 s…", "no orders…")),
    ],
)
def test_of_two_banners_each_has_what_it_needs(left: Scene, right: Scene, told: tuple[str, str]) -> None:
    for one in (pair(left, right), replace(replace(right, place=1), beside=left)):
        shown = drawn(top.banner, one, 120, 1)
        assert all(part in shown for part in told), shown
        assert "ENDED" not in told[0] or shown.count(told[0]) == 2


@pytest.mark.parametrize(("source", "word", "style"), [("replay", "REPLAY", "waiting"), ("loopback", "REHEARSAL", "paper")])
def test_no_money_is_never_called_live(source: str, word: str, style: str) -> None:
    both = pair(PAPER, replace(at(of(source)), storm="REFUSED 41 in 30s"), 2)
    (row,) = top.banner(both, 80, 1).rows
    assert (f" {word}", style) in row and "LIVE" not in "".join(text for text, _ in row)
    assert badges(both)[0].text == f"{word}: REFUSED 41 in 30s"
    assert (" LIVE $", "live") in top.banner(pair(PAPER, at(scenes.production()), 2), 80, 1).rows[0]


def test_the_answers_on_a_small_screen_say_whose_they_are() -> None:
    production = at(scenes.production())
    for one, other, mark in ((PAPER, production, (" P ", "paper")), (production, PAPER, (" L ", "live"))):
        assert [row[0] for row in slim.summary(pair(one, other), 80, 2).rows] == [mark, mark]
        assert slim.summary(one, 80, 2).rows[0][0][0] == " ✔ SAFE "
    assert "of 25%  max" in drawn(slim.summary, PAPER, 80, 2)


def test_the_money_of_a_desk_that_is_not_heard_is_dim() -> None:
    for link in (LOST, ENDED):
        both = pair(at(pictures.three(), link), at(scenes.production()))
        spans = [span for row in (*slim.summary(both, 80, 2).rows, duo.duo(both, 80, 2).rows[0]) for span in row]
        assert not {"plus", "minus", "gain", "loss"} & {style for _, style in spans}
        assert any("+$12.40" in text and style == "dim" for text, style in spans)


def test_a_kill_that_is_not_proven_keeps_its_money_beside_another_desk() -> None:
    money = unproven().snapshot.money
    shown = drawn(duo.duo, pair(PAPER, at(unproven())), 116, 8).splitlines()[0]
    assert f"█ LIVE $$$ █ !! CANCEL NOT CONFIRMED  ▼ {f.signed_usd(money.equity - money.initial)}" in shown


def test_somebody_elses_orders_are_told_in_whole_words() -> None:
    assert "1 order, 1 fill…" in drawn(top.safe, at(by_hand()), 36, 5) and desk_verdict(at(by_hand())).word == "EXTERNAL"
