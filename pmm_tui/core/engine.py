"""One step: a fact is applied, then what it touched is decided.

Theory of operation. `step` is the whole desk: it takes one event, lets `apply` write the state, and answers with commands. It never acts,
never reads a clock and never guesses: time is `event.at`, and an answer that did not come is noticed by a later Ticked.

Deciding costs far more than applying, so a market is decided only when something that its quotes depend on has changed (`changed`) and its
quote interval has passed, or at once when risk demands it (`urgent`): a fill, a refusal, a lost feed, a pause, a kill. Ticked, every
100 ms, carries everything that only time brings about: stale data, the market's end, silent orders, the account's comparison, the kill
switch.
"""

import hashlib
from itertools import groupby

import msgspec

from pmm_tui.core.answers import asked, trip
from pmm_tui.core.apply import APPLY
from pmm_tui.core.commands import Alert, Cancel, CancelAll, Command, Sync, Watch
from pmm_tui.core.decide import decide
from pmm_tui.core.events import Event, Ticked
from pmm_tui.core.instructions import Instruction
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.market import Side
from pmm_tui.core.orders.life import Status
from pmm_tui.core.picture import picture
from pmm_tui.core.portfolio import REMEMBER_NS
from pmm_tui.core.risk import kill
from pmm_tui.core.risk.guards import hold_reason
from pmm_tui.core.snapshot import Snapshot
from pmm_tui.core.state import CURVE_POINTS, MarketState, State
from pmm_tui.core.units import Cash, Nanos

SECOND_NS = 1_000_000_000
RESYNC_EVERY_NS = 5 * SECOND_NS
OVER_MOST = 8
"""So many markets that are over stay in sight, the newest, and those of the newest fills, and of orders that a late fill may still tell of:
of markets of 15 minutes two hours."""
OVERDUE_NS = 120 * SECOND_NS
TICK_NS = 100_000_000
_OPEN = Status.OPEN


class Engine:
    """Events in, commands out."""

    __slots__ = ("_ticks", "state")

    def __init__(self, knobs: Knobs) -> None:
        self.state = State(knobs)
        self._ticks = 0

    def step(self, event: Event) -> list[Command]:
        """Apply one fact and answer with what to ask for. Facts must come in order of `at`; the caller writes both down before it acts."""
        state = self.state
        state.now = event.at
        state.seq += 1
        if state.seq == 1:
            state.began = event.at
        kind = type(event)
        if kind is Ticked:
            return self._tick()
        market = APPLY[kind](state, event)
        if state.out:
            commands, state.out = state.out, []
        elif market is None or not (market.urgent or (market.changed and event.at >= market.next_at)):
            return self._at_once() if isinstance(event, Instruction) else []
        else:
            commands = []
        if market is not None and (market.urgent or (market.changed and event.at >= market.next_at)):
            commands += decide(state, market)
        return commands

    def _at_once(self) -> list[Command]:
        """After the operator's word: what it touched is decided now, not at the next tick."""
        commands: list[Command] = []
        for market in self.state.markets.values():
            if market.urgent:
                commands += decide(self.state, market)
        return commands

    def snapshot(self) -> Snapshot:
        """What a face may see now."""
        return picture(self.state)

    def digest(self) -> str:
        """SHA-256 over all that decides the future: equal digests mean equal desks."""
        return digest(self.state)

    def _tick(self) -> list[Command]:
        state = self.state
        self._ticks += 1
        self._equity()
        for market in state.markets.values():
            if market.payout is None:
                watch_market(state, market)
        if self._ticks % 10 == 0:
            chase(state)
        commands, state.out = state.out, []
        for market in state.markets.values():
            if market.urgent or (market.changed and state.now >= market.next_at) or market.exiting is not None:
                commands += decide(state, market)
        if self._ticks % 600 == 0:
            forget(state)
        return commands

    def _equity(self) -> None:
        state = self.state
        equity = state.equity()
        if equity is not None:
            state.equity_now = equity
            sample(state, equity)
        said = kill.watch(state.kill, equity, state.now, state.knobs.kill)
        if said == "alert":
            lost, pct = kill.drawdown(state.kill, state.equity_now, state.knobs.kill)
            text = f"drawdown {pct:.2f} % of the {state.knobs.kill.kill_switch_reference} (${lost / 1e6:.2f})"
            state.note("alarm", text)
            state.out.append(Alert("warn", "drawdown", text))
        elif said == "recovered":
            state.note("info", "drawdown is below the alert level again")
        elif said:
            trip(state, said)


def watch_market(state: State, market: MarketState) -> None:
    """What time alone does to a market: volatility samples, hash verdicts, crossed books, stale data, its end."""
    now, book = state.now, market.book
    if market.seen_at:
        bid, ask = book.bid, book.ask
        if ask <= bid:
            market.crossed_since = market.crossed_since or now
        else:
            market.crossed_since = Nanos(0)
            if book.two_sided:
                market.vol.update((bid + ask) / 20_000, now)
                market.sigma, market.sigma_source = market.vol.effective()
        market.integrity.judge(now)
        if market.crossed_since or market.astray_since or market.integrity.streak:
            resync(state, market)
    if market.retry_at and now >= market.retry_at:  # the book may stand still, and the refused side would be forgotten
        market.retry_at, market.changed = Nanos(0), True
    closes = market.market.closes
    if closes and not market.ending and closes - now <= state.knobs.risk.stop_before_close_s * 1e9:
        market.urgent = True
    if hold_reason(state, market) != market.hold:
        market.urgent = True
    if not market.seen_at or market.over:
        return
    state.watched_ns += TICK_NS
    for order in market.live.values():
        if order.status is _OPEN:
            state.quoting_ns += TICK_NS
            break


def resync(state: State, market: MarketState) -> None:
    """Ask for a book anew that stays crossed, whose touch is not the venue's, or whose hash is wrong again and again."""
    risk, now = state.knobs.risk, state.now
    if market.crossed_since and now - market.crossed_since >= risk.crossed_after_ms * 1_000_000:
        why = "crossed book"
    elif market.astray_since and now - market.astray_since >= risk.astray_after_ms * 1_000_000:
        why = "the touch is not the venue's"
    elif market.doubted(risk.hash_streak_max):
        why = "book hash wrong"
    else:
        return
    if now - market.resync_at >= RESYNC_EVERY_NS:
        market.resync_at = now
        market.resyncs += 1
        state.note("warn", f"{market.name} {why}: fetched anew")
        state.out.append(Watch(market.market.id))


def chase(state: State) -> None:
    """Once a second: orders the venue is silent about, the account's comparison, a kill that is not verified yet."""
    timeout = state.knobs.desk.order_timeout_s * 1e9
    unsure = False
    for order in state.live.values():
        waited = state.now - max(order.changed_at, order.asked_at, order.sent_at)
        if order.status is Status.OPEN or waited < timeout:
            continue
        if order.status is Status.SENT:
            order.status = Status.UNCERTAIN
            order.unsure_at = order.sent_at
            order.why = "no answer from the venue"
            state.note("warn", f"order {order.id} uncertain: no answer for {state.knobs.desk.order_timeout_s:g} s")
            state.markets[order.market].changed = True
        elif order.status is Status.CANCELLING:
            state.out.append(Cancel(order.id))
        order.asked_at = state.now
        unsure = True
    overdue(state)
    switch = state.kill
    if switch.phase == "killing" and state.now - switch.asked_at >= state.knobs.kill.kill_retry_ms * 1_000_000:
        switch.asked_at = state.now
        switch.asks += 1
        state.out += [CancelAll(), Sync(asked(state))]
    elif state.ending and not state.ended_at and state.now - state.end_asked_at >= state.knobs.kill.kill_retry_ms * 1_000_000:
        state.end_asked_at = state.now
        state.out += [CancelAll(), Sync(asked(state))]
    elif state.now >= state.next_sync_at:
        state.next_sync_at = Nanos(state.now + int(state.knobs.desk.sync_interval_s * SECOND_NS))
        state.out.append(Sync(asked(state)))
    elif unsure:
        state.out.append(Sync(asked(state)))
    if switch.stopped and not switch.cancelled_at and not state.live:
        switch.cancelled_at = state.now


def overdue(state: State) -> None:
    """Tell of matched trades that the chain does not confirm: their exposure stays, but a person should know."""
    before = state.now - OVERDUE_NS
    late = sum(fill.status == "MATCHED" and fill.at < before for fill in state.portfolio.fills.values())
    if late > state.overdue:
        text = f"{late} trades wait for the chain for over {OVERDUE_NS // SECOND_NS} s"
        state.note("alarm", text)
        state.out.append(Alert("warn", "overdue", text))
    state.overdue = late


def forget(state: State) -> None:
    """Once a minute: what is long over leaves memory, so that a day costs what an hour costs."""
    before = Nanos(state.now - REMEMBER_NS)
    owed = state.portfolio.owed()
    for number in [number for number, order in state.finished.items() if order.changed_at < before and number not in owed]:
        del state.finished[number]
    state.portfolio.forget(before, state.live)
    settled = state.portfolio.settled
    for key in [key for key in settled if key[1] not in state.live and key[1] not in state.finished]:
        del settled[key]  # a fill of that order would not be booked any more
    waits = {fill.market for fill in state.portfolio.fills.values() if fill.status == "MATCHED"}
    over: list[str] = []
    for name, market in state.markets.items():
        awaited = market.live or market.external or market.merging or name in waits
        if market.payout is not None and not awaited and market.seen_at < before:
            market.book.clear()
            market.integrity.clear()
            over.append(name)
    spoken_of = {fill.market for fill in state.recent} | {order.market for order in state.finished.values()}
    for name in over[:-OVER_MOST]:
        if name not in spoken_of:
            part(state, state.markets.pop(name))
    state.clusters = {cluster: cash for cluster, cash in state.clusters.items() if cash}


def part(state: State, market: MarketState) -> None:
    """A market leaves; what it came to is kept."""
    state.recount(market)
    state.past.append(state.result(market))
    state.fills_in.pop(market.market.id, None)
    state.portfolio.realised_in.pop(market.market.id, None)


def sample(state: State, equity: Cash) -> None:
    """Keep the equity curve short, its highs and lows in it: two points of each stretch of time, which doubles where they are too many."""
    curve, step, point = state.curve, state.curve_step_ns, (state.now, equity)
    if len(curve) > 2 and curve[-2][0] // step == state.now // step:
        low, high = sorted(curve[-2:], key=_worth)
        if equity < low[1] or equity > high[1]:
            curve[-2:] = [high if equity < low[1] else low, point]
    elif not curve or curve[-1][1] != equity or state.now - curve[-1][0] >= step:
        curve.append(point)
    while len(state.curve) > CURVE_POINTS:
        state.curve_step_ns *= 2
        state.curve = _ends(state.curve, state.curve_step_ns)


def _worth(point: tuple[Nanos, Cash]) -> Cash:
    return point[1]


def _ends(curve: list[tuple[Nanos, Cash]], step: int) -> list[tuple[Nanos, Cash]]:
    """The first point, and the lowest and the highest of each stretch after it, in the order of time."""
    kept = curve[:1]
    for _, stretch in groupby(curve[1:], key=lambda point: point[0] // step):
        points = list(stretch)
        kept += sorted({min(points, key=_worth), max(points, key=_worth)})
    return kept


def digest(state: State) -> str:
    """SHA-256 of the parts of the state that decide the future, in a fixed order."""
    portfolio = state.portfolio
    markets = [
        [
            market.market,
            market.book.tick,
            market.book.levels(Side.BUY, 10_000),
            market.book.levels(Side.SELL, 10_000),
            market.seen_at,
            market.hold,
            market.paused,
            market.closed,
            market.payout,
            market.next_at,
            market.changed,
            market.exiting,
            (market.exit_passive, market.merging),
            market.failed_at,
            market.external,
            repr(market.sigma),
            market.quotes,
            market.integrity.verified,
            market.integrity.mismatched,
            sorted(market.live),
        ]
        for market in state.markets.values()
    ]
    whole = [
        state.now,
        state.seq,
        state.next_order,
        state.paused,
        state.ending,
        state.ended_at,
        state.knobs,
        markets,
        sorted(state.live.values(), key=lambda order: order.id),
        state.kill,
        portfolio.cash,
        sorted(portfolio.holdings.items()),
        portfolio.realised,
        portfolio.fees,
        portfolio.adverse,
        portfolio.captured,
        sorted(portfolio.fills.values(), key=lambda fill: (fill.order, fill.trade)),
        sorted(state.rejects.items()),
        state.orders_sent,
        (state.account_misses, state.account_missed_at, state.wallet_misses, state.wallet_missed_at),
        (state.gas, sorted(state.unlisted.values(), key=lambda order: order.id)),
        state.clock,
        list(state.failed),
        sorted(portfolio.unredeemed.items()),
        sorted(portfolio.found),
        [(symbol, sorted(reference.words.items())) for symbol, reference in sorted(state.references.items())],
        [(name, link.up) for name, link in sorted(state.links.items())],
        [(note.at, note.text) for note in state.notes],
    ]
    return hashlib.sha256(msgspec.json.encode(whole)).hexdigest()
