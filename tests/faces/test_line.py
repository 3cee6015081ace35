"""The line between a person and the console is cut, stopped and bent: the desks never feel it, and what comes back is the whole screen."""

import asyncio
import fcntl
import os
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from pmm_tui.api.client import Client
from tests.faces.test_terminal import START, Pty, Tmux, consoles, desks
from tests.runtime.scene import Home, waited

STALLED_S = 10.0
FAST = ("-m", "pmm_tui", "--profile", "demo", "--speed", "20", "--keep")
STORM = ((60, 12), (200, 50), (80, 24), (31, 7), (160, 48))
IN_TMUX = "import os, sys; os.execvp('tmux', ['tmux', *sys.argv[1:]])"


@contextmanager
def a_home() -> Iterator[Home]:
    """Folders of one user, whose desks end with it."""
    with tempfile.TemporaryDirectory(prefix="pmm", ignore_cleanup_errors=True) as folder:
        here = Home(Path(folder))
        try:
            yield here
        finally:
            for pid in desks(here):
                os.kill(pid, signal.SIGKILL)


def socket_of(home: Home) -> Path:
    """The window of the desk that runs there."""
    return next((home.folder / "run").rglob("*.sock"))


def resize(screen: Pty, width: int, height: int) -> None:
    """As a terminal tells its program."""
    screen._screen.resize(height, width)
    fcntl.ioctl(screen.ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    screen.child.send_signal(signal.SIGWINCH)


def fill(screen: Pty) -> None:
    """Read nothing, and have the whole screen written again and again, until no more fits between the two."""
    unread = [-1, -2]
    while len(set(unread[-5:])) > 1:
        resize(screen, 160 - len(unread) % 2, 48)
        time.sleep(0.1)
        unread.append(struct.unpack("i", fcntl.ioctl(screen.ours, termios.FIONREAD, b"0000"))[0])


async def arrivals(socket: Path, seconds: float) -> list[float]:
    """When each picture of a desk reached somebody else who looks at it, seconds from now."""
    client, came, last = Client(socket, "test:line"), [], None
    listening = asyncio.create_task(client.run())
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        await asyncio.sleep(0.005)
        if (frame := client.latest()) is not None and frame is not last:
            last = frame
            came.append(time.monotonic() - began)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return came


def p99_apart_ms(came: list[float]) -> float:
    """How far apart two pictures are at most, but for one in a hundred."""
    apart = sorted(after - before for before, after in pairwise(came))
    return 1e3 * apart[len(apart) * 99 // 100]


def test_a_terminal_that_is_bent_then_reads_nothing_for_ten_seconds_and_then_hangs_up() -> None:
    with a_home() as home:
        screen = Pty(home, 160, 48, *FAST, "--logs", str(home.logs))
        with screen.open():
            screen.wait(lambda text: "QUOTING" in text and "Safe?" in text)
            (pid,) = desks(home)
            for width, height in STORM * 4:
                resize(screen, width, height)
            screen.wait(lambda text: "Safe?" in text and "target [PAPER]" in text)
            before = asyncio.run(arrivals(socket_of(home), 3.0))
            fill(screen)
            stalled = asyncio.run(arrivals(socket_of(home), STALLED_S))  # nobody reads the console's terminal meanwhile
            assert {int(when) for when in stalled[5:]} >= set(range(1, int(STALLED_S))), "the desk told everybody else all the time"
            sys.stdout.write(f"pictures apart, p99: {p99_apart_ms(before):.0f} ms read, {p99_apart_ms(stalled):.0f} ms stalled\n")
            screen.press(" ")
            text = screen.wait("not obeyed")
            assert "Safe?" in text and "PAUSED" not in text, "it comes back as a whole, and a key from then does nothing now"
            screen.child.send_signal(signal.SIGHUP)
            screen.left()
        assert desks(home) == [pid]
        os.kill(pid, signal.SIGTERM)
        waited(lambda: not desks(home))
        (run,) = home.logs.iterdir()
        assert "proven" in home.call("replay", run).stdout


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_in_tmux_one_detaches_attaches_with_another_size_and_a_killed_pane_leaves_the_desk() -> None:
    with a_home() as home:
        window = Tmux(home, 160, 48, "--keep", start=START)
        try:
            window.wait("QUOTING 1 of")
            (pid,), (console,) = desks(home), consoles(home)
            words = ("-c", IN_TMUX, "-L", window._server, "attach", "-t", "t")
            for width, height, shown in ((160, 49, "Safe?"), (80, 25, "[PAPER]")):
                looker = Pty(home, width, height, *words)
                with looker.open():
                    text = looker.wait(shown)
                    assert "QUOTING" in text
                    assert ("Safe?" in text) is (width == 160), "it is laid out for whoever is attached"
                    window.do("detach-client", "-s", "t")
                    assert looker.left() == 0
                assert consoles(home) == [console], "nobody looks, and it goes on"
            window.do("kill-pane", "-t", "t")
            waited(lambda: not Path(f"/proc/{console}").exists())
        finally:
            window.close()
        assert desks(home) == [pid]
        back = Pty(home, 160, 48, "-m", "pmm_tui", "attach", socket_of(home).stem)
        with back.open():
            back.wait("QUOTING 1 of")
            back.press("q")
            assert back.left() == 0
        assert desks(home) == [pid]
