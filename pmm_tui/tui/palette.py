"""Style names to colours. Colour is never the only sign: a word, an arrow or a glyph always stands beside it."""

from functools import lru_cache

from rich.style import Style

BACKGROUND = "#0b0e14"

STYLES: dict[str, Style] = {
    "": Style(color="#d0d7de", bgcolor=BACKGROUND),
    "dim": Style(color="#8b949e"),
    "bold": Style(color="#f0f3f6", bold=True),
    "head": Style(color="#7d8ea3"),
    "title": Style(color="#c9d6e5", bold=True),
    "frame": Style(color="#39424e"),
    "frame-live": Style(color="#c98a00"),
    "frame-alarm": Style(color="#ff5c5c"),
    "up": Style(color="#3fd07a"),
    "down": Style(color="#ff7b72"),
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
    "held": Style(color="#1a1200", bgcolor="#e0a030", bold=True),
    "paused": Style(color="#1a1200", bgcolor="#d8c04a", bold=True),
    "alert": Style(color="#ffffff", bgcolor="#b85c00", bold=True),
    "killed": Style(color="#ffffff", bgcolor="#b3201f", bold=True),
    "lost": Style(color="#ffffff", bgcolor="#7a1f5c", bold=True),
}


@lru_cache(maxsize=512)
def style(names: str) -> Style:
    """The style of one or more names, later ones over earlier ones; KeyError for a name that is not in the table."""
    mixed = STYLES[""]
    for name in names.split():
        mixed += STYLES[name]
    return mixed
