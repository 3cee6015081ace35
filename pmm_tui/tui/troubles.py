"""What stops a desk, told from its picture alone: a kill that is not proven, books that differ, a venue that takes nothing."""

from msgspec import Struct

from pmm_tui.core.snapshot import Snapshot
from pmm_tui.tui import format as f
from pmm_tui.tui.exposed import BARRED, UNCONFIRMED_S

VENUE = {
    "restarting": ("VENUE RESTARTING", "no orders meanwhile"),
    "cancel_only": ("VENUE CANCEL-ONLY", "no new orders, cancels work"),
    "disabled": ("VENUE CLOSED", "no cancel, no order works"),
    "limited": ("RATE-LIMITED", "too many requests, we wait"),
    "key refused": ("KEY REFUSED", "no order, no cancel works"),
}
"""The modes in which the venue takes no orders, and what each means."""
CLOSED = tuple(mode for mode in VENUE if mode != "limited")
"""Those that do not pass by themselves within seconds."""
UNPROVEN = "CANCEL NOT CONFIRMED"
MISMATCHES = {"wallet check": "WALLET MISMATCH", "account check": "ACCOUNT MISMATCH"}
"""Guards that hold when somebody else's books differ from ours."""


class Verdict(Struct, frozen=True):
    """An answer in one second: a glyph, a word or two, the reason, and how it is painted."""

    glyph: str
    word: str
    why: str
    style: str


def killing(snapshot: Snapshot) -> Verdict:
    """A kill that is not proven yet: how much may rest, and since when, once that takes too long."""
    began = next((step.at for step in snapshot.kill if step.at), snapshot.at)
    since_s, left = (snapshot.at - began) / 1e9, len(snapshot.orders)
    resting = f"{left} order{'s' * (left != 1)} may rest"
    if since_s >= UNCONFIRMED_S:
        return Verdict("!!", UNPROVEN, f"{resting}, asking for {f.age(since_s)}: {f.clean(snapshot.why)}", "killed")
    return Verdict("!!", "KILLING", f"{resting}: {f.clean(snapshot.why)}", "killed")


def mismatch(snapshot: Snapshot) -> Verdict | None:
    """The venue's account or the wallet on chain is not what our books say; None where they agree."""
    for row in snapshot.risk:
        if row.holding and row.name in MISMATCHES:
            return Verdict("!!", MISMATCHES[row.name], "one more miss kills; nothing quoted", "alarm")
    return None


def venue_verdict(snapshot: Snapshot) -> Verdict | None:
    """What the venue cannot do now; None where it takes orders as ever, or all that it takes are post-only, as ours are."""
    row = snapshot.venue
    if row.mode not in VENUE:
        return None
    word, why = VENUE[row.mode]
    left_s = (row.until - snapshot.at) / 1e9
    since = f"for {f.age((snapshot.at - row.since) / 1e9)}{f', again in {f.age(left_s)}' if left_s > 0 else ''}"
    return Verdict("!", word, f"{why}, {since}", "alarm" if row.mode in BARRED else "alert")
