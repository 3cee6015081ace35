"""Whether the rebuilt book is the venue's: its hashes recomputed on a copy of the book that lags until late frames are in.

The venue's hash is the sha1 of a token's whole book after the change. Frames arrive up to tens of milliseconds out of order, so the quoted
book is ahead of what a hash can be held against; the copy here applies the same frames in venue order a short window later. Two things are
not in the frames and are found by the hash itself, which no wrong guess can match: the order of changes within one millisecond, and the
market's last trade price, which takes the maker's side and moves 20 to 90 ms before its trade is announced.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import sha1
from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.events import BookChanged, BookReset, Event, Level, TickSizeChanged, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import MILLI, Nanos, Price, mirror, price_text, size_text

PENDING_MAX = 20_000
"""Frames that wait for their verdict; more means that nobody judges, and they are given up as unverifiable."""
_ORDERS_MAX = 6
"""Batches of one millisecond that are tried as the next one."""


class IntegrityKnobs(Struct, frozen=True):
    """How the book is judged."""

    hash_lag_ms: Annotated[int, Meta(ge=0, le=10_000, description="how long late frames are waited for before a book hash is judged, ms")] = 50


def level_text(price: int, size: int) -> str:
    """One level as the hash has it."""
    return f'{{"price":"{price_text(price)}","size":"{size_text(size)}"}}'


def last_text(price: int) -> str:
    """A trade price as the hash has it: three decimals, four where the price needs them."""
    return f"{price / 10_000:.4f}" if price % 10 else f"{price / 10_000:.3f}"


def _body(market: Market, token: str, ts: Nanos, bids: str, asks: str) -> bytes:
    """The hashed text up to the tick."""
    head = f'{{"market":"{market.id}","asset_id":"{token}","timestamp":"{ts // MILLI}","hash":""'
    return f'{head},"bids":[{bids}],"asks":[{asks}],"min_order_size":"{size_text(market.min_size)}","tick_size":"'.encode()


def _tail(market: Market, tick: Price, last: str) -> bytes:
    return f'{price_text(tick)}","neg_risk":{"true" if market.neg_risk else "false"},"last_trade_price":"{last}"}}'.encode()


def _texts(market: Market, token: str, bids: Iterable[Level], asks: Iterable[Level]) -> tuple[str, str]:
    """The token's own bids and asks as the hash has them, from a book in YES terms, best last."""
    if token == market.no:
        return ",".join(level_text(mirror(p), s) for p, s in asks), ",".join(level_text(mirror(p), s) for p, s in bids)
    return ",".join(level_text(p, s) for p, s in bids), ",".join(level_text(p, s) for p, s in asks)


def book_hash(market: Market, token: str, ts: Nanos, bids: Iterable[Level], asks: Iterable[Level], tick: Price, last: str) -> str:
    """The venue's hash of `token`'s book (sha1, hex). Levels are in YES terms, best last; `last` is last_trade_price as the venue writes it."""
    body = _body(market, token, ts, *_texts(market, token, bids, asks))
    return sha1(body + _tail(market, tick, last), usedforsecurity=False).hexdigest()


class _Ladder:
    """One side of the copy, with each level's text for both tokens kept in wire order, worst first."""

    __slots__ = ("_floor", "_keys", "_no", "_sign", "_sizes", "_stamps", "_yes")

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side is Side.BUY else -1
        self._keys: list[int] = []
        self._yes: list[str] = []
        self._no: list[str] = []
        self._sizes: dict[int, int] = {}
        self._stamps: dict[int, int] = {}
        self._floor = -1
        """Venue time of the newest whole book; levels written later are in `_stamps`."""

    def yes(self) -> str:
        """The levels as the YES token's book has them."""
        return ",".join(self._yes)

    def no(self) -> str:
        """The same levels as the NO token's book has them, on its other side."""
        return ",".join(self._no)

    def change(self, price: int, size: int, ts: int) -> tuple[int, int, int] | None:
        """Write one level unless a later writer has: what to give to `undo`, or None."""
        stamp = self._stamps.get(price, self._floor)
        if ts < stamp:
            return None
        before = self._sizes.get(price, 0)
        self._stamps[price] = ts
        if size != before:
            self._write(price, size)
        return price, before, stamp

    def undo(self, price: int, size: int, stamp: int) -> None:
        """Take one change back; in the opposite order of the changes."""
        self._stamps[price] = stamp
        if size != self._sizes.get(price, 0):
            self._write(price, size)

    def reset(self, levels: Iterable[Level], ts: int) -> None:
        """The whole side as of `ts`; levels that were written later stay."""
        wanted: dict[int, int] = {price: size for price, size in levels if size}
        for price in [*self._sizes, *wanted]:
            size = wanted.get(price, 0)
            if size != self._sizes.get(price, 0) and self._stamps.get(price, self._floor) <= ts:
                self._write(price, size)
        self._floor = floor = max(ts, self._floor)
        self._stamps = {price: stamp for price, stamp in self._stamps.items() if stamp > floor}

    def _write(self, price: int, size: int) -> None:
        key = self._sign * price
        keys = self._keys
        i = bisect_left(keys, key)
        there = i < len(keys) and keys[i] == key
        if not size:
            del self._sizes[price]
            del keys[i], self._yes[i], self._no[i]
            return
        self._sizes[price] = size
        if there:
            self._yes[i], self._no[i] = level_text(price, size), level_text(mirror(price), size)
        else:
            keys.insert(i, key)
            self._yes.insert(i, level_text(price, size))
            self._no.insert(i, level_text(mirror(price), size))


_Undo = list[tuple[_Ladder, tuple[int, int, int]]]


class Integrity:
    """Judges one market's hashes. A price_change counts once for each token's hash; `streak` is mismatched hashes in a row."""

    __slots__ = (
        "_asks",
        "_based",
        "_bids",
        "_done",
        "_knobs",
        "_last",
        "_market",
        "_pending",
        "_recent",
        "_searched",
        "_ticks",
        "mismatched",
        "streak",
        "unverifiable",
        "verified",
    )

    def __init__(self, market: Market, knobs: IntegrityKnobs = IntegrityKnobs()) -> None:
        self._market = market
        self._knobs = knobs
        self.verified = 0
        self.mismatched = 0
        self.unverifiable = 0
        """Hashes that nothing can be held against: no whole book yet, terms of the market unknown, or frames later than the window."""
        self.streak = 0
        self._bids = _Ladder(Side.BUY)
        self._asks = _Ladder(Side.SELL)
        self._based = False
        """A whole book has been applied since the start or the last `reset`."""
        self._done = Nanos(-1)
        """Venue time up to which the copy is settled."""
        self._pending: list[BookReset | BookChanged] = []
        self._last: str | None = None
        """last_trade_price as the last matching hash had it; None: not known."""
        self._recent: deque[str] = deque(maxlen=16)
        """What the newest trades may have made of it."""
        self._ticks: tuple[Price, ...] = (market.tick,) if market.tick else ()
        """The tick in force, and the one before it: the change's announcement is not in step with the hashes."""
        self._searched = False

    def reset(self) -> None:
        """Forget the streak and trust the copy again only from the next whole book; frames that wait are kept."""
        self.streak = 0
        self._based = False

    def frame(self, event: Event) -> None:
        """Take a book fact of this market as it arrives; costs nothing but its place in the queue. Other events are ignored."""
        if isinstance(event, BookChanged | BookReset):
            if len(self._pending) >= PENDING_MAX:
                self.unverifiable += sum(_hashes(waiting) for waiting in self._pending)
                self._pending.clear()
                self.reset()
            self._pending.append(event)
        elif isinstance(event, Traded):
            self._recent.extend((last_text(event.price), last_text(mirror(event.price))))
        elif isinstance(event, TickSizeChanged):
            self._tick_is(event.tick)

    def judge(self, now: Nanos) -> None:
        """Settle everything up to the newest venue time that arrived at least the window ago."""
        pending = self._pending
        cutoff = now - self._knobs.hash_lag_ms * MILLI
        if not pending or pending[0].at > cutoff:
            return
        self._searched = False
        until = max(event.ts for event in pending if event.at <= cutoff)
        due = [event for event in pending if event.ts <= until]
        self._pending = [event for event in pending if event.ts > until]
        due.sort(key=_venue_order)
        start = 0
        for i in range(1, len(due) + 1):
            if i == len(due) or due[i].ts != due[start].ts:
                self._settle(due[start:i])
                start = i

    def _settle(self, events: list[BookReset | BookChanged]) -> None:
        """Apply all frames of one venue millisecond, in the order that the hashes prove, or else that of arrival."""
        late = events[0].ts <= self._done
        waiting = _batches(events)
        while waiting:
            batch = waiting[0]
            if late or not self._based or not self._market.min_size or not self._ticks:
                self._apply(batch)
                self.unverifiable += _hashes(batch[-1])
            else:
                batch = next((b for b in waiting[:_ORDERS_MAX] if self._proves(b)), None) or self._miss(batch)
            waiting.remove(batch)
        for event in events:
            if isinstance(event, BookReset):
                self._whole(event)
        self._done = max(self._done, events[0].ts)

    def _apply(self, batch: list[BookChanged]) -> _Undo:
        undo: _Undo = []
        for event in batch:
            for side, price, size in event.changes:
                ladder = self._bids if side is Side.BUY else self._asks
                was = ladder.change(price, size, event.ts)
                if was is not None:
                    undo.append((ladder, was))
        return undo

    def _proves(self, batch: list[BookChanged]) -> bool:
        """Apply a batch and keep it if its hash says that this was the next one; a batch without hashes needs no proof."""
        event = batch[-1]
        undo = self._apply(batch)
        if not _hashes(event):
            return True
        hints = [last_text(p) for e in batch for _, price, _ in e.changes for p in (price, mirror(price))]
        right = [self._matches(event.ts, token, said, hints) for token, said in self._said(event) if said]
        if not any(right):
            for ladder, was in reversed(undo):
                ladder.undo(*was)
            return False
        for matched in right:
            self._count(matched)
        return True

    def _miss(self, batch: list[BookChanged]) -> list[BookChanged]:
        self._apply(batch)
        for _ in range(_hashes(batch[-1])):
            self._count(False)
        return batch

    def _said(self, event: BookChanged) -> tuple[tuple[str, str], tuple[str, str]]:
        return (self._market.yes, event.hash_yes), (self._market.no, event.hash_no)

    def _matches(self, ts: Nanos, token: str, said: str, hints: list[str]) -> bool:
        if token == self._market.yes:
            bids, asks = self._bids.yes(), self._asks.yes()
        else:
            bids, asks = self._asks.no(), self._bids.no()
        return self._finds(_body(self._market, token, ts, bids, asks), said, hints)

    def _finds(self, body: bytes, said: str, hints: list[str]) -> bool:
        """Whether some tick and last trade price in question give the hash that was said; the ones that do are in force from here on."""
        whole = sha1(body, usedforsecurity=False)
        for tick, last in self._guesses(hints):
            guess = whole.copy()
            guess.update(_tail(self._market, tick, last))
            if guess.hexdigest() == said:
                self._last = last
                self._tick_is(tick)
                return True
        return False

    def _guesses(self, hints: list[str]) -> Iterator[tuple[Price, str]]:
        """Likeliest first. Where the last trade price was never said it is searched for, once a judgement."""
        ticks = self._ticks
        if self._last is not None:
            yield ticks[0], self._last
        lasts = dict.fromkeys([*hints, *reversed(self._recent)])
        for tick in ticks:
            if self._last is not None and tick != ticks[0]:
                yield tick, self._last
            for last in lasts:
                yield tick, last
        if self._last is None and not self._searched:
            self._searched = True
            yield ticks[0], ""
            for price in range(10, 10_000, 10):
                yield ticks[0], last_text(price)

    def _whole(self, event: BookReset) -> None:
        """Judge a whole book on what it says itself, then take it."""
        token = event.token or self._market.yes
        if event.tick:
            self._tick_is(event.tick)
        if event.hash:
            if not self._market.min_size or not self._ticks:
                self.unverifiable += 1
            else:
                hints = [] if event.last is None else [event.last]
                body = _body(self._market, token, event.ts, *_texts(self._market, token, event.bids, event.asks))
                self._count(self._finds(body, event.hash, hints))
        if event.last is not None and event.ts >= self._done:
            self._last = event.last
        self._bids.reset(event.bids, event.ts)
        self._asks.reset(event.asks, event.ts)
        self._based = True

    def _count(self, matched: bool) -> None:
        if matched:
            self.verified += 1
            self.streak = 0
        elif self._last is None:
            self.unverifiable += 1
        else:
            self.mismatched += 1
            self.streak += 1

    def _tick_is(self, tick: Price) -> None:
        if self._ticks[:1] != (tick,):
            self._ticks = (tick, *self._ticks[:1])


def _venue_order(event: BookReset | BookChanged) -> tuple[int, bool]:
    """A `book` comes after the changes of its own millisecond."""
    return event.ts, isinstance(event, BookReset)


def _hashes(event: BookReset | BookChanged) -> int:
    if isinstance(event, BookReset):
        return 1 if event.hash else 0
    return (1 if event.hash_yes else 0) + (1 if event.hash_no else 0)


def _batches(events: list[BookReset | BookChanged]) -> list[list[BookChanged]]:
    """The changes of one millisecond; those that share a hash were one batch, and the hash is that of the book after all of it."""
    batches: dict[tuple[str, str] | int, list[BookChanged]] = {}
    for i, event in enumerate(events):
        if isinstance(event, BookChanged):
            key = (event.hash_yes, event.hash_no) if _hashes(event) else i
            batches.setdefault(key, []).append(event)
    return list(batches.values())
