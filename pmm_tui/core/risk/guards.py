"""The guards: why a market may not quote now by its data, its links, its reference price or the operator's word."""

from pmm_tui.core.events import OPENING
from pmm_tui.core.risk.review import stale
from pmm_tui.core.signals.clock import held_by
from pmm_tui.core.signals.reference import Judgement, Reference
from pmm_tui.core.state import MarketState, State
from pmm_tui.core.units import ONE

REFERENCE_LINK = "reference"
"""The link of the reference prices. Without it only the markets that need such a price stop, and only once it is no longer fresh."""
_UNHEARD = Reference()
"""Of a symbol that no source told of; nothing is ever written into it."""


def hold_reason(state: State, market: MarketState) -> str:
    """Why a market may not quote now; empty when it may."""
    if state.ending:
        return "the run ends"
    if state.paused or market.paused:
        return state.paused_why if state.paused else "paused by the operator"
    if market.closed or market.payout is not None:
        return "market closed" if market.payout is None else "market resolved"
    if lost := deaf(state):
        return lost
    if why := held_by(state.clock, state.knobs.clock):
        return why
    if not market.seen_at:
        return "waiting for data"
    if stale(market.seen_at, state.now, state.knobs.risk):
        return f"stale: no data for over {state.knobs.risk.stale_after_s:g} s"
    if why := _book_wrong(state, market) or _account_wrong(state):
        return why
    risk = state.knobs.risk
    if market.failed_at and state.now - market.failed_at < risk.failed_hold_s * 1e9:
        return "a trade failed on chain: waiting"
    if market.reference and (why := judged(state, market.reference).why):
        return why
    if state.now - market.first_at < risk.warm_up_s * 1e9:
        return "warming up"
    return ""


def deaf(state: State) -> str:
    """Which connection is lost that every market needs, and why; empty where all work."""
    down = next(((name, link.why) for name, link in state.links.items() if not link.up and name != REFERENCE_LINK), None)
    if down is None:
        return ""
    return f"{down[0]} is opening" if down[1] == OPENING else f"{down[0]} feed lost: {down[1]}"


def judged(state: State, symbol: str) -> Judgement:
    """The reference price of a symbol, or why there is none now."""
    return state.references.get(symbol, _UNHEARD).judge(state.now, state.knobs.reference)


def _book_wrong(state: State, market: MarketState) -> str:
    risk = state.knobs.risk
    bid, ask = market.book.bid, market.book.ask
    if bid <= 0 or ask >= ONE:
        return "one-sided book" if bid > 0 or ask < ONE else "empty book"
    if ask <= bid:
        return "crossed book"
    if market.astray_since and state.now - market.astray_since >= risk.astray_after_ms * 1_000_000:
        return "the venue's touch is not that of our book"
    if market.doubted(risk.hash_streak_max):
        return f"book hash wrong {risk.hash_streak_max} times in a row or more"
    return ""


def _account_wrong(state: State) -> str:
    if state.account_misses >= 2:
        return "the venue's account does not match ours"
    if state.wallet_misses >= 2:
        return "the wallet on chain does not match our books"
    return ""
