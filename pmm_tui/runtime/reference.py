"""Where a desk's reference prices come from: nowhere, unless its profile names markets that need them."""

from collections.abc import Callable
from random import Random

from pmm_tui.core.signals.reference import symbols_of
from pmm_tui.core.units import Nanos
from pmm_tui.feeds.base import Feed
from pmm_tui.feeds.rtds import RtdsFeed
from pmm_tui.runtime.profile import Profile


def reference_feeds(profile: Profile, clock: Callable[[], Nanos], chance: Random) -> dict[str, Feed]:
    """The feeds of reference prices by name. Each is one more source, or several: the core counts sources, not feeds."""
    knobs = profile.knobs().reference
    if not knobs.reference_markets:
        return {}
    return {"rtds": RtdsFeed(profile.market_ws(), profile.run().rtds_url, symbols_of(knobs), clock, chance)}
