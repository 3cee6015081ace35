"""What a picture says of danger beside the kill switch: orders that nobody vouches for, a venue that is cut off, limits that are passed."""

from pmm_tui.core.snapshot import FeedRow, Frame, OrderRow, RiskRow, Snapshot
from pmm_tui.core.units import Nanos
from pmm_tui.tui import format as f
from pmm_tui.tui.words import plain

UNCONFIRMED_S = 3.0
"""What takes longer to be proven than this is called what it is."""
FOREIGN_S = 600.0
"""So long a fill that the desk did not ask for is told."""
VITAL = ("heartbeat", "account", "user")
"""Without one of these a production desk does not know what rests in its name; the worst first."""
UNKNOWN = ("CANCELLING", "UNCERTAIN")
BARRED = {"key refused": "key refused", "disabled": "venue closed"}
"""The venue's modes in which it takes nothing from this desk, no cancel either, as reasons."""


def unconfirmed(order: OrderRow, now: Nanos) -> bool:
    """Whether it is not known for long whether an order rests."""
    return order.status in UNKNOWN and bool(order.unsure_at) and now - order.unsure_at > UNCONFIRMED_S * 1e9


def cut_off(snapshot: Snapshot) -> str:
    """Which of the production desk's vital connections are gone, and for how long; empty where none is for longer than a moment."""
    now, down = snapshot.at, {feed.link: feed.since for feed in snapshot.feeds if not feed.up}
    gone = [link for link in VITAL if link in down and now - down[link] > UNCONFIRMED_S * 1e9]
    return f"{', '.join(gone)} lost {f.age((now - min(down[link] for link in gone)) / 1e9)}" if gone else ""


def at_large(frame: Frame | None) -> str:
    """What may rest at the venue that a production desk cannot vouch for, or cannot cancel; empty where there is nothing of the kind."""
    if frame is None or frame.card.mode != "LIVE":
        return ""
    snapshot = frame.snapshot
    barred = BARRED.get(snapshot.venue.mode, "")
    count = len(snapshot.orders) if barred else sum(unconfirmed(order, snapshot.at) for order in snapshot.orders)
    orders = f"{count} order{'s' if count != 1 else ''}"
    return "" if not count else f"cannot cancel {orders}: {barred}" if barred else f"{orders} not confirmed"


def exposed(frame: Frame | None) -> str:
    """Why a production desk is not safe though no guard says so: what may rest that it cannot see or cancel; empty where all is known."""
    if frame is None or frame.card.mode != "LIVE":
        return ""
    return ", ".join(part for part in (at_large(frame), cut_off(frame.snapshot)) if part)


def foreign(frame: Frame) -> str:
    """What somebody else did with the wallet of a production desk: orders that rest, fills of the last minutes; empty where nothing."""
    if frame.card.mode != "LIVE":
        return ""
    snapshot = frame.snapshot
    rest = sum(order.status == "EXTERNAL" for order in snapshot.orders)
    took = sum(fill.order < 0 and snapshot.at - fill.at < FOREIGN_S * 1e9 for fill in snapshot.fills)
    parts = [f"{count} {what}{'s' * (count != 1)}" for count, what in ((rest, "order"), (took, "fill")) if count]
    return f"{', '.join(parts)} not of this desk" if parts else ""


def gone(snapshot: Snapshot) -> list[FeedRow]:
    """The connections that are gone for longer than a moment."""
    return [feed for feed in snapshot.feeds if not feed.up and snapshot.at - feed.since > UNCONFIRMED_S * 1e9]


def dark(snapshot: Snapshot) -> str:
    """What is gone, with the reasons: why nothing is known yet; empty where nothing is."""
    return ", ".join(f"{f.clean(feed.link)} lost: {plain(feed.why)}" for feed in gone(snapshot))


def passed(row: RiskRow) -> bool:
    """Whether a limit is reached, whatever the guard holds."""
    return row.used >= 1
