"""How old a market's book is, which of two desks' books is to be believed, and how a desk looks that is no longer heard."""

import math

from msgspec.structs import replace

from pmm_tui.core.snapshot import MarketRow, RiskRow
from pmm_tui.tui import format as f
from pmm_tui.tui.exposed import at_large, cut_off
from pmm_tui.tui.rows.lines import Row
from pmm_tui.tui.state import OVER, Scene, positions
from pmm_tui.tui.troubles import mismatch

FRESHER_MS = 2_000
"""The other desk's book is shown where it is so much younger."""


def seen_ms(one: Scene) -> float:
    """How long ago one desk heard of the selected market, its own silence included; infinity where it never did."""
    row = one.market
    if row is None or row.health.age_ms < 0:
        return math.inf
    return row.health.age_ms + (1_000 * one.link.age_s if one.lost else 0.0)


def fresher(scene: Scene) -> Scene:
    """Of two desks that watch one market, the one whose book is to be believed: the keys' own, unless it is older by far."""
    other = scene.beside
    if other is None or scene.market is None or other.market is None or other.market.id != scene.market.id:
        return scene
    over = scene.market.state in OVER
    if over is not (other.market.state in OVER):
        return other if over else scene
    return other if seen_ms(other) + FRESHER_MS < seen_ms(scene) else scene


def heard(scene: Scene) -> Scene:
    """The scene as from the other desk where the keys' own has no picture and that one has: what it knows of the markets is known."""
    other = scene.beside
    if scene.frame is not None or other is None or other.frame is None:
        return scene
    silent = replace(scene, beside=None)
    return replace(
        scene, frame=other.frame, link=other.link, selected=other.selected, traces=other.traces, place=other.place, beside=silent,
    )  # fmt: skip


def priced(row: MarketRow) -> MarketRow:
    """The market, without a price or a book's age where it is over: what was last seen of them is worth nothing."""
    if row.state not in OVER:
        return row
    none, health = math.nan, replace(row.health, age_ms=-1)
    return replace(row, mid=none, micro=none, fair=none, centre=none, half_spread=none, sigma=none, health=health)


def stale_for(one: Scene) -> str:
    """How old the selected market's book of a desk is where that is too old to quote from; empty where it is not, or the market over."""
    row = one.market
    if row is None or row.state in OVER or not (row.health.stale or row.state == "stale" or (one.lost and not one.link.ended)):
        return ""
    return f"STALE {f.age(seen_ms(one) / 1_000)}"


UNTOLD = "?"
"""Where a guard stands of which nobody knows it."""


def guards(one: Scene) -> tuple[RiskRow, ...]:
    """The guards of a desk as it told them; how old its data are nobody knows while it is not heard."""
    rows = one.frame.snapshot.risk if one.frame is not None else ()
    return tuple(replace(row, now=UNTOLD, used=-1.0) if one.lost and row.name == "data age" else row for row in rows)


def unseen(one: Scene) -> bool:
    """Whether nobody knows if what this desk had at the venue rests still: it is not heard, cannot see its account, or its kill
    is not proven; a desk with a fault is killed by it."""
    frame = one.frame
    if frame is None or one.lost:
        return not one.link.ended
    if frame.snapshot.phase == "killing" or (frame.card.busy and frame.snapshot.phase != "killed"):
        return True
    return frame.card.mode == "LIVE" and bool(cut_off(frame.snapshot))


def blind(one: Scene, row: MarketRow, bids: bool | None = None) -> bool:
    """Whether what a desk quotes in a market, or on one side of it, is in doubt: unseen, uncertain, or beyond its reach."""
    if one.frame is None or one.lost:
        return one.frame is not None and unseen(one)
    here = tuple(
        order for order in one.frame.snapshot.orders
        if order.market == row.id and bids in (None, (order.side == "BUY") is (order.outcome == row.outcomes[0]))
    )  # fmt: skip
    return unseen(one) or bool(at_large(replace(one.frame, snapshot=replace(one.frame.snapshot, orders=here))))


def doubted(one: Scene, row: MarketRow, bid: str, ask: str) -> str:
    """A desk's two prices in a market, as in 52.0/?54.0: what is in doubt has the mark before it."""
    told = (f"{'?' * (bool(text) and blind(one, row, bids))}{text or f.NONE}" for bids, text in ((True, bid), (False, ask)))
    return "/".join(told)


_MARKS = frozenset(
    {"alarm", "held", "killed", "lost", "waiting", "live", "live-fill", "paper", "paper-fill", "frame", "frame-live", "frame-alarm"}
)
"""Styles that do not fade: whose row it is, and what is wrong with it."""
_UNTOLD = {"plus": "", "minus": "", "sel plus": "sel", "sel minus": "sel", "gain": "waiting", "loss": "waiting"}
"""What tells of gain and loss, without saying so."""


def aged(one: Scene, row: Row) -> Row:
    """A row of one desk: dim where it is only what that desk last told, and where its books are not what the venue or the chain says,
    no money is a gain or a loss. With one desk alone its panes do so.
    """
    if one.lost:
        return tuple((text, _faded(names)) for text, names in row)
    if one.frame is not None and mismatch(one.frame.snapshot) is not None:
        return tuple((text, _UNTOLD.get(names, names)) for text, names in row)
    return row


def _faded(names: str) -> str:
    """The styles of a span that is old: dim, on the ground of the selected row where it had that."""
    bare = names.removeprefix("sel").strip()
    return names if bare in _MARKS else "dim" if bare == names else "sel dim"


def lost_word(one: Scene) -> tuple[str, str]:
    """LOST, or ENDED where a desk stopped in order, and how that is painted; empty while it is heard, or before its first picture."""
    if not one.lost or one.frame is None:
        return ("", "")
    return ("ENDED", "held" if positions(one.frame.snapshot) else "waiting") if one.link.ended else ("LOST", "alarm")
