"""What is heard of the keyboard: esc and what follows it, no key that is held down over a dialog, none of a flood, none typed unseen."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event
from types import SimpleNamespace

import pytest
from textual import events
from textual.message import Message

from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.dialogs.question import Confirm, Dialog
from pmm_tui.tui.ears import AFTER_S, STALL_S, UNREAD_MOST
from pmm_tui.tui.keyboard import Keyboard, listen
from tests.faces import pictures
from tests.faces.driver import Desk, desk
from tests.faces.fake_desk import FakeClock, FakeSource
from tests.faces.pictures import NOW


@asynccontextmanager
async def looking() -> AsyncIterator[Desk]:
    """A console whose timer runs, on a clock that stands until the test moves it."""
    source, clock = FakeSource(pictures.quoting()), FakeClock()
    app = PmmApp(source, clock=clock, wall=lambda: NOW, pull_s=0.1)
    async with app.run_test(size=(80, 24)) as pilot:
        yield Desk(app, source, clock, pilot)


async def test_what_was_typed_while_it_stood_still_is_dropped_and_said_but_a_kill_is_done() -> None:
    async with looking() as one:
        one.clock.now += STALL_S + 4
        await one.press("X", "space", "K", apart=0.0)
        assert [cmd for cmd, _ in one.source.asked] == ["kill"]
        one.clock.now += AFTER_S
        await one.press("X", apart=0.0)
        assert [cmd for cmd, _ in one.source.asked] == ["kill", "pause"], "the next key counts again"


async def test_how_many_were_dropped_stands_in_the_footer() -> None:
    async with looking() as one:
        one.clock.now += STALL_S + 4
        await one.press("X", "f", apart=0.0)
        assert one.said.startswith("2 keys typed while the console stood still for ") and "only K is" in one.said


async def test_a_question_is_not_answered_by_what_was_typed_while_it_stood_still() -> None:
    async with looking() as one:
        await one.press("f", apart=0.0)
        one.clock.now += STALL_S + 4
        await one.press("y", apart=0.0)
        assert one.source.asked == []


async def test_a_key_that_waited_for_its_turn_too_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    async with looking() as one:
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + STALL_S + 1)
        monkeypatch.setattr("pmm_tui.tui.ears.time", later)
        await one.press("X")
        assert one.source.asked == [] and "not obeyed" in one.said


async def test_what_was_typed_before_there_was_anything_to_see_is_dropped_even_a_kill() -> None:
    async with looking() as one:
        early = events.Key("K", "K")
        early.time = 0.0
        one.app.post_message(early)
        await one.pilot.pause()
        assert one.source.asked == []


@pytest.mark.parametrize(
    ("packets", "keys"),
    [
        (["\x1bK"], ["escape", "K"]),
        (["\x1b", "K"], ["escape", "K"]),
        (["\x1b", "K", "\x1b"], ["escape", "K"]),
        (["y\x1bX\r"], ["y", "escape", "X", "enter"]),
        (["\x1b\r"], ["escape", "enter"]),
        (["\x1bf"], ["escape", "f"]),
        (["\x1b\x0b"], ["escape", "ctrl+k"]),
        (["\x1b[75;4u", "\x1b[107;4u"], ["escape", "K", "escape", "K"]),
        (["\x1b[A", "\x1b", "[B", "\x1bOP"], ["up", "down", "f1"]),
        (["\x1b\x1b[A"], ["escape", "up"]),
    ],
)
def test_esc_and_the_key_after_it_are_two_keys_however_close(packets: list[str], keys: list[str]) -> None:
    reader = Keyboard()
    read = [message for packet in packets for message in reader.feed(packet)]
    assert [message.key for message in read if isinstance(message, events.Key)] == keys


async def test_a_kill_behind_an_esc_is_done_over_a_dialog_and_on_the_bare_screen() -> None:
    async with desk(pictures.live()) as one:
        await one.press("f")
        for key in Keyboard().feed("\x1bK"):
            one.app.post_message(key)
        await one.pilot.pause()
        assert one.source.asked == [("kill", {"reason": "operator"})] and not isinstance(one.app.screen, Dialog)


async def test_a_key_held_since_before_a_dialog_does_nothing_in_it_and_nothing_behind_it() -> None:
    for first_s, every_s in ((0.088, 0.088), (0.1, 0.65)):
        async with desk(pictures.three()) as one:
            await one.press("f")
            await one.press("y", apart=first_s)
            for _ in range(12):
                await one.press("y", apart=every_s)
            assert one.source.asked == [] and isinstance(one.app.screen, Confirm)
            await one.press("y", apart=1.0)
            assert one.source.asked == [("flatten", {"market": pictures.BTC})], "let go, then pressed once"
    async with desk(pictures.three()) as one:
        await one.press("y")
        await one.press("f", apart=0.1)
        for _ in range(3):
            await one.press("y", apart=0.6)
        assert one.source.asked == [] and isinstance(one.app.screen, Confirm), "it began before there was a question"


async def test_a_key_that_answered_and_is_still_held_does_nothing_else() -> None:
    async with desk(pictures.three()) as one:
        await one.press("2", "n", "f")
        await one.press("y", apart=1.0)
        await one.press("y", apart=0.66)
        await one.press("y", "y", apart=0.09)
        assert [cmd for cmd, _ in one.source.asked] == ["flatten"] and one.app.scene.no_side, "the other book is a key, too"
        await one.press("y", apart=1.0)
        assert not one.app.scene.no_side
        one.source.frame = pictures.paused()
        one.app.pull()
        await one.press("0", apart=1.0)
        await one.press("space", "space", "space", apart=0.66)
        assert [cmd for cmd, _ in one.source.asked] == ["flatten"], "a space that closed a menu resumes nothing"
        await one.press("space", apart=1.0)
        assert [cmd for cmd, _ in one.source.asked] == ["flatten", "resume"]


async def test_a_held_space_pauses_and_a_stall_between_two_repeats_does_not_make_them_two_presses() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("space")
        one.source.frame = pictures.paused()
        one.app.pull()
        await one.press("space", apart=0.66)
        assert [cmd for cmd, _ in one.source.asked] == ["pause"] and "let go" in one.said
        late = events.Key("space", " ")
        late.time -= 1.2
        one.clock.now += 1.3
        one.app.post_message(late)
        await one.pilot.pause()
        assert [cmd for cmd, _ in one.source.asked] == ["pause"]


def heard(typed: bytes) -> list[Message]:
    """What is read of what a terminal sent at once, and ended with."""
    ours, theirs = os.pipe()
    os.write(theirs, typed)
    os.close(theirs)
    read: list[Message] = []
    listen(ours, Event(), read.append)
    os.close(ours)
    return read


def test_a_flood_is_calmed_and_ends_with_what_came_last() -> None:
    keys = [one.key for one in heard(b"\0" * 3_000 + b"\xff" + b"K") if isinstance(one, events.Key)]
    assert len(keys) < 40 and keys[-2:] == ["replacement_character", "K"]
    mixed = [one.key for one in heard(bytes(97 + at % 26 for at in range(4_000)) + b"K") if isinstance(one, events.Key)]
    assert len(mixed) < 70 and mixed[-1] == "K", "as fast to read as the text of one finger"


def test_of_a_flood_no_sequence_is_broken() -> None:
    arrows = heard(b"\x1b[A" * 1_000 + b"x" * 300 + b"\x1b[<64;120;33M")
    assert [one.key for one in arrows if isinstance(one, events.Key)].count("up") == 1_000
    assert isinstance(arrows[-1], events.MouseScrollUp)
    pasted, key = heard(b"\x1b[200~" + b"a mixed text, K " * 200 + b"\x1b[201~K")
    assert isinstance(pasted, events.Paste) and isinstance(key, events.Key) and key.key == "K", "the paste ended where it ended"


async def test_of_a_flood_no_more_waits_than_is_read_soon_and_a_kill_has_room() -> None:
    async with looking() as one:
        ears, keys = one.app.ears, one.app.keys
        let = [ears.have_room(events.Key(key, key), keys) for key in ["a"] * 3_000 + ["K"] * 3_000]
        assert let[:3_000].count(True) == UNREAD_MOST and let[3_000] and let.count(True) == 2 * UNREAD_MOST
        drawn: list[int] = []
        one.app.pull = lambda: drawn.append(1)  # type: ignore[method-assign]  # what a picture costs
        ears.look(one.app, 0.1)
        assert one.said == f"{6_000 - 2 * UNREAD_MOST} keys came faster than keys are read: not obeyed, only K is"
        one.clock.now += STALL_S + 1
        one.app._timer.stop()  # type: ignore[union-attr]  # it runs
        await one.press(*["X"] * 9, apart=0.0)
        assert "9 keys typed while" in one.said and len(drawn) == 1, "one picture for all of them"
        assert ears.have_room(events.Key("a", "a"), keys) is False, "those are not read yet"
