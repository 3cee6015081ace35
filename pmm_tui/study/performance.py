"""What a run came to: fills, money and where it came from, time quoting, refusals."""

from msgspec import Struct

from pmm_tui.core.risk.kill import drawdown
from pmm_tui.core.state import Result, State
from pmm_tui.core.units import Cash, Nanos

LISTED = 50
"""So many markets have a line of their own in a report, the newest; the JSON has all."""


class Summary(Struct, frozen=True):
    """A run in numbers. Cash in micro-dollars, times in nanoseconds.

    profit = captured + drift - fees - adverse: what the spread was to earn against the mid that each quote was decided at, what the
    inventory then gained or lost as the mid moved (to the payout, where the market was resolved), and what was paid.
    """

    began: Nanos
    ended: Nanos
    events: int
    orders: int
    fills: int
    fill_rate: float
    """Fills an order sent."""
    fills_an_hour: float
    maker_share: float
    initial: Cash
    equity: Cash
    profit: Cash
    captured: Cash
    drift: Cash
    fees: Cash
    adverse: Cash
    max_drawdown: Cash
    drawdown_pct: float
    quoting_share: float
    """Market time with an order resting, of all market time that could be quoted."""
    rejects: dict[str, int]
    phase: str
    why: str
    verified: int
    mismatched: int
    unverifiable: int
    markets: tuple[Result, ...]


def summarise(state: State) -> Summary:
    """The summary of a run from its last state."""
    portfolio = state.portfolio
    equity = state.equity()
    equity = state.equity_now if equity is None else equity
    profit = Cash(equity - portfolio.initial)
    hours = (state.now - state.began) / 3.6e12
    markets = (*state.past, *map(state.result, state.markets.values()))
    return Summary(
        began=state.began,
        ended=state.now,
        events=state.seq,
        orders=state.orders_sent,
        fills=portfolio.fill_count,
        fill_rate=portfolio.fill_count / state.orders_sent if state.orders_sent else 0.0,
        fills_an_hour=portfolio.fill_count / hours if hours > 0 else 0.0,
        maker_share=portfolio.maker_count / portfolio.fill_count if portfolio.fill_count else 0.0,
        initial=portfolio.initial,
        equity=equity,
        profit=profit,
        captured=portfolio.captured,
        drift=Cash(profit - portfolio.captured + portfolio.fees + portfolio.adverse),
        fees=portfolio.fees,
        adverse=portfolio.adverse,
        max_drawdown=state.kill.max_drawdown,
        drawdown_pct=drawdown(state.kill, equity, state.knobs.kill)[1],
        quoting_share=state.quoting_ns / state.watched_ns if state.watched_ns else 0.0,
        rejects=dict(sorted(state.rejects.items())),
        phase=state.kill.phase,
        why=state.kill.why,
        verified=sum(one.verified for one in markets),
        mismatched=sum(one.mismatched for one in markets),
        unverifiable=sum(one.unverifiable for one in markets),
        markets=markets,
    )


def report(run: str, summary: Summary) -> str:
    """The summary as a page of text."""

    def dollars(cash: int) -> str:
        return f"{cash / 1e6:+,.2f}"

    minutes = (summary.ended - summary.began) / 6e10
    rejects = ", ".join(f"{code} {count}" for code, count in summary.rejects.items()) or "none"
    hashed = summary.verified + summary.mismatched
    lines = [
        f"run            {run}",
        f"market time    {minutes:,.1f} min, {summary.events:,} events",
        f"kill switch    {summary.phase}{': ' + summary.why if summary.why else ''}",
        "",
        f"orders sent    {summary.orders:,}",
        f"fills          {summary.fills:,} ({summary.fills_an_hour:,.1f} an hour, {100 * summary.maker_share:.0f} % maker)",
        f"fill rate      {100 * summary.fill_rate:.1f} % of orders",
        f"time quoting   {100 * summary.quoting_share:.1f} %",
        f"rejects        {rejects}",
        "",
        f"equity         ${summary.equity / 1e6:,.2f} of ${summary.initial / 1e6:,.2f}",
        f"PnL            {dollars(summary.profit):>12}",
        f"  spread       {dollars(summary.captured):>12}   against the mid that each quote was decided at",
        f"  drift        {dollars(summary.drift):>12}   of the inventory as the mid moved, to the payout",
        f"  fees         {dollars(-summary.fees):>12}   rebates are positive",
        f"  adverse      {dollars(-summary.adverse):>12}   adverse selection charged by the simulated venue",
        f"max drawdown   {dollars(-summary.max_drawdown):>12}",
        f"book hashes    {summary.verified:,} of {hashed:,} verified, {summary.unverifiable:,} unverifiable",
        "",
        f"{'market':<34} {'fills':>6} {'realised':>10}  {'payout':>6}  held",
    ]
    if before := summary.markets[:-LISTED]:
        fills, realised = sum(one.fills for one in before), sum(one.realised for one in before)
        lines.append(f"{f'{len(before)} markets before these':<34} {fills:>6} {dollars(realised):>10}")
    for one in summary.markets[-LISTED:]:
        payout = "" if one.payout_yes is None else f"{one.payout_yes / 10_000:g}"
        held = f"{one.yes / 1e6:g} yes, {one.no / 1e6:g} no" if one.yes or one.no else "flat"
        lines.append(f"{one.slug[:34]:<34} {one.fills:>6} {dollars(one.realised):>10}  {payout:>6}  {held}")
    return "\n".join(lines)
