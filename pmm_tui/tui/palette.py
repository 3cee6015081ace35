"""Style names to colours, by theme. Colour is never the only sign: a word, an arrow or a glyph always stands beside it."""

import os
from functools import lru_cache

from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

Styles = dict[str, Style]

STYLES: Styles = {
    "": Style(color="#d0d7de", bgcolor="#0b0e14"),
    "dim": Style(color="#8b949e"),
    "bold": Style(color="#f0f3f6", bold=True),
    "head": Style(color="#7d8ea3"),
    "title": Style(color="#c9d6e5", bold=True),
    "frame": Style(color="#39424e"),
    "frame-live": Style(color="#c98a00"),
    "frame-alarm": Style(color="#ff5c5c"),
    "frame-chosen": Style(color="#56d4f0"),
    "up": Style(color="#3fd07a"),
    "plus": Style(color="#3fd07a"),
    "down": Style(color="#ff7b72"),
    "minus": Style(color="#ff7b72"),
    "warn": Style(color="#ffb454"),
    "alarm": Style(color="#ffffff", bgcolor="#b3201f", bold=True),
    "ours": Style(color="#56d4f0", bold=True),
    "wish": Style(color="#3f93a8"),
    "bid": Style(color="#3fd07a"),
    "ask": Style(color="#ff7b72"),
    "bidbar": Style(color="#1f6b45"),
    "askbar": Style(color="#7d3434"),
    "mid": Style(color="#e6c07b"),
    "key": Style(color="#0b0e14", bgcolor="#8b98a9", bold=True),
    "danger": Style(color="#ffffff", bgcolor="#b3201f", bold=True),
    "sel": Style(bgcolor="#1f2d3d"),
    "paper": Style(color="#eaf4ff", bgcolor="#1d4f7c", bold=True),
    "paper-fill": Style(color="#5f97c9", bgcolor="#1d4f7c"),
    "live": Style(color="#000000", bgcolor="#ffb000", bold=True),
    "live-fill": Style(color="#ffb000", bgcolor="#ffb000"),
    "running": Style(color="#c8f7da", bgcolor="#14532d", bold=True),
    "gain": Style(color="#c8f7da", bgcolor="#14532d", bold=True),
    "loss": Style(color="#ffd7d5", bgcolor="#6e2222", bold=True),
    "waiting": Style(color="#d5dbe3", bgcolor="#30363d", bold=True),
    "held": Style(color="#ffc663", bgcolor="#4a2f00", bold=True),
    "paused": Style(color="#f2e27a", bgcolor="#3d3a1c", bold=True),
    "alert": Style(color="#ffffff", bgcolor="#b85c00", bold=True),
    "killed": Style(color="#ffffff", bgcolor="#b3201f", bold=True),
    "lost": Style(color="#ffffff", bgcolor="#7a1f5c", bold=True),
}
LIGHT: Styles = STYLES | {
    "": Style(color="#1f2933", bgcolor="#fbfbf8"),
    "dim": Style(color="#5d6875"),
    "bold": Style(color="#0b0e14", bold=True),
    "head": Style(color="#4a5d75"),
    "title": Style(color="#22384f", bold=True),
    "frame": Style(color="#b9c2cc"),
    "frame-live": Style(color="#b36b00"),
    "frame-alarm": Style(color="#b3201f"),
    "frame-chosen": Style(color="#00708f"),
    "up": Style(color="#0a7a3c"),
    "plus": Style(color="#0a7a3c"),
    "down": Style(color="#b3201f"),
    "minus": Style(color="#b3201f"),
    "warn": Style(color="#8f5600"),
    "ours": Style(color="#00627d", bold=True),
    "wish": Style(color="#4d8496"),
    "bid": Style(color="#0a7a3c"),
    "ask": Style(color="#b3201f"),
    "bidbar": Style(color="#8fd0ab"),
    "askbar": Style(color="#e8a9a5"),
    "mid": Style(color="#7a5a00"),
    "key": Style(color="#ffffff", bgcolor="#4a5d75", bold=True),
    "sel": Style(bgcolor="#dbe7f2"),
}
_BLUE, _ORANGE, _VERMILION = "#56b4e9", "#e69f00", "#d55e00"
COLOUR_BLIND: Styles = STYLES | {
    "up": Style(color=_BLUE),
    "plus": Style(color=_BLUE),
    "down": Style(color=_ORANGE),
    "minus": Style(color=_ORANGE),
    "bid": Style(color=_BLUE),
    "ask": Style(color=_ORANGE),
    "bidbar": Style(color="#1f5f8a"),
    "askbar": Style(color="#7d5600"),
    "warn": Style(color="#f0e442"),
    "mid": Style(color="#f0e442"),
    "ours": Style(color="#ffffff", bold=True),
    "wish": Style(color="#cc79a7"),
    "frame-alarm": Style(color=_VERMILION),
    "frame-live": Style(color="#f0e442"),
    "running": Style(color="#ffffff", bgcolor="#0072b2", bold=True),
    "gain": Style(color="#ffffff", bgcolor="#0072b2", bold=True),
    "loss": Style(color="#000000", bgcolor=_ORANGE, bold=True),
    "alarm": Style(color="#000000", bgcolor=_VERMILION, bold=True),
    "danger": Style(color="#000000", bgcolor=_VERMILION, bold=True),
    "killed": Style(color="#000000", bgcolor=_VERMILION, bold=True),
    "live": Style(color="#000000", bgcolor="#f0e442", bold=True),
    "live-fill": Style(color="#f0e442", bgcolor="#f0e442"),
}
"""Okabe and Ito's colours: blue against orange, vermilion for alarms, the same to every eye."""
_PLAIN = Style(color="default", bgcolor="default")
_BOLD, _DIM, _SOLID, _LOUD = Style(bold=True), Style(dim=True), Style(reverse=True), Style(reverse=True, bold=True)
_PLAINLY = Style(dim=False)
_LINED, _SHRILL = Style(bold=True, underline=True), Style(reverse=True, bold=True, underline=True)
_BOLD_NAMES = (
    "bold", "title", "frame-live", "frame-alarm", "frame-chosen", "warn", "ours", "mid", "paper", "running", "gain", "waiting",
)  # fmt: skip
_DIM_NAMES = ("dim", "head", "frame", "wish", "bidbar", "askbar", "paper-fill")
_SOLID_NAMES = ("key", "sel")
_LOUD_NAMES = ("danger", "live", "loss")
_LINED_NAMES = ("held", "paused")
_SHRILL_NAMES = ("alarm", "alert", "killed", "lost")
MONO: Styles = (
    dict.fromkeys(STYLES, Style())
    | {"": _PLAIN}
    | dict.fromkeys(_BOLD_NAMES, _BOLD)
    | dict.fromkeys(_DIM_NAMES, _DIM)
    | dict.fromkeys(_SOLID_NAMES, _SOLID)
    | dict.fromkeys(_LOUD_NAMES, _LOUD)
    | dict.fromkeys(_LINED_NAMES, _LINED)
    | dict.fromkeys(_SHRILL_NAMES, _SHRILL)
)
"""No colour at all: bold and dim on whatever the terminal has, and reversed what must be seen first: real money; lined, too: alarms."""
ANSI: Styles = MONO | {
    "up": Style(color="green"),
    "plus": Style(color="green"),
    "down": Style(color="red"),
    "minus": Style(color="red"),
    "bid": Style(color="green"),
    "ask": Style(color="red"),
    "warn": Style(color="yellow", bold=True),
    "mid": Style(color="yellow"),
    "ours": Style(color="cyan", bold=True),
    "wish": Style(color="cyan"),
    "head": Style(color="blue"),
    "frame-live": Style(color="yellow", bold=True),
    "frame-chosen": Style(color="cyan", bold=True),
    "frame-alarm": Style(color="red", bold=True),
    "alarm": Style(color="bright_white", bgcolor="red", bold=True),
    "danger": Style(color="bright_white", bgcolor="red", bold=True),
    "killed": Style(color="bright_white", bgcolor="red", bold=True),
    "alert": Style(color="bright_white", bgcolor="red", bold=True),
    "lost": Style(color="bright_white", bgcolor="magenta", bold=True),
    "sel": Style(bold=True, underline=True),
    "paper": Style(color="bright_white", bgcolor="blue", bold=True),
    "paper-fill": Style(color="cyan", bgcolor="blue"),
    "live": Style(color="black", bgcolor="yellow", bold=True),
    "live-fill": Style(color="yellow", bgcolor="yellow"),
    "running": Style(color="black", bgcolor="green", bold=True),
    "gain": Style(color="black", bgcolor="green", bold=True),
    "loss": Style(color="bright_white", bgcolor="red", bold=True),
    "held": Style(color="bright_yellow", bgcolor="black", bold=True),
    "paused": Style(color="black", bgcolor="cyan", bold=True),
}
"""The terminal's own sixteen colours."""
THEMES: dict[str, Styles] = {"dark": STYLES, "light": LIGHT, "cb": COLOUR_BLIND, "mono": MONO, "ansi": ANSI}
_SWAPPED = (("plus", "minus"), ("gain", "loss"), ("bid", "ask"), ("bidbar", "askbar"))
RED_UP = "+red-up"


def _red_up(styles: Styles) -> Styles:
    return styles | {a: styles[b] for a, b in _SWAPPED} | {b: styles[a] for a, b in _SWAPPED}


TABLES: dict[str, Styles] = THEMES | {name + RED_UP: _red_up(styles) for name, styles in THEMES.items()}
"""Each theme as it is, and with red for what was won and for buying, as in East Asia. What is well stays green there, and an alarm red."""


@lru_cache(maxsize=4096)
def style(names: str, theme: str = "dark") -> Style:
    """The style of one or more names in a theme, later ones over earlier ones; KeyError for a name that is not in the table."""
    table = TABLES[theme]
    mixed = table[""]
    for name in names.split():
        mixed += table[name]
    return mixed + _PLAINLY if mixed.reverse and mixed.dim else mixed  # faint letters on a reversed ground are not to be read


def theme_of(name: str) -> Theme:
    """The theme as the terminal library knows it, for whatever is not drawn line by line."""
    table = TABLES[name]
    plain = table[""]
    bare = plain.bgcolor is None or plain.bgcolor.is_default
    background = "ansi_default" if bare or plain.bgcolor is None else plain.bgcolor.name
    foreground = "ansi_default" if bare or plain.color is None else plain.color.name
    return Theme(
        name=name, primary=foreground, background=background, foreground=foreground, surface=background, panel=background, ansi=bare,
        dark=not name.startswith("light"), variables=dict(BUILTIN_THEMES["ansi-dark"].variables) if bare else {},
    )  # fmt: skip


def without_colour() -> bool | None:
    """True where NO_COLOR asks for the terminal's own colours alone; None: each theme says.

    The library asks before any theme of ours is there, and would put greys in the place of colours that it does not know: black on black.
    """
    return True if "NO_COLOR" in os.environ else None
