"""What stands in code's words, in an operator's: a venue's modes, a market's reason, as much of it as there is room for."""

import re

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.tui import format as f

MODES = {
    "cancel_only": "it takes cancels only",
    "disabled": "it takes neither orders nor cancels",
    "limited": "too many requests",
    "post_only": "it takes post-only orders only",
    "restarting": "it restarts",
    "key refused": "our key is refused",
}
"""A venue's modes as reasons."""
_MARKS = ",;:"
"""What parts of a reason end with."""
_LONELY = (
    " a an and are as at be before by first for from in is it its last limit many neither new no nor not nothing of on or our over per so "
    "than that the this to too until was we were which with ≥ ≤ < > = + - / – · @ "
)
_BRIEF = {
    "the wallet on chain does not match our books": "wallet and books differ",
    "the venue's account does not match ours": "account and books differ",
}
"""The desk's longest reasons, where there is no room for them."""
_LEFT_OUT = 11
"""So many cells may stay empty for a text that ends where a part of it does."""
_NUMBER = re.compile(r"[\d.]*\d")
_ERRNO = re.compile(r"^\[Errno \d+\] ")


def plain(why: str) -> str:
    """A reason from the desk, cleaned, its last part in words where it is a venue's mode."""
    said = f.clean(why)
    lead, colon, last = said.rpartition(": ")
    return f"{lead.removesuffix(' feed lost')}{colon}{MODES[last]}" if last in MODES else said


def fault(busy: str) -> str:
    """What is wrong with a desk, the cause as early as it can stand."""
    lead, _, cause = f.clean(busy).partition(": ")
    if not cause or not lead.startswith("records cannot be written"):
        return f.clean(busy)
    return f"cannot record: {_ERRNO.sub('', cause)}"


def _lonely(word: str) -> bool:
    """Whether a word means nothing where the next one is cut off; a number would miss its unit or its thing."""
    return f" {word.rstrip(_MARKS).lower()} " in _LONELY or _NUMBER.fullmatch(word) is not None


def short(text: str, width: int) -> str:
    """At most so many cells of a text, with an ellipsis: whole parts where they fill half of them and leave little out, else whole words,
    none that says nothing alone; empty where no word fits."""
    for long, brief in _BRIEF.items() if f.width_of(text) > width else ():
        text = text.replace(long, brief)
    if f.width_of(text) <= width:
        return text
    kept: list[str] = []
    for word in text.split():
        if f.width_of(" ".join((*kept, word)).rstrip(_MARKS)) >= width:
            break
        kept.append(word)
    while kept and _lonely(kept[-1]):
        kept.pop()
    ends = (" ".join(kept[:at]) for at in range(len(kept), 0, -1) if kept[at - 1][-1] in _MARKS and not _lonely(kept[at - 1]))
    whole = " ".join(kept)
    part = next((end for end in ends if f.width_of(end) >= max(width / 2, f.width_of(whole) - _LEFT_OUT)), whole)
    return f"{part.rstrip(_MARKS)}…" if part else ""


def reason(row: MarketRow) -> str:
    """Why a market is in its state, without the word for the state, which stands before it."""
    if row.state == "warming":
        return "watching before the first quote"
    why = plain(row.why)
    return (why[len(row.state) :].lstrip(": ") if why.startswith(row.state) else why) or why or "no reason given"
