"""A kill that a desk does not answer: its process is signalled; what is to be done stands there until a picture shows that it stopped."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pmm_tui.api.client import GONE, UNANSWERED, Client
from pmm_tui.core.snapshot import Frame
from tests.faces import pictures, scenes
from tests.faces.conftest import grid
from tests.faces.driver import desk
from tests.faces.fake_desk import ENDED, LOST, UP
from tests.faces.test_two_desks import two

DEAF = """
import os, signal, socket, sys
signal.signal(signal.SIGUSR1, lambda *_: os._exit(42))
ears = socket.socket(socket.AF_UNIX); ears.bind(sys.argv[1]); ears.listen()
print("up", flush=True)
signal.pause()
"""
SILENCE = f"{UNANSWERED}: no answer within 2 s; SIGUSR1 sent to process 77"


@contextmanager
def deaf(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has a desk's socket and answers nothing there; SIGUSR1 ends it with 42."""
    child = subprocess.Popen([sys.executable, "-c", DEAF, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline()
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


async def test_a_kill_that_is_not_answered_goes_to_the_process_as_a_signal(tmp_path: Path) -> None:
    with deaf(tmp_path / "desk.sock") as child:
        client = Client(tmp_path / "desk.sock", "console:test")
        assert (await client.command("pause", {}))[1].startswith("NOT SENT"), "nothing but a kill is worth a signal"
        ok, text = await Client(tmp_path / "desk.sock", "console:test", read_only=True).command("kill", {})
        assert not ok and text.startswith("NOT SENT"), "who may only look signals nobody"
        assert child.poll() is None
        ok, text = await client.command("kill", {})
        assert not ok and text.startswith(UNANSWERED) and text.endswith(f"SIGUSR1 sent to process {child.pid}")
        assert await asyncio.to_thread(child.wait, 10) == 42
    assert (await client.command("kill", {}))[1].endswith(GONE)


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 12), (30, 8)])
async def test_what_is_to_be_done_stands_there_until_the_desk_shows_that_it_stopped(size: tuple[int, int]) -> None:
    async with desk(pictures.live(), size) as one:
        run, told = pictures.live().card.run, "LIVE KILL NOT ANSWERED"
        one.source.answers["kill"] = (False, SILENCE)
        await one.press("K")
        one.clock.now += 3_600
        one.app.pull()
        await one.pilot.pause()
        shown = " ".join(grid(one.app).split())
        assert f"!! {told} - pmm-tui kill {run}" in shown and one.app.herald.alarmed and one.app.herald.title.startswith("!! ")
        one.source.frame, one.source.now_link = scenes.killed(), LOST
        one.app.pull()
        await one.pilot.pause()
        assert told in " ".join(grid(one.app).split()), "an old picture proves nothing"
        one.source.now_link = UP
        one.app.pull()
        await one.pilot.pause()
        assert told not in " ".join(grid(one.app).split())


async def test_the_other_desks_kill_stays_in_sight_and_a_new_answer_beside_it() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        desks.live.answers["kill"] = (False, SILENCE)
        await desks.press("e", "K", "e", "space")
        foot = desks.lines()[-2]
        assert f"!! LIVE KILL NOT ANSWERED - pmm-tui kill {pictures.live().card.run}" in foot and "PAPER pause: done" in foot


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pictures.live(), f"the process is gone - pmm-tui cancel {pictures.live().card.profile}"),
        (pictures.quoting(), f"KILL NOT ANSWERED - pmm-tui kill {pictures.quoting().card.run}"),
        (None, "KILL NOT ANSWERED - pmm-tui kill RUN"),
    ],
    ids=["live", "paper", "unknown"],
)
async def test_a_dead_production_desks_orders_are_cancelled_by_another_command(frame: Frame | None, words: str) -> None:
    async with desk(frame, (160, 48)) as one:
        one.source.now_link, one.source.answers["kill"] = LOST, (False, f"{UNANSWERED}: NOT SENT; {GONE}")
        await one.press("K")
        assert words in one.app.scene.unanswered


async def test_a_desk_that_ended_in_order_needs_no_kill() -> None:
    async with desk(pictures.live(), (160, 48)) as one:
        one.source.now_link, one.source.answers["kill"] = ENDED, (False, f"{UNANSWERED}: NOT SENT; {GONE}")
        await one.press("K")
        assert not one.app.scene.unanswered
