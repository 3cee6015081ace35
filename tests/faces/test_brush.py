"""What a terminal shows after partial painting, cell by cell, beside what the library would paint anew; the brush's own savings."""

import asyncio
import random
from typing import Any

import pyte
import pytest
from msgspec.structs import replace
from textual import events
from textual.geometry import Size as Area
from textual.pilot import Pilot

from pmm_tui.core.snapshot import Frame, LevelRow, MarketRow, NoteRow
from pmm_tui.core.units import Cash, Nanos, Price, Size
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.config import Config
from pmm_tui.tui.dialogs.question import Notice
from pmm_tui.tui.terminal import Terminal
from pmm_tui.tui.widgets.brush import NO_INK, Brush, Ink, narrow
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures, scenes
from tests.faces.fake_desk import LOST, UP, FakeClock, FakeSource
from tests.faces.pictures import NOW

SIZE = (160, 48)
SIZES = (SIZE, (120, 36), (80, 24), (60, 12), (163, 50))
SEEN_IN_BLANKS = ("bg", "underscore", "strikethrough", "reverse")


@pytest.fixture(autouse=True)
def _all_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can show them."""
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")


class Paper(Terminal):
    """The console's own terminal with an emulator behind it in place of a tty."""

    def __init__(self, app: PmmApp, **more: Any) -> None:
        super().__init__(app, **more)
        self.shown = pyte.Screen(*SIZE)
        self._stream = pyte.Stream(self.shown)
        self.written = 0

    def write(self, data: str) -> None:
        """Draw it."""
        self.written += len(data)
        self._stream.feed(data)

    def start_application_mode(self) -> None:
        """Say how large it is."""
        self.resize(*(self._size or SIZE))

    def resize(self, width: int, height: int) -> None:
        """Another size; what stood there is spoilt, as many terminals spoil it."""
        self._size = (width, height)
        self.shown.resize(height, width)
        self.shown.reset()
        asyncio.get_running_loop().call_soon(self._app.post_message, events.Resize(Area(width, height), Area(width, height)))

    def disable_input(self) -> None:
        """There is none."""

    def stop_application_mode(self) -> None:
        """Nothing was changed."""

    def close(self) -> None:
        """There is no tty."""


def cells(shown: pyte.Screen) -> list[list[tuple[object, ...]]]:
    """Every cell as it is seen: a blank has no colour but its ground's."""
    return [[_seen(row[x]) for x in range(shown.columns)] for row in (shown.buffer[y] for y in range(shown.lines))]


def _seen(char: pyte.screens.Char) -> tuple[object, ...]:
    return tuple(getattr(char, name) for name in SEEN_IN_BLANKS) if char.data == " " else tuple(char)


def anew(app: PmmApp) -> list[list[tuple[object, ...]]]:
    """The same screen as the library paints all of it."""
    fresh = pyte.Screen(*app.size)
    stream = pyte.Stream(fresh)
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        stream.feed(f"\x1b[{y + 1};1H\x1b[m{strip.render(app.console)}")
    return cells(fresh)


async def settled(app: PmmApp, pilot: Pilot[None]) -> Paper:
    """The terminal once the library, too, has nothing left to paint: it shows what stands in the panes."""
    await pilot.pause()
    for screen in app.screen_stack:
        screen._on_timer_update()
    await pilot.pause()
    assert not app.screen_stack[0]._repaint_required, "painting asks for another painting"
    driver = app._driver
    assert isinstance(driver, Paper)
    wanted, found = anew(app), cells(driver.shown)
    wrong = [(x, y) for y, row in enumerate(wanted) for x, cell in enumerate(row) if cell != found[y][x]]
    assert not wrong, f"{len(wrong)} cells differ, the first at {wrong[0]}:\n{chr(10).join(driver.shown.display)}"
    return driver


def shaken(frame: Frame, chance: random.Random) -> Frame:
    """The picture some time later: other prices, sizes, ages and money, perhaps another title or event."""
    markets = tuple(_moved(row, chance) for row in frame.snapshot.markets)
    money = replace(frame.snapshot.money, equity=Cash(chance.randrange(10**6, 10**10)), drawdown=Cash(chance.randrange(10**7)))
    notes = frame.snapshot.notes
    if chance.random() < 0.3:
        text = chance.choice(("filled BUY 25 Up @ 51.0", "a wide 市場 and a ✅ mark", "x" * 200, "order 12 refused"))
        notes = (NoteRow(Nanos(NOW + chance.randrange(10**12)), chance.choice(("info", "warn", "alarm")), text), *notes)[:50]
    at = Nanos(frame.snapshot.at + chance.randrange(10**9))
    orders = tuple(one for one in frame.snapshot.orders if chance.random() < 0.9)
    return replace(frame, snapshot=replace(frame.snapshot, at=at, markets=markets, money=money, notes=notes, orders=orders))


def _moved(row: MarketRow, chance: random.Random) -> MarketRow:
    def levels(side: tuple[LevelRow, ...]) -> tuple[LevelRow, ...]:
        return tuple(replace(one, size=Size(chance.randrange(10**10))) if chance.random() < 0.4 else one for one in side)

    age = replace(row.health, age_ms=chance.randrange(20_000))
    question = chance.choice((row.question, row.question, row.question + " 東京", "x" * chance.randrange(90)))
    return replace(
        row, bids=levels(row.bids), asks=levels(row.asks), health=age, question=question, last=Price(chance.randrange(10_000)),
        mid=row.mid + chance.uniform(-0.01, 0.01), unrealised=Cash(chance.randrange(-(10**7), 10**7)),
    )  # fmt: skip


def opened(frame: Frame, *more: Frame, **settings: Any) -> tuple[PmmApp, list[FakeSource]]:
    """A console on paper, without a timer."""
    sources = [FakeSource(one, UP) for one in (frame, *more)]
    app = PmmApp(*sources, clock=FakeClock(), wall=lambda: NOW, pull_s=0, driver_class=Paper, config=Config(**settings))
    return app, sources


@pytest.mark.parametrize(("look", "steps"), [("dark", 12), ("mono", 4), ("ansi", 4)])
async def test_after_many_partial_paintings_the_terminal_shows_what_a_whole_one_would(look: str, steps: int) -> None:
    chance = random.Random(look)
    app, sources = opened(pictures.three(), scenes.production(), theme=look)
    async with app.run_test(headless=False, size=SIZE) as pilot:
        await settled(app, pilot)
        for step in range(steps):
            for _ in range(6):
                for source in sources:
                    source.frame = shaken(source.frame, chance) if source.frame is not None else None
                await app._easel.paint_in_turns(app, app._look()) if step % 2 else app.pull()
            await settled(app, pilot)


async def test_screens_themes_dialogs_sizes_and_a_lost_desk_between_partial_paintings_leave_nothing_behind() -> None:
    chance = random.Random(7)
    app, sources = opened(pictures.three(), scenes.production())
    keys = ["2", "3", "4", "5", "6", "8", "1", "T", "?", "escape", "e", "j", "/", "escape", "z", "escape"]
    async with app.run_test(headless=False, size=SIZE) as pilot:
        await settled(app, pilot)
        for step in range(20):
            what = step % 4
            if what == 0:
                await pilot.press(chance.choice(keys))
            elif what == 1:
                driver = app._driver
                assert isinstance(driver, Paper)
                driver.resize(*chance.choice([one for one in SIZES if one != app.size]))
                await pilot.pause()
            elif what == 2:
                sources[0].now_link = chance.choice((UP, LOST))
            for _ in range(3):
                for source in sources:
                    source.frame = chance.choice((pictures.hostile(), pictures.three(), shaken(source.frame or pictures.three(), chance)))
                app.pull()
            await settled(app, pilot)


@pytest.mark.parametrize("look", ["dark", "light+red-up", "mono", "ansi"])
async def test_round_a_dialog_the_brush_paints_in_its_shade_and_never_over_it(look: str) -> None:
    chance = random.Random(look)
    app, (source,) = opened(pictures.three(), theme=look.removesuffix("+red-up"), red_up=look.endswith("+red-up"))
    async with app.run_test(headless=False, size=SIZE) as pilot:
        await settled(app, pilot)
        for key in ("?", "/", "colon", "F"):
            await pilot.press(key)
            await settled(app, pilot)
            assert len(app.screen_stack) == 2, key
            for typed in ("", "a", ""):
                await pilot.press(*typed) if key != "?" else None
                source.frame = shaken(pictures.three(), chance)
                app.pull()
                panes = [pane for pane in app.screen_stack[0].query(Pane) if not pane._kept]
                assert len(panes) > 3, "the library is not asked"
                await settled(app, pilot)
            if key == "?":
                await app.push_screen(Notice("Over it", [(("a second one", "warn"),)], app.scene))
                source.frame = shaken(pictures.three(), chance)
                app.pull()
                await settled(app, pilot)
            await pilot.press(*["escape"] * (len(app.screen_stack) - 1))
            await settled(app, pilot)
            app.pull()
            await settled(app, pilot)


async def test_a_picture_that_another_one_overtakes_between_two_turns_leaves_no_old_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmm_tui.tui.terminal.TURN_S", -1.0)  # every pane waits for the next turn
    chance = random.Random(3)
    app, (source,) = opened(pictures.three())
    async with app.run_test(headless=False, size=SIZE) as pilot:
        await settled(app, pilot)
        for overtake in (app.pull, lambda: app.dress("light"), lambda: app.action_do("app.help")):
            source.frame = shaken(pictures.three(), chance)
            slow = asyncio.ensure_future(app._easel.paint_in_turns(app, app._look()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            source.frame = shaken(pictures.three(), chance)
            overtake()
            await slow
            written = (driver := await settled(app, pilot)).written
            if overtake == app.pull:
                app.pull()
                assert driver.written == written, "the newest picture stood there already"
        assert len(app.screen_stack) == 2, "the help stands over what was half made"
        source.frame = shaken(pictures.three(), chance)
        app.pull()
        await pilot.press("escape")
        for _ in range(2):
            app.pull()
            await settled(app, pilot)


async def test_one_age_that_moves_costs_a_few_bytes_and_the_same_picture_none() -> None:
    frame = pictures.three()
    app, (source,) = opened(frame)
    async with app.run_test(headless=False, size=SIZE) as pilot:
        driver = await settled(app, pilot)
        before = driver.written
        app.pull()
        assert driver.written == before
        row = replace(frame.snapshot.markets[0], last=Price(frame.snapshot.markets[0].last + 100))
        source.frame = replace(frame, snapshot=replace(frame.snapshot, markets=(row, *frame.snapshot.markets[1:])))
        app.pull()
        assert 0 < driver.written - before < 200
        await settled(app, pilot)


async def test_what_is_not_to_be_seen_is_not_built_until_it_is() -> None:
    app, (source,) = opened(pictures.three())
    async with app.run_test(headless=False, size=SIZE) as pilot:
        await pilot.press("3")
        await settled(app, pilot)
        ladder = app.query_one("#ladder", Pane)
        painted = ladder.painted
        source.frame = shaken(pictures.three(), random.Random(1))
        app.pull()
        assert ladder.painted == painted
        await pilot.press("1")
        await settled(app, pilot)
        assert ladder.painted > painted


def test_an_ink_says_only_what_is_other_than_before() -> None:
    plain, loud, blue = Ink("38;2;1;2;3;48;2;9;9;9"), Ink("1;4;38;2;1;2;3;48;2;9;9;9"), Ink("94;48;2;9;9;9")
    assert loud.after(plain) == "\x1b[1;4m"
    assert plain.after(loud) == "\x1b[0;38;2;1;2;3;48;2;9;9;9m"
    assert blue.after(plain) == "\x1b[94m" and plain.after(plain) == ""
    assert Ink("").after(blue) == "\x1b[39;49m" and plain.after(NO_INK) == "\x1b[38;2;1;2;3;48;2;9;9;9m"
    assert Ink("38;5;12;104").after(Ink("38;5;12;44")) == "\x1b[104m"


def test_a_row_with_wide_or_joined_characters_is_left_to_the_library() -> None:
    assert narrow("▲ 12.3 ⣀⡠ ┏━") and not narrow("市") and not narrow("e\u0301")


def test_a_brush_writes_absolute_columns_and_jumps_over_what_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Brush, "_mix", lambda self, names, widget: self._inks.append(Ink("")) or self._blanks.append(0) or chr(0))
    brush, widget = Brush("dark"), Pane(lambda *_: None)  # type: ignore[arg-type]  # neither is asked for anything here
    old, new = (("price 10.00        size 5", ""),), (("price 10.10        size 7", ""),)
    assert brush.change(3, 4, old, new, widget)
    assert brush.take() == "\x1b[5;13H1\x1b[28G7\x1b[m"
    assert brush.change(3, 4, new, new, widget)
    assert brush.take() == ""
