"""The console's terminal: in signs that it has; one that hangs up is written to no more; its title says the mode."""

import asyncio
import os
import signal
import sys
import termios
import time
from typing import TYPE_CHECKING, TextIO

from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region, Size
from textual.message import Message

from pmm_tui.tui.charset import table
from pmm_tui.tui.dialogs.question import Dialog
from pmm_tui.tui.exposed import exposed, foreign
from pmm_tui.tui.keyboard import listen
from pmm_tui.tui.signs import unseen
from pmm_tui.tui.state import desk_verdict
from pmm_tui.tui.storms import Storms
from pmm_tui.tui.troubles import CLOSED, UNPROVEN, mismatch
from pmm_tui.tui.widgets.brush import GAP, Brush, Cover
from pmm_tui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp
    from pmm_tui.tui.state import Scene

KEEP_TITLE, GIVE_BACK = "\x1b[22;0t", "\x1b[23;0t"
"""The terminal puts its window's title aside, and back."""

TURN_S = 0.002
"""After so long the next pane waits for the next turn of the loop."""


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
    """The library's driver on a line that may hang up, and that may lack signs."""

    def __init__(self, app: "PmmApp", *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.line = Line(self._file) if self._file is not None else None
        self._file = self.line  # type: ignore[assignment]  # it writes and flushes like the file in it
        self._console, self._term = app, os.environ.get("TERM", "")
        if os.isatty(self.fileno):
            termios.tcflush(self.fileno, termios.TCIFLUSH)  # typed before there was a console: not meant for it

    def start_application_mode(self) -> None:
        """Take the terminal. Its size is asked for in the loop: the library does so within its signal's handler, which the next signal
        interrupts, and then the older of two sizes is told last and stays."""
        super().start_application_mode()  # type: ignore[no-untyped-call]  # the library names no type
        asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, self._resized)

    def _resized(self) -> None:
        if not self._in_band_window_resize:
            size = Size(*self._get_terminal_size())
            self._app.post_message(events.Resize(size, size))

    def run_input_thread(self) -> None:
        """Read keys as a console of ours reads them."""
        listen(self.fileno, self.exit_event, self.process_message)

    def process_message(self, message: Message) -> None:
        """Hand it to the console; a key that came faster than keys are read is left out here, where that costs nothing."""
        if not isinstance(message, events.Key) or self._console.ears.have_room(message, self._console.keys):
            super().process_message(message)

    def write(self, data: str) -> None:
        """Write, in signs that this terminal has."""
        signs = table(self._console.config.symbols, self._term)
        super().write(data if signs is None else data.translate(signs))


class Easel:
    """Paints the panes, also round a dialog: with a brush on a terminal of ours, else the library does."""

    def __init__(self) -> None:
        self._panes: list[Pane] = []
        self._brush: Brush | None = None
        self._pictures = 0

    def paint(self, app: "PmmApp", shown: "Scene") -> None:
        """A picture as a whole, at once."""
        self._pictures += 1
        self._panes = self._panes or list(app.screen_stack[0].query(Pane))
        brush = self._brush_for(app)
        with app.batch_update():
            for pane in self._panes:
                pane.apply(shown, brush)
        if brush is not None:
            self._write(app, brush)

    async def paint_in_turns(self, app: "PmmApp", shown: "Scene") -> None:
        """A picture as a whole, made in several turns of the loop; given up where another one is painted between them."""
        brush = self._brush_for(app)
        if brush is None:
            self.paint(app, shown)
            return
        self._pictures += 1
        this, began = self._pictures, time.perf_counter()
        for pane in self._panes:
            pane.apply(shown, brush)
            if time.perf_counter() - began > TURN_S:
                await asyncio.sleep(0)
                if self._pictures != this:
                    return
                if self._brush_for(app) is not brush:
                    self._give_up(brush)
                    return
                began = time.perf_counter()
        self._write(app, brush)

    def _write(self, app: "PmmApp", brush: Brush) -> None:
        """One writing, which the terminal shows at once where it can."""
        if brush.cover is not None:
            app.screen._set_dirty()  # its own painting of what is round the dialog is an old one
        if text := brush.take():
            app.write_outside(f"{SYNC_START}{text}{SYNC_END}" if app._sync_available else text)

    def _give_up(self, brush: Brush) -> None:
        """What was made would be written over something else by now: the library paints the panes."""
        brush.take()
        for pane in self._panes:
            pane.restyle()

    def _brush_for(self, app: "PmmApp") -> Brush | None:
        """None where the library has to paint: no terminal of ours, a dialog that has no place yet, or one over another."""
        if not isinstance(app._driver, Terminal):
            return None
        cover = None
        if len(app.screen_stack) > 1 and (cover := _cover(app)) is None:
            return None
        if self._brush is None or (self._brush.theme, self._brush.cover) != (app.theme, cover):
            self._brush = Brush(app.theme, cover)
        return self._brush


def _cover(app: "PmmApp") -> Cover | None:
    top = app.screen
    if len(app.screen_stack) > 2 or not isinstance(top, Dialog):
        return None
    place = next((pane.region for pane in top.query(Pane)), Region())
    return Cover(top.styles.background, place) if place.width > GAP else None


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
        self.storms = Storms()
        self._known: set[str] = set()
        self.title = ""

    def tell(self, app: "PmmApp", scenes: list["Scene"]) -> str:
        """Look at every desk that is shown. The alarms that are new, in words."""
        now = {alarm for scene in scenes for alarm in _alarms(scene)}
        if fresh := sorted(now - self._known):
            self.alarmed = True
            if app.config.bell:
                app.bell()
        self._known = now
        self.alarmed = self.alarmed and bool(now)
        word = "LIVE $" if any(scene.live for scene in scenes) else "REHEARSAL" if scenes[0].rehearsing else "PAPER"
        title = f"{'!! ' if self.alarmed else ''}PMM {word}"
        if title != self.title:
            self.title = title
            app.write_outside(f"\x1b]2;{title}\x07" + (f"\x1bk{title}\x1b\\" if "TMUX" in os.environ else ""))
        return ", ".join(fresh)


def _alarms(scene: "Scene") -> list[str]:
    """What an operator must come for: a kill, what may cost money unseen, and a desk with real money that is not heard."""
    if scene.frame is None or scene.replayed:
        return []
    card, snapshot = scene.frame.card, scene.frame.snapshot
    alarms = {
        "told to stop": bool(scene.unanswered),
        "killed": scene.stopped,
        "kill not confirmed": desk_verdict(scene).word == UNPROVEN,
        "broken": bool(card.busy),
        "not as its account": mismatch(snapshot) is not None,
        "exposed": bool(exposed(scene.frame)),
        "beyond its alert level": not scene.stopped and snapshot.money.drawdown_pct >= snapshot.money.alert_pct,
        "without a venue": card.mode == "LIVE" and snapshot.venue.mode in CLOSED,
        "refused": bool(scene.storm),
        "not watched": unseen(scene),
        "traded by another": bool(foreign(scene.frame)),
        "lost": scene.live and scene.lost and not scene.link.ended,
    }
    return [f"{card.run} {what}" for what, so in alarms.items() if so]
