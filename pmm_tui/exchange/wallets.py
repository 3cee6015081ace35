"""What each wallet holds on chain, and what its open and matched orders already promise of it."""

from pmm_tui.core.market import Market
from pmm_tui.core.units import ONE, Cash, Price, Size, gets

EXCHANGES = (
    "0xE111180000d2663C0091e4f400237545B87B996B",
    "0xe2222d279d744050d28e00520010520000310F59",
    "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
)
"""The contracts that settle trades and may move what a wallet allows them: of plain, of neg-risk and of Protocol V2 markets."""
UNLIMITED = 2**256 - 1
Allowances = dict[tuple[str, str], int]
"""By kind of asset (COLLATERAL, CONDITIONAL, CONDITIONAL-V2) and exchange: what it may move, base units; of shares nothing or all."""


def spender_of(market: Market) -> str:
    """The exchange that settles a market."""
    return EXCHANGES[2] if market.protocol == 3 else EXCHANGES[market.neg_risk]


def kind_of(market: Market) -> str:
    """What kind of asset its shares are."""
    return "CONDITIONAL-V2" if market.protocol == 3 else "CONDITIONAL"


class Wallet:
    """One wallet. `cash` and `shares` are the chain's; the rest is the exchange's own bookkeeping beside it."""

    __slots__ = ("address", "allowed", "cash", "fees", "owed", "promised", "reserved", "selling", "shares", "unlimited")

    def __init__(self, address: str, unlimited: bool = False) -> None:
        self.address = address
        self.unlimited = unlimited
        """One of the exchange's own participants, whose money nobody counts."""
        self.allowed: Allowances | None = None
        """As the chain says; None: there is no chain, and all of it is allowed."""
        self.cash = Cash(0)
        self.shares: dict[str, int] = {}
        self.reserved: dict[str, int] = {}
        """By market: what its resting buys may still take."""
        self.promised: dict[str, int] = {}
        """By token: what its resting sells may still take."""
        self.fees = 0
        """What takers that wait may pay in fees."""
        self.owed = Cash(0)
        """Matched buys, fees included, that the chain has not taken yet."""
        self.selling: dict[str, int] = {}
        """By token: matched sells that the chain has not taken yet."""

    def may_move(self, kind: str, spender: str) -> int:
        """How much of one kind of asset an exchange may move."""
        return UNLIMITED if self.allowed is None else self.allowed.get((kind, spender), 0)

    def active(self, market: str, per_market: bool) -> Cash:
        """The sum of active buys that count against a new one."""
        return Cash(self.reserved.get(market, 0) if per_market else sum(self.reserved.values()))

    def free_shares(self, token: str) -> Size:
        """Shares on chain that no order promised."""
        return Size(self.shares.get(token, 0) - self.promised.get(token, 0) - self.selling.get(token, 0))

    def reserve(self, market: str, amount: int) -> None:
        """Hold back more cash for resting buys (negative: less)."""
        _add(self.reserved, market, amount)

    def promise(self, token: str, amount: int) -> None:
        """Hold back more shares for resting sells (negative: less)."""
        _add(self.promised, token, amount)

    def sell(self, token: str, amount: int) -> None:
        """More shares wait to leave (negative: fewer)."""
        _add(self.selling, token, amount)

    def move(self, cash: int, token: str, amount: int) -> None:
        """What the chain does."""
        self.cash = Cash(self.cash + cash)
        if token:
            _add(self.shares, token, amount)

    def redeem(self, market: Market, payout_yes: Price) -> Cash:
        """Turn the shares of a decided market into what they pay; the dollars."""
        paid = 0
        for token, payout in ((market.yes, payout_yes), (market.no, Price(ONE - payout_yes))):
            held = Size(max(0, self.shares.get(token, 0) - self.selling.get(token, 0)))
            paid += gets(payout, held)
            self.move(0, token, -held)
        self.move(paid, "", 0)
        return Cash(paid)

    def split(self, market: Market, size: Size) -> str:
        """A dollar becomes a share of each; why not, or empty."""
        if self.cash - self.owed < size and not self.unlimited:
            return "not enough pUSD to split"
        self.move(-size, market.yes, size)
        self.move(0, market.no, size)
        return ""

    def merge(self, market: Market, size: Size) -> str:
        """A share of each becomes a dollar; why not, or empty."""
        if min(self.free_shares(market.yes), self.free_shares(market.no)) < size:
            return "not enough shares to merge"
        self.move(size, market.yes, -size)
        self.move(0, market.no, -size)
        return ""


def _add(into: dict[str, int], key: str, amount: int) -> None:
    left = into.get(key, 0) + amount
    if left:
        into[key] = left
    else:
        into.pop(key, None)
