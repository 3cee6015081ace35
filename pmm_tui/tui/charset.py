"""Which characters a terminal can draw, and what stands for those that it cannot: cell by cell the same width."""

import unicodedata
from collections.abc import Mapping

from rich.cells import cell_len

from pmm_tui.tui.state import Symbols

CONSOLE = "linux"
"""The terminal type of the kernel's own console: UTF-8, but a font of 256 or 512 signs."""
_UNKNOWN = ("", "dumb", "unknown")
_UTF8 = ("utf-8", "utf8")


def drawable(environ: Mapping[str, str], coerced: bool) -> Symbols:
    """What the terminal can draw, by what its environment says: all, blocks and light lines, or ASCII.

    `coerced`: Python found no locale and set LC_CTYPE itself (PEP 538), so that this one says nothing about the terminal.
    """
    names = ("LC_ALL", "LANG") if coerced else ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next((environ[name] for name in names if environ.get(name)), "C")
    if environ.get("TERM", "") in _UNKNOWN or not locale.partition("@")[0].lower().endswith(_UTF8):
        return "ascii"
    return "block" if environ["TERM"].startswith(CONSOLE) else "braille"


class Table(dict[int, str]):
    """For `str.translate`: a sign that is not in it is asked for once, and kept."""

    def __missing__(self, code: int) -> str:
        """A letter without its accents, else a sign that says what kind of thing it was, as wide as it."""
        if code < 0x80:
            self[code] = chr(code)
            return self[code]
        char = chr(code)
        cells = cell_len(char)
        plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
        if len(plain) != cells:
            plain = next((sign for first, last, sign in _KINDS if first <= code <= last), "?") * cells
        self[code] = plain
        return plain


_KINDS = ((0x2500, 0x257F, "+"), (0x2580, 0x259F, "#"), (0x2801, 0x28FF, ":"))
"""Lines, blocks and braille of which no better sign is known."""


def _pairs(signs: str, plain: str) -> dict[int, str]:
    return {ord(sign): one for sign, one in zip(signs, plain, strict=True)}


_LIGHT = "─│┌┐└┘├┤┬┴┼"
_BLOCKS = "█▄▌▐▀░▒"
ASCII = Table(
    _pairs(_LIGHT, "-|+++++++++")
    # Real money's frame stays another one than paper's.
    | _pairs("━┃┏┓┗┛", "=#####")
    | _pairs("┄┊╱", "-:/")
    | _pairs(_BLOCKS, "#-==-.:")
    | _pairs("▉▊▋▍▎", "=====")
    | _pairs("▕▏", "[]")
    | _pairs("▁▂▃▅▆▇▔▚■", "___-==-%#")
    | _pairs("▲△▼▽▶▸◂●○", "^^vv>><*o")
    | _pairs("←→↑↓↻✔✖★", "<>^vo+X*")
    | _pairs("–—…·×»«¬§¢", "--~.x><-Sc")
    | _pairs("σµ√≠≤≥−", "suV!<>-")
)
"""What stands for a sign on a terminal that draws nothing but ASCII."""
LINUX = Table(
    ASCII
    | _pairs(_LIGHT + _BLOCKS + "¢µ·»«", _LIGHT + _BLOCKS + "¢µ·»«")  # the kernel's font (code page 437) and the Latin ones all have these
    | _pairs("▉▊▋▍▎▃▅▆▇■", "███▌▌▄▄███")
)
"""The same on the kernel's console."""


def table(symbols: Symbols, term: str) -> Table | None:
    """What the signs are written as; None: as they are."""
    if symbols == "ascii":
        return ASCII
    return LINUX if symbols == "block" and term.startswith(CONSOLE) else None
