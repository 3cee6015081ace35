"""How old a market's book is, and which of two desks' books is to be believed."""

import math

from pmm_tui.tui import format as f
from pmm_tui.tui.state import OVER, Scene

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
    return other if seen_ms(other) + FRESHER_MS < seen_ms(scene) else scene


def stale_for(one: Scene) -> str:
    """How old the selected market's book of a desk is where that is too old to quote from; empty where it is not, or the market over."""
    row = one.market
    if row is None or row.state in OVER or not (row.health.stale or row.state == "stale" or (one.lost and not one.link.ended)):
        return ""
    return f"STALE {f.age(seen_ms(one) / 1_000)}"
