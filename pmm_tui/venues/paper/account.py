"""The paper exchange's own record of our account: cash, shares, what is held back, and every fill, exact to the micro-dollar."""

from msgspec import Struct

from pmm_tui.core.events import OrderFilled
from pmm_tui.core.market import Side
from pmm_tui.core.units import ONE, Cash, Size, gets, pays
from pmm_tui.venues.paper.fills import Resting


class Fill(Struct):
    """One fill as the exchange booked it, with what undoes it."""

    event: OrderFilled
    market: str
    token: str
    cash: Cash
    """How the cash moved, fee and adverse selection in it."""
    shares: int
    """How the position moved."""
    ok: bool | None = None
    """None until its end on chain is known."""


class Account:
    """A virtual wallet. Nothing is ever owed: cash never goes below zero, and no share is sold that is not there and settled."""

    __slots__ = ("_incoming", "_pending", "_promised", "cash", "positions", "reserved")

    def __init__(self, cash: Cash) -> None:
        self.cash = cash
        """Free, reserved and not yet settled together."""
        self.positions: dict[str, Size] = {}
        """Shares by token, not yet settled ones included; a zero is left out."""
        self.reserved = Cash(0)
        """Held back by resting buys."""
        self._incoming = Cash(0)
        self._pending: dict[str, int] = {}
        self._promised: dict[str, int] = {}

    @property
    def free(self) -> Cash:
        """Cash that a new buy may use: not reserved, and not the proceeds of a sale that can still fail."""
        return Cash(self.cash - self.reserved - self._incoming)

    def sellable(self, token: str) -> Size:
        """Settled shares that no resting sell has promised."""
        return Size(self.positions.get(token, 0) - self._pending.get(token, 0) - self._promised.get(token, 0))

    def hold(self, order: Resting, amount: int) -> None:
        """Hold back this for an order, in place of what was: micro-dollars of a buy, micro-shares of a sell."""
        change, order.held = amount - order.held, amount
        if order.side is Side.BUY:
            self.reserved = Cash(self.reserved + change)
        else:
            self._add(self._promised, order.token, change)

    def book(self, order: Resting, event: OrderFilled) -> Fill | None:
        """Move cash and shares by a fill that is not settled yet; None, and nothing moved, where the cash does not cover it."""
        charges = event.fee + event.adverse
        buy = order.side is Side.BUY
        moved = -pays(event.price, event.size) - charges if buy else gets(event.price, event.size) - charges
        if self.cash + min(0, moved) < self._incoming:
            return None
        fill = Fill(event, order.market, order.token, Cash(moved), event.size if buy else -event.size)
        self._move(fill, 1)
        self._wait(fill, 1)
        return fill

    def settle(self, fill: Fill, ok: bool) -> None:
        """A fill reached its end: its shares or proceeds become usable, or it is undone exactly."""
        self._wait(fill, -1)
        if not ok:
            self._move(fill, -1)
        fill.ok = ok

    def pay_out(self, token: str, price: int) -> Cash:
        """The market is decided: its shares leave the account for what they pay."""
        paid = gets(price, self.positions.pop(token, Size(0)))
        self.cash = Cash(self.cash + paid)
        return paid

    def merge(self, yes: str, no: str, size: Size) -> bool:
        """Turn pairs of both tokens into dollars; False, and nothing moved, where so many are not there to be sold."""
        if min(self.sellable(yes), self.sellable(no)) < size:
            return False
        for token in (yes, no):
            left = Size(self.positions[token] - size)
            if left:
                self.positions[token] = left
            else:
                del self.positions[token]
        self.cash = Cash(self.cash + gets(ONE, size))
        return True

    def _move(self, fill: Fill, sign: int) -> None:
        self.cash = Cash(self.cash + sign * fill.cash)
        held = Size(self.positions.get(fill.token, 0) + sign * fill.shares)
        if held:
            self.positions[fill.token] = held
        else:
            self.positions.pop(fill.token, None)

    def _wait(self, fill: Fill, sign: int) -> None:
        if fill.shares > 0:
            self._add(self._pending, fill.token, sign * fill.shares)
        else:
            self._incoming = Cash(self._incoming + sign * max(0, fill.cash))

    @staticmethod
    def _add(into: dict[str, int], token: str, change: int) -> None:
        left = into.get(token, 0) + change
        if left:
            into[token] = left
        else:
            into.pop(token, None)
