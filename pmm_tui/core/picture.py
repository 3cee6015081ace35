"""The snapshot drawn from the state: formatting for faces starts here, deciding ended before."""

from pmm_tui.core.decide import ours
from pmm_tui.core.market import Side
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.portfolio import Fill
from pmm_tui.core.risk.kill import drawdown
from pmm_tui.core.snapshot import (
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
    RiskRow,
    Snapshot,
    TradeRow,
)
from pmm_tui.core.state import MarketState, State
from pmm_tui.core.units import ONE, Cash, Nanos, Price, Size

DEPTH = 12
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
        ),
        fills=tuple(fill_row(state, fill) for fill in reversed(state.recent)),
        feeds=tuple(FeedRow(name, link.up, link.since, link.why) for name, link in sorted(state.links.items())),
        risk=risk_rows(state),
        kill=kill_rows(state),
        notes=tuple(NoteRow(note.at, note.level, note.text) for note in list(state.notes)[: -ROWS - 1 : -1]),
        equity_curve=curve[-240:],
        fill_count=state.portfolio.fill_count,
        orders_sent=state.orders_sent,
        rejects=dict(sorted(state.rejects.items())),
        gas=state.gas,
    )


def phase_of(state: State) -> tuple[str, str]:
    """What the desk as a whole is doing, and why if it is not quoting."""
    if state.kill.stopped:
        return state.kill.phase, state.kill.why
    if state.ending:
        return "ending", "no open order" if state.ended_at else "waiting until the account holds no open order"
    if state.paused:
        return "paused", state.paused_why or "paused by the operator"
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
    )


def market_row(state: State, market: MarketState) -> MarketRow:
    """One market on the screen."""
    book, terms, portfolio = market.book, market.market, state.portfolio
    mine = ours(market)
    shown, why = market_state(state, market)
    two_sided = book.two_sided
    cost = state.cost(market)
    worth = state.value(market)
    pricing = market.pricing
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
        ),
        quotes=tuple(
            quote_row(market, quote.token, quote.side, int(quote.price), quote.size, quote.level, quote.held) for quote in market.quotes
        ),
        yes=portfolio.shares(terms.yes),
        no=portfolio.shares(terms.no),
        cost=cost,
        realised=portfolio.realised_in.get(terms.id, Cash(0)),
        unrealised=Cash(worth - cost) if worth is not None else Cash(0),
        payout_yes=market.payout,
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
        return "killed", state.kill.why
    if market.exiting is not None:
        return "closing", "flattening at the operator's word"
    hold = market.hold
    for word, shown in (("paused", "paused"), ("waiting", "waiting"), ("warming", "warming"), ("stale", "stale")):
        if hold.startswith(word):
            return shown, hold
    held = next((quote.held for quote in market.quotes if quote.held), "")
    if any(order.status is Status.OPEN or order.status is Status.SENT for order in market.live.values()):
        return "quoting", held
    return "held", hold or held or "nothing to quote"


def ladder(market: MarketState, side: Side, mine: dict[Price, Size]) -> tuple[LevelRow, ...]:
    """Best levels first, our own sizes beside them; a level that only we hold is shown too."""
    sizes = dict(market.book.levels(side, DEPTH))
    for price in mine:
        sizes.setdefault(price, Size(0))
    prices = sorted(sizes, reverse=side is Side.BUY)
    return tuple(LevelRow(price, sizes[price], mine.get(price, Size(0))) for price in prices[:DEPTH])


def quote_row(market: MarketState, token: str, side: Side, price: int, size: Size, level: int, held: str) -> QuoteRow:
    """A wish in YES terms."""
    if token == market.market.yes:
        return QuoteRow(side, Price(price), size, level, held)
    return QuoteRow(side.other, Price(ONE - price), size, level, held)


def order_row(state: State, order: Order, status: str) -> OrderRow:
    """One order on the screen."""
    outcome = state.markets[order.market].outcome_of(order.token)
    return OrderRow(
        order.id, order.market, outcome, order.side, order.price, order.size, order.filled, status, order.sent_at, order.why,
        order.venue_id, order.ahead,
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
    undone = failed / (risk.failed_trades_max + 1)
    return (
        RiskRow("data age", f"{age:.1f} s", f"{risk.stale_after_s:g} s", _any(holds, "stale"), age / risk.stale_after_s),
        *_caps(state, held),
        RiskRow("open orders", f"{live}", f"{risk.max_open_orders}", _any(held, "open orders"), live / risk.max_open_orders),
        RiskRow("time to the end", f"{max(0.0, left):.0f} s", f">{risk.stop_before_close_s:g} s", _any(held, "ends in")),
        RiskRow("price bounds", "beyond" if _any(held, "price beyond") else "within", f">{risk.min_price:g}", _any(held, "price beyond")),
        RiskRow("crossed books", f"{crossed}", "0", "crossed book" in holds),
        RiskRow("wrong hashes", f"{streak}", f"{risk.hash_streak_max}", _any(holds, "book hash"), streak / risk.hash_streak_max),
        RiskRow("account check", f"{state.account_misses} missed", "2", state.account_misses >= 2, state.account_misses / 2),
        RiskRow(
            "wallet check", f"{state.wallet_misses} missed" if asked else "not asked", "2", state.wallet_misses >= 2,
            state.wallet_misses / 2 if asked else -1.0,
        ),
        RiskRow("failed trades", f"{failed}", f"{risk.failed_trades_max}", _any(holds, "failed on chain"), undone),
    )  # fmt: skip


def _any(reasons: list[str], part: str) -> bool:
    return any(part in why for why in reasons)


def _caps(state: State, held: list[str]) -> tuple[RiskRow, ...]:
    """Position and capital, each in percent of its limit too."""
    risk, most, equity = state.knobs.risk, state.knobs.shape.max_position_size, max(1, state.equity_now)
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
    verified = "the venue's account holds no open order" if switch.verified_at else f"not confirmed yet, asked {switch.asks} times"
    return (
        KillRow("stop quoting", switch.killed_at, "admission closed"),
        KillRow("cancel all", switch.cancelled_at, "none left in our books" if switch.cancelled_at else f"{resting} not yet gone"),
        KillRow("verify", switch.verified_at, verified),
        KillRow("flatten", Nanos(0), "not done: the position is held, f flattens it"),
    )
