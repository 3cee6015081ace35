"""The user's own settings of the console, `tui.toml`: read strictly, and never half."""

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from msgspec import Struct

from pmm_tui.study.compare import DIVERGES_ABOVE
from pmm_tui.tui.dialogs.arming import ARM_S
from pmm_tui.tui.dialogs.asked import TYPED_ABOVE
from pmm_tui.tui.keys import FORBIDDEN, IDS, NAMES, Clash, Keys, named, remapped, unfit
from pmm_tui.tui.state import Symbols
from pmm_tui.tui.view import DEPTHS, LAYOUTS, PANES, Bars, Layout, Units

THEME_NAMES = ("dark", "light", "cb", "mono", "ansi")
RATES = (1, 2, 4, 10)
"""How often a second the console may look."""
SCREENS_MAX = 8
RUNS = 7
"""The screen that is a dialog: nothing can begin there."""
NAME_MOST = 20
ARM_MOST_S = 5.0
_NAMED_KEYS = frozenset(
    ["space", "enter", "escape", "tab", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown", "up", "down", "left", "right"]
    + [f"f{number}" for number in range(1, 13)]
)


class Config(Struct, frozen=True):
    """What the file may say. Friction can be raised: what LIVE asks for today, it asks for whatever stands here."""

    theme: str = "dark"
    red_up: bool = False
    fps: int = 10
    symbols: Symbols = "braille"
    mouse: bool = True
    time: str = "utc"
    start_screen: int = 1
    start_layout: int = 0
    """0: all panes, and the start screen."""
    arm_s: float = ARM_S
    """Dialogs are deaf for so long after they open."""
    typed_above: float = TYPED_ABOVE / 1_000_000
    """Real money beyond this is typed, not confirmed by one key; dollars."""
    own_layouts: dict[int, Layout] = {}
    bell: bool = True
    """The terminal's bell rings once for each alarm."""
    rejects: int = 20
    """So many refused orders are an alarm,"""
    within_s: float = 30.0
    """within so many seconds."""
    above: float = DIVERGES_ABOVE
    """A figure diverges where paper and production are more than so many times apart."""
    keymap: dict[str, tuple[str, ...]] = {}

    @property
    def layouts(self) -> dict[int, Layout]:
        """The layouts by their numbers: the shipped ones, and the user's beside them or in their place."""
        return LAYOUTS | self.own_layouts

    @property
    def keys(self) -> Keys:
        """The key table with the user's keys."""
        return remapped(self.keymap)


class ConfigRefused(ValueError):
    """The file is wrong; the text names file, line, key, what was found and what is allowed."""


def config_path() -> Path:
    """Where the file is, whether it is there or not."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "pmm-tui" / "tui.toml"


def _one_of(*allowed: object) -> tuple[Callable[[Any], bool], str]:
    return lambda value: type(value) is type(allowed[0]) and value in allowed, ", ".join(map(str, allowed))


def _number(low: float, high: float) -> tuple[Callable[[Any], bool], str]:
    return lambda value: type(value) in (int, float) and low <= value <= high, f"a number from {low:g} to {high:g}"


_YES_NO = _one_of(True, False)[0], "true or false"
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "theme": _one_of(*THEME_NAMES),
    "red_up": _YES_NO,
    "fps": _one_of(*RATES),
    "symbols": _one_of(*get_args(Symbols)),
    "mouse": _YES_NO,
    "time": _one_of("utc", "local"),
    "start_screen": (lambda value: type(value) is int and 1 <= value <= SCREENS_MAX, f"a whole number from 1 to {SCREENS_MAX}"),
    "start_layout": (lambda value: type(value) is int and 0 <= value <= 9, "a whole number from 0 to 9"),
    "confirm.arm_s": _number(ARM_S, ARM_MOST_S),
    "confirm.typed_above_usd": _number(0, TYPED_ABOVE / 1_000_000),
    "alarm.bell": _YES_NO,
    "alarm.rejects": (lambda value: type(value) is int and 2 <= value <= 10_000, "a whole number from 2 to 10000"),
    "alarm.within_s": _number(1, 3_600),
    "compare.above": _number(1.1, 100),
}
"""What a value must be, and how that is told."""
_LAYOUT: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str) and value.isprintable() and 1 <= len(value) <= NAME_MOST, f"1 to {NAME_MOST} characters"),
    "screen": _one_of(*(number for number in range(1, SCREENS_MAX + 1) if number != RUNS)),
    "panes": (
        lambda value: isinstance(value, list) and 0 < len(value) == len({str(one) for one in value}) and all(one in PANES for one in value),
        f"a list of some of {', '.join(PANES)}, each once",
    ),
    "depth": _one_of(*DEPTHS),
    "bars": _one_of(*get_args(Bars)),
    "units": _one_of(*get_args(Units)),
}
"""The same of a layout's table."""
_NAMES = {"confirm.arm_s": "arm_s", "confirm.typed_above_usd": "typed_above"}
_NAMES |= {"alarm.bell": "bell", "alarm.rejects": "rejects", "alarm.within_s": "within_s", "compare.above": "above"}
_TABLES = ("confirm", "alarm", "compare", "layout", "keymap")


def read_config(path: Path | None = None, symbols: Symbols = "braille") -> Config:
    """The settings; the defaults where there is no file. ConfigRefused where anything in it is wrong, OSError where it cannot be read.

    `symbols`: where the file names none.
    """
    path = path or config_path()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Config(symbols=symbols)
    except UnicodeDecodeError as wrong:
        raise ConfigRefused(f"{path}: not UTF-8 at byte {wrong.start}") from wrong
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        at = re.search(r"at line (\d+)", str(wrong))
        raise ConfigRefused(f"{path}: line {at[1] if at else max(1, len(text.splitlines()))}: {wrong}") from wrong
    return _checked(path, text, found, symbols)


def _checked(path: Path, text: str, found: dict[str, Any], symbols: Symbols) -> Config:
    flat: dict[str, Any] = {"symbols": symbols}
    for name, value in found.items():
        if name in _TABLES and not isinstance(value, dict):
            raise ConfigRefused(_told(path, text, name, value, f"a table: [{name}]"))
        if name in ("confirm", "alarm"):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        elif name not in _TABLES:
            flat[name] = value
    for name, value in flat.items():
        if name not in _FIELDS:
            known = ", ".join((*_FIELDS, "[layout.N]", "[keymap]"))
            raise ConfigRefused(_told(path, text, name, value, f"no such setting; one of {known}"))
        fits, allowed = _FIELDS[name]
        if not fits(value):
            raise ConfigRefused(_told(path, text, name, value, allowed))
    keymap = {id_: _keys(path, text, id_, value) for id_, value in found.get("keymap", {}).items()}
    try:
        remapped(keymap)
    except Clash as clash:
        line = max(_line(text, f"keymap.{id_}") for id_ in clash.ids if id_ in keymap)
        raise ConfigRefused(f"{path}: line {line}: [keymap]: {clash}") from clash
    layouts = dict(_layout(path, text, number, table) for number, table in found.get("layout", {}).items())
    made = Config(**{_NAMES.get(name, name): value for name, value in flat.items()}, own_layouts=layouts, keymap=keymap)
    if made.start_layout not in made.layouts:
        there = ", ".join(map(str, sorted(made.layouts)))
        raise ConfigRefused(_told(path, text, "start_layout", made.start_layout, f"{there}, or one that has its [layout.N]"))
    return made


def _layout(path: Path, text: str, number: str, table: Any) -> tuple[int, Layout]:
    """One layout: its number and what it shows; a screen that has no panes to choose from takes none."""
    where = f"layout.{number}"
    if number not in tuple("0123456789"):
        raise ConfigRefused(_told(path, text, where, table, "a table [layout.0] to [layout.9]"))
    if not isinstance(table, dict):
        raise ConfigRefused(_told(path, text, where, table, f"a table: [{where}]"))
    for name, value in table.items():
        if name not in _LAYOUT:
            raise ConfigRefused(_told(path, text, f"{where}.{name}", value, f"no such setting; one of {', '.join(_LAYOUT)}"))
        fits, allowed = _LAYOUT[name]
        if not fits(value):
            raise ConfigRefused(_told(path, text, f"{where}.{name}", value, allowed))
    if "panes" in table and table.get("screen", 1) != 1:
        raise ConfigRefused(_told(path, text, f"{where}.panes", table["panes"], "nothing: only the dashboard, screen 1, has panes"))
    return int(number), Layout(**{"name": f"layout {number}", **table, "panes": tuple(table.get("panes", ()))})


def _keys(path: Path, text: str, id_: str, value: Any) -> tuple[str, ...]:
    """One line of the keymap: a key or a list of keys, in the library's names."""
    where = f"keymap.{id_}"
    if isinstance(value, dict):  # quote.toggle = "p" is a table in a table to TOML
        inner, deeper = next(iter(value.items()), ("", ""))
        raise ConfigRefused(_told(path, text, where, value, f'the id in quotes: "{id_}.{inner}" = {deeper!r}'))
    if id_ not in IDS:
        raise ConfigRefused(_told(path, text, where, value, f"no such id; one of {', '.join(sorted(IDS))}"))
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):
        raise ConfigRefused(_told(path, text, where, value, "a key, or a list of at least one key"))
    made = []
    for one in listed:
        key = named(one)
        if not _is_key(key):
            raise ConfigRefused(_told(path, text, where, one, "a character, ctrl+letter, f1 to f12, or space, enter, tab, escape, up …"))
        if key in FORBIDDEN or key == "ctrl+c":
            raise ConfigRefused(_told(path, text, where, one, "a key that tmux, screen and terminals leave alone"))
        if fit := unfit(id_, key):
            raise ConfigRefused(_told(path, text, where, one, fit))
        made.append(key)
    return tuple(made)


def _is_key(key: str) -> bool:
    if key.startswith("ctrl+"):
        return len(key) == 6 and key.isascii() and key[-1].islower()
    return key.removeprefix("shift+") in _NAMED_KEYS or key in NAMES.values() or (len(key) == 1 and key.isascii() and key.isalnum())


def _told(path: Path, text: str, name: str, found: object, allowed: str) -> str:
    shown = repr(found) if isinstance(found, str) else str(found).lower() if isinstance(found, bool) else str(found)
    return f"{path}: line {_line(text, name)}: {name}: found {shown[:60]}; allowed: {allowed}"


def _line(text: str, name: str) -> int:
    """The line that sets a name, or opens its table; else the same of what it stands in; 1 where it cannot be told."""
    table, _, key = name.partition(".") if name.partition(".")[0] in _TABLES and "." in name else ("", "", name)
    if table == "layout":
        table, _, key = name.rpartition(".")
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        opened = re.match(r"\s*\[\s*([^\]]+?)\s*\]", line)
        if opened:
            inside = opened[1].strip("\"'")
            if inside == name:
                return number
        if inside == table and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
            return number
    return _line(text, table) if table else 1
