"""The real program, desk and console, in real terminals: keys are pressed, windows resized and killed, and the screen is read."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

from tests.runtime.scene import PATIENCE_S, ROOT, Home, waited

START = ("-m", "pmm_tui", "--profile", "demo", "--speed", "100")
HAS_TMUX = shutil.which("tmux") is not None


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose path is short enough for a Unix socket; desks that a test leaves running end with it."""
    with tempfile.TemporaryDirectory(prefix="pmm", ignore_cleanup_errors=True) as folder:
        yield (here := Home(Path(folder)))
        for pid in desks(here):
            os.kill(pid, signal.SIGKILL)


def desks(home: Home) -> list[int]:
    """The process ids of the desks whose records are in this home."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue  # it ended while we looked
        if b"desk" in words and any(str(home.folder).encode() in word for word in words):
            found.append(int(entry.name))
    return found


def consoles(home: Home) -> list[int]:
    """The process ids of the consoles that keep their records in this home."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue  # it ended while we looked
        ours = b"desk" not in words and b"replay" not in words and b"python" in b"".join(words[:1])
        if ours and any(str(home.folder).encode() in word for word in words):
            found.append(int(entry.name))
    return found


def a_terminals_own() -> dict[str, str]:
    """The environment without what would override the terminal: a size from outside, a profile's values."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES") and not name.startswith("PMM_")}


class Screen:
    """What a person sees, whatever the terminal: text to wait for, keys to press."""

    def text(self) -> str:
        """The screen now."""
        raise AssertionError("a terminal says how")

    def wait(self, what: str | Callable[[str], bool]) -> str:
        """The first screen that shows it."""
        shows: Callable[[str], bool] = (lambda text: what in text) if isinstance(what, str) else what
        deadline = time.monotonic() + PATIENCE_S
        while True:
            text = self.text()
            if shows(text):
                return text
            assert time.monotonic() < deadline, f"it never showed {what!r}:\n{text}"
            time.sleep(0.05)


class Tmux(Screen):
    """A window of a tmux server of its own."""

    def __init__(self, home: Home, width: int, height: int, *words: str, start: tuple[str, ...] = START) -> None:
        self._server = f"pmm-{uuid.uuid4().hex[:8]}"
        env = [f"-e{name}={value}" for name, value in home.env.items()]
        command = " ".join(f"'{word}'" for word in (sys.executable, *start, "--logs", str(home.logs), *words))
        self.do("new-session", "-d", "-s", "t", "-x", str(width), "-y", str(height), "-c", str(ROOT), *env, f"{command}; echo LEFT $?; cat")

    def do(self, *words: str) -> str:
        """One tmux command."""
        command = ["tmux", "-L", self._server, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=a_terminals_own()).stdout

    def text(self) -> str:
        """The screen now."""
        return self.do("capture-pane", "-p", "-t", "t")

    def press(self, *keys: str) -> None:
        """Press keys, named as tmux names them."""
        self.do("send-keys", "-t", "t", *keys)

    def size(self, width: int, height: int) -> None:
        """Resize the window."""
        self.do("resize-window", "-t", "t", "-x", str(width), "-y", str(height))

    def close(self) -> None:
        """Kill the server, and with it whatever runs in the window (SIGHUP)."""
        self.do("kill-server")


@pytest.fixture
def tmux(home: Home) -> Iterator[Callable[..., Tmux]]:
    """Open the program in tmux."""
    if not HAS_TMUX:
        pytest.skip("tmux is not installed")
    opened: list[Tmux] = []

    def start(*words: str, width: int = 160, height: int = 48, start: tuple[str, ...] = START) -> Tmux:
        opened.append(Tmux(home, width, height, *words, start=start))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_in_tmux_the_demo_quotes_pauses_resizes_kills_and_leaves_nothing_behind(home: Home, tmux: Callable[..., Tmux]) -> None:
    screen = tmux()
    text = screen.wait(lambda text: "QUOTING 1 of" in text and "Safe?" in text)
    assert "PAPER" in text and "Making money?" in text and "simulated fills" in text
    assert len(desks(home)) == 1
    screen.press("Space")
    screen.wait("PAUSED")
    screen.press("Space")
    if "let go" in screen.wait(lambda text: "QUOTING" in text or "let go" in text):
        screen.wait(lambda text: "let go" not in text)  # what comes this soon is a held key
        screen.press("Space")
    screen.wait("QUOTING")
    screen.press("?")
    assert "stop quoting, cancel all, verify, latch" in screen.wait("any key closes")
    screen.press("Escape")
    screen.wait(lambda text: "any key closes" not in text)
    assert screen.do("display", "-p", "-t", "t", "#{pane_title}").strip() == "PMM PAPER"
    screen.size(80, 24)
    narrow = screen.wait(lambda text: "Safe?" not in text and "[PAPER]" in text)
    assert max(map(len, narrow.splitlines())) <= 80
    for width, height in ((60, 12), (200, 50), (80, 24), (31, 7), (160, 48)) * 3:
        screen.size(width, height)
    screen.wait("Safe?")
    screen.press("K")
    killed = screen.wait("KILL SWITCH TRIPPED")
    assert "KILLED" in killed
    screen.wait("holds no open order")
    assert "!! PMM PAPER" in screen.do("display", "-p", "-t", "t", "#{pane_title}")
    screen.press("q")
    screen.wait("LEFT 0")
    waited(lambda: not desks(home))
    (run,) = home.logs.iterdir()
    proof = home.call("replay", run)
    assert proof.returncode == 0 and "proven" in proof.stdout, proof


def test_a_window_that_is_killed_leaves_the_desk_unharmed(home: Home, tmux: Callable[..., Tmux]) -> None:
    screen = tmux()
    screen.wait("QUOTING 1 of")
    (pid,) = desks(home)
    screen.press("C-o")
    screen.wait("Runs and profiles")
    (console,) = consoles(home)
    screen.close()
    waited(lambda: not Path(f"/proc/{console}").exists())
    socket = next((home.folder / "run").rglob("*.sock"))
    again = home.call("attach", socket)
    assert again.returncode == 2 and "terminal here; `pmm-tui ps`" in again.stderr, "without a terminal it says so, and what does without"
    looker = Pty(home, 100, 30, "-m", "pmm_tui", "attach", "--read-only", str(socket))
    with looker.open():
        looker.wait(lambda text: "QUOTING 1 of" in text and "READ-ONLY" in text)
        for key in "KX fQRm":
            looker.press(key)
        looker.press("3")
        assert "KILL" not in looker.wait("Orders") and "QUOTING" in looker.text(), "none of those keys is there"
        looker.press("q")
        assert looker.left() == 0
    assert desks(home) == [pid]
    os.kill(pid, signal.SIGTERM)
    waited(lambda: not desks(home))
    (run,) = home.logs.iterdir()
    assert "proven" in home.call("replay", run).stdout


def test_leaving_a_rehearsal_asks_and_can_stop_it(home: Home, tmux: Callable[..., Tmux]) -> None:
    screen = tmux("--keep", start=("-m", "pmm_tui", "--profile", "demo"))
    screen.wait(lambda text: text.count("QUOTING 1 of") >= 2 and "LIVE REHEARSAL" in text)
    assert len(desks(home)) == 2
    screen.press("q")
    assert "cancel all and stop" in screen.wait("what shall REHEARSAL do?")
    for _ in range(9):  # as a key that is held down comes
        screen.press("c")
        time.sleep(0.09)
    assert "what shall" in screen.wait("not heard: too early, or held down")
    time.sleep(1)
    screen.press("c")
    screen.wait("LEFT 0")
    waited(lambda: len(desks(home)) == 1)  # paper goes on, as --keep says; production has ended
    (run,) = home.logs.glob("demo-live-*")
    assert "proven" in home.call("replay", run).stdout


class Pty(Screen):
    """A pseudo-terminal with an emulator that keeps its screen."""

    def __init__(self, home: Home, width: int, height: int, *words: str, **env: str) -> None:
        self._screen = pyte.Screen(width, height)
        self.wrote = bytearray()
        """All that was written to it and read."""
        self._stream = pyte.ByteStream(self._screen)
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.child = subprocess.Popen(
            [sys.executable, *(words or (*START, "--logs", str(home.logs)))],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            start_new_session=True,
            env=a_terminals_own() | home.env | {"TERM": "xterm-256color"} | env,
        )
        os.close(theirs)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Nothing of it outlives the block."""
        try:
            yield
        finally:
            self.child.kill()
            self.child.wait()
            os.close(self.ours)

    def text(self) -> str:
        """The screen now: everything that was written so far, drawn."""
        while select.select([self.ours], [], [], 0.02)[0]:
            try:
                self.wrote += (read := os.read(self.ours, 65_536))
            except OSError:
                break  # the other side is closed
            self._stream.feed(read)
        return "\n".join(self._screen.display)

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self.ours, key.encode())

    def left(self) -> int:
        """The exit code, once it has left."""
        deadline = time.monotonic() + PATIENCE_S
        while self.child.poll() is None:
            assert time.monotonic() < deadline, "it does not leave"
            self.text()
        return self.child.returncode


def test_on_a_terminal_without_a_locale_all_is_ascii_a_remapped_key_kills_and_the_terminal_is_given_back(home: Home) -> None:
    settings = home.folder / "config" / "pmm-tui" / "tui.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('fps = 4\n\n[keymap]\nkill = "!"\n')
    screen = Pty(home, 160, 48, TERM="linux", LANG="C", LC_ALL="", LC_CTYPE="")
    with screen.open():
        assert " !  KILL" in screen.wait("QUOTING 1 of")
        assert "+- Safe? ---" in screen.wait("+- Fills") and "::: PAPER :::" in screen.text()
        screen.press("!")
        screen.wait("holds no open order")
        screen.press("q")
        assert screen.left() == 0
    assert screen.wrote.isascii() and len(screen.wrote) > 10_000


def test_settings_that_are_wrong_stop_the_console_before_it_starts_and_say_where(home: Home) -> None:
    settings = home.folder / "config" / "pmm-tui" / "tui.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("fps = 3\n")
    assert home.call("locate").stdout == f"{settings}\n"
    screen = Pty(home, 100, 30)
    with screen.open():
        screen.wait("line 1: fps: found 3; allowed: 1, 2, 4, 10")
        assert screen.left() == 2
    assert desks(home) == [], "no desk was started for it"


def test_a_terminal_that_reads_nothing_and_then_hangs_up_ends_the_console_and_no_desk(home: Home) -> None:
    screen = Pty(home, 160, 48)
    screen.wait("QUOTING 1 of")
    (pid,) = desks(home)
    unread = [-1, -2]
    while len(set(unread[-5:])) > 1:  # until nothing more fits
        size = struct.pack("HHHH", 48, 160 - len(unread) % 2, 0, 0)
        fcntl.ioctl(screen.ours, termios.TIOCSWINSZ, size)
        screen.child.send_signal(signal.SIGWINCH)
        time.sleep(0.1)
        unread.append(struct.unpack("i", fcntl.ioctl(screen.ours, termios.FIONREAD, b"0000"))[0])
    os.close(screen.ours)
    try:
        waited(lambda: screen.child.poll() is not None)
    finally:
        screen.child.kill()
        screen.child.wait()
    assert desks(home) == [pid]
