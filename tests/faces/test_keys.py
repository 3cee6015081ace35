"""Keys: one table for bindings, footer and help; risk lowered at once, added only by what is typed, nothing by a held or pasted key."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from textual import events
from textual.pilot import Pilot

from pmm_tui.api.protocol import Args
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.actions import ACTIONS
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.dialogs.question import Confirm, Dialog, Help, TypePhrase
from pmm_tui.tui.keys import KEYS, Arming, Typed, applies, label
from pmm_tui.tui.rows import foot
from pmm_tui.tui.state import Scene
from tests.faces import pictures
from tests.faces.conftest import console, grid
from tests.faces.fake_desk import LOST, NEVER, UP, FakeClock, FakeSource
from tests.faces.pictures import NOW
from tests.faces.test_rows import text

COMPACT = (80, 24)


class Desk:
    """A console under test, with its fakes at hand."""

    def __init__(self, app: PmmApp, source: FakeSource, clock: FakeClock, pilot: Pilot[None]) -> None:
        self.app, self.source, self.clock, self.pilot = app, source, clock, pilot

    async def press(self, *keys: str, apart: float = 0.2) -> None:
        """Keys pressed `apart` seconds from each other."""
        for key in keys:
            self.clock.now += apart
            await self.pilot.press(key)
        await self.pilot.pause()

    async def type(self, words: str, apart: float = 0.2) -> None:
        """A phrase, letter by letter."""
        for char in words:
            self.clock.now += apart
            self.app.screen.post_message(events.Key("space" if char == " " else char, char))
            await self.pilot.pause()

    @property
    def said(self) -> str:
        """The answer in the footer."""
        return self.app.scene.message[1]


@asynccontextmanager
async def desk(frame: Frame | None, size: tuple[int, int] = COMPACT) -> AsyncIterator[Desk]:
    """A running console."""
    app, source, clock = console(frame)
    async with app.run_test(size=size) as pilot:
        app.pull()
        await pilot.pause()
        yield Desk(app, source, clock, pilot)


def scene(frame: Frame | None) -> Scene:
    """A scene at the tests' moment."""
    return Scene(frame, UP, 0, NOW)


def test_every_key_is_unique_has_an_action_and_stands_in_the_help() -> None:
    names = [name for key in KEYS for name in key.keys]
    assert len(names) == len(set(names))
    assert {key.id for key in KEYS} == set(ACTIONS)
    told = text(foot.help_rows())
    for key in KEYS:
        assert key.show in told and (key.help in told)
    assert {binding.key for binding in PmmApp.BINDINGS if not isinstance(binding, tuple)} == {",".join(key.keys) for key in KEYS}
    assert all(len(line) <= 74 for line in told.splitlines()), "the help is whole on 80 columns"
    assert not {"ctrl+a", "ctrl+b", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+h", "ctrl+s", "ctrl+z"} & set(names)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_footer_lists_what_acts_now_and_never_loses_kill_help_and_quit(width: int) -> None:
    for make in (pictures.quoting, pictures.tape, pictures.killed, pictures.paused, pictures.live):
        now = scene(make())
        shown = text(foot.footer(now, width, 2)).splitlines()[-1]
        for key in KEYS:
            if key.footer and key.footer <= 2 and applies(key, now):
                assert f"{key.show}" in shown and label(key, now) in shown
    for make, word, there in (
        (pictures.tape, "speed", True),
        (pictures.live, "speed", False),
        (pictures.killed, "reset kill", True),
        (pictures.paused, "resume", True),
    ):
        assert (word in text(foot.footer(scene(make()), 100, 2))) is there


def test_arming_hears_nothing_young_hurried_or_held() -> None:
    arming = Arming(10.0)
    assert not arming.accepts(10.49)
    assert arming.accepts(10.6)
    held = Arming(10.0)
    assert not any(held.accepts(10.0 + 0.033 * step) for step in range(1, 100))


def test_typing_refuses_what_fingers_do_not_do() -> None:
    typed = Typed("RESET LIVE", 10.0, wants_reason=True)
    typed.type("x", 10.3)
    assert typed.text == "", "the dialog is young"
    for step, char in enumerate("RESET LIVE"):
        typed.type(char, 11 + step * 0.1)
    assert not typed.matches, "no reason yet"
    for step, char in enumerate(" fed ok"):
        typed.type(char, 13 + step * 0.1)
    assert typed.matches and typed.reason == "fed ok"
    typed.erase()
    assert typed.text.endswith("fed o")
    for step in range(5):
        typed.type("k", 20 + step * 0.03)
    assert typed.text.endswith("fed ok"), "a held key is one key"
    for step, char in enumerate("pasted text"):
        typed.type(char, 30 + step * 0.001)
    assert typed.text == "" and "paste refused" in typed.note
    for step in range(300):
        typed.type("ab"[step % 2], 40 + step)
    assert len(typed.text) == Typed.LONGEST
    typed.erase(everything=True)
    assert typed.text == "" and not Typed("X", 0.0).matches


@pytest.mark.parametrize("size", [(160, 48), COMPACT, (60, 12), (20, 3)])
@pytest.mark.parametrize("make", [pictures.quoting, pictures.live, pictures.paused, pictures.killed])
async def test_kill_is_one_key_on_every_screen(size: tuple[int, int], make: Callable[[], Frame]) -> None:
    async with desk(make(), size) as one:
        await one.press("K")
        assert one.source.asked == [("kill", {"reason": "operator"})]
        assert one.app.scene.message[0] == "alarm" and "kill: done" in one.said


@pytest.mark.parametrize("opens", ["question_mark", "f", "F", "Q", "2"])
async def test_kill_works_over_help_questions_and_panes(opens: str) -> None:
    async with desk(pictures.quoting()) as one:
        await one.press(opens, "K")
        assert one.source.asked == [("kill", {"reason": "operator"})]


async def test_while_a_phrase_is_typed_k_is_a_letter_and_ctrl_k_kills() -> None:
    async with desk(pictures.killed()) as one:
        await one.press("R")
        one.clock.now += 1
        await one.type("K")
        dialog = one.app.screen
        assert isinstance(dialog, TypePhrase) and dialog.typed.text == "K" and one.source.asked == []
        await one.press("ctrl+k")
        assert one.source.asked == [("kill", {"reason": "operator"})]


async def test_space_pauses_at_once_and_resumes_paper_but_not_by_being_held() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("space")
        assert one.source.asked == [("pause", {"market": ""})]
        one.source.frame = pictures.paused()
        one.app.pull()
        for _ in range(20):
            await one.press("space", apart=0.03)
        assert len(one.source.asked) == 1 and "let go" in one.said
        await one.press("space", apart=1.0)
        assert one.source.asked[1:] == [("resume", {"market": ""})]


async def test_resuming_real_money_is_typed() -> None:
    frame = pictures.paused()
    async with desk(replace(frame, card=pictures.live().card)) as one:
        await one.press("space")
        assert isinstance(one.app.screen, TypePhrase) and one.source.asked == []
        assert "LIVE $$$ REAL MONEY: resume" in grid(one.app)
        one.clock.now += 1
        await one.press("enter")
        assert not isinstance(one.app.screen, Dialog) and one.source.asked == [], "an empty Enter is Cancel"
        await one.press("space", apart=1.0)
        one.clock.now += 1
        await one.type("RESUME LIV")
        await one.press("enter")
        assert isinstance(one.app.screen, TypePhrase) and one.source.asked == []
        await one.type("E")
        await one.press("enter")
        assert one.source.asked == [("resume", {"market": ""})]


async def test_pasting_a_phrase_is_refused() -> None:
    frame = pictures.paused()
    async with desk(replace(frame, card=pictures.live().card)) as one:
        await one.press("space")
        one.clock.now += 1
        one.app.screen.post_message(events.Paste("RESUME LIVE"))
        await one.pilot.pause()
        await one.press("enter")
        assert one.source.asked == []
        await one.press("space")
        one.clock.now += 1
        one.app.post_message(events.Paste("RESUME LIVE"))
        await one.pilot.pause()
        assert "paste refused" in grid(one.app)
        await one.type("RESUME LIVE", apart=0.001)
        await one.press("enter")
        assert one.source.asked == []


async def test_one_market_can_be_paused_and_resumed() -> None:
    async with desk(pictures.three()) as one:
        await one.press("down", "p")
        assert one.source.asked == [("pause", {"market": pictures.ETH})]
        rows = tuple(replace(row, state="paused") for row in pictures.three().snapshot.markets)
        one.source.frame = replace(pictures.three(), snapshot=replace(pictures.three().snapshot, markets=rows))
        one.app.pull()
        await one.press("j", "p", apart=1.0)
        assert one.source.asked[1:] == [("resume", {"market": pictures.FED})]


async def test_flatten_shows_its_orders_and_is_confirmed_only_by_a_late_single_y() -> None:
    async with desk(pictures.three()) as one:
        await one.press("f")
        assert isinstance(one.app.screen, Confirm)
        shown = grid(one.app)
        assert "SELL 80 Up" in shown and "at 50.0¢ or better" in shown and "-$2.00" in shown and "cancel 6 open orders" in shown
        await one.press("y", apart=0.2)
        assert one.source.asked == [], "too early"
        await one.press("y", "y", "y", apart=0.03)
        assert one.source.asked == [], "held down"
        await one.press("enter", apart=1.0)
        assert not isinstance(one.app.screen, Dialog) and one.source.asked == [], "Enter takes Cancel"
        await one.press("f", "escape", "f", "n")
        assert one.source.asked == []
        await one.press("f")
        await one.press("y", apart=1.0)
        assert one.source.asked == [("flatten", {"market": pictures.BTC})]
        await one.press("F")
        await one.press("y", apart=1.0)
        assert one.source.asked[1:] == [("flatten", {"market": ""})]


async def test_flattening_much_real_money_is_typed_with_its_amount() -> None:
    big = replace(pictures.market(), yes=pictures.lots(1_040))
    frame = replace(pictures.live(), snapshot=replace(pictures.snapshot(), markets=(big,)))
    async with desk(frame) as one:
        await one.press("f")
        assert isinstance(one.app.screen, TypePhrase) and "FLATTEN 500" in grid(one.app)
        one.clock.now += 1
        await one.type("FLATTEN 500")
        await one.press("enter")
        assert one.source.asked == [("flatten", {"market": pictures.BTC})]


async def test_a_flatten_with_nothing_to_sell_or_nobody_to_buy_says_so() -> None:
    flat = replace(pictures.market(), yes=pictures.lots(40))
    async with desk(replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(flat,)))) as one:
        await one.press("f")
        assert "nothing to sell" in grid(one.app)
        await one.press("escape")
        alone = replace(pictures.market(), bids=())
        one.source.frame = replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(alone,)))
        one.app.pull()
        await one.press("f")
        assert "nobody bids" in grid(one.app)


async def test_a_reset_takes_its_mode_and_a_reason() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("R")
        assert "nothing to reset" in one.said
        one.source.frame = pictures.killed()
        one.app.pull()
        await one.press("R")
        one.clock.now += 1
        await one.type("RESET PAPER ")
        await one.press("enter")
        assert one.source.asked == [] and isinstance(one.app.screen, TypePhrase)
        await one.type("feed fixed")
        await one.press("enter")
        assert one.source.asked == [("kill_reset", {"reason": "feed fixed"})]
        await one.press("space")
        assert len(one.source.asked) == 1 and "until it is reset" in one.said


async def test_reload_shows_the_diff_before_it_applies() -> None:
    async with desk(pictures.quoting()) as one:
        one.source.answers["reload"] = (True, "the profile has not changed")
        await one.press("r")
        assert "has not changed" in one.said and not isinstance(one.app.screen, Dialog)
        one.source.answers["reload"] = (False, "run-007.yaml line 3: gamma: found x, allowed a number")
        await one.press("r")
        assert "line 3" in one.said and one.app.scene.message[0] == "alarm"
        one.source.answers["reload"] = (True, "default_half_spread_bps 50 -> 40\nmarkets: needs a restart")
        await one.press("r")
        assert "default_half_spread_bps 50 -> 40" in grid(one.app) and "needs a restart" in grid(one.app)
        await one.press("y", apart=1.0)
        assert [args for _, args in one.source.asked] == [{"apply": False}] * 3 + [{"apply": True}]


async def test_speed_goes_up_down_and_round_on_a_tape_only() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("plus")
        assert one.source.asked == [] and "only a tape" in one.said
        one.source.frame = pictures.tape()
        one.app.pull()
        await one.press("plus", "minus", "s")
        assert [args["speed"] for _, args in one.source.asked] == ["max", "1", "max"]
        one.source.frame = replace(pictures.tape(), card=replace(pictures.tape().card, speed="max"))
        one.app.pull()
        await one.press("plus", "s")
        assert [args["speed"] for _, args in one.source.asked[3:]] == ["max", "1"]


async def test_stopping_the_desk_asks_and_quitting_stops_only_what_this_console_started() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("Q", "escape", "Q")
        await one.press("y", apart=1.0)
        assert one.source.asked == [("stop", {})]
        await one.press("q")
        assert one.source.asked == [("stop", {})] and not one.app.is_running
    async with desk(pictures.quoting()) as one:
        one.app.stops_paper = True
        await one.press("ctrl+q")
        assert one.source.asked == [("stop", {})]
    async with desk(pictures.live()) as one:
        one.app.stops_paper = True
        await one.press("q")
        assert one.source.asked == [], "a desk with real money is never ended by leaving"


async def test_live_stop_and_live_profile_are_typed() -> None:
    async with desk(pictures.live()) as one:
        await one.press("Q")
        assert isinstance(one.app.screen, TypePhrase)
        one.clock.now += 1
        await one.type("STOP LIVE")
        await one.press("enter")
        one.source.answers["reload"] = (True, "max_position_size 500 -> 900")
        await one.press("r")
        assert isinstance(one.app.screen, TypePhrase)
        one.clock.now += 1
        await one.type("APPLY LIVE")
        await one.press("enter")
        assert [(cmd, args.get("apply")) for cmd, args in one.source.asked] == [("stop", None), ("reload", False), ("reload", True)]


async def test_ctrl_c_never_quits() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("ctrl+c")
        assert one.app.is_running and "does neither" in one.said


async def test_panes_turn_and_return() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("tab")
        assert one.app.scene.pane == 2 and "Our orders" not in grid(one.app)
        await one.press("shift+tab", "shift+tab")
        assert one.app.scene.pane == 7 and "Events" in grid(one.app)
        await one.press("tab")
        assert one.app.scene.pane == 1
        await one.press("4", "escape")
        assert one.app.scene.pane == 1 and "Our orders" in grid(one.app)


async def test_help_closes_by_any_key() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("question_mark")
        assert isinstance(one.app.screen, Help)
        await one.press("x")
        assert not isinstance(one.app.screen, Help) and one.source.asked == []


async def test_a_desk_that_is_lost_or_was_never_there_answers_keys_without_a_crash() -> None:
    async with desk(None) as one:
        one.source.now_link = NEVER
        one.source.answers = dict.fromkeys(("kill", "pause", "stop", "reload"), (False, "NOT SENT: no connection to the desk"))
        for key in (name for row in KEYS for name in row.keys if row.id not in ("quit",)):
            await one.press(key, apart=1.0)
            if isinstance(one.app.screen, Dialog):
                await one.press("escape")
        assert one.app.is_running
        await one.press("K", apart=1.0)
        assert "NOT SENT" in one.said and one.app.scene.message[0] == "alarm"
        one.source.frame, one.source.now_link = pictures.quoting(), LOST
        one.app.pull()
        assert "DISCONNECTED" in grid(one.app) and one.app.screen.has_class("lost")
        one.source.now_link = UP
        one.app.pull()
        await one.pilot.pause()
        assert "QUOTING 1 of 1" in grid(one.app) and not one.app.screen.has_class("lost")


async def test_an_answer_stands_in_the_footer_for_a_while_then_the_newest_warning_does() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("space")
        assert "PAPER pause: done" in grid(one.app).splitlines()[-2]
        one.clock.now += 60
        one.app.pull()
        await one.pilot.pause()
        assert "feed gap" in grid(one.app).splitlines()[-2]


async def test_the_selection_follows_to_the_next_market_when_one_ends_unless_it_was_chosen_over() -> None:
    async with desk(pictures.three()) as one:
        assert one.app.scene.selected == 0
        over, held, far = pictures.three().snapshot.markets
        ended = (replace(over, state="resolved"), held, far)
        one.source.frame = replace(pictures.three(), snapshot=replace(pictures.three().snapshot, markets=ended))
        one.app.pull()
        assert one.app.scene.selected == 2, "the one that quotes"
        await one.press("up", "up")
        one.app.pull()
        assert one.app.scene.selected == 0, "chosen, though it is over"
        one.source.frame = pictures.waiting()
        one.app.pull()
        assert one.app.scene.selected == 0
        one.source.frame = replace(pictures.three(), snapshot=replace(pictures.three().snapshot, markets=()))
        one.app.pull()
        assert one.app.scene.selected == 0 and one.app.scene.market is None


async def test_a_slow_answer_never_holds_up_the_screen() -> None:
    gate = asyncio.Event()

    class Slow(FakeSource):
        """Answers when the test lets it."""

        async def command(self, cmd: str, args: Args) -> tuple[bool, str]:
            await gate.wait()
            return await super().command(cmd, args)

    app = PmmApp(Slow(pictures.quoting()), clock=FakeClock(), wall=lambda: NOW, pull_s=0)
    async with app.run_test(size=COMPACT) as pilot:
        await pilot.press("K", "2")
        assert app.scene.pane == 2
        gate.set()
        await pilot.pause()
        assert "kill: done" in app.scene.message[1]
