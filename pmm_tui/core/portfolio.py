"""Positions, cash, average cost and profit, booked from fills and undone exactly when a fill fails."""

from collections.abc import Container

from msgspec import Struct

from pmm_tui.core.events import FillSettled, OrderFilled
from pmm_tui.core.market import Side
from pmm_tui.core.orders.life import Order
from pmm_tui.core.units import ONE, SECOND, Cash, Nanos, Price, Size, gets, pays

DUST = Size(10_000)
"""0.01 share: the venue truncates fills, so a difference of a lot is not a disagreement."""

REMEMBER_NS = 900 * SECOND
"""What is over is remembered this long, here and where the venue is read: whatever was told once may be told again until then."""


class Holding(Struct):
    """Shares of one token. `shares` counts matched fills at once; `pending` of them are bought but not settled, so not yet sellable."""

    shares: Size = Size(0)
    pending: Size = Size(0)
    cost: Cash = Cash(0)
    """What the shares held cost, fees not included."""


class Fill(Struct):
    """One fill as booked, with all that is needed to undo it."""

    at: Nanos
    trade: str
    order: int
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    fee: Cash
    adverse: Cash
    maker: bool
    captured: Cash
    """Against the mid at which the quote was last decided: what the spread was to earn, before fees and before the market moved."""
    cash: Cash
    cost: Cash
    """How the holding's cost moved."""
    realised: Cash
    ahead: Size = Size(-1)
    """What was still ahead of the order in its queue when it was filled, as far as the book could tell; -1: unknown."""
    answered_ms: float = -1.0
    """From sending the order to the venue's acceptance; -1: unknown."""
    status: str = "MATCHED"


class Portfolio:
    """The account as our own records have it."""

    __slots__ = (
        "adverse",
        "captured",
        "cash",
        "fees",
        "fill_count",
        "fills",
        "found",
        "holdings",
        "initial",
        "maker_count",
        "realised",
        "realised_in",
        "settled",
        "unredeemed",
    )

    def __init__(self, initial: Cash) -> None:
        self.initial = initial
        self.cash = initial
        self.holdings: dict[str, Holding] = {}
        self.fills: dict[tuple[str, int], Fill] = {}
        """By (trade, order), until the market is settled."""
        self.settled: dict[tuple[str, int], bool] = {}
        """Settlements that overtook their fill."""
        self.unredeemed: dict[str, tuple[Size, Cash]] = {}
        """Tokens of decided markets that may still be in the wallet: shares, and what they pay once redeemed."""
        self.found: set[str] = set()
        """Tokens that were held before the run."""
        self.realised = Cash(0)
        self.realised_in: dict[str, Cash] = {}
        """By market: realised before fees."""
        self.fees = Cash(0)
        self.adverse = Cash(0)
        self.captured = Cash(0)
        self.fill_count = 0
        self.maker_count = 0

    def holding(self, token: str) -> Holding:
        """The holding of a token, made when first asked for."""
        held = self.holdings.get(token)
        if held is None:
            held = self.holdings[token] = Holding()
        return held

    @property
    def spendable(self) -> Cash:
        """Cash without what is won but not redeemed yet."""
        return Cash(self.cash - sum(worth for _, worth in self.unredeemed.values()))

    def open(self, cash: Cash) -> None:
        """The account's cash as the run begins; profit counts from here."""
        self.cash = self.initial = cash

    def find(self, token: str, size: Size, price: Price) -> Cash:
        """Shares held before the run count as bought at `price`; what they cost. Told twice, they count once."""
        if token in self.found:
            return Cash(0)
        self.found.add(token)
        held, cost = self.holding(token), pays(price, size)
        held.shares = Size(held.shares + size)
        held.cost = Cash(held.cost + cost)
        self.initial = Cash(self.initial + cost)
        return cost

    def merge(self, market: str, yes: str, no: str, size: Size) -> None:
        """Pairs of both tokens became a dollar each; what they earn over their cost is realised."""
        got = gets(ONE, size)
        profit = int(got)
        for token in (yes, no):
            held = self.holding(token)
            cost = held.cost if size >= held.shares else Cash(held.cost * size // held.shares)
            held.shares = Size(held.shares - size)
            held.cost = Cash(held.cost - cost)
            profit -= cost
        self.cash = Cash(self.cash + got)
        self.realised = Cash(self.realised + profit)
        self.realised_in[market] = Cash(self.realised_in.get(market, 0) + profit)

    def unsettled(self) -> tuple[Cash, Cash, dict[str, int], dict[str, int]]:
        """What fills on their way to the chain may still change in somebody's figures: cash to come and to go, shares to come and to go."""
        comes = goes = 0
        shares_come: dict[str, int] = {}
        shares_go: dict[str, int] = {}
        for fill in self.fills.values():
            if fill.status != "MATCHED":
                continue
            comes, goes = comes + max(0, fill.cash), goes + max(0, -fill.cash)
            into = shares_come if fill.side is Side.BUY else shares_go
            into[fill.token] = into.get(fill.token, 0) + fill.size
        return Cash(comes), Cash(goes), shares_come, shares_go

    def shares(self, token: str) -> Size:
        """Shares held, pending ones included."""
        held = self.holdings.get(token)
        return held.shares if held is not None else Size(0)

    def knows(self, event: OrderFilled) -> bool:
        """Whether this fill is booked already: venues say everything twice."""
        return (event.trade, event.order) in self.fills

    def book(self, order: Order, event: OrderFilled, mid: float | None) -> Fill:
        """Book a fill that is not known yet; `mid` is that of the order's own token when its quotes were decided, dollars, or None."""
        held = self.holding(order.token)
        if order.side is Side.BUY:
            paid = event.worth or pays(event.price, event.size)
            cash, cost, realised = Cash(-paid), paid, Cash(0)
            held.shares = Size(held.shares + event.size)
            held.pending = Size(held.pending + event.size)
        else:
            got = event.worth or gets(event.price, event.size)
            share = held.cost if event.size >= held.shares else Cash(held.cost * event.size // held.shares)
            cash, cost, realised = got, Cash(-share), Cash(got - share)
            held.shares = Size(held.shares - event.size)
        held.cost = Cash(held.cost + cost)
        cash = Cash(cash - event.fee - event.adverse)
        captured = Cash(0)
        if mid is not None:
            edge = mid - event.price / 10_000 if order.side is Side.BUY else event.price / 10_000 - mid
            captured = Cash(round(edge * event.size))
        fill = Fill(
            at=event.at,
            trade=event.trade,
            order=order.id,
            market=order.market,
            token=order.token,
            side=order.side,
            price=event.price,
            size=event.size,
            fee=event.fee,
            adverse=event.adverse,
            maker=event.maker,
            captured=captured,
            cash=cash,
            cost=cost,
            realised=realised,
            ahead=order.ahead,
            answered_ms=(order.accepted_at - order.sent_at) / 1e6 if order.accepted_at else -1.0,
        )
        self.fills[(event.trade, order.id)] = fill
        self.fill_count += 1
        self.maker_count += event.maker
        self._add(fill, 1)
        early = self.settled.pop((event.trade, order.id), None)
        if early is not None:
            self._end(fill, early)
        return fill

    def settle_fill(self, event: FillSettled) -> Fill | None:
        """A matched fill reached its end on chain; the fill, or None where it is not known yet (kept) or already ended."""
        fill = self.fills.get((event.trade, event.order))
        if fill is None:
            self.settled[(event.trade, event.order)] = event.ok
            return None
        if fill.status != "MATCHED":
            return None
        self._end(fill, event.ok)
        return fill

    def resolve(self, market: str, yes: str, no: str, payout_yes: Price, by_hand: bool = False) -> Cash:
        """Pay out a market: each YES share gets payout_yes, each NO share the rest of a dollar. The profit realised by it.

        by_hand: the cash can be spent only once the shares were redeemed.

        To be called again after every later fill or settlement of that market: a fill can still fail that was on its way when the result
        came, and then takes back what it was paid (seed 208).
        """
        profit = 0
        for token, payout in ((yes, payout_yes), (no, Price(ONE - payout_yes))):
            held = self.holdings.pop(token, None)
            if held is not None:
                worth = gets(payout, held.shares)
                self.cash = Cash(self.cash + worth)
                profit += worth - held.cost
                if by_hand and held.shares:
                    before, owed = self.unredeemed.get(token, (Size(0), Cash(0)))
                    self.unredeemed[token] = (Size(before + held.shares), Cash(owed + worth))
        self.realised = Cash(self.realised + profit)
        self.realised_in[market] = Cash(self.realised_in.get(market, 0) + profit)
        return Cash(profit)

    def owed(self) -> set[int]:
        """The orders with a fill that is not settled yet."""
        return {fill.order for fill in self.fills.values() if fill.status == "MATCHED"}

    def forget(self, before: Nanos, live: Container[int]) -> None:
        """Let go of fills older than `before`, but of no order that is `live` or has a fill that is not settled: the venue is asked about
        those, and tells all their fills again, the ended ones too."""
        owed = self.owed()
        for key, fill in list(self.fills.items()):
            if fill.at < before and fill.order not in live and fill.order not in owed:
                del self.fills[key]

    def _add(self, fill: Fill, sign: int) -> None:
        self.cash = Cash(self.cash + sign * fill.cash)
        self.fees = Cash(self.fees + sign * fill.fee)
        self.adverse = Cash(self.adverse + sign * fill.adverse)
        self.captured = Cash(self.captured + sign * fill.captured)
        self.realised = Cash(self.realised + sign * fill.realised)
        self.realised_in[fill.market] = Cash(self.realised_in.get(fill.market, 0) + sign * fill.realised)

    def _end(self, fill: Fill, ok: bool) -> None:
        held = self.holding(fill.token)
        if fill.side is Side.BUY:
            held.pending = Size(held.pending - fill.size)
        fill.status = "CONFIRMED" if ok else "FAILED"
        if not ok:
            held.shares = Size(held.shares + (fill.size if fill.side is Side.SELL else -fill.size))
            self._add(fill, -1)
            self._recost(held, Cash(held.cost - fill.cost), fill.market)

    def _recost(self, held: Holding, cost: Cash, market: str) -> None:
        """What is left of a holding's cost once a fill is undone. Sales since then took their share of the average with the failed fill in
        it, so the rest may be below nothing or above a dollar a share: what it cannot be was realised (seed 697)."""
        held.cost = max(Cash(0), min(cost, Cash(held.shares))) if held.shares >= 0 else cost
        moved = held.cost - cost
        self.realised = Cash(self.realised + moved)
        self.realised_in[market] = Cash(self.realised_in.get(market, 0) + moved)
