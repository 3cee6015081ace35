"""What a picture says of danger beside the kill switch: orders that nobody vouches for, a venue that is cut off, limits that are passed."""

from pmm_tui.core.snapshot import Frame, OrderRow, RiskRow, Snapshot
from pmm_tui.core.units import Nanos
from pmm_tui.tui import format as f

UNCONFIRMED_S = 3.0
"""What takes longer to be proven than this is called what it is."""
VITAL = ("heartbeat", "account", "user")
"""Without one of these a production desk does not know what rests in its name; the worst first."""
UNKNOWN = ("CANCELLING", "UNCERTAIN")


def unconfirmed(order: OrderRow, now: Nanos) -> bool:
    """Whether it is not known for long whether an order rests."""
    return order.status in UNKNOWN and bool(order.unsure_at) and now - order.unsure_at > UNCONFIRMED_S * 1e9


def cut_off(snapshot: Snapshot) -> str:
    """Which of the production desk's vital connections are gone, and for how long; empty where none is for longer than a moment."""
    now, down = snapshot.at, {feed.link: feed.since for feed in snapshot.feeds if not feed.up}
    gone = [link for link in VITAL if link in down and now - down[link] > UNCONFIRMED_S * 1e9]
    return f"{', '.join(gone)} lost {f.age((now - min(down[link] for link in gone)) / 1e9)}" if gone else ""


def exposed(frame: Frame | None) -> str:
    """Why a production desk is not safe though no guard says so: what may rest that it cannot see or cancel; empty where all is known."""
    if frame is None or frame.card.mode != "LIVE":
        return ""
    snapshot = frame.snapshot
    count = sum(unconfirmed(order, snapshot.at) for order in snapshot.orders)
    orders = f"{count} order{'s' if count != 1 else ''} not confirmed" if count else ""
    return ", ".join(part for part in (orders, cut_off(snapshot)) if part)


def dark(snapshot: Snapshot) -> str:
    """The connections that are gone for longer than a moment, with their reasons: why nothing is known yet; empty where there is none."""
    gone = [feed for feed in snapshot.feeds if not feed.up and snapshot.at - feed.since > UNCONFIRMED_S * 1e9]
    return ", ".join(f"{f.clean(feed.link)} lost: {f.clean(feed.why)}" for feed in gone)


def passed(row: RiskRow) -> bool:
    """Whether a limit is reached, whatever the guard holds."""
    return row.used >= 1
