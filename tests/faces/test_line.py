"""The line between a person and the console is cut, stopped and bent: the desks never feel it, and what comes back is the whole screen."""

import fcntl
import os
import shutil
import signal
import struct
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from pmm_tui.core.events import Ticked
from pmm_tui.record.conduct import TICK_NS
from pmm_tui.record.journal import read
from pmm_tui.record.lines import LIVE
from pmm_tui.tui.bench_stall import FILL_S, LOOK_S, turns
from tests.faces.test_terminal import START, Pty, Tmux, consoles, desks
from tests.runtime.scene import Home, waited

STALLED_TICKS = 800
"""Four seconds at FAST: longer than what a console calls a stall."""
FAST = ("-m", "pmm_tui", "--profile", "demo", "--speed", "20", "--keep")
STORM = ((60, 12), (200, 50), (80, 24), (31, 7), (160, 48))
SLOW = """
import runpy, time
from pmm_tui.tui.terminal import Terminal
asked = Terminal._get_terminal_size

def slowly(terminal):
    found = asked(terminal)
    time.sleep(0.05)
    return found

Terminal._get_terminal_size = slowly
runpy.run_module("pmm_tui", run_name="__main__")
"""
"""A console on a machine so busy that the terminal has another size before the one that was asked for is told."""
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


def left_by_q(screen: Pty) -> bool:
    """Whether it has left; asked again where it has not: a key that came with the first picture is not obeyed."""
    screen.text()
    if screen.child.poll() is None:
        screen.press("q")
    return screen.child.poll() is not None


def fill(screen: Pty) -> int:
    """Read nothing, and have the whole screen written again and again, until the console waits for its terminal; its `turns` then."""
    while True:
        for width in (159, 160):
            resize(screen, width, 48)
            time.sleep(FILL_S)
        stood = turns(screen.child.pid)
        time.sleep(LOOK_S)
        if turns(screen.child.pid) == stood:
            return stood


def both(text: str) -> bool:
    """Whether a screen shows two desks that quote."""
    return text.count("QUOTING 1 of") >= 2 and "Paper and production" in text


def ticks(run: Path) -> int:
    """How many are in a journal so far."""
    return (run / LIVE).read_bytes().count(b'"type":"Ticked"')


def test_a_terminal_that_is_bent_then_reads_nothing_and_then_hangs_up_costs_neither_of_two_desks_a_tick() -> None:
    with a_home() as home:
        screen = Pty(home, 160, 48, *FAST, "--profile", "demo", "--logs", str(home.logs))
        with screen.open():
            screen.wait(both)
            pids, runs = desks(home), list(home.logs.iterdir())
            assert len(pids) == len(runs) == 2
            for width, height in STORM * 4:
                resize(screen, width, height)
            screen.wait(both)
            stood, before = fill(screen), {run: ticks(run) for run in runs}
            screen.press(" ")
            waited(lambda: all(ticks(run) > count + STALLED_TICKS for run, count in before.items()))
            stayed = turns(screen.child.pid) - stood
            text = screen.wait("not obeyed")
            assert stayed == 0, "the console stood all the time, and still the desks went on"
            assert b"the terminal stalled for " in screen.wrote
            assert both(text) and "PAUSED" not in text, "it comes back as a whole, and a key from then does nothing now"
            screen.child.send_signal(signal.SIGHUP)
            screen.left()
        assert desks(home) == pids
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        waited(lambda: not desks(home))
        for run in runs:
            at = [entry.event.at for entry in read(run) if isinstance(entry.event, Ticked)]
            assert {after - earlier for earlier, after in pairwise(at)} == {TICK_NS}, "every tick, in order"
        assert "proven" in home.call("replay", runs[0]).stdout


def test_of_sizes_that_come_faster_than_they_are_told_the_last_one_stays() -> None:
    with a_home() as home:
        screen = Pty(home, 160, 48, "-c", SLOW, "--profile", "demo", "--logs", str(home.logs), "--speed", "20", "--read-only")
        with screen.open():
            screen.wait("Safe?")
            for _ in range(3):
                for width, height in ((80, 24), (60, 12), (160, 48)):
                    resize(screen, width, height)
                    time.sleep(0.02)
                screen.wait("Safe?")


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
                    looker.wait("QUOTING")
                    text = looker.wait(shown)
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
            waited(lambda: left_by_q(back))
            assert back.left() == 0
        assert desks(home) == [pid]
