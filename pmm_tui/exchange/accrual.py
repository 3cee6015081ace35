"""What makers earn beside the spread: their part of the taker fees, and samples of resting liquidity."""

from fractions import Fraction

from pmm_tui.core.fees import reward_score, taker_fee
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import Cash
from pmm_tui.exchange.ladder import Ladder, in_yes
from pmm_tui.exchange.terms import Trade


class Accrual:
    """Sums by market and wallet; paid out by nobody here."""

    def __init__(self) -> None:
        self.pools: dict[str, int] = {}
        """By market: the part of its taker fees that its makers share."""
        self.equivalents: dict[str, dict[str, int]] = {}
        """By market and wallet: the fee that maker fills would have paid as taker."""
        self.scores: dict[str, dict[str, float]] = {}
        """By market and wallet: the sum of the liquidity samples."""
        self.samples = 0

    def trade(self, market: Market, trade: Trade) -> None:
        """Count a trade, once it is final."""
        share = int(trade.fee * Fraction(str(market.fees.rebate_share)))
        self.pools[market.id] = self.pools.get(market.id, 0) + share
        into = self.equivalents.setdefault(market.id, {})
        for part in trade.parts:
            into[part.wallet] = into.get(part.wallet, 0) + taker_fee(market.fees, part.price, part.size)

    def rebate(self, market: str, wallet: str) -> Cash:
        """A wallet's part of a market's pool so far, rounded down (venue page "maker-rebates")."""
        mine, all_ = self.equivalents.get(market, {}).get(wallet, 0), sum(self.equivalents.get(market, {}).values())
        return Cash(self.pools.get(market, 0) * mine // all_) if all_ else Cash(0)

    def sample(self, market: Market, ladder: Ladder) -> None:
        """One sample of every wallet's liquidity (venue page "liquidity-rewards"); nothing where the market has no two-sided book.

        The midpoint is that of the levels of the rewards' minimum size and more.
        """
        if not market.rewards.max_spread_cents:
            return
        bid, ask = (next((price for price, size in ladder.levels(side) if size >= market.rewards.min_size), None) for side in Side)
        if bid is None or ask is None:
            return
        self.samples += 1
        mid = (bid + ask) / 20_000
        wallets: dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
        for order in ladder.orders():
            side, price = in_yes(market, order.token, order.side, order.price)
            bids, asks = wallets.setdefault(order.wallet, ([], []))
            (bids if side is Side.BUY else asks).append((price, order.rest))
        into = self.scores.setdefault(market.id, {})
        for wallet, (bids, asks) in wallets.items():
            into[wallet] = into.get(wallet, 0.0) + reward_score(market.rewards, mid, bids, asks)  # type: ignore[arg-type]  # plain ints are the units
