"""Keys: one table for bindings, footer and help; risk lowered at once, added only by what is typed, nothing by a held or pasted key."""

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace
from textual import events

from pmm_tui.api.protocol import Args
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.actions import ACTIONS
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.dialogs.arming import Arming, Typed
from pmm_tui.tui.dialogs.question import Dialog, Help, TypePhrase
from pmm_tui.tui.keys import FORBIDDEN, KEYS, applies, brief, unfit
from pmm_tui.tui.looks import LOOKS
from pmm_tui.tui.rows import foot
from pmm_tui.tui.rows.lines import Builder
from pmm_tui.tui.state import REPLAY, Scene
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures, scenes
from tests.faces.conftest import grid
from tests.faces.driver import COMPACT, desk, scene
from tests.faces.fake_desk import ENDED, LOST, NEVER, UP, FakeClock, FakeSource
from tests.faces.pictures import NOW
from tests.faces.test_rows import text


def test_every_key_is_unique_has_an_action_and_stands_in_the_help() -> None:
    ids, names = [key.id for key in KEYS], [name for key in KEYS for name in key.keys]
    assert len(names) == len(set(names)) and len(ids) == len(set(ids)), "nothing is bound twice"
    assert not set(ACTIONS) & set(LOOKS) and set(ids) == set(ACTIONS) | set(LOOKS)
    told = text(foot.help_rows())
    for key in KEYS:
        assert key.show in told and key.help in told, key.id
    assert all(len(line) <= 74 for line in told.splitlines()), "the help is whole on 80 columns"
    assert not FORBIDDEN & set(names)
    assert not [(key.id, name) for key in KEYS for name in key.keys if unfit(key.id, name)], "what is shipped is fit, too"


def test_what_does_nothing_on_a_screen_is_not_in_its_help() -> None:
    assert "book of YES" in text(foot.help_rows(KEYS, 2)) and "book of YES" not in text(foot.help_rows(KEYS, 1))
    everywhere = set(text(foot.help_rows(KEYS)).splitlines())
    assert everywhere == {line for screen in range(1, 9) for line in text(foot.help_rows(KEYS, screen)).splitlines()}


async def test_the_console_is_bound_by_the_table_and_by_nothing_else() -> None:
    async with desk(pictures.quoting()) as one:
        bound = {key: {binding.action for binding in bindings} for key, bindings in one.app._bindings.key_to_bindings.items()}
        ours = {name: f"do('{key.id}')" for key in KEYS for name in key.keys}
        assert bound.keys() - ours.keys() == {"ctrl+c"}, "the library's own, which copies or hints"
        assert all(action in bound[name] for name, action in ours.items())


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_footer_lists_what_acts_now_and_never_loses_kill_help_and_quit(width: int) -> None:
    for make in (pictures.quoting, pictures.tape, pictures.killed, pictures.paused, pictures.live):
        now = scene(make())
        shown = text(foot.footer(now, width, 2)).splitlines()[-1]
        for key in KEYS:
            if key.footer and key.footer <= 4 and applies(key, now):
                assert f"{key.show}" in shown and brief(key, now) in shown
    for make, word, there in (
        (pictures.tape, "speed", True),
        (pictures.live, "speed", False),
        (pictures.killed, "reset kill", True),
        (pictures.paused, "resume", True),
    ):
        assert (word in text(foot.footer(scene(make()), 100, 2))) is there


def last(now: Scene, width: int = 80, builder: Builder = foot.footer) -> str:
    """The line of the keys."""
    return text(builder(now, width, 2)).splitlines()[-1]


def test_what_lowers_risk_at_no_cost_stays_longest_and_a_shorter_key_takes_the_room_that_is_left() -> None:
    alone, other = scene(pictures.quoting()), scene(scenes.production())
    assert "space pause x cancel X all K KILL ? help q quit" in last(alone, 60) and "f flatten" in last(alone, 80)
    both = replace(other, beside=alone)
    assert "space pause x cancel X all f flat K KILL a ack e PAPER ? help q quit" in last(both)
    assert "space pause X cancel all K KILL e to PAPER q quit" in last(both, 60, foot.small)
    assert "K KILL" in last(both, 12) and "space" in last(both, 40) and "f flatten" in last(alone, 100), "closer, before one is left out"


def test_the_sign_that_an_alarm_was_seen_has_its_room_while_it_rings_and_is_not_offered_where_it_does_nothing() -> None:
    rings = replace(scene(scenes.production()), beside=scene(pictures.three()), ringing=True)
    assert "a ack" in last(rings, 70) and "a ack" in last(rings, 60, foot.small) and "a ack" not in last(replace(rings, ringing=False), 70)
    looks = replace(rings, read_only=True)
    assert "a ack" in last(looks) and "ack" not in last(replace(looks, ringing=False), 160)


@pytest.mark.parametrize(
    ("frame", "pane", "there", "gone"),
    [
        (None, 1, "", "↑↓ / "),
        (pictures.quoting(), 1, "", "↑↓ / "),
        (pictures.three(), 1, "↑↓ market|/ filter", "scroll"),
        (pictures.three(), 5, "↑↓ scroll", "/ filter"),
        (pictures.three(), 8, "", "scroll|market|filter|x cancel|f flatten"),
        (None, 5, "", "scroll"),
        (pictures.three(), 2, "n NO", "y YES"),
        (pictures.resolved(), 1, "X cancel all", "x cancel|f flatten"),
    ],
)
def test_only_what_can_act_here_is_offered(frame: Frame | None, pane: int, there: str, gone: str) -> None:
    shown = " ".join(last(replace(scene(frame), pane=pane), 300).split())
    assert all(word in shown for word in there.split("|")) and not [word for word in gone.split("|") if word in shown], shown


def test_a_list_that_scrolls_says_so_on_a_small_screen_and_the_other_side_of_a_book_has_one_key() -> None:
    both = replace(scene(pictures.three()), beside=scene(scenes.production()))
    assert all("↑↓ scroll" in last(replace(scene(pictures.three()), pane=pane)) for pane in (3, 4, 5, 6))
    assert all("↑↓ scroll" in last(replace(both, pane=pane)) for pane in (5, 6))
    shown = last(replace(scene(pictures.three()), pane=2, no_side=True), 300).split()
    assert "YES" in shown and "NO" not in shown


FAULTY = replace(pictures.paused(), card=replace(pictures.paused().card, busy="disk full"))


@pytest.mark.parametrize(
    ("frame", "keys", "said"),
    [
        (FAULTY, ("f",), "DESK FAULT"),
        (FAULTY, ("F",), "DESK FAULT"),
        (FAULTY, ("space",), "DESK FAULT"),
        (replace(pictures.killed(), card=FAULTY.card), ("R",), "DESK FAULT"),
        (pictures.quoting(), ("8", "p"), "this screen shows none"),
        (pictures.quoting(), ("8", "x"), "this screen shows none"),
        (pictures.quoting(), ("8", "f"), "this screen shows none"),
        (pictures.resolved(), ("f",), "nothing can be sold"),
        (pictures.paused(), ("p",), "space resumes it"),
        (pictures.quoting(), ("d",), "market screen alone"),
    ],
)
async def test_a_key_that_is_not_offered_is_not_obeyed_either_and_says_why(frame: Frame, keys: tuple[str, ...], said: str) -> None:
    async with desk(frame) as one:
        await one.press(*keys)
        assert one.source.asked == [] and said in one.said and not isinstance(one.app.screen, Dialog)
        key = next(key for key in KEYS if keys[-1] in key.keys)
        assert not applies(key, one.app.scene)


async def test_a_desk_that_ended_asks_nothing_more_and_a_kill_is_still_sent() -> None:
    async with desk(pictures.three()) as one:
        one.source.now_link = ENDED
        one.app.pull()
        for key in ("f", "F", "Q", "R", "r"):
            await one.press(key)
            assert one.source.asked == [] and "has ended" in one.said and not isinstance(one.app.screen, Dialog), key
        await one.press("K")
        assert [cmd for cmd, _ in one.source.asked] == ["kill"]


async def test_a_desk_with_a_fault_still_takes_what_lowers_its_risk() -> None:
    async with desk(replace(pictures.quoting(), card=FAULTY.card)) as one:
        await one.press("space", "X", "x", "K")
        assert [cmd for cmd, _ in one.source.asked] == ["pause", "pause", "pause", "kill"]
        assert not applies(next(key for key in KEYS if key.id == "mode"), one.app.scene)


def test_arming_hears_nothing_young_hurried_or_held() -> None:
    assert not Arming(10.0).accepts("y", 10.49)
    assert Arming(10.0).accepts("y", 10.5), "one press, at once"
    for first_s, every_s in ((0.1, 0.03), (0.1, 0.092), (0.1, 0.65), (0.4, 0.7)):
        held = Arming(10.0)
        assert not any(held.accepts("y", 10.0 + first_s + every_s * step) for step in range(100))
        assert held.accepts("p", 12.0), "another key is none of it"


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


async def test_speed_goes_up_down_and_round_on_a_tape_only() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("greater_than_sign")
        assert one.source.asked == [] and "only a tape" in one.said
        one.source.frame = pictures.tape()
        one.app.pull()
        await one.press("greater_than_sign", "less_than_sign", "s")
        assert [args["speed"] for _, args in one.source.asked] == ["max", "1", "max"]
        one.source.frame = replace(pictures.tape(), card=replace(pictures.tape().card, speed="max"))
        one.app.pull()
        await one.press("greater_than_sign", "s")
        assert [args["speed"] for _, args in one.source.asked[3:]] == ["max", "1"]


async def test_a_replay_is_held_stepped_and_wound_by_its_own_keys() -> None:
    async with desk(pictures.tape()) as one:
        await one.press("full_stop", "left")
        assert one.source.asked == [] and "only a replay" in one.said
        card = replace(pictures.killed().card, source=REPLAY, speed="held")
        one.source.frame = replace(pictures.killed(), card=card)
        one.app.pull()
        await one.pilot.pause()
        foot_ = grid(one.app).splitlines()[-1]
        assert "space play" in foot_ and ". step" in foot_ and "KILL" not in foot_, "nothing trades here"
        await one.press("space", "full_stop", "left", "right", "greater_than_sign")
        assert one.source.asked == [
            ("play", {}), ("step", {"events": 1}), ("seek", {"by_s": -30.0}), ("seek", {"by_s": 30.0}), ("speed", {"speed": "10"}),
        ]  # fmt: skip


async def test_ctrl_c_never_quits() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("ctrl+c")
        assert one.app.is_running and "does neither" in one.said


async def test_panes_are_chosen_zoomed_and_left() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("tab", "tab")
        chosen = [pane.id for pane in one.app.query(Pane) if pane.chosen]
        assert chosen == ["ladder"] and one.app.scene.pane == 1
        await one.press("z")
        assert "Our orders" not in grid(one.app) and "mid 52.50" in grid(one.app)
        await one.press("z", "shift+tab", "shift+tab")
        assert [pane.id for pane in one.app.query(Pane) if pane.chosen] == ["fills"], "the last one that has room here"
        await one.press("escape")
        assert not [pane for pane in one.app.query(Pane) if pane.chosen]


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nine hours ahead."""
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def test_times_are_utc_or_local_and_say_so(tokyo: None) -> None:
    async with desk(pictures.quoting(), (160, 48)) as one:
        assert "2026-11-21 14:02:33Z" in grid(one.app)
        await one.press("t")
        assert "2026-11-21 23:02:33 JST" in grid(one.app) and "JST" in one.said
        await one.press("t")
        assert "2026-11-21 14:02:33Z" in grid(one.app)


async def test_the_mouse_does_what_keys_do() -> None:
    async with desk(pictures.three()) as one:
        await one.pilot.click("#fills")
        assert [pane.id for pane in one.app.query(Pane) if pane.chosen] == ["fills"]
        markets = one.app.query_one("#markets", Pane)
        markets.post_message(events.MouseScrollDown(markets, 1, 1, 0, 1, 0, False, False, False))
        await one.pilot.pause()
        assert one.app.scene.selected == 1 and one.source.asked == []


async def test_screens_are_shown_by_number_turned_and_left() -> None:
    async with desk(pictures.quoting()) as one:
        for key, number in (("3", 3), ("tab", 4), ("l", 6), ("tab", 8), ("tab", 1), ("enter", 2)):
            await one.press(key)
            assert one.app.scene.pane == number, key
        assert "Our orders" not in grid(one.app)
        await one.press("escape")
        assert one.app.scene.pane == 1 and "Our orders" in grid(one.app)


async def test_help_scrolls_where_it_must_and_closes_by_any_other_key() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("question_mark")
        assert isinstance(one.app.screen, Help) and "more below" in grid(one.app) and "ctrl+q" not in grid(one.app)
        await one.press("end")
        assert "asks what a LIVE desk shall do" in grid(one.app)
        await one.press("x")
        assert not isinstance(one.app.screen, Help) and one.source.asked == []


async def test_a_desk_that_is_lost_or_was_never_there_answers_keys_without_a_crash() -> None:
    async with desk(None) as one:
        one.source.now_link = NEVER
        one.source.answers = dict.fromkeys(("kill", "pause", "stop", "reload"), (False, "NOT SENT: no connection to the desk"))
        for key in (name for row in KEYS for name in row.keys if row.id not in ("app.detach", "view.freeze")):
            await one.press(key, apart=1.0)
            if isinstance(one.app.screen, Dialog):
                await one.press("escape")
        assert one.app.is_running
        await one.press("K", apart=1.0)
        assert "NOT SENT" in one.said and one.app.scene.message[0] == "alarm"
        one.source.frame, one.source.now_link = pictures.quoting(), LOST
        one.app.pull()
        assert "DISCONNECTED" in grid(one.app)
        one.source.now_link = UP
        one.app.pull()
        await one.pilot.pause()
        assert "QUOTING 1 of 1" in grid(one.app) and "DISCONNECTED" not in grid(one.app)


async def test_an_answer_stands_in_the_footer_for_a_while_then_the_newest_warning_does() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("space")
        assert "PAPER pause: done" in grid(one.app).splitlines()[-2]
        one.clock.now += 60
        one.app.pull()
        await one.pilot.pause()
        assert "3 hash mismatches" in grid(one.app).splitlines()[-2], "an alarm, though a warning is newer"


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
