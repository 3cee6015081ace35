"""Two desks on one screen: paper left, production right; a key acts on one desk, the one it was pressed for, and never on the other."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from pmm_tui.api.protocol import Args, Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Nanos
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.dialogs.question import Dialog, TypePhrase
from pmm_tui.tui.rows import book, duo, market
from pmm_tui.tui.rows.log import merged
from pmm_tui.tui.state import Scene, is_real
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures, scenes
from tests.faces.conftest import grid
from tests.faces.driver import desk
from tests.faces.fake_desk import ENDED, LOST, UP, FakeClock, FakeSource
from tests.faces.pictures import NOW

SIZES = ((160, 48), (120, 36), (80, 24))


def rehearsal() -> Frame:
    """The production desk on an exchange of this machine."""
    frame = pictures.live()
    return replace(frame, card=replace(frame.card, source="loopback"))


class Two:
    """A console on two fake desks."""

    def __init__(self, app: PmmApp, paper: FakeSource, live: FakeSource, clock: FakeClock, pilot: Pilot[None]) -> None:
        self.app, self.paper, self.live, self.clock, self.pilot = app, paper, live, clock, pilot

    async def press(self, *keys: str) -> None:
        """Keys, a moment apart."""
        for key in keys:
            self.clock.now += 1.0
            await self.pilot.press(key)
        await self.pilot.pause()

    def lines(self) -> list[str]:
        """The screen."""
        return grid(self.app).splitlines()


@asynccontextmanager
async def two(paper: Frame | None, live: Frame | None, size: tuple[int, int] = SIZES[0], live_first: bool = False) -> AsyncIterator[Two]:
    """It runs."""
    left, right, clock = FakeSource(paper), FakeSource(live), FakeClock()
    order = (right, left) if live_first else (left, right)
    app = PmmApp(*order, clock=clock, wall=lambda: NOW, pull_s=0)
    async with app.run_test(size=size) as pilot:
        app.pull()
        await pilot.pause()
        yield Two(app, left, right, clock, pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_paper_is_left_or_above_and_real_money_is_unmistakable(size: tuple[int, int]) -> None:
    async with two(pictures.quoting(), pictures.live(), size, live_first=True) as desks:
        text = "\n".join(desks.lines())
        assert all(len(line) <= size[0] for line in desks.lines())
        assert text.index("PAPER") < text.index("LIVE $$$ REAL MONEY")
        assert "▶ ▒▒▒ PAPER" in text, "the keys go to paper, whichever came first"
        await desks.press("e")
        assert "▶ ███ LIVE $$$" in "\n".join(desks.lines())


@pytest.mark.parametrize("size", SIZES[:2])
async def test_every_page_tells_safety_and_money_of_both_desks(size: tuple[int, int]) -> None:
    half = size[0] // 2
    async with two(pictures.quoting(), scenes.production(), size) as here:
        for key in "234568":
            await here.press(key)
            safe, money = here.lines()[2:4]
            assert safe.startswith(" P  ✔ SAFE") and safe[half:].startswith(" L  ✔ SAFE"), key
            assert "+$12.40" in money[:half] and "+$1.40" in money[half:], key


async def test_a_rehearsal_never_claims_real_money() -> None:
    async with two(pictures.quoting(), rehearsal()) as desks:
        await desks.press("e")
        text = "\n".join(desks.lines())
        assert "REAL MONEY" not in text and "NO MONEY" in text


async def test_a_key_acts_on_its_desk_alone() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        await desks.press("space")
        assert [cmd for cmd, _ in desks.paper.asked] == ["pause"] and desks.live.asked == []
        await desks.press("e", "K")
        assert [cmd for cmd, _ in desks.live.asked] == ["kill"] and len(desks.paper.asked) == 1
        assert "LIVE kill" in desks.app.scene.message[1]


@pytest.mark.parametrize(("opens", "kills"), [("q", "K"), ("m", "K")], ids=["what shall LIVE do", "cannot go LIVE"])
async def test_a_kill_in_a_question_goes_to_the_desk_that_it_names(opens: str, kills: str) -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        await desks.press(opens)
        assert "LIVE $$$ REAL MONEY: " in "\n".join(desks.lines()) and desks.app.source is desks.paper
        await desks.press(kills)
        assert desks.live.asked == [("kill", {"reason": "operator"})] and desks.paper.asked == []
        await desks.press("escape", "K")
        assert [cmd for cmd, _ in desks.paper.asked] == ["kill"] and len(desks.live.asked) == 1, "without a question, the one of the keys"


async def test_a_kill_while_the_way_to_live_is_typed_goes_there() -> None:
    async with two(pictures.quoting(), rehearsal()) as desks:
        await desks.press("m", "ctrl+k")
        assert isinstance(desks.app.screen, TypePhrase) and [cmd for cmd, _ in desks.live.asked] == ["kill"] and desks.paper.asked == []


async def test_the_operators_sign_reaches_every_desk_on_the_screen() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        desks.live.answers["ack"] = (True, "acknowledged: the next sign is due within 300 s")
        await desks.press("a")
        assert desks.paper.asked == desks.live.asked == [("ack", {})]
        assert "ack: LIVE acknowledged: the next sign is due within 300 s; PAPER done" in desks.app.scene.message[1]


async def test_an_answer_names_the_desk_that_was_asked_though_the_keys_went_elsewhere() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        await desks.press("e")
        gate = asyncio.Event()
        answer = desks.live.command

        async def slow(cmd: str, args: Args) -> tuple[bool, str]:
            await gate.wait()
            return await answer(cmd, args)

        desks.live.command = slow  # type: ignore[method-assign]  # a desk that answers late
        await desks.press("K", "e")
        gate.set()
        await desks.pilot.pause()
        await desks.pilot.pause()
        assert "LIVE kill" in desks.app.scene.message[1], "and not PAPER"


async def test_a_diff_that_was_shown_for_one_desk_is_never_applied_to_the_other() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        desks.paper.answers["reload"] = (True, "levels: 2 -> 3")
        gate = asyncio.Event()
        answer = desks.paper.command

        async def slow(cmd: str, args: Args) -> tuple[bool, str]:
            await gate.wait()
            return await answer(cmd, args)

        desks.paper.command = slow  # type: ignore[method-assign]  # a desk that answers late
        await desks.press("r", "e")
        gate.set()
        await desks.pilot.pause()
        await desks.pilot.pause()
        assert desks.live.asked == [] and [args for _, args in desks.paper.asked] == [{"apply": False}]
        assert "another desk" in desks.app.scene.message[1]


async def test_the_keys_leave_real_money_when_nobody_is_there() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        await desks.press("e")
        desks.clock.now += 299
        desks.app.pull()
        assert desks.app.source is desks.live
        desks.clock.now += 2
        desks.app.pull()
        assert desks.app.source is desks.paper


async def test_one_desk_lost_the_other_goes_on() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        desks.live.now_link = LOST
        desks.app.pull()
        await desks.pilot.pause()
        head = next(line for line in desks.lines() if "▶ ▒▒▒ PAPER" in line)
        assert "QUOTING" in head and "DISCONNECTED" in head.split("│")[2]


@pytest.mark.parametrize(("live", "stopped"), [(pictures.live(), False), (rehearsal(), True)], ids=["real money", "rehearsal"])
async def test_quitting_stops_what_is_no_real_money(live: Frame, stopped: bool) -> None:
    async with two(pictures.quoting(), live) as desks:
        desks.app.stops_paper = True
        await desks.press("q")
        assert isinstance(desks.app.screen, Dialog) is not stopped, "real money is asked about"
        if not stopped:
            await desks.press("y")
        await desks.pilot.pause()
    assert [cmd for cmd, _ in desks.paper.asked] == ["stop"]
    assert [cmd for cmd, _ in desks.live.asked] == (["stop"] if stopped else ["ack"])


async def test_with_one_desk_there_is_no_other() -> None:
    app = PmmApp(FakeSource(pictures.quoting()), clock=FakeClock(), wall=lambda: NOW, pull_s=0)
    async with app.run_test(size=SIZES[0]) as pilot:
        app.pull()
        await pilot.press("e")
        await pilot.pause()
        assert "one desk only" in app.scene.message[1]


def in_september(frame: Frame) -> Frame:
    """A desk that plays a tape at ten times its pace: its clock is another."""
    apart = Nanos(53 * 86_400 * 10**9)
    notes = tuple(replace(note, at=Nanos(NOW - apart - 10 * (NOW - note.at))) for note in frame.snapshot.notes)
    fills = tuple(replace(fill, at=Nanos(NOW - apart - 10 * (NOW - fill.at))) for fill in frame.snapshot.fills)
    shown = replace(frame.snapshot, at=Nanos(NOW - apart), notes=notes, fills=fills)
    return replace(frame, card=replace(frame.card, source="tape", speed="10"), snapshot=shown)


@pytest.mark.parametrize("keys", [(), ("6",), ("2",)], ids=["dashboard", "log", "market"])
async def test_two_clocks_make_one_list_in_the_order_in_which_it_happened_here(keys: tuple[str, ...]) -> None:
    async with two(pictures.three(), scenes.production()) as desks:
        await desks.press(*keys)
        same = desks.lines()
    async with two(in_september(pictures.three()), scenes.production()) as desks:
        await desks.press(*keys)
        apart = desks.lines()
    told = EVENTS.findall("\n".join(same))
    assert {letter for one in told for letter in one if letter in "PL"} == {"P", "L"} and EVENTS.findall("\n".join(apart)) == told
    assert "as they came" not in "\n".join(same)


EVENTS = re.compile(r"[PL] 14:[0-9:]+|14:[0-9:.]+ [PL]")
"""The head of a line that tells of an event or a fill."""


async def test_an_event_keeps_its_place_when_the_tape_goes_at_another_pace() -> None:
    async with two(in_september(pictures.three()), scenes.production()) as desks:
        await desks.press("6")
        before = desks.lines()
        frame = desks.paper.frame
        assert frame is not None
        desks.paper.frame = replace(frame, card=replace(frame.card, speed="1"))
        desks.app.pull()
        await desks.pilot.pause()
        assert [line for line in desks.lines() if "14:0" in line][1:-2] == [line for line in before if "14:0" in line][1:-2]
        assert any("as they came" in line for line in before)


async def test_the_keys_go_from_a_desk_that_is_lost_to_the_one_that_is_not() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        desks.paper.now_link = LOST
        desks.app.pull()
        await desks.press("e")
        assert desks.app.target == 1 and desks.app.scene.live, "going elsewhere is no gap of the desk that one goes to"


def apart(here: Frame | None, beside: Frame | None, gone: Link = UP) -> Scene:
    """Two desks as their panes get them, the second as the link says."""
    return replace(scenes.scene(here), beside=scenes.scene(beside, gone))


def test_of_two_desks_only_the_one_that_is_not_heard_is_dim() -> None:
    for builder, size in ((duo.duo, (150, 8)), (book.ladder, (60, 16)), (market.limits, (44, 9)), (book.markets, (156, 4))):
        heard, lost = (builder(apart(pictures.three(), pictures.live(), link), *size).rows for link in (UP, LOST))
        bright = [
            sum(style.split()[-1:] in (["ours"], ["plus"], ["minus"], ["up"]) for row in rows for _, style in row) for rows in (heard, lost)
        ]
        assert 0 < bright[1] < bright[0], builder.__name__
    edges = book.ladder(apart(pictures.three(), pictures.live(), LOST), 60, 16).rows
    assert any("25?" in text and style == "dim" for row in edges for text, style in row), "and nobody knows whether it rests"


def test_a_desk_that_ended_in_order_is_not_called_lost_nor_quoting() -> None:
    scene = apart(pictures.three(), pictures.live(), ENDED)
    for panel in (book.ladder(scene, 60, 16), book.markets(scene, 156, 4), market.limits(scene, 44, 9)):
        text = "\n".join("".join(span for span, _ in row) for row in panel.rows)
        assert "ENDED" in text and "LOST" not in text
    assert "L: ■ ended" in "".join(span for span, _ in book.markets(scene, 156, 4).rows[1])


def test_a_market_that_only_the_other_desk_watches_is_told_of() -> None:
    scene = apart(pictures.quoting(), scenes.production())
    rows = ["".join(span for span, _ in row) for row in book.markets(scene, 156, 8).rows]
    assert len(rows) == 4 and "Fed cuts" in rows[3] and "L: ▌ paused" in rows[3] and {len(row) for row in rows[1:]} == {156}
    assert "2 more on LIVE alone" in book.markets(scene, 116, 8).note


def test_a_market_ends_by_the_clock_of_the_desk_that_says_when_whoevers_book_is_believed() -> None:
    slow, ahead = pictures.quoting(), pictures.live()
    first = slow.snapshot.markets[0]
    slow = replace(slow, snapshot=replace(slow.snapshot, markets=(replace(first, health=replace(first.health, age_ms=9_000)),)))
    ahead = replace(ahead, snapshot=replace(ahead.snapshot, at=Nanos(ahead.snapshot.at + 10**16)))
    told = "".join(span for span, _ in book.markets(apart(slow, ahead), 156, 4).rows[1])
    assert "12:27" in told and "ended" not in told


def test_orders_in_trouble_and_real_money_come_before_what_does_not_fit() -> None:
    shown = market._quotes(apart(pictures.quoting(), scenes.production()), 70, 5).rows
    text = ["".join(span for span, _ in row) for row in shown]
    assert "UNCERTAIN!" in text[1] and text[2][:1] == text[3][:1] == "L" and "more on the orders screen" in text[4]


def test_a_replayed_production_run_is_no_real_money() -> None:
    replayed = replace(pictures.live(), card=replace(pictures.live().card, source="replay"))
    assert is_real(pictures.live()) and not is_real(replayed)
    assert not any(one.live for one, _ in merged(apart(pictures.quoting(), replayed)))


def test_a_market_that_is_over_has_no_price() -> None:
    over = scenes.scene(pictures.resolved())
    text = "\n".join("".join(span for span, _ in row) for row in (*book.ladder(over, 60, 12).rows, *book.markets(over, 116, 4).rows))
    assert "52." not in text and "140ms" not in text and "Up won" in text
    both = replace(over, beside=scenes.scene(pictures.quoting()))
    assert "mid 52.50" in "\n".join("".join(span for span, _ in row) for row in book.ladder(both, 60, 16).rows), "the other desk's book"


async def test_one_desk_that_is_not_heard_is_dim_all_over_but_for_its_alarms() -> None:
    async with desk(pictures.quoting(), (160, 48)) as one:
        one.source.now_link = LOST
        one.app.pull()
        await one.pilot.pause()
        seen = {
            names
            for pane in ("markets", "ladder", "orders", "position", "zoom")
            for row in one.app.query_one(f"#{pane}", Pane)._rows
            for _, names in row
        }
        assert {"sel dim", "dim", "alarm"} <= seen and not seen & {"ours", "sel ours", "plus", "minus", "bid", "ask", "up", "gain"}
