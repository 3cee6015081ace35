"""What becomes of a trade on chain: MATCHED, MINED, CONFIRMED, or RETRYING and FAILED; its money moves when it is mined."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import structs

from pmm_tui.core.market import Side
from pmm_tui.core.units import MILLI, Cash, Nanos, Price, Size, gets, pays
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.terms import Fact, Trade, TradeTold
from pmm_tui.exchange.wallets import Wallet

if TYPE_CHECKING:
    from random import Random

_AFTER = {"MATCHED": ("MINED", "RETRYING", "FAILED"), "RETRYING": ("MINED", "FAILED"), "MINED": ("CONFIRMED", "FAILED")}
"""What may follow a trade's status (venue page "order lifecycle")."""


class Settling:
    """Takes trades to their end. `later(at, act)` has something done at a time; `tell` takes facts."""

    def __init__(
        self,
        chance: "Random",
        rules: Rules,
        wallet: Callable[[str], Wallet],
        later: Callable[[Nanos, Callable[[Nanos], None]], None],
        tell: Callable[[Fact], None],
    ) -> None:
        self.fail_share = rules.fail_share
        self.retry_share = rules.retry_share
        self.retry_ms = rules.retry_ms
        self._chance = chance
        self._rules = rules
        self._wallet = wallet
        self._later = later
        self._tell = tell

    def begin(self, trade: Trade, at: Nanos) -> None:
        """A trade was matched: its money is promised, and what comes is drawn."""
        self._promise(trade, 1)
        self._tell(TradeTold(at, structs.replace(trade)))
        rules, chance = self._rules, self._chance
        mined = Nanos(at + int(rules.mined_after_ms * (0.5 + chance.random())) * MILLI)
        if self.fail_share and chance.random() < self.fail_share:
            self._later(mined, lambda now: self.step(trade, "FAILED", now))
            return
        if self.retry_share and chance.random() < self.retry_share:
            self._later(mined, lambda now: self.step(trade, "RETRYING", now))
            mined = Nanos(mined + self.retry_ms * MILLI)
        self._later(mined, lambda now: self.step(trade, "MINED", now))
        self._later(Nanos(mined + rules.confirmed_after_ms * MILLI), lambda now: self.step(trade, "CONFIRMED", now))

    def step(self, trade: Trade, status: str, at: Nanos) -> None:
        """The next status; what cannot follow changes nothing, and so does the failure of what has been passed on since."""
        if status not in _AFTER.get(trade.status, ()) or (status == "FAILED" and trade.status == "MINED" and not self._undoable(trade)):
            return
        if status == "MINED" and not self._payable(trade):
            status = "FAILED"
        before, trade.status, trade.updated = trade.status, status, at
        if status == "MINED":
            trade.tx = f"0x{self._chance.getrandbits(256):064x}"
            self._promise(trade, -1)
            self._settle(trade, 1)
        elif status == "FAILED" and before == "MINED":
            self._settle(trade, -1)
        elif status == "FAILED":
            self._promise(trade, -1)
        self._tell(TradeTold(at, structs.replace(trade)))

    def _promise(self, trade: Trade, sign: int) -> None:
        """What is matched and not mined is promised by everyone in it (-1: no longer)."""
        for wallet, token, side, price, size, fee in _legs(trade):
            holder = self._wallet(wallet)
            if side is Side.BUY:
                holder.owed = Cash(holder.owed + sign * (pays(price, size) + fee))
            else:
                holder.sell(token, sign * size)

    def _payable(self, trade: Trade) -> bool:
        """Whether everyone in it still has what it takes: a withdrawal on chain may have come first."""
        due: dict[tuple[str, str], int] = {}
        for wallet, token, side, price, size, fee in _legs(trade):
            key, amount = ((wallet, ""), pays(price, size) + fee) if side is Side.BUY else ((wallet, token), int(size))
            due[key] = due.get(key, 0) + amount
        return self._hold(due)

    def _undoable(self, trade: Trade) -> bool:
        """Whether everyone in it still has what it got."""
        got: dict[tuple[str, str], int] = {}
        for wallet, token, side, price, size, fee in _legs(trade):
            key, amount = ((wallet, token), int(size)) if side is Side.BUY else ((wallet, ""), gets(price, size) - fee)
            got[key] = got.get(key, 0) + amount
        return self._hold(got)

    def _hold(self, amounts: dict[tuple[str, str], int]) -> bool:
        """Whether each wallet has this much on chain, of dollars (under no token) or of a token."""
        holders = [(self._wallet(wallet), token, amount) for (wallet, token), amount in amounts.items()]
        return all(one.unlimited or (one.shares.get(token, 0) if token else one.cash) >= amount for one, token, amount in holders)

    def _settle(self, trade: Trade, sign: int) -> None:
        """Money and shares change hands (-1: back)."""
        for wallet, token, side, price, size, fee in _legs(trade):
            buys = side is Side.BUY
            cash = -pays(price, size) - fee if buys else gets(price, size) - fee
            self._wallet(wallet).move(sign * cash, token, sign * (size if buys else -size))


def _legs(trade: Trade) -> list[tuple[str, str, Side, Price, Size, Cash]]:
    """Everyone's part of a trade: wallet, token, side, price, size, fee."""
    makers = [(part.wallet, part.token, part.side, part.price, part.size, Cash(0)) for part in trade.parts]
    return [(trade.wallet, trade.token, trade.side, trade.price, trade.size, trade.fee), *makers]
