"""Numbers and strings as an operator reads them: cents, shares, dollars, ages; and nothing from outside that could steer a terminal."""

import math
import re
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache

from rich.cells import cell_len, set_cell_size

from pmm_tui.core.units import DOLLAR, ONE, SHARE

NONE = "–"
"""What is not known."""
_RAW_MAX = 1_000
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_SPACES = frozenset({"Zl", "Zp", "Zs"})
_JOINED = re.compile("(.)[\ufe0e\ufe0f]?(?:\u200d.[\ufe0e\ufe0f]?)+")
"""An emoji made of several: terminals disagree about its width, so only its first part is kept."""
_MARKS_MAX = 2
_NUMBER = re.compile(r"(?<![\w.])[-+]?\$?\d[\d.,:]{0,11}(?:[%¢]|[A-Za-z]{1,2})?(?!\w)")
"""A number with its sign and unit, of a length that people read."""
_DIGIT, _TIME = re.compile(r"\d"), re.compile(r"\d{1,2}(?::\d\d)?[AP]M")
_WORD = re.compile(r"(?:(?<=\s)|(?<=[^\s\d][-–/]))\S")
"""Where a word begins."""


@lru_cache(maxsize=1_024)  # asked for every span of every picture
def width_of(text: str) -> int:
    """Cells that a text takes; nearly all of what is drawn is plain."""
    return len(text) if text.isascii() else cell_len(text)


@lru_cache(maxsize=512)  # most of what is drawn was drawn a tenth of a second ago
def clean(text: str) -> str:
    """One line of printable text: controls, escapes, bidi and zero-width characters dropped, joined emoji cut to one, marks limited."""
    kept: list[str] = []
    marks = 0
    for char in _JOINED.sub(r"\1", unicodedata.normalize("NFC", text[:_RAW_MAX])):
        if char in "\t\n\r\x0b\x0c\x85":
            char = " "
        category = unicodedata.category(char)
        if category in _DROPPED or "\ufe00" <= char <= "\ufe0f" or "\U0001f3fb" <= char <= "\U0001f3ff":
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= _MARKS_MAX:
            kept.append(" " if category in _SPACES else char)
    return "".join(kept)


@lru_cache(maxsize=512)
def fit(text: str, width: int, align: str = "<") -> str:
    """Exactly `width` cells: cut with an ellipsis or padded. `align` is < > or ^."""
    if width <= 0:
        return ""
    length = width_of(text)
    if length > width:
        text = text.rstrip()
        length = width_of(text)
    if length > width:
        return set_cell_size(_whole(text, set_cell_size(text, width - 1)) + "…", width)
    gap = width - length
    if align == ">":
        return " " * gap + text
    if align == "^":
        return " " * (gap // 2) + text + " " * (gap - gap // 2)
    return text + " " * gap


def _whole(text: str, begun: str) -> str:
    """The beginning of a text without a number that is cut in it: that would be read as another number."""
    cut = next((found.start() for found in _NUMBER.finditer(text) if found.start() < len(begun) < found.end()), len(begun))
    return begun[:cut].rstrip()


def middle(text: str, width: int) -> str:
    """A title from outside, cleaned; a long one keeps its first and its last words, or of many the first and the time."""
    cleaned = clean(text)
    if width_of(cleaned) <= width or width < 12:
        return fit(cleaned, width)
    starts = [found.start() for found in _WORD.finditer(cleaned)]
    end = next((cleaned[at:] for at in starts if at > 0 and width_of(cleaned[at:]) <= width // 2), "")
    if not _DIGIT.search(end) and (times := _TIME.findall(cleaned)):
        end = times[-1]
        begin = cleaned.split()[0]
        return fit(f"{set_cell_size(begin, min(width_of(begin), width - 1 - len(end)))}…{end}", width)
    room = width - 1 - width_of(end)
    begins = (cleaned[:at].rstrip(" -–,") for at in reversed(starts) if at)
    begin = next((text for text in begins if width_of(text) <= room), "")
    return fit(f"{begin}…{end}", width) if begin else fit(cleaned, width)


def first_fit(width: int, *texts: str) -> str:
    """The first of these that fits, the fullest first; the last one cut where none does."""
    return next((text for text in texts if width_of(text) <= width), "") or fit(texts[-1], width)


def said(text: str, width: int, align: str = "<") -> str:
    """A string from outside, cleaned and fitted."""
    return fit(clean(text), width, align)


def cents(price: float, tick: int = 10, probability: bool = False) -> str:
    """A price in cents without the sign: 52.0; two decimals on grids finer than a tenth of a cent. As a probability: 0.520."""
    if not math.isfinite(price):
        return NONE
    decimals = 2 if tick % 10 else 1
    return f"{price / ONE:.{decimals + 2}f}" if probability else f"{price / 100:.{decimals}f}"


def cents_of(dollars: float, decimals: int = 2, probability: bool = False) -> str:
    """A float dollar price in cents: 0.52448 is 52.45; as a probability 0.5245."""
    if not math.isfinite(dollars):
        return NONE
    return f"{dollars:.{decimals + 2}f}" if probability else f"{dollars * 100:.{decimals}f}"


def ticks_of(dollars: float, tick: int) -> str:
    """A float dollar distance in ticks: 1.2t."""
    if not math.isfinite(dollars) or tick <= 0:
        return NONE
    return f"{dollars * ONE / tick:.3g}t"


def shares(size: int) -> str:
    """A size in at most six cells: 25, 12.5, 5,200, 12.4k, 1.25M."""
    count = size / SHARE
    magnitude = abs(count)
    if magnitude >= 999_950:
        return f"{count / 1e6:.2f}M"
    if magnitude >= 9_999.5:
        return f"{count / 1e3:.1f}k"
    if magnitude >= 999.95 or count == int(count):
        return f"{count:,.0f}"
    return f"{count:.1f}" if magnitude >= 0.1 or count == 0 else f"{count:.2f}"


def brief(size: int) -> str:
    """A size in at most four cells: 25, 312, 8.3k, 182k, 1.2M."""
    count = size / SHARE
    if count >= 999_500:
        return f"{count / 1e6:.1f}M" if count < 9_950_000 else f"{count / 1e6:.0f}M"
    if count >= 999.5:
        return f"{count / 1e3:.1f}k" if count < 9_950 else f"{count / 1e3:.0f}k"
    return f"{count:.0f}"


def signed_shares(size: int) -> str:
    """A size with its sign; a flat position is 0."""
    return f"+{shares(size)}" if size > 0 else shares(size)


def usd(cash: int, decimals: int = 2) -> str:
    """Dollars: $512.40, -$3.10, $1,204,551.00."""
    amount = f"${abs(cash) / DOLLAR:,.{decimals}f}"
    return f"-{amount}" if cash < 0 and amount.strip("$0.,") else amount


def signed_usd(cash: int, decimals: int = 2) -> str:
    """Dollars with their sign: +$12.40, -$3.10; nothing is $0.00."""
    text = usd(cash, decimals)
    return f"+{text}" if cash > 0 and text.strip("$0.,") else text


def arrow(value: float) -> str:
    """Which way: ▲ ▼ or a blank."""
    return "▲" if value > 0 else "▼" if value < 0 else " "


def percent(value: float) -> str:
    """Percent points with one decimal: 2.1%."""
    return f"{value:.1f}%" if math.isfinite(value) else NONE


def age(seconds: float) -> str:
    """How long, in at most five cells: 140ms, 4.2s, 71s, 12m, 3h20, 18d."""
    if not math.isfinite(seconds):
        return NONE
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = max(10, int(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 7_200:
        return f"{whole // 60}m"
    if whole < 100 * 3_600:
        return f"{whole // 3_600}h{whole % 3_600 // 60:02d}"
    return f"{whole // 86_400}d"


def left(seconds: float) -> str:
    """Time to an end, in at most six cells: 12:27, 5h41m, 18d; ended once it is over."""
    if seconds <= 0:
        return "ended"
    whole = int(seconds)
    if whole < 3_600:
        return f"{whole // 60:02d}:{whole % 60:02d}"
    if whole < 100 * 3_600:
        return f"{whole // 3_600}h{whole % 3_600 // 60:02d}m"
    return f"{whole // 86_400}d"


def span(seconds: float) -> str:
    """How long something has run: 03:12:01, or days in front."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86_400)
    text = f"{rest // 3_600:02d}:{rest % 3_600 // 60:02d}:{rest % 60:02d}"
    return f"{days}d {text}" if days else text


class _Zone:
    """Which time of day this console shows: one for the whole process, as for every clock on one wall."""

    local = False


def show_local(wanted: bool) -> None:
    """Show the machine's local time from now on, or UTC."""
    _Zone.local = wanted


def zone() -> str:
    """The mark after a time of day: Z for UTC, else the local zone's short name."""
    return f" {datetime.now(UTC).astimezone():%Z}" if _Zone.local else "Z"


@lru_cache(maxsize=256)  # the times in a list stand there for long
def _moment(second: int, local: bool, form: str) -> str:
    moment = datetime.fromtimestamp(second, UTC)
    return format(moment.astimezone() if local else moment, form)


def clock(at: int, millis: bool = False) -> str:
    """A moment as time of day; – before there is one."""
    if at <= 0:
        return NONE
    return _moment(at // 1_000_000_000, _Zone.local, "%H:%M:%S") + (f".{at // 1_000_000 % 1_000:03d}" if millis else "")


def day(at: int) -> str:
    """A moment's date."""
    return _moment(at // 1_000_000_000, _Zone.local, "%Y-%m-%d") if at > 0 else NONE


def count(value: int) -> str:
    """A counter in at most six cells: 311, 88.1k, 1.2M."""
    if value >= 999_950:
        return f"{value / 1e6:.1f}M"
    return f"{value / 1e3:.1f}k" if value >= 10_000 else f"{value:,}"
