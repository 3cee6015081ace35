"""The market screen's ladder under its own keys, and the layouts: what is shown, what gives its room, what stays on a killed desk."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Price
from pmm_tui.tui.config import Config, read_config
from pmm_tui.tui.dialogs.pick import Menu, Pick
from pmm_tui.tui.rows import book, ladder, market
from pmm_tui.tui.rows import tape as newest
from pmm_tui.tui.view import LAYOUTS, PANES, Layout, View
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures, scenes
from tests.faces.conftest import grid
from tests.faces.driver import Desk, desk, scene
from tests.faces.fake_desk import LOST
from tests.faces.test_rows import text
from tests.faces.test_two_desks import two

WIDE = (160, 48)


def shown(one: Desk) -> list[str]:
    """The dashboard's panes that have room."""
    return [name for name in PANES if one.app.query_one(f"#{name}", Pane).region.area]


def many(frame: Frame, count: int = 8) -> Frame:
    """The picture with so many markets, the first of them the same in every such picture."""
    first = frame.snapshot.markets[0]
    rows = tuple(replace(first, id=first.id if not number else f"0x{number:064x}") for number in range(count))
    return replace(frame, snapshot=replace(frame.snapshot, markets=rows))


async def test_the_ladder_is_moved_by_pages_as_far_as_the_book_goes_and_centred_by_its_key() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("2")
        middle = grid(one.app)
        assert "55.0" in middle and "47.0" not in middle
        await one.press("pagedown")
        assert "47.0" in grid(one.app) and "55.0" not in grid(one.app) and "3 below the middle, c centres" in grid(one.app)
        await one.press("pagedown", "pagedown", "pagedown", "pagedown")
        assert one.app.view.shift == 7 and "46.0" in grid(one.app), "no further than the book"
        await one.press("c")
        assert grid(one.app).splitlines()[:-2] == middle.splitlines()[:-2]
        await one.press("pageup")
        assert "58.0" in grid(one.app) and "above the middle" in grid(one.app)
        await one.press("right_square_bracket")
        assert one.app.view.shift == 0, "another market begins at its own middle"


async def test_prices_are_cents_or_probabilities_on_the_market_screen_alone() -> None:
    async with desk(pictures.quoting(), WIDE) as one:
        await one.press("2", "v")
        on = grid(one.app)
        for part in ("Up 0.5250", "│ 0.530 │", "mid 0.5250", "fair 0.5246", "0.520/0.530", "Up   0.520", "0.0051/√s", "14:02:31 0.520▼"):
            assert part in on, part
        assert "¢" not in on.replace("@ ¢ a share", "")
        await one.press("1")
        assert "│ 53.0  │" in grid(one.app) and "0.530" not in grid(one.app)
        await one.press("2", "v")
        assert "│ 53.0  │" in grid(one.app) and "Up 52.50¢" in grid(one.app)


async def test_bars_grow_with_the_size_or_with_its_logarithm() -> None:
    async with desk(pictures.quoting(), WIDE) as one:
        await one.press("2")

        def bar(price: str) -> int:
            return next(line for line in grid(one.app).splitlines() if f"│ {price}" in line)[:86].count("█")

        small, large = bar("59.0"), bar("58.0")
        assert small == 0 and large > 5, "910 shares beside 17,000"
        await one.press("b")
        assert bar("58.0") == large and bar("59.0") > large // 2 and "log bars" in grid(one.app)
        await one.press("b")
        assert bar("59.0") == small


def test_a_lone_level_has_a_bar_on_either_scale() -> None:
    row = replace(pictures.market(), bids=(pictures.level(52, 1),), asks=(pictures.level(53, 0, 1),), quotes=())
    one = scene(replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(row,), orders=())))
    for log in (False, True):
        rows = text(ladder.ladder(replace(one, log_bars=log), 82, 12)).splitlines()
        assert "█" in next(line for line in rows if "52.0" in line) and "█" not in next(line for line in rows if "53.0" in line)


async def test_a_menu_of_layouts_opens_and_a_digit_takes_one() -> None:
    async with desk(pictures.three(), WIDE) as one:
        assert shown(one) == list(PANES)
        await one.press("0")
        assert isinstance(one.app.screen, Menu) and "1  trading" in grid(one.app)
        await one.press("1")
        assert shown(one) == ["markets", "ladder", "orders"] and "layout 1: trading" in one.said
        await one.press("tab", "tab", "tab", "tab")
        assert one.app.view.pane == "markets", "tab visits what is shown"
        await one.press("0", "0")
        assert shown(one) == list(PANES) and one.app.view.pane == ""
        await one.press("0", "5")
        assert one.app.scene.pane == 2 and one.app.scene.depth == 25 and one.app.scene.log_bars
        await one.press("0", "x")
        assert not isinstance(one.app.screen, Menu) and one.app.view.layout == 5 and one.source.asked == [], "any other key closes it"
        await one.press("0", "K")
        assert one.source.asked == [("kill", {"reason": "operator"})], "nothing is typed there: K kills"


@pytest.mark.parametrize("size", [WIDE, (120, 36), (80, 24)])
@pytest.mark.parametrize("number", [number for number, one in LAYOUTS.items() if one.screen == 1 and one.panes])
async def test_every_shipped_layout_fills_the_screen_with_its_panes(size: tuple[int, int], number: int) -> None:
    async with desk(pictures.three(), size) as one:
        await one.press("0", str(number))
        assert shown(one) == list(LAYOUTS[number].panes)
        panes = [one.app.query_one(f"#{name}", Pane).region for name in LAYOUTS[number].panes]
        assert max(region.bottom for region in panes) == size[1] - 2, "down to the footer"
        assert max(region.right for region in panes) == size[0]
        assert all(region.height >= 3 for region in panes)
        await one.press("0", "0")
        assert "ladder" in shown(one)


async def test_a_layout_is_chosen_by_its_name_and_survives_a_resize_and_another_screen() -> None:
    async with desk(pictures.three(), WIDE) as one:
        await one.press("colon")
        await one.type("layout: 4")
        palette = one.app.screen
        assert isinstance(palette, Pick) and len(palette.found) == 1
        await one.press("enter")
        assert shown(one) == ["markets", "log"]
        await one.press("3", "1")
        await one.pilot.resize_terminal(80, 24)
        await one.pilot.pause()
        assert shown(one) == ["markets", "log"]
        await one.press("tab", "tab", "z")
        assert "fill BUY" in grid(one.app) and "Markets" not in grid(one.app)


async def test_the_users_own_layouts_stand_beside_the_shipped_ones(tmp_path: Path) -> None:
    path = tmp_path / "tui.toml"
    path.write_text(
        'start_layout = 7\n[layout.7]\nname = "night"\npanes = ["ladder", "log"]\n[layout.1]\nscreen = 2\nunits = "probability"\n'
    )
    read = read_config(path)
    assert read.layouts[7] == Layout("night", panes=("ladder", "log")) and read.layouts[1].name == "layout 1"
    assert read.layouts[3] == LAYOUTS[3]
    async with desk(pictures.three(), WIDE, config=read) as one:
        assert shown(one) == ["ladder", "log"], "what the console begins with"
        await one.press("0", "1")
        assert one.app.scene.probability and one.app.scene.pane == 2


def test_a_layout_leaves_filters_and_the_side_of_the_book_alone() -> None:
    view = View(markets="btc", no_side=True, pane="log", zoomed=True, shift=4, scroll=9)
    view.take(5, LAYOUTS[5])
    assert (view.markets, view.no_side, view.pane, view.zoomed, view.shift, view.scroll) == ("btc", True, "", False, 0, 0)
    assert (view.layout, view.screen, view.depth, view.log_bars, view.probability) == (5, 2, 25, True, False)
    assert Config().layouts == LAYOUTS


def test_a_trade_on_the_tape_that_was_our_fill_says_whose() -> None:
    at, fill = pictures.ago, pictures.fills()[1]
    row = pictures.market()
    trade = replace(row.trades[0], price=Price(5_300), size=pictures.lots(40))
    tape = (replace(trade, at=at(3)), replace(trade, at=at(4)), replace(trade, at=at(5), size=pictures.lots(2)), replace(trade, at=at(90)))
    mine = (replace(fill, at=at(4.4)), replace(fill, at=at(4.5), outcome="Down", price=Price(4_700)), replace(fill, at=at(80)))
    base = pictures.quoting()
    paper = replace(
        base,
        snapshot=replace(base.snapshot, markets=(replace(row, trades=tape),), fills=(*mine, replace(fill, at=at(90), status="FAILED"))),
    )
    marks = [line[-3:] == "◂ P" for line in text(newest.tape(scene(paper), 30, 8)).splitlines()]
    assert marks == [True, True, False, False], "each fill marks one trade, the nearest; neither the smaller, nor the far, nor the failed"
    live = replace(pictures.live(), snapshot=replace(base.snapshot, fills=(replace(fill, at=at(3)),)))
    both = replace(scene(replace(paper, snapshot=replace(paper.snapshot, fills=()))), beside=scene(live))
    assert text(newest.tape(replace(both, symbols="ascii"), 30, 8)).splitlines()[0].endswith(" < L")
    assert newest.tape(both, 30, 8).note == "◂ ours" and "◂" not in text(newest.tape(both, 22, 8))


def test_where_a_killed_desk_would_quote_there_is_a_hatch() -> None:
    both = scenes.modes(pictures.three(), scenes.killed())["both"]
    table = text(book.markets(both, 156, 5)).splitlines()
    assert all("╱" not in line.partition("│")[0] and line.partition("│")[2].count("╱╱╱╱╱") == 2 for line in table[1:])
    assert all("L: ✖ KILLED" in line for line in table[1:]), "a kill stands before what the other desk holds"
    assert "╱╱╱╱╱ not quoting" in book.markets(both, 156, 5).note
    rungs = [line for line in text(ladder.ladder(both, 82, 18)).splitlines() if line.count("│") == 2][1:]
    assert len(rungs) == 14 and all(line[:17].count("╱") == 0 and line[-19:].count("╱") == 5 for line in rungs)
    alone = text(ladder.ladder(replace(scene(scenes.killed()), symbols="ascii"), 56, 14))
    assert "/////" in alone and "╱" not in alone
    assert all(("/" in line[:20]) is ("▐" in line or "█" in line[:24]) for line in alone.splitlines() if "│" in line), (
        "bids left, asks right"
    )
    assert "/////" in text(book.markets(replace(scene(scenes.killed()), symbols="ascii"), 156, 5))
    assert "╱" not in text(book.markets(scene(pictures.paused()), 156, 5)), "paused is not killed"


def test_an_order_that_still_rests_on_a_killed_desk_is_told_loudly() -> None:
    frame = scenes.killed()
    rows = tuple(
        replace(row, bids=scenes.production().snapshot.markets[0].bids) if not at else row for at, row in enumerate(frame.snapshot.markets)
    )
    left = scene(replace(frame, snapshot=replace(frame.snapshot, phase="killing", markets=rows)))
    spans = [span for row in ladder.ladder(left, 82, 18).rows for span in row]
    assert [style for part, style in spans if "?10" in part] == ["alarm"]
    assert [style for row in book.markets(left, 156, 5).rows for part, style in row if "52.0?10" in part] == ["sel alarm"]


def test_the_columns_of_a_lost_desk_are_dim_and_say_so() -> None:
    one = replace(scene(pictures.three()), beside=scenes.scene(scenes.production(), LOST))
    panel = book.markets(one, 156, 5)
    assert ("L LOST", "alarm") in panel.rows[0] and "54.0?10" in text(panel)
    assert [style for part, style in panel.rows[1] if "54.0?10" in part] == ["sel dim"]
    assert text(panel).splitlines()[0].index("pnl", 90) == text(panel).splitlines()[1].index("+$1.40") + 3, "under their names"


@pytest.mark.parametrize("size", [WIDE, (120, 36)])
@pytest.mark.parametrize("markets", [1, 8])
async def test_a_kill_beside_a_desk_that_trades_on_leaves_five_levels_a_side(size: tuple[int, int], markets: int) -> None:
    async with two(many(pictures.three(), markets), many(scenes.killed(), markets), size) as desks:
        lines = desks.lines()
        rungs = [line for line in lines if re.search(r"│ \d\d\.0  │", line)]
        least = 10 if size == WIDE or markets == 1 else 5
        assert len(rungs) >= least
        for part in ("1 ✔ stop quoting", "admission closed", "3 ✔ verify", " 14:02:19", "still held", "type RESET LIVE"):
            assert any(part in line for line in lines), part
        assert not desks.app.query_one("#kill", Pane).region.area, "both desks' box tells it"


def test_one_desk_and_its_market_screen_in_probabilities_lose_no_column() -> None:
    for frame in (pictures.quoting(), replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(pictures.third(),)))):
        for width in (80, 120, 160):
            cents, probs = (text(market.market(replace(scene(frame), probability=on), width, 40)).splitlines() for on in (False, True))
            assert [len(line) for line in cents] == [len(line) for line in probs]
            assert sum(line.count("…") for line in probs) <= sum(line.count("…") for line in cents)
    fine = replace(pictures.market(), tick=Price(5))
    one = replace(scene(replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(fine,)))), probability=True)
    assert "│0.5300 │" in text(ladder.ladder(one, 82, 12))
