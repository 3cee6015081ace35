"""A console that may only look has no key that changes a desk; a locked one hears K alone, until a phrase is typed."""

import asyncio
from pathlib import Path

import pytest

from pmm_tui.api.client import Client
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.dialogs.pick import Pick
from pmm_tui.tui.dialogs.question import TypePhrase
from pmm_tui.tui.keys import KEYS, harmless
from pmm_tui.tui.start import KillsOnly
from tests.faces import pictures
from tests.faces.conftest import grid
from tests.faces.driver import desk
from tests.faces.fake_desk import FakeBoard
from tests.faces.test_api import serving, until

DANGEROUS = [name for key in KEYS if key.dangerous for name in key.keys]


def test_every_key_that_sends_a_command_is_known_as_dangerous() -> None:
    safe = {key.id for key in harmless(KEYS)}
    assert not safe & {
        "quote.toggle",
        "quote.market",
        "cancel",
        "cancel.all",
        "flatten",
        "flatten.all",
        "kill",
        "kill.typing",
        "kill.reset",
    }
    assert not safe & {"kill.reset", "mode", "profile.reload", "app.stop", "tape.faster", "tape.slower", "tape.speed"}
    assert {"screen.market", "filter", "app.help", "app.detach", "export", "view.freeze", "app.palette"} <= safe
    assert {key.id for key in harmless(KEYS, allow_kill=True)} - safe == {"kill", "kill.typing"}


@pytest.mark.parametrize("frame", [pictures.tape(), pictures.live()], ids=["tape", "live"])
async def test_read_only_sends_nothing_whatever_is_pressed(frame: Frame) -> None:
    async with desk(frame, read_only=True) as one:
        bound = {binding.action for key in DANGEROUS for binding in one.app._bindings.key_to_bindings[key]}
        assert bound == {"refuse"}, "bound to nothing that could change a desk"
        await one.press(*DANGEROUS, "a", "question_mark", "escape", "e", "2", "l", apart=1.0)
        assert one.source.asked == [] and one.app.scene.read_only
        await one.press("q")
        assert one.source.asked == [] and not one.app.is_running, "leaving asks nothing: it can do nothing"


async def test_a_read_only_console_says_that_it_is_one_and_what_kills_instead() -> None:
    async with desk(pictures.quoting(), read_only=True) as one:
        for key in ("K", "space", "f"):
            one.app.say("")
            await one.press(key)
            assert one.said == "read-only: this console changes nothing; pmm-tui kill run-007-1795258", key
        assert "READ-ONLY" in grid(one.app)
        one.app.say("")
        await one.press("slash", "K", "f")
        assert one.said == "", "letters of a filter"


async def test_a_locked_console_offers_what_works_and_says_how_to_unlock() -> None:
    async with desk(pictures.quoting(), (160, 48)) as one:
        await one.press("ctrl+l")
        shown = grid(one.app)
        assert "LOCKED ctrl+l" in shown and "READ-ONLY" not in shown
        assert "KILL" in shown.splitlines()[-1] and not [
            word for word in ("pause", "flatten", "cancel", "reload") if word in shown.splitlines()[-1]
        ]


async def test_read_only_shows_none_of_those_keys_in_footer_help_and_palette() -> None:
    async with desk(pictures.quoting(), (160, 48), read_only=True) as one:
        assert "pause" not in grid(one.app).splitlines()[-1] and "KILL" not in grid(one.app).splitlines()[-1]
        await one.press("question_mark")
        assert "latch" not in grid(one.app) and "flatten" not in grid(one.app)
        await one.press("escape", "colon")
        palette = one.app.screen
        assert isinstance(palette, Pick)
        assert not [item for item in palette.found if "kill" in item.words.casefold() or "flatten" in item.words]


async def test_with_allow_kill_the_kill_works_and_nothing_else() -> None:
    async with desk(pictures.quoting(), read_only=True, allow_kill=True) as one:
        await one.press(*DANGEROUS, apart=1.0)
        assert [cmd for cmd, _ in one.source.asked] == ["kill", "kill"]


async def test_a_locked_console_looks_and_kills_until_unlock_is_typed() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("ctrl+l", "space", "X", "f", "q", "ctrl+q")
        assert one.source.asked == [] and "locked" in one.said and one.app.scene.read_only and one.app.is_running
        await one.press("2")
        assert one.app.scene.pane == 2
        await one.press("K")
        assert [cmd for cmd, _ in one.source.asked] == ["kill"]
        await one.press("ctrl+l")
        assert isinstance(one.app.screen, TypePhrase)
        one.clock.now += 1
        await one.type("UNLOC")
        await one.press("enter", "escape", "space")
        assert [cmd for cmd, _ in one.source.asked] == ["kill"], "still locked"
        await one.press("ctrl+l")
        one.clock.now += 1
        await one.type("UNLOCK")
        await one.press("enter", "space")
        assert [cmd for cmd, _ in one.source.asked] == ["kill", "pause"]


async def test_with_allow_kill_the_desk_itself_still_refuses_everything_but_the_kill(tmp_path: Path) -> None:
    path, board = tmp_path / "desk.sock", FakeBoard(pictures.quoting())
    async with serving(board, path):
        looks, kills = Client(path, "console:test", read_only=True), Client(path, "console:test", console=False)
        tasks = [asyncio.create_task(client.run()) for client in (looks, kills)]
        await until(lambda: looks.link().connected and kills.link().connected)
        desk_ = KillsOnly(looks, kills)
        assert await desk_.command("pause", {"market": ""}) == (False, "this connection is read-only")
        assert (await desk_.command("kill", {"reason": "operator"}))[0]
        assert [cmd for cmd, _, _ in board.taken] == ["kill"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
