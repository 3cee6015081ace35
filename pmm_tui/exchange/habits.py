"""How the exchange behaves where the evidence about the venue disagrees, or where a test wants it otherwise; and the mode it trades in."""

import math
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange import shapes
from pmm_tui.exchange.terms import Answer

Mode = Literal["open", "restarting", "post_only", "cancel_only", "disabled"]
Tier = Literal["Standard", "Copper", "Bronze", "Silver", "Gold", "Platinum", "Diamond", "Elite"]
NEVER = Nanos(2**63 - 1)
POST_ONLY_S = 120
"""After a restart the venue takes only post-only orders for this long (venue page "matching engine")."""
POST_ONLY = "post-only mode: only post-only orders and cancels are allowed"
CANCEL_ONLY = "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."
DISABLED = "Trading is currently disabled. Check polymarket.com for updates"


class Habits(Struct, frozen=True, forbid_unknown_fields=True):
    """Switches. The defaults are what was observed of the venue; the other value is what some page of it says."""

    price_of_buy: Literal["bid", "ask"] = "bid"
    """What GET /price and /prices answer for side=BUY: observed the best bid; one page says the ask."""
    number_prices: bool = False
    """/prices answers JSON numbers (a sample of the docs) in place of the decimal strings that the venue's SDK insists on."""
    long_statuses: bool = False
    """REST says ORDER_STATUS_LIVE and TRADE_STATUS_CONFIRMED (the OpenAPI pages) in place of LIVE and CONFIRMED."""
    base_units: bool = False
    """POST /order answers makingAmount and takingAmount as six-decimal integers (the OpenAPI pages) in place of decimals."""
    cancels_max: int = 1_000
    """Ids in one DELETE /orders: 1000 since 2026-06-15; the guide still says 3000."""
    transactions_hashes: bool = False
    """POST /order answers an empty `transactionsHashes` (a sample of the docs); absent since 2026-07-24."""
    limits: Literal["off", "warn", "on"] = "off"
    """The venue's rate limits: not counted, counted and told (its two weeks of warnings), or enforced."""
    tier: Tier = "Standard"
    """What every signer's trading volume is taken for."""
    taker_hold_ms: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """An order that would take is held so long inside its POST, and judged after it (`itode` markets: 50 since 2026-08-17); 0: none is."""


class Modes:
    """What the matching engine takes, and until when."""

    def __init__(self) -> None:
        self._name: Mode = "open"
        self._until = NEVER

    def set(self, name: Mode, until: Nanos = NEVER) -> None:
        """From now on, until a time. After `restarting` come two minutes of `post_only`, after every other the engine is open."""
        self._name, self._until = name, until

    def now(self, at: Nanos) -> Mode:
        """The mode at a time; times never go back."""
        while at >= self._until:
            restarted = self._name == "restarting"
            self._name = "post_only" if restarted else "open"
            self._until = Nanos(self._until + POST_ONLY_S * SECOND) if restarted else NEVER
        return self._name

    def refuse_orders(self, legs: list[Any], at: Nanos) -> Answer | None:
        """Why these orders (bodies of POST /order) are not taken now, as one answer; None where they are."""
        name = self.now(at)
        if name == "cancel_only":
            return shapes.error(CANCEL_ONLY, 503)
        if name == "post_only" and not all(isinstance(leg, dict) and leg.get("postOnly") is True for leg in legs):
            said: dict[str, Any] = {"error": POST_ONLY, "code": "post_only_mode"}
            if self._until == NEVER:
                return shapes.answer(said, 503)
            wait_s = math.ceil((self._until - at) / SECOND)
            return shapes.answer(said | {"retry_after_seconds": wait_s}, 503, {"retry-after": str(wait_s)})
        return self.refuse_cancels(at)

    def refuse_cancels(self, at: Nanos) -> Answer | None:
        """Why cancels are not taken now; None where they are."""
        name = self.now(at)
        if name == "restarting":
            return shapes.error("service not ready", 425)
        return shapes.error(DISABLED, 503) if name == "disabled" else None
