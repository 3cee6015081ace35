"""The user's own settings of the console, `tui.toml`: read strictly, and never half."""

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from msgspec import Struct

from pmm_tui.tui.dialogs.arming import ARM_S
from pmm_tui.tui.dialogs.asked import TYPED_ABOVE
from pmm_tui.tui.keys import FORBIDDEN, IDS, NAMES, Keys, named, remapped
from pmm_tui.tui.state import Symbols

THEME_NAMES = ("dark", "light", "cb", "mono", "ansi")
RATES = (1, 2, 4, 10)
"""How often a second the console may look."""
SCREENS_MAX = 8
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
    arm_s: float = ARM_S
    """Dialogs are deaf for so long after they open."""
    typed_above: float = TYPED_ABOVE / 1_000_000
    """Real money beyond this is typed, not confirmed by one key; dollars."""
    keymap: dict[str, tuple[str, ...]] = {}

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
    "confirm.arm_s": _number(ARM_S, ARM_MOST_S),
    "confirm.typed_above_usd": _number(0, TYPED_ABOVE / 1_000_000),
}
"""What a value must be, and how that is told."""
_NAMES = {"confirm.arm_s": "arm_s", "confirm.typed_above_usd": "typed_above"}
_TABLES = ("confirm", "keymap")


def read_config(path: Path | None = None) -> Config:
    """The settings; the defaults where there is no file. ConfigRefused where anything in it is wrong, OSError where it cannot be read."""
    path = path or config_path()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Config()
    except UnicodeDecodeError as wrong:
        raise ConfigRefused(f"{path}: not UTF-8 at byte {wrong.start}") from wrong
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise ConfigRefused(f"{path}: {wrong}") from wrong
    return _checked(path, text, found)


def _checked(path: Path, text: str, found: dict[str, Any]) -> Config:
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if name in _TABLES and not isinstance(value, dict):
            raise ConfigRefused(_told(path, text, name, value, f"a table: [{name}]"))
        if name == "confirm":
            flat |= {f"confirm.{inner}": one for inner, one in value.items()}
        elif name != "keymap":
            flat[name] = value
    for name, value in flat.items():
        if name not in _FIELDS:
            raise ConfigRefused(_told(path, text, name, value, f"no such setting; one of {', '.join((*_FIELDS, '[keymap]'))}"))
        fits, allowed = _FIELDS[name]
        if not fits(value):
            raise ConfigRefused(_told(path, text, name, value, allowed))
    keymap = {id_: _keys(path, text, id_, value) for id_, value in found.get("keymap", {}).items()}
    try:
        remapped(keymap)
    except ValueError as clash:
        raise ConfigRefused(f"{path}: [keymap]: {clash}") from clash
    return Config(**{_NAMES.get(name, name): value for name, value in flat.items()}, keymap=keymap)


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
    """The line that sets a name, or opens its table; 1 where it cannot be told."""
    table, _, key = name.partition(".") if name.partition(".")[0] in _TABLES else ("", "", name)
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        opened = re.match(r"\s*\[\s*([^\]]+?)\s*\]", line)
        if opened:
            inside = opened[1].strip("\"'")
            if inside == name:
                return number
        if inside == table and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
            return number
    return 1
