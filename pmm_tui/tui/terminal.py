"""The console's terminal: one that hangs up is written to no more, so that the console can leave, and its title says the mode."""

import os
import sys
from typing import TYPE_CHECKING, TextIO

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp
    from pmm_tui.tui.state import Scene

KEEP_TITLE, GIVE_BACK = "\x1b[22;0t", "\x1b[23;0t"
"""The terminal puts its window's title aside, and back."""


class Line:
    """What the screen is written to. After a hang-up everything is thrown away: a writer that died would be waited for without end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.gone = False

    def fileno(self) -> int:
        """The terminal's."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Whether it is one."""
        return self._file.isatty()

    def write(self, text: str) -> int:
        """Write, or throw away."""
        if not self.gone:
            try:
                return self._file.write(text)
            except OSError:
                self.gone = True
        return len(text)

    def flush(self) -> None:
        """Send what was written, or throw it away."""
        if not self.gone:
            try:
                self._file.flush()
            except OSError:
                self.gone = True


class Terminal(LinuxDriver):
    """The library's driver on a line that may hang up."""

    def __init__(self, app: "PmmApp", *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.line = Line(self._file) if self._file is not None else None
        self._file = self.line  # type: ignore[assignment]  # it writes and flushes like the file in it


def say_plain(text: str) -> None:
    """Write to the terminal outside the library's time; nothing where it is gone."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        return


class Herald:
    """Says outside the screen what an operator must not miss: the window's title names the mode and carries !! until an alarm was
    acknowledged, and the bell rings once for each alarm."""

    def __init__(self) -> None:
        self.alarmed = False
        self._known: set[str] = set()
        self.title = ""

    def tell(self, app: "PmmApp", scenes: list["Scene"]) -> None:
        """Look at every desk that is shown."""
        now = {alarm for scene in scenes for alarm in _alarms(scene)}
        if now - self._known:
            self.alarmed = True
            app.bell()
        self._known = now
        self.alarmed = self.alarmed and bool(now)
        word = "LIVE $" if any(scene.live for scene in scenes) else "REHEARSAL" if scenes[0].rehearsing else "PAPER"
        title = f"{'!! ' if self.alarmed else ''}PMM {word}"
        if title != self.title:
            self.title = title
            app.write_outside(f"\x1b]2;{title}\x07" + (f"\x1bk{title}\x1b\\" if "TMUX" in os.environ else ""))


def _alarms(scene: "Scene") -> list[str]:
    """What an operator must come for: a kill, and a desk with real money that is not heard."""
    if scene.frame is None or scene.replayed:
        return []
    run = scene.frame.card.run
    gone = scene.live and scene.lost and not scene.link.ended
    return [f"{run} killed"] * scene.stopped + [f"{run} lost"] * gone
