"""Dialogs: help, a question answered by y, and a phrase that must be typed. All deaf for half a second, none confirmed by a held key."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from pmm_tui.tui.dialogs import asked
from pmm_tui.tui.dialogs.arming import ARM_S, Arming, Typed, pressed
from pmm_tui.tui.format import fit
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.memory import sweep
from pmm_tui.tui.rows.lines import Panel, Row, Span
from pmm_tui.tui.state import Scene
from pmm_tui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from pmm_tui.tui.elsewhere import Source

Clock = Callable[[], float]


class Dialog(ModalScreen[str]):
    """A framed box of rows in the middle of the screen, which names its desk. Dismissed with "" (no) or what was answered."""

    types: ClassVar[bool] = False
    """Whether letters are text here, so that K is none of the desk's business."""
    asks: ClassVar[bool] = False
    """Whether its answer does something to a desk: a key that is held down since before it opened is not heard."""

    def __init__(self, title: str, rows: list[Row], scene: Scene, note: str = "esc cancels") -> None:
        super().__init__()
        self.about: tuple[Source, ...] = ()
        """The desks that it names and its kill keys go to; none: the one that the keys go to."""
        self._title = asked.title(scene, title) if title else ""
        self._rows = rows
        self._scene = scene
        self._note = note

    def compose(self) -> ComposeResult:
        """One pane, as large as its rows."""
        yield Pane(self.build, classes="dialog")

    def on_mount(self) -> None:
        """As large as it needs; the pane draws when it has its size."""
        pane = self.query_one(Pane)
        pane.styles.height = self.tall
        pane.styles.width = self.wide
        self.redraw()

    def on_unmount(self) -> None:
        """Leave nothing behind."""
        sweep(self.app)

    @property
    def tall(self) -> int:
        """Rows, with the frame; the screen's height where that is less."""
        return len(self._rows) + 2 + len(self.tail(10))

    @property
    def wide(self) -> int | str:
        """Cells, with the frame; the screen's width where that is less."""
        return 78

    def redraw(self) -> None:
        """Build the rows again."""
        self.query_one(Pane).apply(self._scene)

    def build(self, _: Scene, width: int, height: int) -> Panel:
        """The question; a long one keeps its first lines and the answers, and says that there is more."""
        tail, rows = self.tail(width), self._rows
        if len(rows) > (room := max(0, height - len(tail))):
            told = fit(f" … and {len(rows) - room + 1} lines more, for which this terminal is too low", width)
            rows = [*rows[: room - 1], ((told, "warn"),)] if room else []
        return Panel(self._title, [*rows, *tail], self._note, self.tone)

    @property
    def tone(self) -> str:
        """Style of the frame."""
        return "frame-live" if self._scene.live else "title"

    def tail(self, width: int) -> list[Row]:
        """Rows below the question."""
        return []


class Help(Dialog):
    """Scrolls where it is longer than the screen; any other key closes it."""

    def __init__(self, title: str, rows: list[Row], scene: Scene) -> None:
        super().__init__(title, rows, scene)
        self._first = 0

    def build(self, _: Scene, width: int, height: int) -> Panel:
        """As many rows as fit, from the first one that is looked at."""
        self._first = max(0, min(self._first, len(self._rows) - height))
        more = len(self._rows) - height - self._first
        scrolls = f"{more} more below: ↓   any other key closes" if more > 0 else "↑ back   any other key closes"
        note = scrolls if more > 0 or self._first else "any key closes"
        return Panel(self._title, self._rows[self._first : self._first + height], note, self.tone)

    def on_key(self, event: events.Key) -> None:
        """Scroll, or close."""
        event.stop()
        step = {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": 10, "space": 10, "pageup": -10, "end": 999, "home": -999}.get(event.key)
        if step is None or len(self._rows) <= self.query_one(Pane).size.height - 2:
            self.dismiss("")
            return
        self._first += step
        self.redraw()


class Notice(Dialog):
    """Something to read; any key closes it."""

    def __init__(self, title: str, rows: list[Row], scene: Scene) -> None:
        super().__init__(title, rows, scene, "any key closes")

    def on_key(self, event: events.Key) -> None:
        """Close."""
        event.stop()
        self.dismiss("")


class Confirm(Dialog):
    """A key confirms, once armed; everything else is no, except a key that comes too early or too fast.

    `choices` are the keys and what they do, the first one offered first. Dismissed with the key, or with "" for no.
    """

    asks = True

    def __init__(self, title: str, rows: list[Row], scene: Scene, clock: Clock, choices: dict[str, str], arm_s: float = ARM_S) -> None:
        super().__init__(title, rows, scene, "esc cancels" if "n" in choices else "esc or n cancels")
        self._clock = clock
        self._choices = choices
        self._arm_s = arm_s
        self._arming = Arming(clock(), arm_s)
        self._unheard = False

    def tail(self, width: int) -> list[Row]:
        """The choices, with no as the one that Enter takes."""
        cancel: Row = ((" [ Cancel ] ", "key"), ("   ", ""))
        each: list[Row] = [((f" {key} ", "danger"), (f" {action}", "bold")) for key, action in self._choices.items()]
        each = [(*cancel, *each[0])] if len(each) == 1 else [cancel, *each]
        deaf: Span = (f" keys are ignored for {self._arm_s:g} s after opening, and while held down", "dim")
        if self._unheard:
            deaf = (" not heard: too early, or held down; let go for a second, then press once", "warn")
        return [(), *each, ((fit(deaf[0], width), deaf[1]),)]

    def on_key(self, event: events.Key) -> None:
        """One of the choices, or no."""
        event.stop()
        ready = self._arming.accepts(event.key, pressed(self._clock(), event))
        if event.key == "escape" or (event.key == "n" and "n" not in self._choices):
            self.dismiss("")
        elif ready and event.key in self._choices:
            self.dismiss(event.key)
        elif ready and event.key == "enter":
            self.dismiss("")
        elif event.key in self._choices and not self._unheard:
            self._unheard = True
            self.redraw()


class TypePhrase(Dialog):
    """Enter confirms only when the phrase stands there; it is typed, never pasted. Dismissed with the reason, or with the phrase."""

    types = asks = True

    def __init__(
        self, title: str, rows: list[Row], scene: Scene, clock: Clock, phrase: str, wants_reason: bool = False, arm_s: float = ARM_S
    ) -> None:
        super().__init__(title, rows, scene, f"esc cancels   {key_of('kill.typing')} KILL")
        self._clock = clock
        self.typed = Typed(phrase, clock(), wants_reason, arm_s)

    def tail(self, width: int) -> list[Row]:
        """The phrase asked for, what is typed so far, and which of the two answers Enter would give."""
        typed = self.typed
        why: Row = (("  and, behind it, why it is safe", ""),) if typed.wants_reason else ()
        shown = typed.text[-(width - 6) :]
        matches = typed.matches
        return [
            (),
            ((" Type  ", ""), (typed.phrase, "ours"), *why),
            ((" ▏", "dim"), (f"{shown}", "bold"), ("▏", "ours")),
            ((f" {typed.note}", "warn") if typed.note else (fit(f" {typed.DEAF.format(typed.arm_s)}", width), "dim"),),
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
