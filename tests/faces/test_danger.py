"""What an operator must not be left to guess: exposed orders, passed limits, stale books, whose state it is, where the money came from."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import FeedRow, Frame, MarketRow, RiskRow, VenueRow
from pmm_tui.core.units import Nanos
from pmm_tui.tui import format as f
from pmm_tui.tui.keys import KEYS, applies
from pmm_tui.tui.rows import book, chart, duo, foot, killed, ladder, risk, top
from pmm_tui.tui.rows import desk as panes
from pmm_tui.tui.rows.fresh import fresher
from pmm_tui.tui.state import Scene, desk_verdict, quoting_verdict, safe_verdict
from pmm_tui.tui.words import reason
from tests.faces import pictures, scenes
from tests.faces.driver import desk
from tests.faces.fake_desk import ENDED, LOST, UP
from tests.faces.pictures import NOW, ago
from tests.faces.test_grids import drawn


def without(frame: Frame, *links: str, for_s: float = 121.0) -> Frame:
    """A desk that lost connections a while ago."""
    feeds = tuple(replace(feed, up=False, since=ago(for_s), why="gone") if feed.link in links else feed for feed in frame.snapshot.feeds)
    return replace(frame, snapshot=replace(frame.snapshot, feeds=feeds))


def cancelling(frame: Frame, for_s: float) -> Frame:
    """All its orders are on their way out for so long."""
    orders = tuple(replace(order, status="CANCELLING", unsure_at=ago(for_s)) for order in frame.snapshot.orders)
    return replace(frame, snapshot=replace(frame.snapshot, orders=orders))


def at(frame: Frame, link: object = UP) -> Scene:
    """One desk at the tests' moment."""
    return replace(scenes.scene(frame), link=link)


def aged(frame: Frame, age_s: float, stale: bool, mid: float = 0.4950) -> Frame:
    """Every book so old."""
    health = replace(frame.snapshot.markets[0].health, age_ms=round(1_000 * age_s), stale=stale)
    rows = tuple(replace(row, health=health, mid=mid) for row in frame.snapshot.markets)
    return replace(frame, snapshot=replace(frame.snapshot, markets=rows))


def test_a_production_desk_that_lost_its_venue_is_exposed_and_not_safe() -> None:
    lost = cancelling(without(scenes.production(), "account", "heartbeat", "user"), 121)
    for verdict in (safe_verdict(at(lost)), desk_verdict(at(lost))):
        assert (verdict.glyph, verdict.word, verdict.style) == ("!", "EXPOSED", "alarm")
        assert verdict.why == "2 orders not confirmed, heartbeat, account, user lost 2m"
    assert safe_verdict(at(cancelling(scenes.production(), 4))).why == "2 orders not confirmed"
    assert safe_verdict(at(without(scenes.production(), "user", for_s=5))).why == "user lost 5.0s"


def test_what_is_gone_for_a_moment_only_or_on_paper_exposes_nothing() -> None:
    moment = cancelling(without(scenes.production(), "account", "heartbeat", "user", for_s=2), 2)
    paper = cancelling(without(pictures.three(), "market"), 60)
    assert [safe_verdict(at(frame)).word for frame in (moment, paper)] == ["SAFE", "SAFE"]


def test_safe_is_green_only_where_the_desk_quotes_or_has_nothing_at_stake() -> None:
    cut = safe_verdict(at(scenes.venue("cancel_only")))
    assert (cut.glyph, cut.word, cut.style) == ("!", "CUT OFF", "warn")
    assert cut.why == "3 positions, no order open; venue lost: it takes cancels only"
    stale = safe_verdict(at(scenes.every("stale", "stale: no data for over 10 s")))
    assert (stale.word, stale.style) == ("SAFE", "warn") and stale.why.startswith("3 positions, ")
    waits = safe_verdict(at(pictures.waiting()))
    assert (waits.word, waits.style) == ("SAFE", "warn") and waits.why.startswith("nothing held, nothing open; market lost")
    assert safe_verdict(at(pictures.three())).style == "up"


def by_hand() -> Frame:
    """Somebody else's order rests, and one was filled, with the wallet of the production desk."""
    frame = scenes.production()
    orders = (replace(frame.snapshot.orders[0], id=-7, status="EXTERNAL"), *frame.snapshot.orders[1:])
    fills = (replace(frame.snapshot.fills[0], order=-7), *frame.snapshot.fills[1:])
    return replace(frame, snapshot=replace(frame.snapshot, orders=orders, fills=fills))


def test_somebody_elses_orders_and_fills_are_never_green() -> None:
    banner_, safe = desk_verdict(at(by_hand())), safe_verdict(at(by_hand()))
    assert (banner_.word, banner_.style) == ("EXTERNAL", "alarm") and (safe.word, safe.style) == ("EXTERNAL", "alarm")
    assert banner_.why == "1 order, 1 fill not of this desk, quoting 1 of 3" and safe.why in banner_.why
    old = by_hand()
    fills = tuple(replace(fill, at=ago(3_600)) for fill in old.snapshot.fills)
    orders = scenes.production().snapshot.orders
    assert desk_verdict(at(replace(old, snapshot=replace(old.snapshot, fills=fills, orders=orders)))).word == "QUOTING 1 of 3"
    assert "1 order, 1 fill" in drawn(duo.duo, replace(at(pictures.three()), beside=at(by_hand())), 156, 8)


def test_the_other_desks_dead_man_is_seen_whichever_has_the_keys() -> None:
    waits = replace(at(scenes.production()), deadman_s=12.4)
    both = replace(at(pictures.three()), beside=waits)
    assert "LIVE: DEAD-MAN 12s" in drawn(top.strip, both, 160, 1) and "DEAD-MAN 12s" in drawn(top.banner, both, 160, 1)
    assert "LIVE $ ! DEAD-MAN 12s" in drawn(top.banner, both, 80, 1), "where two banners do not fit"
    assert (desk_verdict(waits).style, desk_verdict(replace(waits, deadman_s=40.0)).style) == ("killed", "alert")
    assert " a here " in drawn(foot.footer, both, 80, 2) and " here " not in drawn(foot.footer, at(pictures.three()), 80, 2)
    looks = replace(waits, read_only=True)
    assert "I am here" not in desk_verdict(looks).why + drawn(foot.footer, looks, 120, 2), "this console tells the desk nothing"
    assert "UNWATCHED" in drawn(top.strip, replace(both, beside=at(scenes.unwatched())), 160, 1)


def test_a_desk_in_trouble_has_the_room_of_the_one_that_is_well() -> None:
    refused, differ = (
        (scenes.venue("key refused"), "no order, no cancel works"),
        (scenes.mismatch("wallet check"), "one more miss kills; nothing quoted"),
    )
    for frame, why in (refused, differ):
        for pair in (replace(at(pictures.three()), beside=at(frame)), replace(at(frame), beside=at(pictures.three()))):
            shown = drawn(top.banner, pair, 160, 1)
            assert why in shown and shown.index("PAPER") < shown.index("LIVE $$$") and desk_verdict(at(frame)).style == "alarm"


def test_a_desk_that_was_not_heard_yet_keeps_its_side_and_nobody_knows_its_orders() -> None:
    paper, unheard = at(pictures.three()), replace(scenes.scene(None, scenes.NEW), place=1)
    for pair in (replace(paper, beside=unheard), replace(unheard, beside=paper)):
        assert top.sides(pair)[0].frame is paper.frame and top.sides(replace(pair, beside=unheard))[0].place == pair.place
        shown = drawn(panes.orders, pair, 50, 12)
        assert panes.orders(pair, 50, 12).title == "Our orders 6 + ?" and "WAITING: its orders are unknown" in shown
    assert panes.fills(unheard, 50, 12).title == "Fills ?" and "none yet" not in drawn(panes.fills, unheard, 50, 12)
    live = at(scenes.production())
    assert [one.frame for one in top.sides(replace(live, beside=unheard))] == [None, live.frame]


def test_a_broken_link_stands_above_guards_that_are_well_and_what_is_left_out_is_counted() -> None:
    shown = drawn(panes.guards, at(scenes.venue("cancel_only")), 40, 6).splitlines()
    assert shown[0].startswith("✖ venue     down 42s   it takes") and "all capital" in shown[1], "then the most used"
    assert shown[4].strip() == "and 4 more" and shown[5].strip() == "● 5 links up"


def test_keys_that_cannot_work_are_not_offered() -> None:
    def offered(frame: Frame) -> set[str]:
        return {key.id for key in KEYS if applies(key, at(frame))}

    gone = {"cancel", "cancel.all", "flatten", "flatten.all"}
    assert not gone & offered(scenes.venue("key refused")) and {"kill", "quote.toggle"} <= offered(scenes.venue("key refused"))
    assert not {"cancel", "cancel.all"} & offered(scenes.killed()) and {"kill", "flatten"} <= offered(scenes.killed())
    assert gone <= offered(scenes.production())
    paused = at(scenes.every("paused", "paused by the operator"))
    assert "p  resume market" in " ".join(drawn(foot.footer, paused, 120, 2).split("   ")), "the key that resumes it"
    assert "go on" in drawn(foot.footer, replace(paused, frozen=True), 120, 2)


def test_a_fault_is_never_under_a_green_word() -> None:
    frame = replace(pictures.quoting(), card=replace(pictures.card(), busy="disk full"))
    assert (quoting_verdict(at(frame)).word, quoting_verdict(at(frame)).style) == ("NOT QUOTING", "killed")
    assert "disk full; 6 orders may rest" in drawn(top.quotes, at(frame), 47, 5)


def test_a_killed_desk_beside_another_still_says_what_it_made_and_which_keys_reset_it() -> None:
    for frame in (pictures.killed(), pictures.killing()):
        live = replace(frame, card=scenes.production().card)
        for width in (116, 156):
            shown = drawn(duo.duo, replace(at(pictures.three()), beside=at(live)), width, 8)
            assert f.signed_usd(frame.snapshot.money.equity - frame.snapshot.money.initial) in shown
    beside = drawn(duo.duo, replace(at(pictures.three()), beside=at(scenes.killed())), 156, 8)
    assert "reset: e, then R, type RESET LIVE" in beside
    cools = replace(scenes.killed().snapshot, resets_at=Nanos(NOW + 421_000_000_000))
    for width in (56, 77, 100):
        rows = killed.killed(at(replace(scenes.killed(), snapshot=cools)), width)
        told = "".join(text for text, _ in rows[-1])
        assert len(rows) == killed.lines(at(scenes.killed())) and "reset: in 7m" in told and "…" not in told
    assert desk_verdict(at(replace(scenes.killed(), snapshot=cools))).why.startswith("0 open, verified, reset in 7m: drawdown")


def test_a_restart_that_the_venue_announced_keeps_its_name_until_orders_are_in_doubt() -> None:
    restarting = without(scenes.venue("restarting"), "heartbeat")
    assert desk_verdict(at(restarting)).word == "VENUE RESTARTING" and safe_verdict(at(restarting)).word == "EXPOSED"
    orders = cancelling(scenes.production(), 10).snapshot.orders
    assert desk_verdict(at(replace(restarting, snapshot=replace(restarting.snapshot, orders=orders)))).word == "EXPOSED"


def test_a_refused_key_is_never_safe_and_what_rests_is_exposed_because_no_cancel_is_taken() -> None:
    bare = scenes.venue("key refused")
    safe, banner_ = safe_verdict(at(bare)), desk_verdict(at(bare))
    assert (safe.glyph, safe.word, safe.style, banner_.word) == ("!", "KEY REFUSED", "alarm", "KEY REFUSED") and "no cancel" in banner_.why
    rests = replace(bare, snapshot=replace(bare.snapshot, orders=scenes.production().snapshot.orders))
    for verdict in (safe_verdict(at(rests)), desk_verdict(at(rests))):
        assert (verdict.glyph, verdict.word, verdict.style) == ("!", "EXPOSED", "alarm")
        assert verdict.why == "cannot cancel 2 orders: key refused"
    for frame in (bare, rests):
        shown = drawn(duo.duo, replace(at(pictures.three()), beside=at(frame)), 156, 8) + drawn(risk.risk, at(frame), 80, 6)
        assert shown.count(safe_verdict(at(frame)).word) >= 2 and "SAFE  no guard" not in drawn(risk.risk, at(frame), 80, 6)
    paper = replace(rests, card=replace(rests.card, mode="PAPER"))
    assert safe_verdict(at(paper)).word != "EXPOSED"


def test_the_word_for_safety_is_never_cut_beside_another_desk() -> None:
    for frame in (scenes.mismatch("account check"), replace(scenes.production(), card=replace(scenes.production().card, busy="disk full"))):
        shown = drawn(duo.duo, replace(at(pictures.three()), beside=at(frame)), 116, 8)
        assert safe_verdict(at(frame)).word in shown.splitlines()[1]


def test_a_limit_that_is_passed_is_over_counted_and_first_though_nothing_holds_for_it() -> None:
    frame = pictures.three()
    rows = (*frame.snapshot.risk, RiskRow("data age", "160.5 s", "90 s", False, 1.78))
    shown = drawn(risk.risk, at(replace(frame, snapshot=replace(frame.snapshot, risk=rows))), 80, 30)
    words = [line.split()[0] for line in shown.splitlines() if line.split()[:1] in (["HOLDS"], ["OVER"], ["near"], ["ok"])]
    assert words[0] == "OVER" and "1 over" in shown and " near  data age" not in shown


def test_the_younger_book_is_shown_and_a_stale_one_says_how_stale() -> None:
    old, young = aged(scenes.production(), 121, True), pictures.three()
    one = replace(at(old), beside=at(young))
    assert fresher(one) is one.beside and fresher(replace(at(young), beside=at(old))).frame is young
    shown = drawn(ladder.ladder, one, 100, 24)
    assert "mid 52.50" in shown and "STALE" not in shown
    both = replace(at(old), beside=at(aged(pictures.three(), 119.5, True)))
    shown, table = drawn(ladder.ladder, both, 100, 24), drawn(book.markets, both, 160, 8)
    assert "STALE 2m  mid 49.50" in shown and "age 2m" in shown and table.count("STALE 2m") == 3 and "49.50" not in table
    colours = {name for row in ladder.ladder(both, 100, 24).rows for _, name in row}
    assert not colours & {"bid", "ask", "bidbar", "askbar"} and "bid" in {
        name for row in ladder.ladder(one, 100, 24).rows for _, name in row
    }
    narrow = drawn(book.markets, at(old), 80, 8)
    assert narrow.count(" STALE ") == 3


def test_a_silent_desk_beside_does_not_hide_how_old_the_book_is() -> None:
    held = aged(scenes.every("held", "account feed lost"), 121, True)
    both = replace(at(held), beside=at(replace(held, card=scenes.production().card)))
    shown = drawn(ladder.ladder, both, 100, 24)
    last = shown.splitlines()[-2:]
    assert "P ■ held: account feed lost" in last[0] and "L ■ held: account feed lost" in last[0] and "hash ok" in last[1]


def test_what_nobody_can_confirm_is_not_shown_as_resting() -> None:
    blind = without(scenes.production(), "account", "heartbeat")
    shown, table = drawn(ladder.ladder, at(blind), 100, 24), drawn(book.markets, at(blind), 160, 8)
    assert "?10" in shown and "10?" in shown and "▸10" not in shown
    assert "? not confirmed" in ladder.ladder(at(blind), 100, 24).note
    assert "52.0?10" in table and "52.0×10" not in table
    sure = drawn(ladder.ladder, at(scenes.production()), 100, 24)
    assert "▸10" in sure and "?" not in sure


def states(paper: str, live: str, live_link: object = UP) -> str:
    """The state column of a market that two desks see so."""

    def made(frame: Frame, state: str) -> Frame:
        why = {"quoting": "", "paused": "paused by the operator", "stale": "stale: no frame for 90 s"}.get(state, f"because of {state}")
        rows: tuple[MarketRow, ...] = tuple(replace(row, state=state, why=why) for row in frame.snapshot.markets)
        return replace(frame, snapshot=replace(frame.snapshot, markets=rows))

    one = replace(at(made(pictures.three(), paper)), beside=at(made(scenes.production(), live), live_link))
    return drawn(book.markets, one, 200, 8).splitlines()[1].rpartition("│")[2].rstrip() or drawn(book.markets, one, 200, 8)


@pytest.mark.parametrize(
    ("paper", "live", "told"),
    [
        ("paused", "killed", "L: ✖ KILLED because of killed"),
        ("killed", "paused", "P: ✖ KILLED because of killed"),
        ("paused", "stale", "L: ! STALE no frame for 90 s"),
        ("stale", "held", "L: ■ held because of held"),
        ("paused", "quoting", "P: ▌ paused by the operator"),
        ("paused", "paused", "▌ paused   by the operator"),
        ("killing", "killed", "L: ✖ KILLED because of killed"),
        ("held", "stale", "L: ! STALE no frame for 90 s"),
        ("held", "warming", "P: ■ held because of held"),
    ],
)
def test_of_two_desks_the_worse_one_is_told_and_no_word_twice(paper: str, live: str, told: str) -> None:
    assert told in states(paper, live)


def test_a_desk_that_is_not_heard_is_worse_than_one_that_is_paused() -> None:
    assert "L: ? UNKNOWN" in states("paused", "quoting", LOST)


@pytest.mark.parametrize("make", [pictures.three, pictures.waiting, pictures.alert, pictures.killed, scenes.production])
def test_what_was_made_adds_up_from_the_parts_that_are_shown(make: Callable[[], Frame]) -> None:
    money = make().snapshot.money
    assert money.equity - money.initial == money.captured + money.drift - money.fees - money.adverse


def test_production_shows_its_drift_and_no_adverse_selection_that_nobody_charged() -> None:
    live, paper = at(scenes.production()), at(pictures.three())
    for shown in (drawn(duo.duo, replace(paper, beside=live), 156, 8).splitlines(), [drawn(top.money, live, 48, 6)] * 2):
        right = "\n".join(line.rpartition("│")[2] for line in shown)
        assert "drift" in right and "-$1.46" in right and "adverse" not in right
    left = "\n".join(line.partition("│")[0] for line in drawn(duo.duo, replace(paper, beside=live), 156, 8).splitlines())
    assert "-$2.31" in left and "adverse" in left and "-$0.31" in left


def test_the_age_of_the_heartbeat_and_what_an_answer_takes_are_on_the_header() -> None:
    frame = scenes.production()
    frame = replace(frame, card=replace(frame.card, heartbeat_s=2.1, answer_ms=38.4))
    header = drawn(top.strip, at(frame), 200, 1)
    assert "heartbeat ●  2.1s" in header and "answer 38ms" in header
    assert "last answered 2.1s ago" in drawn(risk.risk, at(frame), 120, 40)
    assert "answer" not in drawn(top.strip, at(scenes.production()), 200, 1)


def test_a_connection_that_is_gone_wins_over_no_market_yet() -> None:
    frame = pictures.three()
    feeds = (FeedRow("gamma", False, ago(30), "Name or service not known"),)
    empty = replace(
        frame, snapshot=replace(frame.snapshot, phase="starting", why="no market yet", markets=(), orders=(), risk=(), feeds=feeds)
    )
    told = "gamma lost: Name or service not known"
    verdict = quoting_verdict(at(empty))
    assert (verdict.word, verdict.why) == ("NO CONNECTION", told) and told in safe_verdict(at(empty)).why
    assert told in drawn(book.markets, at(empty), 80, 6) and "discovery" not in drawn(book.markets, at(empty), 80, 6)
    moment = replace(empty, snapshot=replace(empty.snapshot, feeds=(replace(feeds[0], since=ago(1)),)))
    assert quoting_verdict(at(moment)).word == "WAITING FOR DATA" and "discovery has chosen none" in drawn(book.markets, at(moment), 80, 6)


@pytest.mark.parametrize("symbols", ["block", "ascii"])
def test_no_drawdown_draws_nothing(symbols: str) -> None:
    flat = tuple((Nanos(NOW - (60 - second) * 10**9), pictures.usd(500)) for second in range(60))
    frame = pictures.three()
    money = replace(frame.snapshot.money, equity=pictures.usd(500), drawdown=pictures.usd(0), reference="start")
    made = replace(frame, snapshot=replace(frame.snapshot, equity_curve=flat, money=money))
    row = next(line for line in drawn(chart.equity, replace(at(made), symbols=symbols), 80, 10).splitlines() if "drawdown" in line)
    assert row.rpartition("┤")[2].strip() == ""


ALARMS: dict[str, Callable[[], Frame]] = {
    "drawdown": lambda: replace(scenes.production(), snapshot=replace(pictures.alert().snapshot, feeds=scenes.production().snapshot.feeds)),
    "account": lambda: scenes.mismatch("account check"),
    "wallet": lambda: scenes.mismatch("wallet check"),
    "fault": lambda: replace(scenes.production(), card=replace(scenes.production().card, busy="disk full")),
    "exposed": lambda: without(scenes.production(), "heartbeat"),
    "by hand": by_hand,
    "dead-man": lambda: replace(scenes.production(), card=replace(scenes.production().card, deadman_s=12.4)),
    "restart": lambda: replace(scenes.production(), snapshot=replace(scenes.production().snapshot, venue=VenueRow("restarting", ago(4)))),
}


@pytest.mark.parametrize("name", ALARMS)
async def test_what_an_operator_must_come_for_rings_once_and_marks_the_title(name: str) -> None:
    rung: list[bool] = []
    async with desk(scenes.production()) as one:
        one.app.bell = lambda: rung.append(True)  # type: ignore[method-assign]  # what a terminal would hear
        one.app.pull()
        assert rung == [] and not one.app.herald.title.startswith("!! ")
        one.source.frame = ALARMS[name]()
        one.app.pull()
        one.app.pull()
        assert rung == [True] and one.app.herald.title.startswith("!! ")


async def test_a_kill_that_is_not_confirmed_rings_again() -> None:
    rung: list[bool] = []
    async with desk(pictures.killing()) as one:
        one.app.bell = lambda: rung.append(True)  # type: ignore[method-assign]  # what a terminal would hear
        one.source.frame = scenes.unconfirmed()
        one.app.pull()
        assert rung == [True]


def test_a_book_that_was_never_heard_of_is_older_than_any_other() -> None:
    never, known = replace(at(pictures.waiting()), selected=0), at(scenes.production())
    assert fresher(replace(never, beside=known)).frame is known.frame


def test_links_that_are_down_are_told_where_their_names_do_not_fit() -> None:
    lost = without(scenes.production(), "account", "heartbeat", "market", "user")
    assert "✖ account heartbeat market user" in drawn(top.strip, at(lost), 120, 1)
    assert "✖ 4 of 6 links" in drawn(top.strip, replace(at(lost), read_only=True, storm="REFUSED 60 in 30s"), 120, 1)


def test_of_two_killed_desks_the_production_one_is_shown_whichever_has_the_keys() -> None:
    paper, live = at(pictures.killed()), at(scenes.killed())
    for pair in (replace(paper, beside=live), replace(live, beside=paper)):
        panel = panes.kill(pair, 100, 9)
        assert panel.title.startswith("LIVE $$$: KILL SWITCH TRIPPED") and panel.note == "PAPER is killed, too"


def test_the_reset_is_offered_only_once_it_is_possible() -> None:
    def offered(frame: Frame) -> bool:
        return any(applies(key, at(frame)) for key in KEYS if key.id == "kill.reset")

    killed = pictures.killed()
    assert offered(killed) and not offered(pictures.killing()) and not offered(pictures.quoting())
    assert not offered(replace(killed, snapshot=replace(killed.snapshot, resets_at=Nanos(NOW + 10**9))))


def test_reasons_stand_in_words_and_no_calm_thing_is_loud() -> None:
    for mode, words in (("cancel_only", "it takes cancels only"), ("limited", "too many requests"), ("key refused", "our key is refused")):
        frame = scenes.venue(mode)
        assert reason(frame.snapshot.markets[0]) == f"venue: {words}" and "_" not in drawn(panes.guards, at(frame), 60, 12)
    ended, lost = (top.strip(at(pictures.quoting(), link), 160, 1).rows[0] for link in (ENDED, LOST))
    assert ("12s", "alarm") in lost and ("12s", "") in ended, "in order is no alarm"
    assert "to kill        $125.00" in drawn(top.safe, at(pictures.waiting()), 47, 5), "a quarter of what it began with"
    replayed = at(replace(scenes.production(), card=replace(scenes.production().card, source="replay")))
    assert duo.mode_word(replayed) == "REPLAY LIVE"
