"""What each pane shows, without a terminal: rows as plain text, verdicts, the ladder's rungs, the chart's dots."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from pmm_tui.api.protocol import Link
from pmm_tui.core.market import Side
from pmm_tui.core.snapshot import Frame, QuoteRow
from pmm_tui.core.units import ONE, Cash, Price, Size
from pmm_tui.tui.closing import exit_of
from pmm_tui.tui.palette import STYLES, style
from pmm_tui.tui.rows import book, chart, desk, duo, fills, foot, lines, log, market, orders, risk, rungs, top
from pmm_tui.tui.rows.lines import Builder, Panel, Row
from pmm_tui.tui.state import Scene, desk_verdict, quoting_verdict, safe_verdict, worst_case
from tests.faces import pictures, scenes
from tests.faces.fake_desk import ENDED, LOST, NEVER, UP
from tests.faces.pictures import NOW, level, lots, usd

BUILDERS: tuple[Builder, ...] = (
    top.banner, top.strip, top.safe, top.money, top.quotes, top.summary, book.markets, book.ladder, desk.orders, desk.fills,
    desk.position, desk.guards, desk.held, desk.log, desk.kill, chart.equity, chart.mid, chart.inventory, duo.duo, foot.footer, foot.small,
    market.market, orders.orders, fills.fills, risk.risk, log.log,
)  # fmt: skip
PICTURES: tuple[Callable[[], Frame | None], ...] = (
    lambda: None, pictures.waiting, pictures.quoting, pictures.three, pictures.tape, pictures.live, pictures.held, pictures.paused,
    pictures.alert, pictures.killing, pictures.killed, pictures.resolved, pictures.hostile,
)  # fmt: skip


def scene(frame: Frame | None, link: Link = UP, selected: int = 0) -> Scene:
    """A scene at the tests' moment."""
    return Scene(frame, link, selected, NOW)


def text(rows: list[Row] | Panel) -> str:
    """Rows as plain text."""
    return "\n".join("".join(part for part, _ in row) for row in (rows.rows if isinstance(rows, Panel) else rows))


def _every_scene() -> list[Scene]:
    """Every picture, alone; some lost; and pairs of them."""
    alone = [scene(make(), NEVER if make() is None else UP) for make in PICTURES]
    one = scenes.scene(pictures.three())
    other = scenes.scene(scenes.production(), LOST)
    pairs = [replace(one, beside=other), replace(other, beside=one, no_side=True), replace(one, beside=scene(None, NEVER))]
    return [*alone, scene(pictures.quoting(), LOST), *pairs, replace(scene(pictures.hostile()), beside=scene(pictures.hostile()))]


@pytest.mark.parametrize("width", [1, 3, 12, 20, 47, 76, 112, 156])
def test_every_pane_is_built_and_framed_exactly_at_every_size_with_known_styles(width: int) -> None:
    seen: set[str] = set()
    for one in _every_scene():
        for builder in BUILDERS:
            for height in (1, 5, 20) if width < 112 else (20, 33):
                panel = builder(one, width, height)
                for made in (lines.block(panel.rows, width, height), lines.ruled(panel, width, height, True)):
                    assert len(made) == max(height, 1)
                    assert {lines.length(row) for row in made} == {width}, builder
                    seen.update(names for row in made for _, names in row)
                if width >= 5 and height >= 2:
                    assert {lines.length(row) for row in lines.boxed(panel, width, height, False)} == {width}
    for names in seen:
        assert all(name in STYLES for name in names.split()), names
        style(names)


@pytest.mark.parametrize(
    ("make", "link", "word", "style_"),
    [
        (lambda: None, NEVER, "NO DESK YET", "lost"),
        (lambda: None, Link(False, math.inf), "CONNECTING", "waiting"),
        (lambda: None, Link(True, math.inf), "WAITING FOR THE DESK", "waiting"),
        (pictures.quoting, LOST, "DISCONNECTED", "lost"),
        (pictures.tape, ENDED, "DESK ENDED", "held"),
        (pictures.resolved, ENDED, "DESK ENDED", "waiting"),
        (pictures.quoting, Link(True, 3.1), "DISCONNECTED", "lost"),
        (pictures.quoting, UP, "QUOTING 1 of 1", "running"),
        (pictures.three, UP, "QUOTING 2 of 3", "running"),
        (pictures.waiting, UP, "NO CONNECTION", "held"),
        (pictures.held, UP, "NOT QUOTING", "held"),
        (pictures.paused, UP, "PAUSED", "paused"),
        (pictures.alert, UP, "ALERT", "alert"),
        (pictures.killing, UP, "KILLING", "killed"),
        (pictures.killed, UP, "KILLED", "killed"),
        (pictures.resolved, UP, "ALL RESOLVED", "waiting"),
        (pictures.hostile, UP, "DESK FAULT", "killed"),
    ],
)
def test_the_banner_says_the_worst_thing_that_is_true(make: Callable[[], Frame | None], link: Link, word: str, style_: str) -> None:
    verdict = desk_verdict(scene(make(), link))
    assert (verdict.word, verdict.style) == (word, style_)
    if word not in ("QUOTING 1 of 1", "QUOTING 2 of 3"):
        assert verdict.why, "a silent desk says why"
    assert word in text(top.banner(scene(make(), link), 160, 1))


def test_a_stale_only_desk_is_called_stale_and_a_killed_one_with_a_fault_says_that_it_is_broken() -> None:
    frame = pictures.held()
    frame = replace(frame, snapshot=replace(frame.snapshot, markets=frame.snapshot.markets[:1]))
    assert desk_verdict(scene(frame)).word == "STALE"
    killed = replace(pictures.killed(), card=replace(pictures.card(), busy="disk full"))
    assert (desk_verdict(scene(killed)).word, desk_verdict(scene(killed)).why) == ("DESK FAULT", "disk full; 0 open, verified")
    assert desk_verdict(scene(replace(pictures.quoting(), card=replace(pictures.card(), busy="disk full")))).why == "disk full"
    empty = replace(frame, snapshot=replace(frame.snapshot, markets=()))
    assert quoting_verdict(scene(empty)).word == "NO MARKET"


@pytest.mark.parametrize(
    ("make", "link", "word"),
    [
        (pictures.quoting, UP, "SAFE"), (pictures.held, UP, "CUT OFF"), (pictures.alert, UP, "ALERT"), (pictures.killing, UP, "KILLING"),
        (pictures.killed, UP, "KILLED"), (pictures.quoting, LOST, "UNKNOWN"), (pictures.quoting, ENDED, "ENDED"),
        (pictures.hostile, UP, "DESK FAULT"),
    ],
)  # fmt: skip
def test_am_i_safe(make: Callable[[], Frame], link: Link, word: str) -> None:
    assert safe_verdict(scene(make(), link)).word == word


def test_the_mode_is_words_fill_and_target_and_a_connection_is_never_called_live() -> None:
    paper, live = scene(pictures.quoting()), scene(pictures.live())
    assert "▒▒▒ PAPER ▒▒▒" in text(top.banner(paper, 160, 1)) and "[PAPER]" in text(foot.footer(paper, 160, 2))
    assert "███ LIVE $$$ REAL MONEY ███" in text(top.banner(live, 160, 1)) and "[LIVE $]" in text(foot.footer(live, 160, 2))
    assert "┏━ Markets" in text(lines.boxed(book.markets(live, 156, 5), 160, 7, True))
    for builder in BUILDERS:
        assert "LIVE" not in text(builder(paper, 156, 20)).upper().replace("DELIVER", "")


def test_the_data_source_and_the_speed_of_a_tape_are_said() -> None:
    assert "data Polymarket feed" in text(top.strip(scene(pictures.quoting()), 160, 1))
    tape = text(top.strip(scene(pictures.tape()), 160, 1))
    assert "tape 10x ▕███████░░░░░▏ 62%" in tape
    faster = replace(pictures.tape(), card=replace(pictures.tape().card, speed="max", tape_position=7.0))
    assert "tape max ▕████████████▏100%" in text(top.strip(scene(faster), 160, 1))
    other = replace(pictures.quoting(), card=replace(pictures.card(), source="loopback"))
    assert "loopback exchange" in text(top.strip(scene(other), 160, 1))


def test_the_gauge_marks_alert_and_fills_to_the_halt() -> None:
    def gauge(pct: float, width: int = 22, halt: float = 25.0) -> str:
        now = pictures.quoting().snapshot
        return text([top.gauge(replace(now, money=replace(now.money, drawdown_pct=pct, halt_pct=halt)), width)])

    assert gauge(0.0) == "▕░░░░░░░░░░░░┊░░░░░░░▏"
    assert gauge(12.5) == "▕██████████░░┊░░░░░░░▏"
    assert gauge(99.0) == "▕" + "█" * 20 + "▏"
    assert gauge(-3.0, 8, 0.0) == "▕░░░░░┊▏"


def test_gain_and_loss_carry_sign_arrow_and_style() -> None:
    assert text(top.money(scene(pictures.quoting()), 47, 5)).startswith(" ▲ +$12.40 ")
    loss = top.money(scene(pictures.alert()), 47, 5)
    assert text(loss).startswith(" ▼ -$82.00 ") and loss.rows[0][0][1] == "loss"
    assert "rebates" in text(loss) and "fees" not in text(loss)


def test_the_ladder_shows_our_orders_our_wishes_and_what_is_held() -> None:
    row = pictures.market()
    bids = (level(52, 5_200, 25), level(50, 100))
    quotes = (
        QuoteRow(Side.BUY, Price(5_200), lots(25), 0, ""),
        QuoteRow(Side.BUY, Price(5_100), lots(25), 1, ""),
        QuoteRow(Side.BUY, Price(4_900), lots(40), 2, "cluster cap"),
    )
    mine = replace(row, bids=bids, quotes=quotes)
    made = rungs.rungs(bids, rungs.owns(mine, pictures.orders(), True), {}, True)
    assert [(rung.price, rung.size, rung.left.ours, rung.left.ahead, rung.left.wish, rung.left.held) for rung in made] == [
        (5_200, lots(5_200), lots(25), lots(1_100), lots(25), False),
        (5_100, 0, 0, -1, lots(25), False),
        (5_000, lots(100), 0, -1, 0, False),
        (4_900, 0, 0, -1, lots(40), True),
    ]
    assert all(rung.right == rungs.NOTHING for rung in made)
    frame = replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(mine,)))
    shown = text(book.ladder(scene(frame), 59, 20))
    assert "1.1k      ▸25" in shown and "+25" in shown and "x40" in shown and "25◂" in shown
    assert "mid 52.50  micro 52.45  spread 1t  imb -0.10" in shown


def test_our_orders_beyond_the_shown_levels_are_counted() -> None:
    row = replace(pictures.market(), bids=(*pictures.market().bids[:3], level(20, 0, 25)))
    frame = replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(row,)))
    assert "1 of ours further out" in book.ladder(scene(frame), 59, 10).note


def test_a_book_with_one_side_or_none_has_a_face() -> None:
    row = replace(pictures.market(), asks=(), mid=math.nan, micro=math.nan, imbalance=math.nan, state="held", why="one-sided book")
    frame = replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(row,)))
    shown = text(book.ladder(scene(frame), 59, 20))
    assert "no two-sided book" in shown and "■ held: one-sided book" in shown and "nan" not in shown


def test_the_markets_table_keeps_the_selected_market_in_sight() -> None:
    rows = tuple(replace(pictures.market(), id=str(number), question=f"market {number}") for number in range(200))
    frame = replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=rows))
    for selected, note in ((0, "1-5 of"), (1, "1-5 of"), (100, "99-103 of"), (198, "196-200 of"), (199, "196-200 of")):
        panel = book.markets(scene(frame, selected=selected), 156, 6)
        assert f"▶ market {selected} " in text(panel) and len(panel.rows) == 6 and note in panel.note


def test_reasons_stand_in_words_and_the_hidden_ones_are_counted() -> None:
    second = pictures.second()
    rows = tuple(replace(second, id=str(number), why=f"position cap {number}") for number in range(5))
    frame = replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=rows))
    shown = text(top.quotes(scene(frame), 47, 5))
    assert "position cap 0" in shown and "and 4 more" in shown
    alike = replace(frame, snapshot=replace(frame.snapshot, markets=tuple(replace(row, why=second.why) for row in rows)))
    assert "5 markets: position cap: 500 of 500 Down" in text(top.quotes(scene(alike), 47, 5)), "said once"
    assert top.quotes(scene(frame), 47, 5).note == "rejects: post only 3, balance 1"


def test_orders_are_sorted_like_the_ladder_and_an_uncertain_one_is_first_and_loud() -> None:
    panel = desk.orders(scene(pictures.quoting()), 47, 20)
    assert [line[:5] for line in text(panel).splitlines()[2:]] == ["SELL▼", "SELL▼", "BUY ▲", "BUY ▲", "BUY ▲"]
    assert ("UNCERTAIN!", "alarm") in panel.rows[1]
    assert "12.5/25" in text(panel)
    few = text(desk.orders(scene(pictures.quoting()), 47, 4))
    assert "and 4 more" in few and "UNCERTAIN!" in few


def test_fills_carry_their_edge_and_a_failed_one_has_none() -> None:
    shown = text(desk.fills(scene(pictures.quoting()), 47, 20))
    assert "14:02:31 BUY ▲ Up       25  51.0 +$0.38 matched" in shown
    assert "FAILED" in shown and "taker" in shown and "settled" in shown


def test_guards_that_hold_come_first_and_a_lost_feed_says_why() -> None:
    shown = text(desk.guards(scene(pictures.held()), 50, 12))
    assert shown.startswith("! data age") and "✖ market    down 4.2s  no data for" in shown
    assert desk.guards(scene(pictures.held()), 50, 12).note == "1 holding"


def test_the_kill_pane_tells_steps_times_proof_and_how_to_reopen() -> None:
    shown = text(desk.kill(scene(pictures.killed()), 100, 12))
    assert "3 ✔ verify            14:02:19.800 account holds no order" in shown
    assert "R, type RESET PAPER" in shown and "worst -$39.20" in shown
    begun, under_way = (desk.kill(scene(make()), 100, 12) for make in (pictures.killing, scenes.unconfirmed))
    assert begun.title == "KILL SWITCH TRIPPED, cancelling" and "CANCEL NOT CONFIRMED" in under_way.title
    assert "why drawdown 25.32 % of the start…  at" in text(desk.kill(scene(pictures.killed()), 56, 12)), "all that there is room for"
    assert "3 · verify            not yet" in text(under_way)
    assert "reset: possible once" in text(under_way) and desk.kill_height(scene(pictures.quoting())) == 0


def test_worst_case_counts_both_ends() -> None:
    row = pictures.market()
    assert worst_case(row) == usd(40 - 79.2)
    assert worst_case(replace(row, yes=lots(0), no=lots(0), cost=usd(0))) == 0
    assert worst_case(replace(row, payout_yes=ONE)) == 0


def test_a_flatten_sells_the_net_position_at_worst_two_ticks_beyond_the_touch() -> None:
    made = exit_of(pictures.market())
    assert made is not None and (made.outcome, made.size, made.worst) == ("Up", lots(80), 5_000)
    assert made.proceeds == usd(40) and made.cost == usd(2) and made.covered == lots(80)
    short = exit_of(pictures.second())
    assert short is not None and (short.outcome, short.size, short.worst) == ("Down", lots(500), 4_500)
    assert short.cost == usd(500 * (0.521 - 0.45))
    assert exit_of(replace(pictures.market(), yes=lots(40))) is None and exit_of(pictures.resolved().snapshot.markets[0]) is None
    nobody = exit_of(replace(pictures.market(), bids=()))
    assert nobody is not None and nobody.worst == 0 and nobody.covered == 0
    thin = exit_of(replace(pictures.market(), bids=(level(52, 10), level(30, 1_000))))
    assert thin is not None and thin.covered == lots(10)


@given(st.integers(0, 10**4), st.integers(0, 10**4), st.integers(1, 99))
def test_an_exit_never_asks_for_a_negative_price_nor_more_than_is_held(yes: int, no: int, best: int) -> None:
    row = replace(pictures.market(), yes=lots(yes), no=lots(no), bids=(level(best, 10),), asks=(level(best + 1 - best // 99, 10),))
    made = exit_of(row)
    if yes == no:
        assert made is None
    else:
        assert made is not None and 0 < made.worst < ONE and made.size == lots(abs(yes - no)) and made.covered <= made.size


def test_braille_draws_a_line_from_corner_to_corner() -> None:
    columns = [(value, value) for value in range(8)]
    assert chart.braille(columns, 0, 7, 2) == ["  ⣠⠞", "⣠⠞⠁ "]
    flat = chart.braille([(0, 0)] * 4, 0, 0, 1)
    assert flat == ["⣀⣀"]
    assert chart.braille([None, None], 0, 1, 1) == [" "]
    assert chart.braille([(0, 4)] * 2, 0, 4, 1) == ["⣿"]


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(-50, 50)), min_size=1, max_size=60), st.integers(1, 40))
def test_no_extreme_is_lost_between_the_points_and_the_dots(points: list[tuple[int, int]], columns: int) -> None:
    points.sort()
    made = chart.resample(points, columns)
    pairs = [pair for pair in made if pair is not None]
    assert len(pairs) == columns
    values = [value for _, value in points]
    assert min(low for low, _ in pairs) == min(values) and max(high for _, high in pairs) == max(values)
    assert all(len(row) == (columns + 1) // 2 for row in chart.braille(made, min(values), max(values), 3))


def test_the_chart_names_its_levels_and_the_kill_line() -> None:
    shown = text(chart.equity(scene(pictures.quoting()), 76, 9))
    assert "+$12.40 ┤" in shown and "$0.00 ┤" in shown and "kill -$130.85" in shown and "11:02" in shown and "14:02" in shown
    start = chart.drawdowns([(0, usd(500)), (1, usd(520)), (2, usd(490))], usd(500))
    peak = chart.drawdowns([(0, usd(500)), (1, usd(520)), (2, usd(490))], None)
    assert [value for _, value in start] == [0, 0, usd(-10)] and [value for _, value in peak] == [0, 0, usd(-30)]


def test_columns_stand_under_each_other_whatever_the_numbers() -> None:
    small, large = pictures.money(), replace(pictures.money(), equity=usd(1_234_567.89), cash=usd(99_999.0), realised=Cash(-usd(12_345)))
    for width in (36, 47, 60):
        frames = [replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), money=one)) for one in (small, large)]
        rows = [top.money(scene(frame), width, 5) for frame in frames]
        ends = [[lines.length(row) for row in panel.rows[1:]] for panel in rows]
        assert ends[0] == ends[1] and len(set(ends[0])) == 1


def test_a_row_cut_short_says_so_and_a_blank_cut_does_not() -> None:
    assert text([lines.exact((("abcdef", ""),), 4)]) == "abc…"
    assert text([lines.exact((("abc   ", ""), ("x", "")), 4)]) == "abc "
    assert lines.wrap("one two three four", 9, 2) == ["one two", "three…"]
    assert lines.wrap("", 9, 2) == [""] and lines.wrap("averylongword", 5, 1) == ["aver…"]
    assert lines.wrap("reached  25 % – now", 10, 3) == ["reached", "25 % – now"]
    assert lines.wrap("a loss of 25 %", 12, 2) == ["a loss of", "25 %"]


@given(st.text(max_size=50), st.integers(5, 60), st.booleans())
def test_a_title_from_outside_never_breaks_the_frame(title: str, width: int, heavy: bool) -> None:
    panel = Panel(title, [], title)
    for made in (lines.boxed(panel, width, 3, heavy), lines.ruled(panel, width, 3, heavy)):
        assert all(cell_len(line) == width for line in text(made).split("\n"))


def test_sizes_are_sums_of_integers_not_floats() -> None:
    quotes = tuple(QuoteRow(Side.SELL, Price(5_300), Size(333_333), number, "") for number in range(3))
    row = replace(pictures.market(), quotes=quotes, asks=())
    assert rungs.rungs((), {}, rungs.owns(row, (), False), False)[0].right.wish == 999_999


def test_a_held_wish_beside_one_that_is_not_is_not_called_held() -> None:
    quotes = tuple(QuoteRow(Side.BUY, Price(5_300), lots(1), number, why) for number, why in enumerate(("cap", "", "cap")))
    row = replace(pictures.market(), quotes=quotes, bids=())
    assert rungs.owns(row, (), True)[Price(5_300)] == rungs.Own(wish=lots(3))


def test_the_other_outcome_mirrors_the_ladder_and_twice_is_the_same() -> None:
    row = pictures.market()
    no = rungs.as_no(row)
    assert (no.bids[0].price, no.asks[0].price, no.outcomes, no.yes) == (4_700, 4_800, ("Down", "Up"), row.no)
    assert no.bids[0].ours == row.asks[0].ours and no.mid == pytest.approx(1 - row.mid)
    back = rungs.as_no(no)
    assert (back.bids, back.asks, back.quotes, back.trades) == (row.bids, row.asks, row.quotes, row.trades)
    shown = text(book.ladder(replace(scene(pictures.quoting()), no_side=True), 59, 20))
    assert "mid 47.50" in shown and "312       ▸25" in shown, "our ask for Up at 53, and what is ahead of it, is a bid for Down at 47"


def test_an_order_for_the_other_outcome_lends_its_queue_to_the_price_it_stands_at() -> None:
    frame = scenes.production()
    row = frame.snapshot.markets[0]
    assert rungs.owns(row, frame.snapshot.orders, False)[Price(5_400)].ahead == lots(640)


def test_paper_is_on_the_left_edge_and_production_on_the_right_whatever_the_target() -> None:
    both = scenes.modes(pictures.three(), scenes.production())
    turned = replace(both["live"], beside=both["paper"])
    for one in (both["both"], turned):
        rows = text(book.ladder(one, 84, 20)).splitlines()
        assert rows[0].startswith(" PAPER ") and rows[0].endswith(" LIVE ")
        ask = next(row for row in rows if "54.0" in row)
        assert ask.startswith("8.3k/8.3k") and ask.endswith("640/8.3k") and "▸25" in ask and "10◂" in ask
    lost = replace(both["both"], beside=replace(both["live"], link=LOST))
    assert text(book.ladder(lost, 84, 20)).splitlines()[0].endswith(" LIVE LOST ")


def test_the_ladder_keeps_to_the_depth_that_was_chosen() -> None:
    one = replace(scene(pictures.quoting()), depth=2)
    shown = text(book.ladder(one, 59, 24))
    assert "51.0" in shown and "50.0" not in shown and "54.0" in shown and "55.0" not in shown
