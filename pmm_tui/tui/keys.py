"""The one table of keys: bindings, footer, help and the too-small screen are all made from it."""

from collections.abc import Callable

from msgspec import Struct

from pmm_tui.tui.state import Scene

ARM_S = 0.5
"""A dialog hears nothing for so long after it opens."""
REPEAT_S = 0.08
"""Two keys closer than this are a held key."""


class Key(Struct, frozen=True):
    """One thing the operator can do. `keys` are the terminal library's names, `show` what the operator reads."""

    id: str
    keys: tuple[str, ...]
    show: str
    label: str
    help: str = ""
    """Empty: told together with the key before it."""
    risk: str = "none"
    """none | frees: lowers risk, one press | costs: shows first | adds: asks first, typed on LIVE"""
    footer: int = 0
    """0: not in the footer; else its rank there: a narrow footer drops the highest ranks first."""
    small: bool = False
    """Works, and is named, on a screen that is too small."""
    over: bool = False
    """Heard before any screen or library hears it."""
    when: str = ""
    """"" | tape | killed | two: otherwise left out of the footer."""


KEYS: tuple[Key, ...] = (
    Key("toggle", ("space",), "space", "pause", "pull all quotes; again: resume (typed on LIVE)", "frees", 1, True),
    Key("toggle_market", ("p",), "p", "pause market", "the same for the selected market only", "frees"),
    Key("flatten", ("f",), "f", "flatten", "sell the selected market's net position", "costs", 3),
    Key("flatten_all", ("F",), "F", "flatten all", "sell every market's net position", "costs"),
    Key("kill", ("K",), "K", "KILL", "stop quoting, cancel all, verify, latch", "frees", 1, True, True),
    Key("kill_typing", ("ctrl+k",), "ctrl+k", "KILL", "the same, also while a phrase is being typed", "frees", over=True),
    Key("reset", ("R",), "R", "reset kill", "reopen after a kill: typed, with the reason", "adds", 1, when="killed"),
    Key("reload", ("r",), "r", "reload", "read the profile again, show what changed", "adds", 5),
    Key("flip", ("e",), "e", "other desk", "the keys go to the other desk, which is shown", footer=3, when="two"),
    Key("faster", ("plus", "equals_sign"), "+", "speed", "tape: faster, slower, next speed (1, 10, max)", footer=4, when="tape"),
    Key("slower", ("minus",), "-", "slower"),
    Key("speed", ("s",), "s", "next speed"),
    Key("down", ("down", "j"), "↑↓", "market", "next and previous market", footer=7),
    Key("up", ("up", "k"), "j k", "previous market"),
    Key("next_pane", ("tab",), "tab", "pane", "next and previous pane, at full size", footer=6, over=True),
    Key("last_pane", ("shift+tab",), "shift+tab", "previous pane", over=True),
    Key("pane1", ("1",), "1", "dashboard", "board, ladder, orders, fills, risk, P&L, log"),
    *(Key(f"pane{number}", (str(number),), str(number), f"pane {number}") for number in range(2, 8)),
    Key("back", ("escape",), "esc", "back", "back to the dashboard; in a question: no"),
    Key("help", ("question_mark", "f1"), "?", "help", "this list", footer=2),
    Key("quit", ("q", "ctrl+q"), "q", "quit", "leave; a desk started elsewhere keeps running", footer=2, small=True),
    Key("stop", ("Q",), "Q", "stop desk", "cancel everything and end the desk", "costs"),
)  # fmt: skip

RISKS = {"none": "", "frees": "at once", "costs": "shows first", "adds": "asks first"}
_LABELS: dict[str, Callable[[Scene], str]] = {
    "toggle": lambda scene: "resume" if scene.frame is not None and scene.frame.snapshot.phase == "paused" else "pause",
}


def applies(key: Key, scene: Scene) -> bool:
    """Whether a key can do something now."""
    if key.when == "tape":
        return scene.frame is not None and scene.frame.card.source == "tape"
    if key.when == "two":
        return scene.beside is not None
    if key.when == "killed":
        return scene.stopped
    return not (key.id == "toggle" and scene.stopped)


def label(key: Key, scene: Scene) -> str:
    """What the footer calls a key now."""
    return _LABELS[key.id](scene) if key.id in _LABELS else key.label


class Arming:
    """Keeps a held or hurried key from confirming anything: deaf at first, and deaf to keys that follow too close."""

    def __init__(self, now: float) -> None:
        self._opened = self._last = now

    def accepts(self, now: float) -> bool:
        """Whether a key pressed now counts. Every press is noted, so a held key never counts."""
        apart, self._last = now - self._last, now
        return now - self._opened >= ARM_S and apart >= REPEAT_S


class Typed:
    """A phrase being typed: what is pasted or held down is refused. With `wants_reason`, a reason follows the phrase."""

    BURST_S = 0.01
    BURST_KEYS = 3
    LONGEST = 120
    REASON_LETTERS = 4

    def __init__(self, phrase: str, now: float, wants_reason: bool = False) -> None:
        self.phrase = phrase
        self.wants_reason = wants_reason
        self.text = ""
        self.note = ""
        self._opened = self._last = now
        self._last_char = ""
        self._hurried = 0

    @property
    def reason(self) -> str:
        """What follows the phrase."""
        return self.text[len(self.phrase) :].strip() if self.text.startswith(self.phrase) else ""

    @property
    def matches(self) -> bool:
        """Whether Enter would confirm."""
        if not self.wants_reason:
            return self.text.strip() == self.phrase
        return self.text.startswith(self.phrase + " ") and len(self.reason) >= self.REASON_LETTERS

    def type(self, char: str, now: float) -> None:
        """One printable character."""
        apart, self._last = now - self._last, now
        if now - self._opened < ARM_S:
            return
        self._hurried = self._hurried + 1 if apart < self.BURST_S else 0
        if self._hurried >= self.BURST_KEYS:
            self.refuse_paste()
            return
        if char == self._last_char and apart < REPEAT_S:
            return
        self._last_char = char
        self.note = ""
        if len(self.text) < self.LONGEST:
            self.text += char

    def erase(self, everything: bool = False) -> None:
        """Backspace, or the whole line."""
        self.text = "" if everything else self.text[:-1]
        self._last_char = ""

    def refuse_paste(self) -> None:
        """What came too fast for fingers is thrown away."""
        self.text = ""
        self.note = "paste refused: type it"
