"""Opens the console on desks until its operator leaves."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.api.protocol import Args, Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.config import RATES, read_config
from pmm_tui.tui.elsewhere import Elsewhere
from pmm_tui.tui.state import Symbols

if TYPE_CHECKING:
    from pmm_tui.tui.app import Source

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

    def __init__(self, looks: "Source", kills: "Source") -> None:
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


def open_console(sockets: Sequence[Path], wish: Wish, elsewhere: Elsewhere | None = None) -> int:
    """0 once its operator left it; 1 where a signal or a hang-up ended it, which is no word about any desk.

    ConfigRefused where tui.toml is wrong: before the start there are no last good settings.
    """
    if wish.fps and wish.fps not in RATES:
        raise ValueError(f"--fps: found {wish.fps}; allowed: {', '.join(map(str, RATES))}")
    config = read_config()
    if wish.low_bandwidth:
        os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "256")  # read when the library is imported, below
        config = replace(config, fps=min(config.fps, SLOW_HZ), symbols="block")
    config = replace(config, fps=wish.fps or config.fps, symbols=wish.symbols or config.symbols, mouse=config.mouse and wish.mouse)

    from pmm_tui.api.client import Client
    from pmm_tui.tui.app import PmmApp
    from pmm_tui.tui.terminal import GIVE_BACK, KEEP_TITLE, Terminal, say_plain

    in_browser = "TEXTUAL_DRIVER" in os.environ
    listening: set[asyncio.Task[None]] = set()
    unheard: list[Client] = []

    def reach(socket: Path) -> "Source":
        looks = Client(socket, _actor(), read_only=wish.read_only)
        unheard.append(looks)
        if not (wish.read_only and wish.allow_kill):
            return looks
        kills = Client(socket, _actor(), console=False)
        unheard.append(kills)
        return KillsOnly(looks, kills)

    def listen() -> None:
        while unheard:
            listening.add(asyncio.get_running_loop().create_task(unheard.pop().run()))

    def connect(socket: Path) -> "Source":
        source = reach(socket)
        listen()
        return source

    app = PmmApp(
        *[reach(socket) for socket in sockets], config=config, read_only=wish.read_only, allow_kill=wish.allow_kill,
        elsewhere=elsewhere, connect=connect, driver_class=None if in_browser else Terminal,
    )  # fmt: skip
    app.stops_paper = not wish.keep

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(one, app.exit, None, CUT_OFF)
        listen()
        try:
            await app.run_async(mouse=config.mouse)
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)

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
