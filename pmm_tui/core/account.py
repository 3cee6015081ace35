"""What the venue's account and the chain say the wallet holds, against our own books: they write the state, as `answers` does."""

from pmm_tui.core.answers import ended, find, known_again, trip
from pmm_tui.core.commands import Alert
from pmm_tui.core.events import (
    AccountOpened,
    AccountSeen,
    ExternalOrder,
    OrderAccepted,
    OrderCancelled,
    PairsMerged,
    PositionFound,
    WalletSeen,
)
from pmm_tui.core.market import Kind
from pmm_tui.core.orders.life import Order, Status, move
from pmm_tui.core.portfolio import DUST
from pmm_tui.core.risk import kill
from pmm_tui.core.state import Backoff, MarketState, State
from pmm_tui.core.units import Cash, Nanos, cash_text, cents_text, pays, size_text

MISSES_APART_NS = 1_000_000_000


def account_opened(state: State, event: AccountOpened) -> MarketState | None:
    """The venue's cash replaces the profile's, before anything was traded."""
    if state.portfolio.fill_count:
        return None
    state.portfolio.open(event.cash)
    state.equity_now = event.cash
    kill.rebase(state.kill, event.cash)
    state.note("info", f"the account opens with ${cash_text(event.cash)}")
    return None


def position_found(state: State, event: PositionFound) -> MarketState | None:
    """Shares that were there before the run."""
    market = state.markets.get(event.market)
    if market is None or not event.size:
        return None
    cost = state.portfolio.find(event.token, event.size, event.price)
    if cost:
        state.equity_now = Cash(state.equity_now + cost)
        kill.found(state.kill, cost)
        state.note("warn", f"{market.name}: {size_text(event.size)} {market.outcome_of(event.token)} held before this run")
    state.recount(market)
    market.changed = market.urgent = True
    return market


def account_seen(state: State, event: AccountSeen) -> MarketState | None:
    """The venue's word on every order it knows, on cash and on shares."""
    for seen in event.orders:
        order, market = find(state, seen.order)
        if order is None or market is None:
            if seen.status == "open" and seen.order not in state.finished:
                state.foreign += 1
                state.note("alarm", f"the venue holds an order that is not ours: {seen.order}")
            continue
        if seen.status == "open":
            if order.status is Status.UNCERTAIN:
                known_again(market, order)
                move(order, OrderAccepted(event.at, order.id, order.venue_id))
        elif seen.status == "done":
            move(order, OrderCancelled(event.at, order.id, seen.matched, order.why or "the account says it is done"))
        elif seen.status == "absent" and state.now - order.sent_at >= state.knobs.desk.order_timeout_s * 1e9:
            # Younger, and the order may still be on its way: the question overtook it.
            move(order, OrderCancelled(event.at, order.id, order.filled, "the account says it never was"))
        ended(state, market, order)
    externals(state, event.external)
    state.account_misses, state.account_missed_at = _compared(
        state, "venue's account", event.cash, dict(event.positions), state.account_misses, state.account_missed_at
    )
    ours = any(seen.status == "open" for seen in event.orders) or any(one.earlier for one in event.external)
    if state.ending and not ours and not state.live:
        state.ended_at = state.ended_at or event.at
    anything = event.external or ours
    if state.kill.phase == "killing" and not anything and not state.live:
        state.kill.cancelled_at = state.kill.cancelled_at or event.at  # else the next tick would stamp it, after the proof
        state.kill.verified_at = event.at
        state.kill.phase = "killed"
        state.note("info", "kill verified: the venue's account holds no open order")
    return None


def wallet_seen(state: State, event: WalletSeen) -> MarketState | None:
    """The chain's word on cash and shares, and the gas paid so far."""
    state.wallet = (event.cash, event.positions)
    state.gas = event.gas
    state.wallet_misses, state.wallet_missed_at = _compared(
        state, "wallet on chain", event.cash, dict(event.positions), state.wallet_misses, state.wallet_missed_at
    )
    return None


def pairs_merged(state: State, event: PairsMerged) -> MarketState | None:
    """Pairs became dollars, or could not."""
    market = state.markets.get(event.market)
    if market is None:
        return None
    market.merging = False
    state.gas = Cash(state.gas + event.gas)
    if event.size:
        terms = market.market
        state.portfolio.merge(terms.id, terms.yes, terms.no, event.size)
        state.note("info", f"{market.name}: {size_text(event.size)} pairs merged into ${cash_text(Cash(event.size))}")
    else:
        state.note("warn", f"{market.name}: pairs could not be merged: {event.reason}")
    state.recount(market)
    market.changed = market.urgent = True
    return market


def externals(state: State, orders: tuple[ExternalOrder, ...]) -> None:
    """Orders of the wallet that are not this run's: counted in every cap, never touched but by a cancel-all and, those of an earlier run,
    by the venue."""
    by_market: dict[str, list[Order]] = {}
    for one in orders:
        by_market.setdefault(one.market, []).append(
            Order(
                one.order, one.market, one.token, one.side, one.price, one.rest, Kind.GTC, "external", 0, state.now, Status.OPEN,
                venue_id=one.venue_id, why="of an earlier run, being cancelled" if one.earlier else "not placed by this desk",
            )
        )  # fmt: skip
    _unlisted(state, [order for name, rest in by_market.items() if name not in state.markets for order in rest])
    for name, market in state.markets.items():
        now = by_market.get(name, [])
        if not now and not market.external:
            continue
        known = {order.id for order in market.external}
        for order in now:
            if order.id not in known:
                _told(state, order, market.name, market.told(order.side, order.size, order.token, order.price))
        market.external = now
        state.recount(market)


def _told(state: State, order: Order, where: str, what: str) -> None:
    state.note("alarm", f"EXTERNAL order in {where}: {what}, {order.why}")
    state.out.append(Alert("alarm", "external", f"an order that is not this run's rests in {where}: {order.why}"))


def _unlisted(state: State, orders: list[Order]) -> None:
    """Those in markets that the desk does not list: what they may take is no longer there for any other."""
    for order in orders:
        if order.id not in state.unlisted:
            dollars = cash_text(pays(order.price, order.size))
            what = f"{order.side.value} {size_text(order.size)} @ {cents_text(order.price)}"
            _told(state, order, f"market {order.market[:10]}, which the desk does not list (${dollars})", what)
    before = state.unlisted_usd
    state.unlisted = {order.id: order for order in orders}
    held = state.unlisted_usd
    state.reserved = Cash(state.reserved + held - before)
    state.committed = Cash(state.committed + held - before)
    if held != before:
        state.touch_all()


def _compared(state: State, whose: str, cash: Cash, theirs: dict[str, int], misses: int, missed_at: Nanos) -> tuple[int, Nanos]:
    """Their cash and shares against ours: twice wrong in a row holds all quotes, three times kills. The misses in a row, and the last.

    What is on its way to the chain, or won and not redeemed yet, may be in their figures or not: anything between is right.
    """
    portfolio = state.portfolio
    comes, goes, shares_come, shares_go = portfolio.unsettled()
    unredeemed = portfolio.unredeemed
    for token in [token for token in unredeemed if token not in theirs]:
        del unredeemed[token]
    owed = sum(worth for _, worth in unredeemed.values())
    short = cash - portfolio.cash
    wrong = []
    ours = {token: held.shares for token, held in portfolio.holdings.items() if held.shares}
    for token in sorted(ours.keys() | theirs.keys()):
        more = theirs.get(token, 0) - ours.get(token, 0)
        left = unredeemed[token][0] if token in unredeemed else 0
        if not -shares_come.get(token, 0) - DUST <= more <= shares_go.get(token, 0) + left + DUST:
            wrong.append(token)
    if not wrong and -comes - owed - DUST <= short <= goes + DUST:
        if misses >= 2:
            state.note("info", f"the {whose} matches ours again")
            state.touch_all()
        _breathe(state)
        return 0, missed_at
    if misses and state.now - missed_at < MISSES_APART_NS:
        return misses, missed_at  # the same answer twice, or two that were under way together: one miss
    misses += 1
    positions = f", and {len(wrong)} position{'s' * (len(wrong) != 1)}" if wrong else ""
    told = f"{whose} differs, time {misses} in a row: cash by {cash_text(Cash(short))}{positions}"
    state.note("warn" if misses == 1 else "alarm", told)
    if misses == 2:
        state.touch_all()
        state.out.append(Alert("alarm", "account", f"the {whose} does not match ours"))
    if misses == 3:
        trip(state, f"the {whose} does not match ours: cash by {cash_text(Cash(short))}, {len(wrong)} positions")
    return misses, state.now


def _breathe(state: State) -> None:
    """The account is as we know it: sides that were refused for want of balance may ask for twice as much again."""
    for market in state.markets.values():
        for side, after in list(market.backoff.items()):
            if after.short and state.now >= after.until:
                market.backoff[side] = Backoff(after.until, after.times, after.short - 1)
                market.changed = True
