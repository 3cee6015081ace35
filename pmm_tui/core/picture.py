"""The snapshot drawn from the state: formatting for faces starts here, deciding ended before."""

from pmm_tui.core.decide import mergeable, ours
from pmm_tui.core.fees import taker_fee
from pmm_tui.core.market import Side
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.portfolio import Fill
from pmm_tui.core.risk.guards import judged
from pmm_tui.core.risk.kill import drawdown, halts_at, resets_at
from pmm_tui.core.signals.clock import held_by, surely_off
from pmm_tui.core.signals.reference import told
from pmm_tui.core.snapshot import (
    NOT_ASKED,
    BookHealth,
    FeedRow,
    FillRow,
    KillRow,
    LevelRow,
    MarketRow,
    Money,
    NoteRow,
    OrderRow,
    QuoteRow,
    ReferenceRow,
    RiskRow,
    Snapshot,
    SourceRow,
    TradeRow,
    VenueRow,
)
from pmm_tui.core.state import MarketState, State
from pmm_tui.core.units import ONE, Cash, Nanos, Price, Size

DEPTH = 25
"""Levels of a side at most: as many as the console's deepest ladder shows."""
ROWS = 50
NAN = float("nan")


def picture(state: State) -> Snapshot:
    """What a face may see now."""
    phase, why = phase_of(state)
    curve = (*state.curve, (state.now, state.equity_now)) if state.curve else ()
    return Snapshot(
        seq=state.seq,
        at=state.now,
        phase=phase,
        why=why,
        money=money(state),
        markets=tuple(market_row(state, market) for market in state.markets.values()),
        orders=(
            *(order_row(state, order, order.status.value) for order in state.live.values()),
            *(order_row(state, order, "EXTERNAL") for market in state.markets.values() for order in market.external),
            *(order_row(state, order, "EXTERNAL") for order in state.unlisted.values()),
        ),
        fills=tuple(fill_row(state, fill) for fill in reversed(state.recent)),
        feeds=tuple(FeedRow(name, link.up, link.since, link.why) for name, link in sorted(state.links.items())),
        risk=risk_rows(state),
        kill=kill_rows(state),
        notes=tuple(NoteRow(note.at, note.level, note.text) for note in list(state.notes)[: -ROWS - 1 : -1]),
        equity_curve=curve,
        fill_count=state.portfolio.fill_count,
        orders_sent=state.orders_sent,
        rejects=dict(sorted(state.rejects.items())),
        gas=state.gas,
        resets_at=resets_at(state.kill, state.knobs.kill) if state.kill.stopped else Nanos(0),
        references=tuple(reference_row(state, symbol) for symbol in symbols(state)),
        venue=VenueRow(state.venue.mode, state.venue.at, state.venue.until),
    )


def phase_of(state: State) -> tuple[str, str]:
    """What the desk as a whole is doing, and why if it is not quoting."""
    if state.kill.stopped:
        return state.kill.phase, state.kill.why
    if state.ending:
        return "ending", "no open order" if state.ended_at else "waiting until the account holds no open order"
    if state.paused:
        return "paused", state.paused_why
    if not state.markets:
        return "starting", "no market yet"
    if state.kill.phase == "alert":
        return "alert", "drawdown beyond the alert level"
    return "running", ""


def money(state: State) -> Money:
    """The account."""
    portfolio, knobs = state.portfolio, state.knobs.kill
    lost, pct = drawdown(state.kill, state.equity_now, knobs)
    cost = sum(held.cost for held in portfolio.holdings.values())
    return Money(
        initial=portfolio.initial,
        cash=portfolio.cash,
        reserved=state.reserved,
        equity=state.equity_now,
        realised=portfolio.realised,
        unrealised=Cash(state.equity_now - portfolio.cash - cost),
        fees=portfolio.fees,
        adverse=portfolio.adverse,
        captured=portfolio.captured,
        peak=state.kill.peak,
        drawdown=lost,
        drawdown_pct=pct,
        max_drawdown=state.kill.max_drawdown,
        alert_pct=knobs.kill_switch_alert_pct,
        halt_pct=knobs.kill_switch_max_drawdown_pct,
        reference=knobs.kill_switch_reference,
        drift=Cash(state.equity_now - portfolio.initial - portfolio.captured + portfolio.fees + portfolio.adverse),
        halts_at=halts_at(state.kill, knobs),
    )


def market_row(state: State, market: MarketState) -> MarketRow:
    """One market on the screen."""
    book, terms, portfolio = market.book, market.market, state.portfolio
    mine = ours(market)
    shown, why = market_state(state, market)
    two_sided = book.two_sided
    cost = state.cost(market)
    worth = state.value(market)
    pricing, yes, no = market.pricing, portfolio.shares(terms.yes), portfolio.shares(terms.no)
    return MarketRow(
        id=terms.id,
        slug=terms.slug,
        question=terms.question,
        outcomes=terms.outcomes,
        closes=terms.closes,
        tick=book.tick,
        state=shown,
        why=why,
        bids=ladder(market, Side.BUY, mine[0]),
        asks=ladder(market, Side.SELL, mine[1]),
        mid=book.mid() if two_sided else NAN,
        micro=book.micro() if two_sided else NAN,
        imbalance=book.imbalance() if two_sided else NAN,
        fair=pricing.fair if pricing else NAN,
        centre=pricing.centre if pricing else NAN,
        half_spread=pricing.half_spread if pricing else NAN,
        sigma=market.sigma,
        sigma_source=market.sigma_source,
        last=market.last,
        health=BookHealth(
            age_ms=(state.now - market.seen_at) // 1_000_000 if market.seen_at else -1,
            verified=market.integrity.verified,
            mismatched=market.integrity.mismatched,
            unverifiable=market.integrity.unverifiable,
            stale_frames=book.stale_frames,
            resyncs=market.resyncs,
            crossed=book.crossed,
            stale=state.now - market.seen_at > state.knobs.risk.stale_after_s * 1e9 if market.seen_at else False,
        ),
        quotes=tuple(
            quote_row(market, quote.token, quote.side, int(quote.price), quote.size, quote.level, quote.held) for quote in market.quotes
        ),
        yes=yes,
        no=no,
        cost=cost,
        realised=portfolio.realised_in.get(terms.id, Cash(0)),
        unrealised=Cash(worth - cost) if worth is not None else Cash(0),
        payout_yes=market.payout,
        exit_fee=taker_fee(terms.fees, book.bid if yes > no else book.ask, Size(abs(yes - no))),
        merges=mergeable(state, market) if state.knobs.desk.merge_pairs and not market.over else Size(0),
        fills=state.fills_in.get(terms.id, 0),
        trades=tuple(TradeRow(one.at, one.price, one.size, one.side) for one in reversed(market.trades)),
    )


def market_state(state: State, market: MarketState) -> tuple[str, str]:
    """The one word for a market, and why it is not quoting."""
    if market.payout is not None:
        return "resolved", f"paid {market.market.outcomes[0]} {market.payout / ONE:g}"
    if market.closed:
        return "closed", "result awaited"
    if state.kill.stopped:
        return state.kill.phase, state.kill.why
    if market.exiting is not None:
        return "closing", "flattening at the operator's word"
    hold = market.hold
    if hold.startswith("reference"):
        return "held", told(judged(state, market.reference), state.knobs.reference)
    for word, shown in (("paused", "paused"), ("waiting", "waiting"), ("warming", "warming"), ("stale", "stale")):
        if hold.startswith(word):
            return shown, hold
    held = next((quote.held for quote in market.quotes if quote.held), "")
    if any(order.status is Status.OPEN or order.status is Status.SENT for order in market.live.values()):
        return "quoting", held
    return "held", hold or held or "nothing to quote"


def ladder(market: MarketState, side: Side, mine: dict[Price, Size]) -> tuple[LevelRow, ...]:
    """Best levels first, our own sizes beside them; a level that only we hold is shown too."""
    levels, none = market.book.levels(side, DEPTH), Size(0)
    if alone := mine.keys() - {price for price, _ in levels}:
        levels = sorted([*levels, *((price, none) for price in alone)], reverse=side is Side.BUY)[:DEPTH]
    return tuple([LevelRow(price, size, mine.get(price, none)) for price, size in levels])


def quote_row(market: MarketState, token: str, side: Side, price: int, size: Size, level: int, held: str) -> QuoteRow:
    """A wish in YES terms."""
    if token == market.market.yes:
        return QuoteRow(side, Price(price), size, level, held)
    return QuoteRow(side.other, Price(ONE - price), size, level, held)


def order_row(state: State, order: Order, status: str) -> OrderRow:
    """One order on the screen."""
    market = state.markets.get(order.market)
    outcome = market.outcome_of(order.token) if market is not None else order.token[:6]
    return OrderRow(
        order.id, order.market, outcome, order.side, order.price, order.size, order.filled, status, order.sent_at, order.why,
        order.venue_id, order.ahead, order.unsure_at,
    )  # fmt: skip


def fill_row(state: State, fill: Fill) -> FillRow:
    """One fill on the screen."""
    market = state.markets.get(fill.market)
    outcome = market.outcome_of(fill.token) if market is not None else fill.token[:6]
    return FillRow(
        fill.at, fill.market, fill.order, outcome, fill.side, fill.price, fill.size, fill.fee, fill.captured, fill.maker, fill.status,
        fill.ahead, fill.answered_ms,
    )  # fmt: skip


def risk_rows(state: State) -> tuple[RiskRow, ...]:
    """Every guard, cap and reviewer: now against its limit, whether it holds something, and how much of the limit is used."""
    risk, open_ = state.knobs.risk, [market for market in state.markets.values() if not market.over]
    held = [quote.held for market in state.markets.values() for quote in market.quotes if quote.held]
    holds = [market.hold for market in open_ if market.hold]
    age = max((state.now - market.seen_at for market in open_ if market.seen_at), default=0) / 1e9
    left = min((market.market.closes - state.now for market in open_ if market.market.closes), default=0) / 1e9
    streak, crossed = max((market.integrity.streak for market in open_), default=0), sum(market.book.crossed for market in open_)
    asked, live, failed = state.wallet is not None, len(state.live), len(state.failed)
    beyond = _any(held, "price beyond")
    undone, late = failed / (risk.failed_trades_max + 1), age > risk.stale_after_s or _any(holds, "stale")
    return (
        RiskRow("data age", f"{age:.1f} s", f"{risk.stale_after_s:g} s", late, age / risk.stale_after_s),
        *_caps(state, held),
        RiskRow("open orders", f"{live}", f"{risk.max_open_orders}", _any(held, "open orders"), live / risk.max_open_orders),
        RiskRow("time to the end", _lasting(left), f">{risk.stop_before_close_s:g} s", _any(held, "ends in")),
        RiskRow("price bounds", "beyond" if beyond else "within", f">{risk.min_price * 100:g}¢", beyond),
        RiskRow("crossed books", f"{crossed}", "0", "crossed book" in holds),
        RiskRow("wrong hashes", f"{streak}", f"{risk.hash_streak_max}", _any(holds, "book hash"), streak / risk.hash_streak_max),
        RiskRow("account check", f"{state.account_misses} missed", "2", state.account_misses >= 2, state.account_misses / 2),
        RiskRow(
            "wallet check", f"{state.wallet_misses} missed" if asked else NOT_ASKED, "2", state.wallet_misses >= 2,
            state.wallet_misses / 2 if asked else -1.0,
        ),
        RiskRow("failed trades", f"{failed}", f"{risk.failed_trades_max}", _any(holds, "failed on chain"), undone),
        *clock_guard(state),
        *reference_guards(state, holds),
    )  # fmt: skip


def _lasting(seconds: float) -> str:
    """A time to come in the largest unit of which there are two: 20 s, 15 min, 3 h, 18 d."""
    unit, each = next(((unit, each) for unit, each in (("d", 86_400), ("h", 3_600), ("min", 60)) if seconds >= 2 * each), ("s", 1))
    return f"{max(0.0, seconds) / each:.0f} {unit}"


def clock_guard(state: State) -> list[RiskRow]:
    """The venue's clock against ours, where it was read."""
    if state.clock is None:
        return []
    off, knobs = surely_off(state.clock) / 1e9, state.knobs.clock
    holding = bool(held_by(state.clock, knobs))
    return [RiskRow("clock", f"{off:+.1f} s", f"{knobs.clock_reduce_s:g} s", holding, abs(off) / knobs.clock_reduce_s)]


def symbols(state: State) -> list[str]:
    """What open markets need a reference price of."""
    return sorted({market.reference for market in state.markets.values() if market.reference and not market.over})


def reference_row(state: State, symbol: str) -> ReferenceRow:
    """One reference price with its sources."""
    judgement = judged(state, symbol)
    sources = tuple(SourceRow(one.name, one.price, one.age_ns // 1_000_000, one.stands) for one in judgement.sources)
    return ReferenceRow(symbol, judgement.price, judgement.apart_bps, sources, told(judgement, state.knobs.reference))


def reference_guards(state: State, holds: list[str]) -> list[RiskRow]:
    """A row for each reference price that a market needs: its sources, and how far apart they are."""
    knobs, rows = state.knobs.reference, []
    for symbol in symbols(state):
        judgement = judged(state, symbol)
        count = sum(source.stands == "used" for source in judgement.sources)
        now = f"{count}/{len(judgement.sources)}" + (f", {judgement.apart_bps:.0f}bp" if count else "")
        limit = f"{knobs.reference_sources_min}, {knobs.reference_apart_bps_max:g}bp"
        holding = bool(judgement.why) and _any(holds, "reference")
        rows.append(RiskRow(f"ref {symbol}", now, limit, holding, judgement.apart_bps / knobs.reference_apart_bps_max if count else -1.0))
    return rows


def _any(reasons: list[str], part: str) -> bool:
    return any(part in why for why in reasons)


def _caps(state: State, held: list[str]) -> tuple[RiskRow, ...]:
    """Position and capital, each in percent of its limit too."""
    risk, most, equity = state.knobs.risk, state.knobs.shape.max_position_size, max(1, state.capital)
    shares = state.portfolio.shares
    net = max((abs(shares(one.market.yes) - shares(one.market.no)) for one in state.markets.values()), default=0) / 1e6
    widest = max((market.committed for market in state.markets.values()), default=0)
    capital = (
        ("one market", widest, risk.max_market_pct),
        ("one cluster", max(state.clusters.values(), default=0), risk.max_cluster_pct),
        ("all capital", state.committed, risk.max_total_pct),
    )
    return (
        RiskRow("net position", f"{net:g} sh", f"{most:g} sh", _any(held, "position"), net / most),
        *(
            RiskRow(name, f"{100 * used / equity:.1f} %", f"{limit:g} %", "capital cap" in held, 100 * used / equity / limit)
            for name, used, limit in capital
        ),
    )


def kill_rows(state: State) -> tuple[KillRow, ...]:
    """The kill sequence, step by step, with the time each was proven."""
    switch = state.kill
    if not switch.killed_at:
        return ()
    resting = sum(1 for order in state.live.values() if order.status is not Status.SETTLING)
    held = any(one.shares for one in state.portfolio.holdings.values())
    verified = "account holds no order" if switch.verified_at else f"not yet, asked {switch.asks} times"
    return (
        KillRow("stop quoting", switch.killed_at, "admission closed"),
        KillRow("cancel all", switch.cancelled_at, "none left in our books" if switch.cancelled_at else f"{resting} not yet gone"),
        KillRow("verify", switch.verified_at, verified),
        KillRow("flatten", Nanos(0), "kept until flattened" if held else "nothing is held"),
    )
