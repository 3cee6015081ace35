"""Every knob of the desk, gathered: each group is declared beside its formula; a profile only fills it in."""

from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.quoting.shape import ShapeKnobs
from pmm_tui.core.risk.kill import KillKnobs
from pmm_tui.core.risk.review import RiskKnobs
from pmm_tui.core.signals.clock import ClockKnobs
from pmm_tui.core.signals.integrity import IntegrityKnobs
from pmm_tui.core.signals.reference import ReferenceKnobs
from pmm_tui.core.signals.volatility import VolKnobs
from pmm_tui.core.strategies.maker import MakerKnobs


class DeskKnobs(Struct, frozen=True):
    """The desk's own pace and bookkeeping."""

    initial_balance: Annotated[float, Meta(gt=0, le=1e9, description="cash at the start, dollars", extra={"restart": True})] = 500.0
    quote_interval_s: Annotated[
        float, Meta(ge=0, le=3600, description="look at a market's quotes again at most this often, seconds; 0: at every change")
    ] = 2.0
    price_tolerance_ticks: Annotated[
        float, Meta(ge=0, le=100, description="an order within this many ticks of its wish is left alone, so that quotes do not flicker")
    ] = 0.0
    size_tolerance_pct: Annotated[
        float, Meta(ge=0, le=100, description="an order whose rest is within this of its wish is left alone, percent of the wish")
    ] = 25.0
    order_timeout_s: Annotated[
        float, Meta(ge=0.5, le=600, description="an order that the venue did not answer for this long is uncertain, seconds")
    ] = 5.0
    sync_interval_s: Annotated[float, Meta(ge=1, le=3600, description="compare our books with the venue's account this often, seconds")] = (
        10.0
    )
    reject_backoff_ms: Annotated[
        int,
        Meta(
            ge=0, le=600_000, description="after a post-only refusal a side waits this long, doubled at each refusal in a row, milliseconds"
        ),
    ] = 500
    own_orders_in_book: Annotated[
        bool, Meta(description="the feed's books contain our own orders (production) or not (paper)", extra={"restart": True})
    ] = False
    redeem_by_hand: Annotated[
        bool,
        Meta(
            description="what a decided market pays is cash only once it was redeemed (production) or at once (paper)",
            extra={"restart": True},
        ),
    ] = False
    merge_pairs: Annotated[bool, Meta(description="a flatten first turns pairs back into dollars; on chain that costs gas")] = (
        False
    )


class Knobs(Struct, frozen=True):
    """All of them."""

    desk: DeskKnobs = DeskKnobs()
    integrity: IntegrityKnobs = IntegrityKnobs()
    vol: VolKnobs = VolKnobs()
    maker: MakerKnobs = MakerKnobs()
    shape: ShapeKnobs = ShapeKnobs()
    risk: RiskKnobs = RiskKnobs()
    reference: ReferenceKnobs = ReferenceKnobs()
    kill: KillKnobs = KillKnobs()
    clock: ClockKnobs = ClockKnobs()
