"""Opens the console on desks until its operator leaves."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.api.client import Client
from pmm_tui.api.protocol import Args, Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.charset import drawable
from pmm_tui.tui.config import RATES, Config, read_config
from pmm_tui.tui.elsewhere import Elsewhere, Source
from pmm_tui.tui.state import Symbols

SLOW_HZ = 2
CUT_OFF = 1
"""Nobody left: the console was ended."""


class Wish(Struct, frozen=True):
    """How the console shall be opened. Without `keep`, q also stops what is not real money."""

    keep: bool = True
    read_only: bool = False
    allow_kill: bool = False
    low_bandwidth: bool = False
    fps: int = 0
    """0: as the settings say."""
    mouse: bool = True
    symbols: Symbols | None = None


class KillsOnly:
    """A desk that is looked at through a connection which the desk obeys in nothing, and killed through another."""

    def __init__(self, looks: Source, kills: Source) -> None:
        self._looks, self._kills = looks, kills

    def latest(self) -> Frame | None:
        """The newest picture."""
        return self._looks.latest()

    def link(self) -> Link:
        """How the desk is reached."""
        return self._looks.link()

    async def command(self, cmd: str, args: Args) -> tuple[bool, str]:
        """A kill goes through; whatever else is asked, the desk refuses."""
        return await (self._kills if cmd == "kill" else self._looks).command(cmd, args)


class Connections:
    """The ways to the desks of one console: opened by `reach`, kept up once `listen` was called inside the loop."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._unheard: list[Client] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def reach(self, socket: Path) -> Source:
        """One desk, as the wish allows."""
        looks = self._client(socket, read_only=self._wish.read_only)
        if not (self._wish.read_only and self._wish.allow_kill):
            return looks
        return KillsOnly(looks, self._client(socket, console=False))

    def _client(self, socket: Path, *, read_only: bool = False, console: bool = True) -> Client:
        self._unheard.append(Client(socket, _actor(), read_only=read_only, console=console))
        return self._unheard[-1]

    def listen(self) -> None:
        """Keep up what was reached since."""
        while self._unheard:
            self._tasks.add(asyncio.get_running_loop().create_task(self._unheard.pop().run()))

    def connect(self, socket: Path) -> Source:
        """Another desk, while the console runs."""
        source = self.reach(socket)
        self.listen()
        return source

    async def close(self) -> None:
        """Let all of them go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def settings(wish: Wish) -> Config:
    """tui.toml with what was asked for over it. ConfigRefused where it is wrong: before the start there are no last good settings."""
    if wish.fps and wish.fps not in RATES:
        raise ValueError(f"--fps: found {wish.fps}; allowed: {', '.join(map(str, RATES))}")
    config = read_config(symbols="braille" if "TEXTUAL_DRIVER" in os.environ else drawable(os.environ, bool(sys.flags.utf8_mode)))
    if wish.low_bandwidth:
        os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "256")  # read when the library is imported, which is later
        config = replace(config, fps=min(config.fps, SLOW_HZ), symbols="block" if config.symbols == "braille" else config.symbols)
    return replace(config, fps=wish.fps or config.fps, symbols=wish.symbols or config.symbols, mouse=config.mouse and wish.mouse)


def open_console(sockets: Sequence[Path], wish: Wish, elsewhere: Elsewhere | None = None) -> int:
    """0 once its operator left it; 1 where a signal or a hang-up ended it, which is no word about any desk."""
    config = settings(wish)

    from pmm_tui.tui.app import PmmApp
    from pmm_tui.tui.terminal import GIVE_BACK, KEEP_TITLE, Terminal, say_plain

    in_browser = "TEXTUAL_DRIVER" in os.environ
    connections = Connections(wish)
    app = PmmApp(
        *[connections.reach(socket) for socket in sockets], config=config, read_only=wish.read_only, allow_kill=wish.allow_kill,
        elsewhere=elsewhere, connect=connections.connect, driver_class=None if in_browser else Terminal,
    )  # fmt: skip
    app.stops_paper = not wish.keep

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(one, app.exit, None, CUT_OFF)
        connections.listen()
        try:
            await app.run_async(mouse=config.mouse)
        finally:
            await connections.close()

    if in_browser:
        asyncio.run(main())
        return app.return_code or 0
    say_plain(KEEP_TITLE)
    try:
        asyncio.run(main())
    finally:
        say_plain(GIVE_BACK)
    return app.return_code or 0


def _actor() -> str:
    """Who this is, for the journal: the terminal."""
    try:
        return f"console:{os.ttyname(sys.stdin.fileno()).removeprefix('/dev/')}"
    except OSError:
        return "console:notty"
