"""Keys typed while nobody could see what they would meet: before the console is up, and while it stood still."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from textual import events

from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.ears import AFTER_S, STALL_S
from tests.faces import pictures
from tests.faces.driver import Desk
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
