"""The one table of keys: bindings, footer, help, palette and the too-small screen are all made from it, as remapped by the user."""

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame, Snapshot
from pmm_tui.tui.exposed import BARRED
from pmm_tui.tui.keynames import call_keys, key_of
from pmm_tui.tui.signs import mark, unseen
from pmm_tui.tui.state import OVER, Scene, cools_down, positions
from pmm_tui.tui.troubles import CLOSED

ALWAYS = ("kill", "kill.typing", "app.lock")
"""What a locked console still does to a desk, and the way out of the lock."""
MARKET, ORDERS, FILLS, RISK, LOG, COMPARE = 2, 3, 4, 5, 6, 8
"""The numbers of the screens that have keys of their own."""
SCROLLED = (ORDERS, FILLS, RISK, LOG, COMPARE)
"""Screens whose rows are moved through, not the markets."""


class Key(Struct, frozen=True):
    """One thing the operator can do. `keys` are the terminal library's names, `show` what the operator reads."""

    id: str
    keys: tuple[str, ...]
    show: str
    label: str
    help: str = ""
    """Empty: told together with the key before it."""
    risk: str = "none"
    """none | plays: moves a tape | frees: lowers risk, one press | costs: shows first | adds: asks first, typed on LIVE"""
    footer: int = 0
    """0: not in the footer; else its rank there: the lowest have their room first. What lowers risk at no cost stays longest."""
    small: bool = False
    """Works, and is named, on a screen that is too small."""
    over: bool = False
    """Heard before any screen or library hears it."""
    when: str = ""
    """"" | tape | replay | killed | two: otherwise left out of the footer."""
    screens: tuple[int, ...] = ()
    """The screens on which it does something; empty: all."""

    @property
    def dangerous(self) -> bool:
        """Whether it changes a desk: a read-only console does not have it."""
        return self.risk != "none"


Keys = tuple[Key, ...]
_SCREENS = ("dashboard", "market", "orders", "fills", "risk", "log", "runs", "compare")

KEYS: Keys = (
    Key("quote.toggle", ("space",), "space", "pause", "pull all quotes; again: resume (typed on LIVE)", "frees", 1, True),
    Key("quote.market", ("p",), "p", "pause market", "pull this market's quotes; again: resume", "frees"),
    Key("cancel", ("x",), "x", "cancel", "cancel this market's orders; it stays paused", "frees", 2),
    Key("cancel.all", ("X",), "X", "cancel all", "cancel every market's orders; all stay paused", "frees", 2, True),
    Key("flatten", ("f",), "f", "flatten", "close the selected market's net position", "costs", 5),
    Key("flatten.all", ("F",), "F", "flatten all", "close every market's net position", "costs"),
    Key("kill", ("K",), "K", "KILL", "stop quoting, cancel all, verify, latch", "frees", 1, True, True),
    Key("kill.typing", ("ctrl+k",), "ctrl+k", "KILL", "KILL, also while something is typed", "frees", over=True),
    Key("kill.reset", ("R",), "R", "reset kill", "reopen after a kill: typed, with the reason", "adds", 1, True, when="killed"),
    Key("mode", ("m",), "m", "mode", "to LIVE: typed; to PAPER: LIVE pauses at once", "adds", 9),
    Key("profile.reload", ("r",), "r", "reload", "the profile again: shows the change, then asks", "adds", 10),
    Key("ack", ("a",), "a", "ack", "an alarm was seen, and somebody is there", footer=8, small=True),
    Key("app.stop", ("Q",), "Q", "stop desk", "cancel everything and end the desk", "costs"),
    Key("target", ("e",), "e", "other desk", "the keys go to the other desk, which is shown", footer=2, small=True, when="two"),
    Key("tape.faster", ("greater_than_sign",), ">", "speed", "tape: faster, slower, next speed (1, 10, max)", "plays", 6, when="tape"),
    Key("tape.slower", ("less_than_sign",), "<", "slower", risk="plays"),
    Key("tape.speed", ("s",), "s", "next speed", risk="plays"),
    Key("replay.step", ("full_stop",), ".", "step", "replay: one event on; half a minute back, on", "plays", 6, when="replay"),
    Key("replay.back", ("left",), "←", "back", risk="plays", when="replay"),
    Key("replay.on", ("right",), "→", "on", risk="plays", when="replay"),
    *(
        Key(f"screen.{name}", (str(number),), str(number), name, "board market order fill risk log runs compare" * (number == 1))
        for number, name in enumerate(_SCREENS, start=1)
    ),
    Key("picker", ("ctrl+o",), "ctrl+o", "runs", "other runs and profiles: attach, start, diff"),
    Key("log", ("l",), "l", "log", "the log of this desk"),
    Key("back", ("escape",), "esc", "back", "clear a filter, go back; in a question: no"),
    Key("open", ("enter",), "enter", "open", "the selected market's own screen"),
    Key("move.down", ("down", "j"), "↑↓", "market", "next and previous market", footer=11),
    Key("move.up", ("up", "k"), "j k", "previous market"),
    Key("move.page_down", ("pagedown",), "pgdn", "page down", "ten (or the ladder) down, up; last and first"),
    Key("move.page_up", ("pageup",), "pgup", "page up"),
    Key("move.last", ("G", "end"), "G", "last"),
    Key("move.first", ("g", "home"), "g", "first"),
    Key("market.next", ("right_square_bracket",), "]", "next market", "next and previous market, on every screen"),
    Key("market.previous", ("left_square_bracket",), "[", "previous market"),
    Key("focus.next", ("tab",), "tab", "pane", "next and previous pane, or screen", footer=12, over=True),
    Key("focus.previous", ("shift+tab",), "shift+tab", "previous pane", over=True),
    Key("zoom", ("z",), "z", "zoom", "this pane as large as the screen, and back"),
    Key("filter", ("slash",), "/", "filter", "only markets or log lines with this; ! inverts", footer=8),
    Key("book.yes", ("y",), "y", "YES", "the book of YES, or of NO", footer=8, screens=(MARKET,)),
    Key("book.no", ("n",), "n", "NO", footer=8, screens=(MARKET,)),
    Key("book.depth", ("d",), "d", "depth", "levels of the ladder: 5, 10, 15, 25, all", footer=7, screens=(MARKET,)),
    Key("book.centre", ("c",), "c", "centre", "the ladder round the mid again after pgdn pgup", footer=7, screens=(MARKET,)),
    Key("book.unit", ("v",), "v", "unit", "prices in cents, or as probabilities 0 to 1", footer=7, screens=(MARKET,)),
    Key("book.bars", ("b",), "b", "bars", "the ladder's bars: linear, or by the logarithm", footer=7, screens=(MARKET,)),
    Key("layout", ("0",), "0", "layout", "0 to 9: screen, panes, depth, bars, unit"),
    Key("view.freeze", ("w",), "w", "freeze", "hold the display; the desks go on"),
    Key("view.time", ("t",), "t", "time", "UTC or local time"),
    Key("view.theme", ("T",), "T", "theme", "dark, light, colour-blind, mono, terminal's"),
    Key("view.faster", ("plus", "equals_sign"), "+", "faster", "look 1, 2, 4 or 10 times a second"),
    Key("view.slower", ("minus",), "-", "slower"),
    Key("copy", ("Y",), "Y", "copy", "copy the pane or the kill: clipboard and file"),
    Key("export", ("S",), "S", "export", "write this screen as CSV, SVG and text"),
    Key("app.lock", ("ctrl+l",), "ctrl+l", "lock", "kill and looking only, until UNLOCK is typed"),
    Key("config.reload", ("ctrl+r",), "ctrl+r", "config", "read tui.toml again"),
    Key("app.palette", ("colon", "ctrl+p"), ":", "palette", "every command by its name", footer=7),
    Key("app.help", ("question_mark", "f1"), "?", "help", "this list", footer=4),
    Key("app.detach", ("q", "ctrl+q"), "q", "quit", "leave; asks what a LIVE desk shall do", footer=3, small=True),
)  # fmt: skip


def _toggles(scene: Scene) -> str:
    if scene.frame is None:
        return "pause"
    if scene.replayed:
        return "play" if scene.frame.card.speed in ("0", "held") else "hold"
    return "resume" if scene.frame.snapshot.phase == "paused" else "pause"


def _market_paused(scene: Scene) -> bool:
    """Whether the selected market was paused by itself: then its own key resumes it."""
    row = scene.market
    return row is not None and row.state == "paused" and scene.frame is not None and scene.frame.snapshot.phase != "paused"


def _asked_for(scene: Scene) -> bool:
    """Whether a desk waits for a sign of its operator, and this console can give it."""
    return (scene.locked or not scene.read_only) and any(one is not None and unseen(one) for one in (scene, scene.beside))


def rank(key: Key, scene: Scene) -> int:
    """A key's rank in the footer now: what is the answer to what is shown stands there before the rest."""
    if key.id == "ack" and (scene.ringing or _asked_for(scene)):
        return 2
    if (key.id == "quote.market" and _market_paused(scene)) or (key.id == "view.freeze" and scene.frozen):
        return 3
    if key.id == "move.down" and scene.pane in SCROLLED:
        return 5
    if scene.frame is not None and key.id == ("flatten.all" if scene.pane in (RISK, LOG, COMPARE) else "flatten"):
        after = 5 if positions(scene.frame.snapshot) else 0
        return 2 if scene.frame.snapshot.phase == "alert" else key.footer or after
    return key.footer


def _production(scene: Scene | None) -> bool:
    return scene is not None and (scene.live or scene.rehearsing)


def _other(scene: Scene) -> str:
    """Where the keys go to next: a desk of another kind is called by that."""
    word = mark(scene.beside)[0] if scene.beside is not None else ""
    return f"to {word}" if word and word != mark(scene)[0] else "other desk"


IDS = frozenset(key.id for key in KEYS)
RISKY = frozenset(key.id for key in KEYS if key.risk in ("frees", "costs", "adds"))
"""What changes a desk."""
RISKS = {"none": "", "plays": "", "frees": "at once", "costs": "shows first", "adds": "asks first"}
_CANCELLING = ("cancel", "cancel.all", "flatten", "flatten.all")
"""What the venue has to take: closed or with a refused key it takes none of it, and after a proven kill there is nothing to cancel."""
_SOUND = ("flatten", "flatten.all", "kill.reset")
"""What a desk with a fault does not take, beside a resume."""
_OF_A_MARKET = ("quote.market", "cancel", "flatten")
"""What a desk does in the selected market."""
_LABELS: dict[str, Callable[[Scene], str]] = {
    "move.down": lambda scene: "scroll" if scene.pane in SCROLLED else "market",
    "target": _other,
    "quote.toggle": _toggles,
    "quote.market": lambda scene: "resume market" if _market_paused(scene) else "pause market",
    "ack": lambda scene: "I am here" if _asked_for(scene) else "ack",
    "view.freeze": lambda scene: "go on" if scene.frozen else "freeze",
    "focus.next": lambda scene: "next screen" if scene.pane > 1 else "pane",
    "book.unit": lambda scene: "cents" if scene.probability else "prob.",
    "book.bars": lambda scene: "linear" if scene.log_bars else "log bars",
}
_BRIEF = {
    "cancel all": "all", "flatten": "flat", "flatten all": "flat", "resume market": "resume", "reset kill": "reset", "I am here": "here",
    "next screen": "screen", "other desk": "other",
}  # fmt: skip
"""Labels where the footer is narrow."""
_SHOWN = {
    "question_mark": "?", "colon": ":", "slash": "/", "plus": "+", "minus": "-", "equals_sign": "=", "greater_than_sign": ">",
    "less_than_sign": "<", "left_square_bracket": "[", "right_square_bracket": "]", "escape": "esc", "pagedown": "pgdn",
    "pageup": "pgup", "comma": ",", "full_stop": ".", "semicolon": ";", "exclamation_mark": "!", "at": "@", "number_sign": "#",
    "dollar_sign": "$", "percent_sign": "%", "ampersand": "&", "asterisk": "*", "underscore": "_", "tilde": "~", "backslash": "\\",
}  # fmt: skip
NAMES = {shown: name for name, shown in _SHOWN.items()}
"""What an operator writes for a key, where that is not the library's own name of it."""
FORBIDDEN = frozenset({f"ctrl+{letter}" for letter in "abchijmsz"})
"""Taken by tmux, screen, the terminal, or the same as another key."""
KILLS = ("kill", "kill.typing")
_MOVING = ("up", "down", "left", "right", "pageup", "pagedown", "home", "end", "j", "k", "tab", "shift+tab", "ctrl+n")
DIALOGS_OWN = frozenset(("y", "n", "p", "c", "enter", "escape", "space", "backspace", "ctrl+u", *_MOVING))
"""What dialogs hear: answers, typing, moving. A kill key is heard over them, and whatever else changes a desk would be next."""
_PAUSES = ("quote.toggle", "quote.market")
_FOR_PAUSES = frozenset(["p", "space"])
"""A pause may have these of them all the same: its resume is asked or wants a key let go."""


def named(key: str) -> str:
    """A key as the terminal library names it."""
    return NAMES.get(key, key)


class Clash(ValueError):
    """Two ids would have one key."""

    def __init__(self, key: str, *ids: str) -> None:
        super().__init__(f"{_SHOWN.get(key, key)} is the key of {ids[0]} and of {ids[1]}")
        self.ids = ids


def unfit(id_: str, key: str) -> str:
    """What may be the key of this id, where this one may not; empty where it may."""
    if id_ in RISKY and key in DIALOGS_OWN - (_FOR_PAUSES if id_ in _PAUSES else frozenset()):
        return "a key that no dialog hears, as this one changes a desk"
    if id_ == "kill.typing" and (len(key) == 1 or key in _SHOWN):
        return "a key that types nothing, as ctrl+k or f10: it kills while something is typed, too"
    return ""


def remapped(keymap: Mapping[str, tuple[str, ...]], keys: Keys = KEYS) -> Keys:
    """The table with the user's keys. Clash where two ids would have one key."""
    made = tuple(
        replace(key, keys=keymap[key.id], show=" ".join(_SHOWN.get(name, name) for name in keymap[key.id])) if key.id in keymap else key
        for key in keys
    )
    owners: dict[str, str] = {}
    for key in made:
        for name in key.keys:
            if name in owners:
                raise Clash(name, owners[name], key.id)
            owners[name] = key.id
    return made


def call(keys: Keys) -> None:
    """Texts call the keys as this table has them, each by the first of its keys."""
    call_keys({key.id: _SHOWN.get(key.keys[0], key.keys[0]) for key in keys})


call(KEYS)


def harmless(keys: Keys, allow_kill: bool = False) -> Keys:
    """The table of a read-only console: what changes a desk is not in it at all."""
    return tuple(key for key in keys if not key.dangerous or (allow_kill and key.id in ("kill", "kill.typing")))


def locked() -> str:
    """What a locked console says of itself."""
    return f"locked: only {key_of('kill')} and looking; {key_of('app.lock')} unlocks"


def refusal(key: Key, scene: Scene) -> str:
    """Why a key is not obeyed where it is pressed; empty where it is."""
    frame, row = scene.frame, scene.market
    if scene.locked and (key.dangerous or key.id == "app.detach") and key.id not in ALWAYS:
        return locked()
    if scene.link.ended and key.risk in ("costs", "adds") and key.id != "mode" and not scene.replayed:
        return "this desk has ended: nothing was done"
    if key.screens and scene.pane not in key.screens:
        return f"{key.show} acts on the market screen alone"
    if scene.pane in (RISK, LOG, COMPARE) and key.id in _OF_A_MARKET:
        return f"{key.show} acts on a market, and this screen shows none: nothing was done"
    if frame is not None and frame.card.busy and (key.id in _SOUND or _resumes(key, scene)):
        return "DESK FAULT: this desk takes kill, pause, cancel, reload and stop alone"
    if key.id == "flatten" and row is not None and row.state in OVER:
        return "this market is over: nothing can be sold there"
    if key.id in ("quote.toggle", "quote.market") and scene.stopped and not scene.replayed:
        return f"the kill switch has tripped: nothing quotes until it is reset ({key_of('kill.reset')})"
    if key.id == "quote.market" and frame is not None and frame.snapshot.phase == "paused" and not scene.replayed:
        return f"the whole desk is paused: {key_of('quote.toggle')} resumes it"
    return ""


def _resumes(key: Key, scene: Scene) -> bool:
    """Whether a key would let quote again what is paused."""
    if key.id == "quote.market":
        return scene.market is not None and scene.market.state == "paused"
    return key.id == "quote.toggle" and _toggles(scene) == "resume"


def applies(key: Key, scene: Scene) -> bool:
    """Whether a key can do something now."""
    if refusal(key, scene):
        return False
    if scene.lost and key.risk in ("frees", "costs", "adds") and (scene.link.ended or key.id not in ("kill", "kill.typing")):
        return False
    if scene.replayed and (key.risk in ("frees", "costs", "adds") or key.id == "ack") and key.id not in ("quote.toggle", "app.stop"):
        return False
    if not _has_object(key, scene):
        return False
    if key.when == "tape":
        return scene.replayed or (scene.frame is not None and scene.frame.card.source == "tape")
    if key.when == "replay":
        return scene.replayed
    if key.when == "two":
        return scene.beside is not None
    if key.when == "killed":
        return scene.frame is not None and scene.frame.snapshot.phase == "killed" and cools_down(scene) <= 0
    return not (key.id == "quote.toggle" and scene.stopped and not scene.replayed)


def _has_object(key: Key, scene: Scene) -> bool:
    """Whether there is anything for the key to act on, and anybody who takes it."""
    told = [one.frame for one in (scene, scene.beside) if one is not None and one.frame is not None]
    if key.id == "ack":
        heard = any(one is not None and one.frame is not None and not one.lost for one in (scene, scene.beside))
        return scene.ringing or (heard and (scene.locked or not scene.read_only))
    if key.id == "mode":
        return not any(frame.card.busy for frame in told) and _leads(scene)
    if key.id in ("move.down", "move.up", "filter"):
        return _lists(key, scene, told)
    if (key.screens == (MARKET,) or key.id in (*_OF_A_MARKET, "open")) and scene.market is None:
        return False
    if key.id in _OF_A_MARKET and scene.market is not None and scene.market.state in OVER:
        return False
    if key.id in ("book.yes", "book.no"):
        return scene.no_side is (key.id == "book.yes")
    return key.id not in _CANCELLING or scene.frame is None or _takes(key, scene.frame.snapshot)


def _takes(key: Key, snapshot: Snapshot) -> bool:
    """Whether the venue takes what a key would cancel or sell, and there may be something of it."""
    if snapshot.phase == "killed" and key.id in ("cancel", "cancel.all"):
        return False
    if key.id == "flatten.all" and all(row.state in OVER for row in snapshot.markets):
        return False
    return snapshot.venue.mode not in (CLOSED if key.id in ("flatten", "flatten.all") else BARRED)


def _lists(key: Key, scene: Scene, told: list[Frame]) -> bool:
    """Whether there are rows to go through here, or to choose from."""
    filters = key.id == "filter"
    if scene.pane == COMPARE:
        return not filters and len(told) == 2 and all(frame.stats is not None for frame in told)
    if scene.pane in SCROLLED:
        return bool(told) and not (filters and not scene.filter and not any(_rows(scene.pane, frame.snapshot) for frame in told))
    return scene.frame is not None and len(scene.frame.snapshot.markets) > 1


def _rows(pane: int, snapshot: Snapshot) -> int:
    """How many rows of a desk a screen has that may be chosen from."""
    return len({ORDERS: snapshot.orders, FILLS: snapshot.fills, LOG: snapshot.notes}.get(pane, ()))


def _leads(scene: Scene) -> bool:
    """Whether the way from the one desk to the other leads anywhere: from production it pauses that; to it, it has to be able to quote."""
    if _production(scene):
        return not scene.stopped and scene.frame is not None and scene.frame.snapshot.phase != "paused"
    to = scene.beside
    return to is None or not _production(to) or not (to.stopped or to.lost)


def label(key: Key, scene: Scene) -> str:
    """What the footer calls a key now."""
    return _LABELS[key.id](scene) if key.id in _LABELS else key.label


def brief(key: Key, scene: Scene) -> str:
    """The same in a word, where that is enough."""
    name = label(key, scene)
    if key.id == "cancel.all" and scene.pane in (RISK, LOG, COMPARE):
        return name  # no x beside it there that would say what all of them are
    return _BRIEF.get(name, name.removeprefix("to "))
