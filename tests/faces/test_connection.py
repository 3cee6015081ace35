"""The console on the real api over a real Unix socket: it sees, it acts, it survives a desk that goes and comes back."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pmm_tui.api.client import Client
from pmm_tui.api.server import Api
from pmm_tui.tui.app import PmmApp
from tests.faces import pictures
from tests.faces.conftest import grid
from tests.faces.fake_desk import FakeBoard
from tests.faces.test_api import serving, until

PRESSES = 20


async def test_the_console_sees_acts_loses_its_desk_and_finds_it_again(tmp_path: Path) -> None:
    path = tmp_path / "desk.sock"
    board = FakeBoard(pictures.quoting())
    client = Client(path, "console:test", jitter=lambda: 0.0)
    app = PmmApp(client, pull_s=0)
    async with app.run_test(size=(160, 48)) as pilot:
        listening = asyncio.create_task(client.run())
        await until(lambda: client.link().attempts > 0)
        app.pull()
        await pilot.pause()
        assert "NO DESK YET" in grid(app)
        async with serving(board, path):
            await until(lambda: client.latest() is not None)
            app.pull()
            await pilot.pause()
            assert "QUOTING 1 of 1" in grid(app) and "+$12.40" in grid(app)
            await pilot.press("K")
            await until(lambda: bool(board.taken) and bool(app.scene.message[1]))
            assert board.taken == [("kill", {"reason": "operator"}, "console:test")]
            board.now = pictures.killed()
            await until(lambda: (frame := client.latest()) is not None and frame.snapshot.phase == "killed")
            app.pull()
            await pilot.pause()
            assert "KILL SWITCH TRIPPED, latched" in grid(app)
        await until(lambda: not client.link().connected)
        app.pull()
        await pilot.press("space", "K")
        await until(lambda: "NOT SENT" in app.scene.message[1])
        assert "DESK ENDED" in grid(app) and len(board.taken) == 1
        async with serving(board, path):
            await until(lambda: client.link().connected)
            app.pull()
            await pilot.pause()
            assert "!! KILLED" in grid(app)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM, None], ids=["hangup", "terminated", "q"])
async def test_the_program_leaves_cleanly_and_the_desk_stays(tmp_path: Path, how: signal.Signals | None) -> None:
    path = tmp_path / "desk.sock"
    board = FakeBoard(pictures.quoting())
    async with serving(board, path, hz=20) as api:
        screen, code = await _run_console(path, api, how)
    assert code == (how is not None) and b"Traceback" not in screen
    assert b"\x1b[?1049h" in screen and b"\x1b[?1049l" in screen, "the terminal is given back"
    left = [(cmd, args) for cmd, args, _ in board.taken]
    assert left == ([("ack", {"leaving": True})] if how is None else []), "a desk that runs elsewhere is told at most that one leaves"


async def _run_console(path: Path, api: Api, how: signal.Signals | None) -> tuple[bytes, int]:
    """The program on a pseudo-terminal until it has shown its desk and left: what it wrote, and its exit code."""
    ours, theirs = pty.openpty()
    os.write(ours, b"KK")  # typed before there is a console: never obeyed
    what = f"open_console([Path({str(path)!r})], Wish())"
    program = f"import sys; from pathlib import Path; from pmm_tui.tui.start import Wish, open_console; sys.exit({what})"
    terminal = {"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "48"}
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=os.environ | terminal
    )
    os.close(theirs)
    screen = bytearray()
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: screen.extend(_read(ours)))
    try:
        await until(lambda: api.faces == 1 and b"QUOTING" in screen)
        if how is not None:
            child.send_signal(how)
        for _ in range(PRESSES if how is None else 0):  # a console that has just stood still on a busy machine does not obey
            os.write(ours, b"q")
            await asyncio.sleep(0.7)
            if child.poll() is not None:
                break
        await until(lambda: child.poll() is not None)
    finally:
        if child.poll() is None:
            child.kill()
        code = child.wait()
        screen.extend(_read(ours))
        loop.remove_reader(ours)
        os.close(ours)
    return bytes(screen), code


def _read(descriptor: int) -> bytes:
    """What the program wrote; nothing once it is gone."""
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, 1 << 20)
    except OSError:
        return b""
