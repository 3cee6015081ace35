"""The exchange's floor: its markets and wallets, and what can be read of them."""

from msgspec import Struct, structs

from pmm_tui.core.market import Market, Side
from pmm_tui.core.signals.checksum import last_text
from pmm_tui.core.units import ONE, Cash, Price, Size
from pmm_tui.exchange.ladder import Ladder
from pmm_tui.exchange.terms import Order, Trade
from pmm_tui.exchange.wallets import Wallet

KEPT_MAX = 100_000


class Placed(Struct, frozen=True):
    """What became of an order: the venue's error, or its status and what matched at once (micro-dollars and micro-shares)."""

    error: str = ""
    status: str = ""
    making: int = 0
    taking: int = 0
    trades: tuple[str, ...] = ()


class Pit:
    """One market as the exchange runs it."""

    __slots__ = ("closed", "ladder", "last", "market", "payout", "tick")

    def __init__(self, market: Market) -> None:
        self.market = market
        self.ladder = Ladder(market)
        self.tick = market.tick
        self.last = Price(0)
        self.closed = False
        self.payout: Price | None = None


def forget(orders: dict[str, Order], trades: dict[str, Trade]) -> None:
    """Let go of the oldest ended orders and trades beyond KEPT_MAX of each: a client asks for the recent ones."""
    for name in [name for name, order in orders.items() if order.status not in ("LIVE", "DELAYED")][: max(0, len(orders) - KEPT_MAX)]:
        del orders[name]
    for name in [name for name, trade in trades.items() if trade.status in ("CONFIRMED", "FAILED")][: max(0, len(trades) - KEPT_MAX)]:
        del trades[name]


class Floor:
    """Markets by id and by token, wallets by address."""

    def __init__(self) -> None:
        self.markets: dict[str, Pit] = {}
        self.wallets: dict[str, Wallet] = {}
        self._pits: dict[str, Pit] = {}

    def wallet(self, address: str) -> Wallet:
        """A wallet, made when first asked for."""
        found = self.wallets.get(address)
        if found is None:
            found = self.wallets[address] = Wallet(address)
        return found

    def unlimited(self, address: str) -> Wallet:
        """A wallet of the exchange's own participants, whose orders need no balance."""
        wallet = self.wallet(address)
        wallet.unlimited = True
        return wallet

    def deposit(self, wallet: str, cash: Cash) -> None:
        """Money arrives (or leaves, where it is negative)."""
        self.wallet(wallet).move(cash, "", 0)

    def give(self, wallet: str, token: str, size: Size) -> None:
        """Shares arrive."""
        self.wallet(wallet).move(0, token, size)

    def cash(self, wallet: str) -> Cash:
        """pUSD on chain."""
        return self.wallet(wallet).cash

    def shares(self, wallet: str, token: str) -> Size:
        """Shares on chain."""
        return Size(self.wallet(wallet).shares.get(token, 0))

    def market_of(self, token: str) -> Market | None:
        """The market of a token, with its present tick; None where nobody lists it."""
        pit = self._pits.get(token)
        if pit is None:
            return None
        return pit.market if pit.tick == pit.market.tick else structs.replace(pit.market, tick=pit.tick)

    def levels(self, token: str, side: Side) -> list[tuple[Price, Size]]:
        """One side of a token's own book, best first."""
        pit = self._pits[token]
        if token == pit.market.yes:
            return pit.ladder.levels(side)
        return [(Price(ONE - price), size) for price, size in pit.ladder.levels(side.other)]

    def last(self, market: str) -> str:
        """last_trade_price as the venue writes it; empty where nothing traded."""
        pit = self.markets[market]
        return last_text(pit.last) if pit.last else ""

    def tick(self, market: str) -> Price:
        """The present tick."""
        return self.markets[market].tick
