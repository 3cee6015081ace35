"""Liquidity rewards by day: every sample of the accrual gives its minute's part of a market's daily sum to those who scored in it."""

from typing import TYPE_CHECKING

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.accrual import Accrual

if TYPE_CHECKING:
    from pmm_tui.exchange.floor import Floor

DAY_S = 86_400


class Earnings:
    """Dollars by day (counted from the epoch), market and wallet; and everyone's share of the newest sample."""

    def __init__(self, sample_s: int) -> None:
        self._sample_s = sample_s
        self._seen = 0
        self._scores: dict[str, dict[str, float]] = {}
        self._earned: dict[tuple[int, str], dict[str, float]] = {}
        self._shares: dict[str, dict[str, float]] = {}

    def note(self, floor: "Floor", accrual: Accrual, at: Nanos) -> None:
        """Take up what was sampled since the last time."""
        if accrual.samples == self._seen:
            return
        self._seen = accrual.samples
        for market, scores in accrual.scores.items():
            before = self._scores.get(market, {})
            gained = {wallet: score - before.get(wallet, 0.0) for wallet, score in scores.items()}
            total = sum(gained.values())
            self._scores[market] = dict(scores)
            self._shares[market] = {wallet: gain / total for wallet, gain in gained.items() if gain} if total else {}
            pot = floor.markets[market].market.rewards.daily_usd * self._sample_s / DAY_S
            earned = self._earned.setdefault((at // (DAY_S * SECOND), market), {})
            for wallet, share in self._shares[market].items():
                earned[wallet] = earned.get(wallet, 0.0) + pot * share

    def of(self, day: int, wallets: set[str]) -> dict[str, tuple[str, float]]:
        """By market what these wallets earned on a day: the wallet that earned most of it, and their sum."""
        out = {}
        for (when, market), earned in self._earned.items():
            mine = {wallet: dollars for wallet, dollars in earned.items() if wallet in wallets}
            if when == day and mine:
                out[market] = (max(mine, key=lambda wallet: mine[wallet]), sum(mine.values()))
        return out

    def shares(self, wallets: set[str]) -> dict[str, float]:
        """By market the part (0 to 1) of its newest sample that these wallets had."""
        shares = {market: sum(share for wallet, share in all_.items() if wallet in wallets) for market, all_ in self._shares.items()}
        return {market: share for market, share in shares.items() if share}

    def competition(self, market: str) -> float:
        """The sum of everyone's scores in a market."""
        return sum(self._scores.get(market, {}).values())
