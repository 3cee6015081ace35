"""What stands in code's words, in an operator's: a venue's modes, a market's reason, as much of it as there is room for."""

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.tui import format as f

MODES = {
    "cancel_only": "it takes cancels only",
    "disabled": "trading is disabled there",
    "limited": "too many requests",
    "post_only": "it takes post-only orders only",
    "restarting": "it restarts",
    "key refused": "our key is refused",
}
"""A venue's modes as reasons."""


def plain(why: str) -> str:
    """A reason from the desk, cleaned, its last part in words where it is a venue's mode."""
    said = f.clean(why)
    lead, colon, last = said.rpartition(": ")
    return f"{lead.removesuffix(' feed lost')}{colon}{MODES[last]}" if last in MODES else said


def short(text: str, width: int) -> str:
    """At most so many cells of a text: cut between words, with an ellipsis."""
    if f.width_of(text) <= width:
        return text
    kept = ""
    for word in text.split():
        if f.width_of(f"{kept} {word}".strip()) >= width:
            break
        kept = f"{kept} {word}".strip()
    return f"{kept.rstrip(',;:')}…" if kept else f.fit(text, width)


def reason(row: MarketRow) -> str:
    """Why a market is in its state, without the word for the state, which stands before it."""
    if row.state == "warming":
        return "watching before the first quote"
    why = plain(row.why)
    return (why[len(row.state) :].lstrip(": ") if why.startswith(row.state) else why) or why or "no reason given"
