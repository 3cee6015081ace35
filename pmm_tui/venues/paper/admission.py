"""Which orders the paper exchange takes, and what it holds back for them."""

from typing import NamedTuple

from pmm_tui.core import fees
from pmm_tui.core.commands import Place
from pmm_tui.core.market import Fees, Kind, Side
from pmm_tui.core.units import DOLLAR, LOT, ONE, Cash, Price, Size, bps_of, floor_lot, gets, mirror, pays, price_text, size_text
from pmm_tui.venues.paper.account import Account
from pmm_tui.venues.paper.fills import PaperKnobs, Resting
from pmm_tui.venues.paper.pit import Pit

HALF = Price(5_000)
NO_FUNDS = "not enough balance / allowance"


class Refusal(NamedTuple):
    """Why an order is not taken, and the code that policy follows (OrderRejected.code)."""

    reason: str
    code: str


def admit(command: Place, pit: Pit, account: Account, knobs: PaperKnobs) -> Resting | Refusal:
    """The order as the exchange takes it, perhaps smaller than asked (a sell partly covered), or why not."""
    market = pit.market
    if pit.closed:
        return Refusal("market is closed", "closed")
    if command.token not in (market.yes, market.no):
        return Refusal("the token is not of this market", "other")
    refusal = _grid(command, pit) or _limit(command, pit, account, knobs)
    if refusal is not None:
        return refusal
    yes = command.token == market.yes
    order = Resting(
        id=command.order,
        market=market.id,
        token=command.token,
        side=command.side,
        price=command.price,
        size=command.size,
        kind=command.kind,
        bid=(command.side is Side.BUY) == yes,
        level=command.price if yes else mirror(command.price),
    )
    return _funds(order, pit, account, knobs) or _match(order, pit) or order


def _grid(command: Place, pit: Pit) -> Refusal | None:
    """Price and size as the venue spells them."""
    tick, least = pit.book.tick, pit.market.min_size
    taker = command.kind in (Kind.IOC, Kind.FOK)
    if command.price % tick or not tick <= command.price <= ONE - tick:
        return Refusal(f"invalid price {price_text(command.price)}: tick {price_text(tick)}, from one tick to one below 1", "tick")
    if command.size <= 0 or command.size % LOT:
        return Refusal(f"invalid size {size_text(command.size)}: at most two decimals, above 0", "size")
    if not taker and command.size < least:
        return Refusal(f"size {size_text(command.size)} is below the minimum {size_text(least)}", "size")
    if taker and command.side is Side.BUY and gets(command.price, command.size) < DOLLAR:
        return Refusal("a marketable buy is at least $1", "size")
    return None


def _limit(command: Place, pit: Pit, account: Account, knobs: PaperKnobs) -> Refusal | None:
    """The exchange's own cap on one token, where the knob sets one."""
    most = round(knobs.venue_position_shares_max) * 1_000_000
    if not most or command.side is Side.SELL:
        return None
    bid_for = sum(order.rest for order in pit.orders() if order.token == command.token and order.side is Side.BUY)
    if account.positions.get(command.token, 0) + bid_for + command.size > most:
        return Refusal(f"position limit of {size_text(most)} shares", "limit")
    return None


def _funds(order: Resting, pit: Pit, account: Account, knobs: PaperKnobs) -> Refusal | None:
    """A buy needs its cost free; a sell is cut to the settled shares that are free, and refused where that leaves no order."""
    if order.side is Side.BUY:
        return Refusal(NO_FUNDS, "balance") if holding(order, pit.market.fees, knobs) > account.free else None
    free = floor_lot(max(0, account.sellable(order.token)))
    if order.size <= free:
        return None
    least = LOT if order.kind is Kind.IOC else max(LOT, pit.market.min_size)
    if free < least or order.kind is Kind.FOK:
        return Refusal(NO_FUNDS, "balance")
    order.size = free
    return None


def _match(order: Resting, pit: Pit) -> Refusal | None:
    """Post-only must not trade on arrival; an IOC must find something, a FOK everything."""
    if order.kind is Kind.POST_ONLY:
        return Refusal("invalid post-only order: order crosses book", "post_only") if pit.crosses(order.bid, order.level) else None
    if order.kind is Kind.GTC:
        return None
    found = sum(floor_lot(size) for _, size in pit.takeable(Side.SELL if order.bid else Side.BUY, order.level))
    if order.kind is Kind.IOC and not found:
        return Refusal("no orders found to match with FAK order", "other")
    if order.kind is Kind.FOK and found < order.size:
        return Refusal("order couldn't be fully filled, FOK orders are fully filled or killed", "other")
    return None


def holding(order: Resting, schedule: Fees, knobs: PaperKnobs) -> int:
    """What is held back for the rest of an order: a sell's shares; a buy's cost at its limit with the most it can be charged."""
    if order.side is Side.SELL or not order.rest:
        return order.rest
    bps = knobs.adverse_selection_bps + max(0.0, knobs.maker_fee_bps or 0.0)
    if knobs.fill_model == "bbo":
        bps += knobs.slippage_bps
    taker = Cash(0)
    if order.kind is not Kind.POST_ONLY:
        # Better prices can cost a higher fee: the curve is highest at one half.
        flat = knobs.taker_fee_bps
        curve = fees.taker_fee(schedule, min(order.price, HALF), order.rest)
        taker = curve if flat is None else fees.flat_fee(flat, order.price, order.rest)
    return pays(order.price, order.rest) + bps_of(gets(order.price, order.rest), bps) + taker + (1 if bps else 0)


def charges(knobs: PaperKnobs, schedule: Fees, price: Price, size: Size, maker: bool) -> tuple[Cash, Cash]:
    """(fee, adverse selection) of one fill. `bbo` charges slippage on a resting fill as adverse selection: a limit price cannot worsen."""
    notional = gets(price, size)
    adverse = bps_of(notional, knobs.adverse_selection_bps)
    if maker:
        if knobs.fill_model == "bbo":
            adverse = Cash(adverse + bps_of(notional, knobs.slippage_bps))
        flat = knobs.maker_fee_bps
        fee = fees.maker_fee(schedule, price, size) if flat is None else fees.flat_fee(flat, price, size)
    else:
        flat = knobs.taker_fee_bps
        fee = fees.taker_fee(schedule, price, size) if flat is None else fees.flat_fee(flat, price, size)
    return fee, adverse


def slipped(knobs: PaperKnobs, order: Resting, level: Price, yes: bool) -> Price:
    """What a taker gets at a displayed level, in its token's terms: worse by the slippage, never past its limit."""
    price = level if yes else mirror(level)
    worse = -(-price * round(knobs.slippage_bps * 100) // 1_000_000)
    if order.side is Side.BUY:
        return min(order.price, Price(price + worse))
    return max(order.price, Price(price - worse))
