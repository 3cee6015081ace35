"""The only writer of the state: one function for each fact. Each answers which market was touched, if any."""

from collections.abc import Callable
from typing import Any

import msgspec

from pmm_tui.core.account import account_opened, account_seen, pairs_merged, position_found, wallet_seen
from pmm_tui.core.answers import (
    external_filled,
    fill_settled,
    order_cancelled,
    order_filled,
    order_moved,
    order_rejected,
    order_signed,
    trip,
    withdraw,
)
from pmm_tui.core.commands import Alert, Unwatch, Watch
from pmm_tui.core.events import (
    OPENING,
    AccountOpened,
    AccountSeen,
    BookChanged,
    BookReset,
    ClockSeen,
    Event,
    ExternalFilled,
    FillSettled,
    LinkDown,
    LinkUp,
    MarketClosed,
    MarketListed,
    MarketResolved,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSigned,
    OrderUncertain,
    PairsMerged,
    PositionFound,
    ReferenceMoved,
    Ticked,
    TickSizeChanged,
    Traded,
    VenueModeChanged,
    WalletSeen,
)
from pmm_tui.core.instructions import Ended, Flattened, Killed, KillReset, Paused, Resumed, Retuned
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.orders import queue
from pmm_tui.core.risk import kill
from pmm_tui.core.signals import clock
from pmm_tui.core.signals.reference import Reference, symbol_of
from pmm_tui.core.state import Link, MarketState, State
from pmm_tui.core.units import ONE, SECOND, Nanos, cash_text, cents_text

VENUE_WORDS = {
    "cancel_only": "cancel-only",
    "disabled": "closed",
    "key refused": "refusing our key",
    "limited": "rate-limited",
    "post_only": "post-only",
}
"""What the venue is in a mode, where an operator's word for it is another than the program's."""
VENUE_SHUT = ("disabled", "key refused")
"""The modes in which it takes no cancel either."""


def book_changed(state: State, event: BookChanged) -> MarketState | None:
    """Levels took new sizes."""
    market = state.markets.get(event.market)
    if market is None:
        return None
    book = market.book
    for side, price, size in event.changes:
        if book.change(side, price, size, event.ts):
            market.changed = True
    if market.live:
        queue.changed(market.live.values(), event.changes, market.market.yes, state.knobs.desk.own_orders_in_book)
    if event.hash_yes or event.hash_no or market.hashed:
        market.hashed = True
        market.integrity.frame(event)
    if event.best_bid is not None and event.ts >= book.ts:
        if book.bid == event.best_bid and book.ask == event.best_ask:
            market.astray_since = Nanos(0)
        elif not market.astray_since:
            market.astray_since = event.at
    if not market.seen_at:
        market.first_at = event.at
    market.seen_at = event.at
    return market


def book_reset(state: State, event: BookReset) -> MarketState | None:
    """A whole book."""
    market = state.markets.get(event.market)
    if market is None:
        return None
    if event.rest:
        if market.doubted(state.knobs.risk.hash_streak_max) and market.book.shows(event.bids, event.asks):
            market.false_alarms += 1
        market.integrity.reset()
    if market.book.reset(event.bids, event.asks, event.ts, event.tick):
        market.changed = True
        market.astray_since = Nanos(0)
        if market.live:
            queue.replaced(market.live.values(), market.book, market.market.yes, state.knobs.desk.own_orders_in_book)
    if event.hash or market.hashed:
        market.hashed = True
        market.integrity.frame(event)
    if not market.seen_at:
        market.first_at = event.at
    market.seen_at = event.at
    return market


def traded(state: State, event: Traded) -> MarketState | None:
    """Somebody took."""
    market = state.markets.get(event.market)
    if market is None:
        return None
    market.last = event.price
    market.trades.append(event)
    if market.live:
        queue.traded(market.live.values(), event, market.market.yes)
    market.integrity.frame(event)
    market.seen_at = event.at
    return market


def tick_size_changed(state: State, event: TickSizeChanged) -> MarketState | None:
    """The grid changed: a no-op event must not clear the book."""
    market = state.markets.get(event.market)
    if market is None or event.tick == market.book.tick:
        return market
    market.book.retick(event.tick)
    market.integrity.frame(event)
    market.changed = market.urgent = True
    state.note("info", f"{market.name} tick {cents_text(event.tick)}¢")
    return market


def reference_moved(state: State, event: ReferenceMoved) -> MarketState | None:
    """A source told a reference price. What follows for quotes is seen at the next decision or tick."""
    known = state.references.get(event.symbol)
    if known is None:
        known = state.references[event.symbol] = Reference()
    known.hear(event.source, event.price, event.ts, event.at)
    return None


def market_listed(state: State, event: MarketListed) -> MarketState | None:
    """Discovery chose a market, or its terms changed."""
    known = state.markets.get(event.market.id)
    if known is None:
        known = state.markets[event.market.id] = MarketState(event.market, state.knobs)
        state.out.append(Watch(event.market.id))
        state.note("info", f"{known.name} listed")
    else:
        known.market = event.market
        known.reference = symbol_of(event.market, state.knobs.reference)
    return known


def market_closed(state: State, event: MarketClosed) -> MarketState | None:
    """No more orders."""
    market = state.markets.get(event.market)
    if market is None or market.over:
        return None
    market.closed = market.urgent = True
    state.note("info", f"{market.name} closed, result awaited")
    return market


def market_resolved(state: State, event: MarketResolved) -> MarketState | None:
    """The result: settle at it."""
    market = state.markets.get(event.market)
    if market is None or market.payout is not None:
        return None
    market.payout = event.payout_yes
    market.urgent = True
    profit = state.portfolio.resolve(event.market, market.market.yes, market.market.no, event.payout_yes, state.knobs.desk.redeem_by_hand)
    outcome = market.market.outcomes[0 if event.payout_yes else 1] if event.payout_yes in (0, ONE) else "split"
    state.note("info", f"{market.name} resolved {outcome}, {cash_text(profit)} realised on what was held")
    state.recount(market)
    equity = state.equity()
    state.equity_now = state.equity_now if equity is None else equity
    state.out.append(Unwatch(event.market))
    return market


def link_up(state: State, event: LinkUp) -> MarketState | None:
    """A connection works."""
    before = state.links.get(event.link)
    if before is None or not before.up:
        state.links[event.link] = Link(True, event.at, "")
        state.note("info", f"{event.link} connected")
        state.touch_all()
    return None


def link_down(state: State, event: LinkDown) -> MarketState | None:
    """A connection is lost: quotes are pulled."""
    before = state.links.get(event.link)
    if before is None or before.up:
        state.links[event.link] = Link(False, event.at, event.reason)
        if event.reason == OPENING:
            state.note("info", f"{event.link} is opening")
        else:
            state.note("warn", f"{event.link} lost: {VENUE_WORDS.get(event.reason, event.reason)}")
        state.touch_all()
    else:
        before.why = event.reason
    return None


def venue_mode_changed(state: State, event: VenueModeChanged) -> MarketState | None:
    """The venue takes less, or all again; a later end of the same mode is no news."""
    before = state.venue
    same = before.mode == event.mode
    state.venue = VenueModeChanged(before.at, event.mode, event.until) if same else event
    if not same:
        level = "info" if event.mode == "open" else "alarm" if event.mode in VENUE_SHUT else "warn"
        now, then = (VENUE_WORDS.get(mode, mode) for mode in (event.mode, before.mode))
        state.note(level, f"the venue is {now}" + (f" again, {then} before" if level == "info" else ""))
        if event.mode == "disabled":
            state.out.append(Alert("alarm", "venue", "the venue takes neither orders nor cancels: what rests cannot be pulled"))
    return None


def clock_seen(state: State, event: ClockSeen) -> MarketState | None:
    """The venue's clock was read: too far from ours, quotes are pulled, and far too far, twice in a row, everything is."""
    before, state.clock = state.clock, event
    knobs = state.knobs.clock
    why, known = clock.held_by(event, knobs), clock.held_by(before, knobs)
    if why and not known:
        state.note("warn", why)
        state.out.append(Alert("warn", "clock", why))
    elif known and not why:
        state.note("info", "clock: the venue's is ours again")
    if bool(why) is not bool(known):
        state.touch_all()
    if clock.kills(before, event, knobs) and not state.kill.stopped:
        trip(state, f"{clock.off_text(event)}, more than {knobs.clock_halt_s:g} s")
    return None


def paused(state: State, event: Paused) -> MarketState | None:
    """Pull quotes."""
    for market in chosen(state, event.market):
        market.paused = market.urgent = True
    if not event.market:
        state.paused, state.paused_why = True, f"paused: {event.why}" if event.why else f"paused by {event.actor}"
    state.note("warn", f"{event.actor} paused {_whom(state, event.market)}{event.why and ': ' + event.why}")
    return None


def resumed(state: State, event: Resumed) -> MarketState | None:
    """Quote again."""
    for market in chosen(state, event.market):
        market.paused = False
        market.exiting = None
        market.changed = market.urgent = True
    state.paused = False if not event.market else state.paused
    state.note("info", f"{event.actor} resumed {_whom(state, event.market)}")
    return None


def flattened(state: State, event: Flattened) -> MarketState | None:
    """Close out: paused, then orders cancelled, then the net position sold."""
    for market in chosen(state, event.market):
        market.paused = market.urgent = True
        market.exiting = event.slippage_ticks
        market.exit_passive = event.passive
        market.exit_tries = 0
        market.exit_asked_at = Nanos(0)
    state.note("warn", f"{event.actor} flattens {_whom(state, event.market)}")
    return None


def killed(state: State, event: Killed) -> MarketState | None:
    """The operator's kill."""
    if not state.kill.stopped:
        trip(state, f"{event.actor}: {event.reason}")
    return None


def ended(state: State, event: Ended) -> MarketState | None:
    """The end of the run begins."""
    if not state.ending:
        state.ending, state.ended_at, state.end_asked_at = True, Nanos(0), state.now
        state.note("warn", f"{event.actor}: the run ends, everything is cancelled")
        withdraw(state)
    return None


def kill_reset(state: State, event: KillReset) -> MarketState | None:
    """Reopen: only once the kill is verified."""
    if state.kill.phase != "killed":
        state.note("warn", f"{event.actor} asked to reset the kill switch, which is {state.kill.phase}")
        return None
    if (left := kill.resets_at(state.kill, state.knobs.kill) - state.now) > 0:
        state.note("warn", f"{event.actor} asked to reset the kill switch, which cools down for {-(-left // SECOND)} s more")
        return None
    kill.reset(state.kill, state.equity())
    state.account_misses = state.wallet_misses = 0
    state.failed.clear()
    state.touch_all()
    state.note("warn", f"{event.actor} reset the kill switch: {event.reason}")
    return None


def retuned(state: State, event: Retuned) -> MarketState | None:
    """New knobs: each name is unique, so a flat list says it all. Wrong values were refused where the profile was read."""
    before = msgspec.to_builtins(state.knobs)
    for group in before.values():
        group.update({name: value for name, value in event.changes.items() if name in group})
    state.knobs = msgspec.convert(before, Knobs)
    for market in state.markets.values():
        market.vol.retune(state.knobs.vol)
    state.touch_all()
    state.note("warn", f"{event.actor} changed " + ", ".join(f"{name} to {value}" for name, value in event.changes.items()))
    return None


def ignored(state: State, event: Event) -> MarketState | None:
    """A fact that changes nothing yet."""
    return None


def _whom(state: State, market: str) -> str:
    """What a note calls a market, or all of them."""
    known = state.markets.get(market)
    return known.name if known is not None else market[:10] or "the desk"


def chosen(state: State, market: str) -> list[MarketState]:
    """One market by id, or all where none is named."""
    if not market:
        return list(state.markets.values())
    found = state.markets.get(market)
    return [found] if found is not None else []


# Any: each function takes the one kind of event that it is filed under, which a dict's type cannot say.
APPLY: dict[type[Event], Callable[[State, Any], MarketState | None]] = {
    BookChanged: book_changed,
    BookReset: book_reset,
    Traded: traded,
    TickSizeChanged: tick_size_changed,
    ReferenceMoved: reference_moved,
    MarketListed: market_listed,
    MarketClosed: market_closed,
    MarketResolved: market_resolved,
    OrderAccepted: order_moved,
    OrderUncertain: order_moved,
    OrderRejected: order_rejected,
    OrderCancelled: order_cancelled,
    OrderFilled: order_filled,
    FillSettled: fill_settled,
    AccountSeen: account_seen,
    OrderSigned: order_signed,
    ExternalFilled: external_filled,
    AccountOpened: account_opened,
    PositionFound: position_found,
    WalletSeen: wallet_seen,
    PairsMerged: pairs_merged,
    LinkUp: link_up,
    LinkDown: link_down,
    VenueModeChanged: venue_mode_changed,
    ClockSeen: clock_seen,
    Paused: paused,
    Resumed: resumed,
    Flattened: flattened,
    Killed: killed,
    Ended: ended,
    KillReset: kill_reset,
    Retuned: retuned,
    Ticked: ignored,
}
