"""What the exchange checks of an order before it matches it, in the venue's order and words (error codes page, 2026-07)."""

from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.fees import FEE_STEP, taker_fee
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import DOLLAR, LOT, ONE, SECOND, Cash, Nanos, Price, Size, pays, price_text, size_text
from pmm_tui.exchange.ladder import Ladder, in_yes
from pmm_tui.exchange.terms import Lasts, Order
from pmm_tui.exchange.wallets import Wallet, kind_of, spender_of

NOT_READY = "the market is not yet ready to process new orders"
NO_BALANCE = "not enough balance / allowance"
EXPIRATION = "invalid expiration"
CROSSES = "invalid post-only order: order crosses book"
KILLED_FOK = "order couldn't be fully filled. FOK orders are fully filled or killed."
KILLED_FAK = "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
GTD_EARLY_NS = 60 * SECOND
"""A GTD order ends this long before its stated expiration."""
GTD_LEAST_NS = 180 * SECOND
"""So far ahead its stated expiration must be."""
MARKETABLE_MIN = Cash(DOLLAR)


class Rules(Struct, frozen=True):
    """How the exchange behaves where it is not fixed. Milliseconds are the exchange's own time."""

    taker_delay_ms: Annotated[int, Meta(ge=0, le=60_000, description="a taker waits this long before it matches, milliseconds")] = 0
    mined_after_ms: Annotated[int, Meta(ge=0, le=600_000, description="a trade is mined after this on average, milliseconds")] = 2_500
    confirmed_after_ms: Annotated[int, Meta(ge=0, le=600_000, description="and confirmed this long after that, milliseconds")] = 2_500
    fail_share: Annotated[float, Meta(ge=0, le=1, description="part of the trades that fail on chain")] = 0.0
    retry_share: Annotated[float, Meta(ge=0, le=1, description="part of the trades that are retried before they are mined")] = 0.0
    retry_ms: Annotated[int, Meta(ge=0, le=3_600_000, description="how long a retry takes, milliseconds")] = 5_000
    per_market_reservation: Annotated[bool, Meta(description="active orders count against the balance in their own market only")] = True
    tick_change: Annotated[bool, Meta(description="the tick becomes 0.001 beyond 0.96 and below 0.04")] = True
    reward_sample_s: Annotated[int, Meta(ge=0, le=3_600, description="liquidity is sampled for rewards this often, seconds; 0: never")] = 60


def refuse(order: Order, market: Market, tick: Price, ladder: Ladder, wallet: Wallet, rules: Rules, at: Nanos) -> str:
    """Why an order is not taken, in the venue's words; empty where it is. Price and size are those of its own token."""
    if order.price % tick or not tick <= order.price <= ONE - tick:
        return f"order {order.id} is invalid. Price ({price_text(order.price)}) breaks minimum tick size rule: {price_text(tick)}"
    touch = crossing(order, market, ladder)
    if not touch and order.size < market.min_size and order.lasts in (Lasts.GTC, Lasts.GTD) and not wallet.unlimited:
        return f"order {order.id} is invalid. Size ({size_text(order.size)}) lower than the minimum: {size_text(market.min_size)}"
    if order.size % LOT and not wallet.unlimited and not order.budget:
        return "invalid amounts, the buy orders maker amount supports a max accuracy of 4 decimals, taker amount a max of 2 decimals"
    if order.lasts is Lasts.GTD and order.expires - at < GTD_LEAST_NS:
        return EXPIRATION
    spends = order.budget or pays(order.price, order.size)
    if touch and order.side is Side.BUY and spends < MARKETABLE_MIN and not wallet.unlimited:
        return f"invalid amount for a marketable BUY order (${spends / 1e6:g}), min size: $1"
    if not wallet.unlimited and (why := short(order, market, ladder, wallet, rules, touch, spends)):
        return why
    if order.post_only and touch:
        return CROSSES
    if order.lasts is Lasts.FOK and not fillable(order, market, ladder):
        return KILLED_FOK
    if order.lasts is Lasts.FAK and not touch:
        return KILLED_FAK
    return ""


def crossing(order: Order, market: Market, ladder: Ladder) -> bool:
    """Whether it would match at once."""
    side, price = in_yes(market, order.token, order.side, order.price)
    best = ladder.best(side.other)
    return best is not None and (best <= price if side is Side.BUY else best >= price)


def short(order: Order, market: Market, ladder: Ladder, wallet: Wallet, rules: Rules, takes: bool, spends: Cash) -> str:
    """What balance or allowance do not cover: the venue's sentence with its sums in base units; empty where both do."""
    if order.side is Side.SELL:
        matched = wallet.selling.get(order.token, 0)
        if wallet.free_shares(order.token) < order.size:
            held = wallet.shares.get(order.token, 0)
            return _sentence(held, wallet.promised.get(order.token, 0), order.size, matched)
        return _unallowed(wallet, kind_of(market), spender_of(market), order.size, matched)
    needs = spends + (fee_at_most(order, market, ladder) if takes and not order.post_only else 0)
    active = wallet.active(order.market, rules.per_market_reservation) + wallet.fees
    if wallet.cash - active - wallet.owed < needs:
        return _sentence(wallet.cash, active, needs, wallet.owed)
    return _unallowed(wallet, "COLLATERAL", spender_of(market), needs, wallet.owed)


def fee_at_most(order: Order, market: Market, ladder: Ladder) -> Cash:
    """What a buy may pay in fees: a dollar amount pays most where it buys most, at the touch. Each level's fee is rounded by itself."""
    side, limit = in_yes(market, order.token, order.side, order.price)
    levels = ladder.reach(side.other, limit)
    own, size = order.price, order.size
    if order.budget and levels:
        own = levels[0][0] if order.token == market.yes else Price(ONE - levels[0][0])
        size = affordable(order.budget, own)
    fee = taker_fee(market.fees, own, size)
    return Cash(fee + FEE_STEP // 2 * (len(levels) + 1)) if fee and len(levels) > 1 else fee


def _sentence(balance: int, active: int, amount: int, matched: int) -> str:
    told = f", sum of matched orders: {matched}" if matched else ""
    return (
        f"{NO_BALANCE}: the balance is not enough -> balance: {balance}, sum of active orders: {active}{told}, "
        f"order amount (inc. fees): {amount}"
    )


def _unallowed(wallet: Wallet, kind: str, spender: str, amount: int, matched: int) -> str:
    """The venue's sentence where its exchange may not move as much (observed 2026-05 to 2026-10); empty where it may."""
    allowed = wallet.may_move(kind, spender)
    if allowed - matched >= amount:
        return ""
    return (
        f"{NO_BALANCE}: the allowance is not enough -> spender: {spender}, allowance: {allowed}, sum of matched orders: {matched}, "
        f"order amount (inc. fees): {amount}"
    )


def fillable(order: Order, market: Market, ladder: Ladder) -> bool:
    """Whether all of it would match at once."""
    side, limit = in_yes(market, order.token, order.side, order.price)
    left, money = int(order.size), int(order.budget)
    for price, size in ladder.reach(side.other, limit):
        own = price if order.token == market.yes else ONE - price
        if order.budget:
            money -= pays(own, size)
            if money <= 0:
                return True
        else:
            left -= size
            if left <= 0:
                return True
    return False


def affordable(money: int, price: Price) -> Size:
    """The shares that a dollar amount buys at a price, in lots."""
    size = money * ONE // price
    return Size(size - size % LOT)
