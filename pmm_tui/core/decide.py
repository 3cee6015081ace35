"""From one market's state to commands: propose, shape, review, reconcile, place what there is room for."""

from pmm_tui.core.commands import Cancel, Command, Merge, Place
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.orders.reconcile import crosses_own, reconcile
from pmm_tui.core.orders.room import Room, room_of
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.quoting.shape import SHAPE
from pmm_tui.core.risk.guards import deaf, hold_reason
from pmm_tui.core.risk.review import REVIEW, Standing, held
from pmm_tui.core.state import MarketState, State
from pmm_tui.core.strategies import maker
from pmm_tui.core.units import LOT, ONE, Cash, Nanos, Price, Size, floor_lot, floor_tick, pays, shares
from pmm_tui.core.view import View

EXIT_TRIES_MAX = 20
EXIT_PAUSE_NS = 1_000_000_000


def decide(state: State, market: MarketState) -> list[Command]:
    """Work out what should rest in one market and what to ask for so that it does."""
    market.changed = market.urgent = False
    market.next_at = Nanos(state.now + int(state.knobs.desk.quote_interval_s * 1e9))
    market.hold = hold_reason(state, market)
    market.ending = _ending(state, market)
    if market.exiting is not None:
        market.quotes = []
        return leave(state, market)
    fixed = room_of(market.market, [order for order in market.live.values() if order.status not in _REPLACEABLE])
    market.quotes = wishes(state, market, fixed)
    live = list(market.live.values())
    knobs = state.knobs.desk
    tolerance = int(knobs.price_tolerance_ticks * market.book.tick)
    difference = reconcile(market.quotes, live, tolerance, knobs.size_tolerance_pct)
    commands: list[Command] = [cancel(state, order) for order in difference.cancel]
    market.waiting = False
    for quote in difference.place:
        why = no_room(state, market, quote)
        if why:
            market.waiting = True
            market.quotes[market.quotes.index(quote)] = held(quote, why)
        else:
            commands.append(place(state, market, quote))
    return commands


_REPLACEABLE = frozenset({Status.OPEN, Status.SENT})


def wishes(state: State, market: MarketState, fixed: Room) -> list[Quote]:
    """What the strategies want after every shaper and reviewer; nothing where there is no two-sided book to price from."""
    if market.over or not market.book.two_sided:
        return []
    seen = view(state, market, fixed)
    if not 0 < seen.bid < seen.ask < 10_000 and not market.hold:
        market.hold = "no others in the book"
    if market.hold in _UNPRICED or not seen.bid or seen.ask >= 10_000:
        return []
    knobs = state.knobs
    market.quoted_mid = (seen.bid + seen.ask) / 20_000
    market.pricing = maker.price(seen, micro(seen), knobs.maker)
    quotes = maker.propose(seen, market.pricing, knobs.maker)
    for shape in SHAPE:
        quotes = shape(quotes, seen, knobs.shape)
    standing = Standing(
        hold=market.hold,
        killed=f"killed: {state.kill.why}" if state.kill.stopped else "",
        market_usd=Cash(state.cost(market) + fixed.reserved),
        cluster_usd=Cash(state.clusters.get(market.market.cluster, 0) - market.room.reserved + fixed.reserved),
        total_usd=Cash(state.committed - market.room.reserved + fixed.reserved),
        orders=len(state.live) - market.room.orders + fixed.orders,
    )
    for review in REVIEW:
        quotes = review(quotes, seen, standing, knobs.risk)
    if market.backoff:
        quotes = [wait(quote, market, state.now) for quote in quotes]
    return quotes


_UNPRICED = frozenset({"waiting for data", "empty book", "one-sided book", "crossed book", "no others in the book"})


def wait(quote: Quote, market: MarketState, now: Nanos) -> Quote:
    """After a refusal a side waits, so that a moving book is not chased in a loop; what the balance did not cover comes back smaller."""
    after = market.backoff.get((quote.token, quote.side))
    if after is None:
        return quote
    if now < after.until:
        return held(quote, f"refused {after.times} times in a row, waiting")
    if not after.short:
        return quote
    size = floor_lot(Size(quote.size >> after.short))
    if size < market.market.min_size:
        return held(quote, "the venue says the balance does not cover it")
    return Quote(quote.strategy, quote.token, quote.side, quote.price, size, quote.level, quote.kind, quote.held)


def micro(seen: View) -> float:
    """The microprice of the others' touch, in dollars."""
    return (seen.bid * seen.ask_size + seen.ask * seen.bid_size) / ((seen.bid_size + seen.ask_size) * 10_000)


def view(state: State, market: MarketState, fixed: Room) -> View:
    """One market as a strategy sees it; `fixed` is what orders that cannot be replaced any more still promise."""
    book, terms, portfolio = market.book, market.market, state.portfolio
    if state.knobs.desk.own_orders_in_book and market.live:
        bid, bid_size, ask, ask_size = book.touch_without(*ours(market))
    else:
        bid, bid_size, ask, ask_size = book.bid, book.bid_size, book.ask, book.ask_size
    yes, no = portfolio.holding(terms.yes), portfolio.holding(terms.no)
    return View(
        at=state.now,
        market=terms,
        tick=book.tick,
        bid=bid,
        bid_size=bid_size,
        ask=ask,
        ask_size=ask_size,
        sigma=market.sigma,
        yes=yes.shares,
        no=no.shares,
        free_yes=Size(max(0, yes.shares - yes.pending - fixed.selling_yes)),
        free_no=Size(max(0, no.shares - no.pending - fixed.selling_no)),
        cash=Cash(portfolio.spendable - state.reserved + market.room.reserved - fixed.reserved),
        equity=state.capital,
        initial=portfolio.initial,
    )


def ours(market: MarketState) -> tuple[dict[Price, Size], dict[Price, Size]]:
    """Our own resting sizes by level, bids and asks, in YES terms."""
    bids: dict[Price, Size] = {}
    asks: dict[Price, Size] = {}
    yes = market.market.yes
    for order in market.live.values():
        if order.status is Status.SENT or not order.rest:
            continue
        bought = (order.token == yes) is (order.side is Side.BUY)
        price = order.price if order.token == yes else Price(10_000 - order.price)
        levels = bids if bought else asks
        levels[price] = Size(levels.get(price, 0) + order.rest)
    return bids, asks


def no_room(state: State, market: MarketState, quote: Quote) -> str:
    """Why a wish may not be placed yet, counting every order that may still fill at its worst; empty when it may."""
    portfolio, room, terms = state.portfolio, market.room, market.market
    held_yes, held_no = portfolio.holding(terms.yes), portfolio.holding(terms.no)
    price = int(quote.price)
    if len(state.live) >= state.knobs.risk.max_open_orders:
        return "waiting for open orders to end"
    if quote.side is Side.BUY:
        needs = pays(price, quote.size)
        if portfolio.spendable - state.reserved < needs:
            return "waiting for cash that resting orders hold"
        if beyond_caps(state, market, needs):
            return "waiting for capital that resting orders hold"
    else:
        held_token, selling = (held_yes, room.selling_yes) if quote.token == terms.yes else (held_no, room.selling_no)
        if held_token.shares - held_token.pending - selling < quote.size:
            return "waiting for shares that other orders are selling"
    limit = int(state.knobs.shape.max_position_size * 1_000_000)
    net = held_yes.shares - held_no.shares
    rises = (quote.token == terms.yes) is (quote.side is Side.BUY)
    if (net + room.up if rises else room.down - net) + quote.size > limit:
        return "waiting for orders that may still fill"
    if crosses_own(quote, [*market.live.values(), *market.external], terms.yes):
        return "waiting: it would trade with our own order"
    return ""


def beyond_caps(state: State, market: MarketState, needs: Cash) -> bool:
    """Whether one more buy would commit more than a capital cap allows, everything that may still fill counted."""
    risk, equity = state.knobs.risk, max(0, state.capital)
    return (
        (market.committed + needs) * 100 > equity * risk.max_market_pct
        or (state.clusters.get(market.market.cluster, 0) + needs) * 100 > equity * risk.max_cluster_pct
        or (state.committed + needs) * 100 > equity * risk.max_total_pct
    )


def place(state: State, market: MarketState, quote: Quote) -> Place:
    """Ask for an order; it is SENT now and counts from now on."""
    number = state.next_order
    state.next_order += 1
    state.orders_sent += 1
    order = Order(
        id=number,
        market=market.market.id,
        token=quote.token,
        side=quote.side,
        price=Price(int(quote.price)),
        size=quote.size,
        kind=quote.kind,
        strategy=quote.strategy,
        level=quote.level,
        sent_at=state.now,
        changed_at=state.now,
    )
    market.live[number] = order
    state.live[number] = order
    state.recount(market)
    return Place(number, order.market, order.token, order.side, order.price, order.size, order.kind)


def cancel(state: State, order: Order) -> Cancel:
    """Ask for an order's end; until that is proven it can still fill."""
    order.status = Status.CANCELLING
    order.asked_at = state.now
    order.unsure_at = order.unsure_at or state.now
    return Cancel(order.id)


def leave(state: State, market: MarketState) -> list[Command]:
    """Close out at the operator's word: cancel what rests, merge pairs, then sell the net position.

    It is sold by crossing, a little beyond the touch, or passively, resting at the touch until somebody takes it. Pairs of YES and NO that
    are not merged pay a dollar together whatever happens. A rest below the market's minimum size is left too, and said.
    """
    resting = [order for order in market.live.values() if order.status in _REPLACEABLE]
    passive = [order for order in resting if order.strategy == "flatten" and order.kind is Kind.POST_ONLY and market.exit_passive]
    if len(resting) > len(passive):
        return [cancel(state, order) for order in resting if order not in passive]
    if passive:
        return _follow(state, market, passive[0]) if len(passive) == 1 else [cancel(state, order) for order in passive]
    if state.ending:
        market.exiting = None  # the run's end has closed admission for good
        return []
    if state.kill.phase == "killing":
        return []  # first it is proven that nothing rests
    if market.over:
        market.exiting = None  # nothing can be sold any more: what is held waits for the result
        return []
    if market.live or market.merging or state.now < market.exit_asked_at + EXIT_PAUSE_NS:
        return []
    if deaf(state):
        return []  # nothing is sold by a book, or to a venue, that is not heard
    terms, book, portfolio = market.market, market.book, state.portfolio
    pairs = mergeable(state, market)
    if pairs and state.knobs.desk.merge_pairs and market.exit_tries == 0:
        market.merging, market.exit_tries = True, 1
        return [Merge(terms.id, pairs)]
    net = portfolio.shares(terms.yes) - portfolio.shares(terms.no)
    token = terms.yes if net > 0 else terms.no
    holding = portfolio.holding(token)
    size = Size(min(abs(net), holding.shares - holding.pending))
    size = Size(size - size % LOT)
    best = book.bid if net > 0 else Price(10_000 - book.ask)
    worst = max(book.tick, floor_tick(best - (market.exiting or 0) * book.tick, book.tick))  # a level may be off the grid of a new tick
    if abs(net) < max(terms.min_size, LOT) or market.exit_tries >= EXIT_TRIES_MAX:
        rest = f"{shares(abs(net)):g} shares left" if net else "flat"
        state.note("warn" if abs(net) >= terms.min_size else "info", f"{market.name} flatten ended: {rest}")
        market.exiting = None
        return []
    if size < terms.min_size or best <= 0 or book.crossed or not market.seen_at:
        return []
    market.exit_asked_at = state.now
    if market.exit_passive:
        return [place(state, market, Quote("flatten", token, Side.SELL, _passive(market, token), size, kind=Kind.POST_ONLY))]
    market.exit_tries += 1
    return [place(state, market, Quote("flatten", token, Side.SELL, worst, size, kind=Kind.IOC))]


def mergeable(state: State, market: MarketState) -> Size:
    """Settled pairs of YES and NO, in lots."""
    yes, no = state.portfolio.holding(market.market.yes), state.portfolio.holding(market.market.no)
    return floor_lot(Size(max(0, min(yes.shares - yes.pending, no.shares - no.pending))))


def _passive(market: MarketState, token: str) -> Price:
    """Where a sell of this token rests at the touch of the others, in the token's own terms."""
    bids, asks = ours(market) if market.live else ({}, {})
    bid, _, ask, _ = market.book.touch_without(bids, asks)
    best_bid, best_ask = (bid, ask) if token == market.market.yes else (ONE - ask, ONE - bid)
    return Price(min(ONE - market.book.tick, max(best_ask, best_bid + market.book.tick)))


def _follow(state: State, market: MarketState, order: Order) -> list[Command]:
    """A passive exit goes after the touch, at most once in EXIT_PAUSE_NS."""
    if not market.book.two_sided or order.price == _passive(market, order.token) or state.now < market.exit_asked_at + EXIT_PAUSE_NS:
        return []
    market.exit_asked_at = state.now
    return [cancel(state, order)]


def _ending(state: State, market: MarketState) -> bool:
    closes = market.market.closes
    return bool(closes) and closes - state.now <= state.knobs.risk.stop_before_close_s * 1e9
