"""What a market is: two complementary tokens, one book, a tick, a fee schedule and an end."""

from enum import StrEnum

from msgspec import Struct

from pmm_tui.core.units import Nanos, Price, Size


class Side(StrEnum):
    """The side of an order, or of the taker in a trade."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Kind(StrEnum):
    """How an order may execute. POST_ONLY rests or is refused; IOC takes what is there (the venue's FAK); FOK takes all or nothing."""

    POST_ONLY = "POST_ONLY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Fees(Struct, frozen=True):
    """The venue's fee curve for one market: fee = shares x rate x (p(1-p))^exponent dollars, taker only (Gamma feeSchedule, CLOB `fd`)."""

    rate: float = 0.0
    exponent: float = 1.0
    rebate_share: float = 0.0
    """The part of the taker fees that the day's makers share."""


class Rewards(Struct, frozen=True):
    """Liquidity rewards (Gamma rewardsMinSize, rewardsMaxSpread, clobRewards): zero means none."""

    max_spread_cents: float = 0.0
    min_size: Size = Size(0)
    daily_usd: float = 0.0


class Market(Struct, frozen=True):
    """One binary market. `yes` is the first outcome's token id (Up, Yes), `no` the second's."""

    id: str
    """Condition id."""
    slug: str
    question: str
    yes: str
    no: str
    tick: Price
    min_size: Size
    outcomes: tuple[str, str] = ("Yes", "No")
    opens: Nanos = Nanos(0)
    closes: Nanos = Nanos(0)
    """0 where the venue names no end."""
    cluster: str = ""
    """What drives the result (BTC, an election): caps count a cluster as one bet."""
    neg_risk: bool = False
    protocol: int = 2
    """The version of the EIP-712 domain that its orders are signed under: 2, or 3 for a Protocol V2 market (Gamma `version` "v2")."""
    fees: Fees = Fees()
    rewards: Rewards = Rewards()

    def complement(self, token: str) -> str:
        """The other token of this market."""
        return self.no if token == self.yes else self.yes
