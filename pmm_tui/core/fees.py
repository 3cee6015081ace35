"""What a trade costs, what it may pay back, and what resting liquidity earns: one formula for paper and production."""

from collections.abc import Sequence
from fractions import Fraction

from pmm_tui.core.events import Level
from pmm_tui.core.market import Fees, Rewards
from pmm_tui.core.units import ONE, Cash, Price, Size, bps_of, dollars, gets, shares

FEE_STEP = Cash(10)
"""The venue rounds fees to five decimals of a dollar; what is below one such step is not charged."""

ONE_SIDED = 3.0
"""c of the reward formula: how much less liquidity on one side only is worth."""


def taker_fee(fees: Fees, price: Price, size: Size) -> Cash:
    """The taker's fee, `shares x rate x (p(1-p))^exponent` dollars, to five decimals, half up (math M18; venue page "fees", 2026-07).

    The same for a token and its complement, since p(1-p) is. Exact for a whole exponent, which is what the venue uses.
    """
    if fees.rate <= 0 or size <= 0:
        return Cash(0)
    variance = Fraction(price * (ONE - price), ONE * ONE)
    shape = variance ** int(fees.exponent) if float(fees.exponent).is_integer() else Fraction(float(variance) ** fees.exponent)
    micros = size * Fraction(str(fees.rate)) * shape
    if micros < FEE_STEP:
        return Cash(0)
    return Cash(int(micros / FEE_STEP + Fraction(1, 2)) * FEE_STEP)


def maker_fee(fees: Fees, price: Price, size: Size) -> Cash:
    """The maker's fee on the venue's curve: always nothing, whatever the schedule (`takerOnly`, venue page "fees")."""
    return Cash(0)


def flat_fee(bps: float, price: Price, size: Size) -> Cash:
    """A fee of `bps` basis points of the notional, to the micro-dollar; negative is a rebate."""
    return bps_of(gets(price, size), bps)


def rebate(fees: Fees, price: Price, size: Size) -> Cash:
    """An estimate of the maker rebate that one maker fill earns, rounded down; paid daily from $1, so never counted as cash at the fill.

    The day's pool is `rebate_share` of the taker fees, shared in proportion to what each maker's fills would have paid as taker: where
    every taker fee has a maker on its other side, a fill's part of the pool is `rebate_share` of its own fee equivalent (venue page
    "maker-rebates").
    """
    return Cash(int(taker_fee(fees, price, size) * Fraction(str(fees.rebate_share))))


def level_score(rewards: Rewards, distance_cents: float, size: Size) -> float:
    """S(v, s) x size in score-shares: `((v-s)/v)^2` where s < v, else nothing; sizes below the minimum do not count (math M17)."""
    spread = rewards.max_spread_cents
    if spread <= 0 or size < rewards.min_size or not 0 <= distance_cents < spread:
        return 0.0
    return float(((spread - distance_cents) / spread) ** 2 * shares(size))


def reward_sides(rewards: Rewards, mid: float, bids: Sequence[Level], asks: Sequence[Level]) -> tuple[float, float]:
    """Q_one and Q_two of our resting orders in YES terms: bids on YES with asks on NO, and asks on YES with bids on NO, are one side each.

    `mid` is in dollars, and adjusted: of the levels at or above the minimum size only.
    """
    one = sum(level_score(rewards, round(100 * (mid - dollars(price)), 9), size) for price, size in bids)
    two = sum(level_score(rewards, round(100 * (dollars(price) - mid), 9), size) for price, size in asks)
    return one, two


def reward_score(rewards: Rewards, mid: float, bids: Sequence[Level], asks: Sequence[Level]) -> float:
    """Q_min of one sample: two-sided liquidity counts in full, one-sided a third, and nothing where the mid is outside [0.10, 0.90]."""
    one, two = reward_sides(rewards, mid, bids, asks)
    both = min(one, two)
    return max(both, one / ONE_SIDED, two / ONE_SIDED) if 0.10 <= mid <= 0.90 else both


def reward_part(mine: float, others: float) -> float:
    """Our part of a sample's reward, 0..1."""
    return mine / (mine + others) if mine > 0 else 0.0
