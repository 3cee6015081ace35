"""Dialogs: help, a question answered by y, and a phrase that must be typed. All deaf for half a second, none confirmed by a held key."""

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from pmm_tui.tui.format import fit
from pmm_tui.tui.keys import Arming, Typed
from pmm_tui.tui.rows.lines import Panel, Row
from pmm_tui.tui.state import Scene
from pmm_tui.tui.widgets.pane import Pane

Clock = Callable[[], float]


class Dialog(ModalScreen[str]):
    """A framed box of rows in the middle of the screen. Dismissed with "" (no) or what was answered."""

    def __init__(self, title: str, rows: list[Row], scene: Scene, note: str = "esc cancels") -> None:
        super().__init__()
        self._title = title
        self._rows = rows
        self._scene = scene
        self._note = note

    def compose(self) -> ComposeResult:
        """One pane, as large as its rows."""
        yield Pane(self.build, classes="dialog")

    def on_mount(self) -> None:
        """As high as its rows; the pane draws when it has its size."""
        self.query_one(Pane).styles.height = len(self._rows) + 2 + len(self.tail(10))
        self.redraw()

    def redraw(self) -> None:
        """Build the rows again."""
        self.query_one(Pane).apply(self._scene)

    def build(self, _: Scene, width: int, height: int) -> Panel:
        """The question; a long one keeps its last lines, where the answer is."""
        tail = self.tail(width)
        return Panel(self._title, [*self._rows[: max(0, height - len(tail))], *tail], self._note, self.tone)

    @property
    def tone(self) -> str:
        """Style of the frame."""
        return "frame-live" if self._scene.live else "title"

    def tail(self, width: int) -> list[Row]:
        """Rows below the question."""
        return []


class Help(Dialog):
    """Any key closes it."""

    def on_key(self, event: events.Key) -> None:
        """Close."""
        event.stop()
        self.dismiss("")


class Confirm(Dialog):
    """y confirms, once armed; everything else is no, except a key that comes too early or too fast."""

    def __init__(self, title: str, rows: list[Row], scene: Scene, clock: Clock, action: str) -> None:
        super().__init__(title, rows, scene, "esc or n cancels")
        self._clock = clock
        self._action = action
        self._arming = Arming(clock())

    def tail(self, width: int) -> list[Row]:
        """The choice, with no as the one that Enter takes."""
        return [
            (),
            ((" [ Cancel ] ", "key"), ("   ", ""), (" y ", "danger"), (f" {self._action}", "bold")),
            ((fit(" keys are ignored for 0.5 s after opening, and while held down", width), "dim"),),
        ]

    def on_key(self, event: events.Key) -> None:
        """y, or no."""
        event.stop()
        ready = self._arming.accepts(self._clock())
        if event.key in ("escape", "n"):
            self.dismiss("")
        elif ready and event.key == "y":
            self.dismiss("y")
        elif ready and event.key == "enter":
            self.dismiss("")


class TypePhrase(Dialog):
    """Enter confirms only when the phrase stands there; it is typed, never pasted. Dismissed with the reason, or with the phrase."""

    def __init__(self, title: str, rows: list[Row], scene: Scene, clock: Clock, phrase: str, wants_reason: bool = False) -> None:
        super().__init__(title, rows, scene, "esc cancels   ctrl+k KILL")
        self._clock = clock
        self.typed = Typed(phrase, clock(), wants_reason)

    def tail(self, width: int) -> list[Row]:
        """The phrase asked for, what is typed so far, and which of the two answers Enter would give."""
        typed = self.typed
        asked = f"{typed.phrase} and why it is safe" if typed.wants_reason else typed.phrase
        shown = typed.text[-(width - 6) :]
        matches = typed.matches
        return [
            (),
            ((" Type  ", ""), (asked, "ours")),
            ((" ▏", "dim"), (f"{shown}", "bold"), ("▏", "ours")),
            ((f" {typed.note}", "warn"),),
            (
                (" [ Cancel ] ", "dim" if matches else "key"),
                ("   ", ""),
                (" Enter: do it ", "danger") if matches else (" Enter does nothing until the text matches", "dim"),
            ),
        ]

    def on_key(self, event: events.Key) -> None:
        """Typing."""
        event.stop()
        if event.key == "escape":
            self.dismiss("")
            return
        if event.key == "enter":
            if self.typed.matches:
                self.dismiss(self.typed.reason if self.typed.wants_reason else self.typed.phrase)
            elif not self.typed.text:
                self.dismiss("")
            return
        if event.key in ("backspace", "ctrl+u"):
            self.typed.erase(event.key == "ctrl+u")
        elif event.character is not None and event.is_printable:
            self.typed.type(event.character, self._clock())
        self.redraw()

    def on_paste(self, event: events.Paste) -> None:
        """Refused."""
        event.stop()
        event.prevent_default()
        self.typed.refuse_paste()
        self.redraw()
