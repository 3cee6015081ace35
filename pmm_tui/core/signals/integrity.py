"""Whether the rebuilt book is the venue's: its hashes recomputed on a copy of the book that lags until late frames are in.

The venue's hash is the sha1 of a token's whole book after the change. Frames arrive up to tens of milliseconds out of order, so the quoted
book is ahead of what a hash can be held against; the copy here applies the same frames in venue order a short window later. Two things are
not in the frames and are found by the hash itself, which no wrong guess can match:

- the market's last trade price, which takes the maker's side and moves 20 to 90 ms before its trade is announced;
- the venue's own order. Times are whole milliseconds and the venue hashes side by side: on the tape of 2026-04-21 one hash in a hundred is
  of a book that had not one of the last few changes yet, or had one of the next few already.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import sha1
from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.events import BookChanged, BookReset, Event, Level, TickSizeChanged, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.signals import checksum
from pmm_tui.core.units import MILLI, Nanos, Price, mirror

PENDING_MAX = 20_000
"""Frames that wait for their verdict; more means that nobody judges, and they are given up as unverifiable."""
_ORDERS_MAX = 6
"""Batches of one millisecond that are tried as the next one."""
_NEAR_MAX = 8
"""Changes before and after a batch that its hash may disregard, or know already."""
_STREAK_TRIED_MAX = 16
"""With more mismatches in a row the book is wrong, not the order: the order is no longer searched."""
_RECENT_MAX = 16


class IntegrityKnobs(Struct, frozen=True):
    """How the book is judged."""

    hash_lag_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="how long late frames are waited for before a book hash is judged, milliseconds",
            extra={"restart": True},
        ),
    ] = 50


_DEFAULT = IntegrityKnobs()


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

    def size(self, price: int) -> int:
        """The level's size, 0 where there is none."""
        return self._sizes.get(price, 0)

    def change(self, price: int, size: int, ts: int) -> bool:
        """Write one level; False, and nothing changed, where a later writer has."""
        if ts < self._stamps.get(price, self._floor):
            return False
        self._stamps[price] = ts
        self.write(price, size)
        return True

    def reset(self, levels: Iterable[Level], ts: int) -> None:
        """The whole side as of `ts`; levels that were written later stay."""
        wanted: dict[int, int] = {price: size for price, size in levels if size}
        for price in [*self._sizes, *wanted]:
            size = wanted.get(price, 0)
            if self._stamps.get(price, self._floor) <= ts:
                self.write(price, size)
        self._floor = floor = max(ts, self._floor)
        self._stamps = {price: stamp for price, stamp in self._stamps.items() if stamp > floor}

    def write(self, price: int, size: int) -> None:
        """Set a level whatever its time."""
        if size == self._sizes.get(price, 0):
            return
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
            self._yes[i], self._no[i] = checksum.level_text(price, size), checksum.level_text(mirror(price), size)
        else:
            keys.insert(i, key)
            self._yes.insert(i, checksum.level_text(price, size))
            self._no.insert(i, checksum.level_text(mirror(price), size))


Written = list[tuple[_Ladder, int, int, int]]
"""What a batch did: (ladder, price, size before, size after), in order."""
_Batch = list[BookChanged]


class Integrity:
    """Judges one market's hashes. A price_change counts once for each token's hash; `streak` is mismatched hashes in a row."""

    __slots__ = (
        "_ahead",
        "_asks",
        "_based",
        "_behind",
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

    def __init__(self, market: Market, knobs: IntegrityKnobs = _DEFAULT) -> None:
        self._market = market
        self._knobs = knobs
        self.verified = 0
        self.mismatched = 0
        self.unverifiable = 0
        """Hashes that nothing can be held against: no whole book yet, terms of the market unknown, or a frame later than the window."""
        self.streak = 0
        self._bids = _Ladder(Side.BUY)
        self._asks = _Ladder(Side.SELL)
        self._based = False
        """A whole book has been applied since the start or the last `reset`."""
        self._done = Nanos(-1)
        """Venue time up to which the copy is settled."""
        self._pending: list[BookReset | BookChanged] = []
        self._ahead: list[BookReset | BookChanged] = []
        """Frames of later milliseconds than the one being settled, in venue order."""
        self._behind: deque[Written] = deque(maxlen=_NEAR_MAX)
        """What the newest batches wrote."""
        self._last: str | None = None
        """last_trade_price as the last matching hash had it; None: not known."""
        self._recent: deque[str] = deque(maxlen=_RECENT_MAX)
        """What the newest trades may have made of it."""
        self._ticks: tuple[Price, ...] = (market.tick,) if market.tick else ()
        """The tick in force, and the one before it: the change's announcement is not in step with the hashes."""
        self._searched = False

    def reset(self) -> None:
        """Forget the streak and trust the copy again only from the next whole book; frames that wait are kept."""
        self.streak = 0
        self._based = False

    def clear(self) -> None:
        """Let go of the copy and of what waits, as of a market that is over; what was counted stays."""
        self.reset()
        self._bids, self._asks = _Ladder(Side.BUY), _Ladder(Side.SELL)
        for kept in (self._pending, self._ahead, self._behind, self._recent):
            kept.clear()

    def frame(self, event: Event) -> None:
        """Take a book fact of this market as it arrives. Other events are ignored."""
        if isinstance(event, BookChanged | BookReset):
            if len(self._pending) >= PENDING_MAX:
                self.unverifiable += sum(_hashes(waiting) for waiting in self._pending)
                self._pending.clear()
                self.reset()
            self._pending.append(event)
        elif isinstance(event, Traded):
            self._recent.extend((checksum.last_text(event.price), checksum.last_text(mirror(event.price))))
        elif isinstance(event, TickSizeChanged):
            self._tick_is(event.tick)

    def judge(self, now: Nanos) -> None:
        """Settle everything up to the newest venue time that arrived at least the window ago."""
        cutoff = now - self._knobs.hash_lag_ms * MILLI
        if not self._pending or self._pending[0].at > cutoff:
            return
        self._searched = False
        until = max(event.ts for event in self._pending if event.at <= cutoff)
        frames = sorted(self._pending, key=_venue_order)
        start = 0
        for i in range(1, len(frames) + 1):
            if i == len(frames) or frames[i].ts != frames[start].ts:
                if frames[start].ts > until:
                    break
                self._ahead = frames[i : i + _NEAR_MAX]
                self._settle(frames[start:i])
                start = i
        self._ahead = []
        self._pending = [event for event in self._pending if event.ts > until]

    def _settle(self, frames: list[BookReset | BookChanged]) -> None:
        """Apply all frames of one venue millisecond, in the order that the hashes prove, or else that of arrival."""
        ts = frames[0].ts
        late = ts <= self._done
        if late:
            # what was judged since then was judged without this frame
            self.streak = 0
        blind = late or not self._based or not self._market.min_size or not self._ticks
        waiting = _batches(frames)
        while waiting:
            batch = waiting[0]
            if blind:
                self._write(batch)
                self.unverifiable += _hashes(batch[-1]) * len(batch)
            else:
                proven = next((b for b in waiting[:_ORDERS_MAX] if self._proves(b)), None)
                batch = self._unproven(batch, waiting[1:]) if proven is None else proven
            waiting.remove(batch)
        for event in frames:
            if isinstance(event, BookReset):
                self._whole(event, late)
        self._done = max(self._done, ts)

    def _write(self, batch: _Batch) -> Written:
        written: Written = []
        for event in batch:
            for side, price, size in event.changes:
                ladder = self._bids if side is Side.BUY else self._asks
                before = ladder.size(price)
                if ladder.change(price, size, event.ts):
                    written.append((ladder, price, before, size))
        self._behind.append(written)
        return written

    def _proves(self, batch: _Batch) -> bool:
        """Apply a batch and keep it if its hash says that this was the next one; a batch without hashes needs no proof."""
        written = self._write(batch)
        if not _hashes(batch[-1]) or self._matches(batch, hinted=True):
            return True
        for ladder, price, before, _ in reversed(written):
            ladder.write(price, before)
        self._behind.pop()
        return False

    def _unproven(self, batch: _Batch, others: list[_Batch]) -> _Batch:
        """Apply a batch that its hash does not confirm here, and look whether one batch out of its place explains it."""
        self._write(batch)
        if self.streak >= _STREAK_TRIED_MAX or not any(self._matches_with(batch, moved) for moved in self._displaced(others)):
            self._count(False, _hashes(batch[-1]) * len(batch))
        return batch

    def _displaced(self, others: list[_Batch]) -> Iterator[Written]:
        """Books that differ by one batch: one of those before not applied yet, or one of those after applied already."""
        for written in list(self._behind)[-2::-1]:
            yield [(ladder, price, after, before) for ladder, price, before, after in reversed(written) if ladder.size(price) == after]
        later = [event for event in self._ahead if isinstance(event, BookChanged)]
        for batch in [*others, *_batches(later)]:
            levels = [(self._bids if side is Side.BUY else self._asks, price, size) for e in batch for side, price, size in e.changes]
            yield [(ladder, price, ladder.size(price), size) for ladder, price, size in levels]

    def _matches_with(self, batch: _Batch, moved: Written) -> bool:
        for ladder, price, _, size in moved:
            ladder.write(price, size)
        matched = self._matches(batch, hinted=False)
        for ladder, price, size, _ in reversed(moved):
            ladder.write(price, size)
        return matched

    def _matches(self, batch: _Batch, hinted: bool) -> bool:
        """Whether the copy as it stands has the batch's hash, and if so count both tokens' hashes. One is enough to know the book."""
        event = batch[-1]
        said = [(token, text) for token, text in ((self._market.yes, event.hash_yes), (self._market.no, event.hash_no)) if text]
        lasts = [checksum.last_text(p) for e in batch for _, price, _ in e.changes for p in (price, mirror(price))] if hinted else []
        if not self._is(event.ts, *said[0], lasts):
            return False
        self._count(True, len(batch))
        for token, text in said[1:]:
            self._count(self._is(event.ts, token, text, []), len(batch))
        return True

    def _is(self, ts: Nanos, token: str, said: str, lasts: list[str]) -> bool:
        """Whether some tick and last trade price in question give the hash that was said; the ones that do are in force from here on."""
        if token == self._market.yes:
            bids, asks = self._bids.yes(), self._asks.yes()
        else:
            bids, asks = self._asks.no(), self._bids.no()
        found = _found(self._market, checksum.body(self._market, token, ts, bids, asks), said, self._guesses(lasts))
        if found is None:
            return False
        self._tick_is(found[0])
        self._last = found[1]
        return True

    def _guesses(self, lasts: list[str]) -> Iterator[tuple[Price, str]]:
        """Likeliest first. Where the last trade price was never said it is searched for, once a judgement."""
        ticks = self._ticks
        known = [] if self._last is None else [self._last]
        for last in dict.fromkeys([*known, *lasts, *reversed(self._recent)]):
            for tick in ticks:
                yield tick, last
        if self._last is None and not self._searched:
            self._searched = True
            yield ticks[0], ""
            for price in range(10, 10_000, 10):
                yield ticks[0], checksum.last_text(price)

    def _whole(self, event: BookReset, late: bool) -> None:
        """Judge a whole book on what it says itself, then take it."""
        market = self._market
        ticks = (event.tick,) if event.tick else self._ticks
        if event.hash and (not market.min_size or not ticks):
            self.unverifiable += 1
        elif event.hash:
            token = event.token or market.yes
            body = checksum.body(market, token, event.ts, *checksum.texts(market, token, event.bids, event.asks))
            guesses = self._guesses([]) if event.last is None else iter([(tick, event.last) for tick in ticks])
            found = _found(market, body, event.hash, guesses)
            self._count(found is not None)
            if found is not None and not late:
                self._tick_is(found[0])
                self._last = found[1]
        if not late and event.tick:
            self._tick_is(event.tick)
        if not late and event.last is not None:
            self._last = event.last
        self._bids.reset(event.bids, event.ts)
        self._asks.reset(event.asks, event.ts)
        self._behind.clear()
        self._based = True

    def _count(self, matched: bool, hashes: int = 1) -> None:
        if matched:
            self.verified += hashes
            self.streak = 0
        elif self._last is None:
            self.unverifiable += hashes
        else:
            self.mismatched += hashes
            self.streak += hashes

    def _tick_is(self, tick: Price) -> None:
        if self._ticks[:1] != (tick,):
            self._ticks = (tick, *self._ticks[:1])


def _found(market: Market, body: bytes, said: str, guesses: Iterator[tuple[Price, str]]) -> tuple[Price, str] | None:
    """The first tick and last trade price that make the hash of `body` what the venue said."""
    whole = sha1(body, usedforsecurity=False)
    for tick, last in guesses:
        guess = whole.copy()
        guess.update(checksum.tail(market, tick, last))
        if guess.hexdigest() == said:
            return tick, last
    return None


def _venue_order(event: BookReset | BookChanged) -> tuple[int, bool]:
    """A `book` comes after the changes of its own millisecond."""
    return event.ts, isinstance(event, BookReset)


def _hashes(event: BookReset | BookChanged) -> int:
    if isinstance(event, BookReset):
        return 1 if event.hash else 0
    return (1 if event.hash_yes else 0) + (1 if event.hash_no else 0)


def _batches(frames: Iterable[BookReset | BookChanged]) -> list[_Batch]:
    """The changes in order; those that share a hash were one batch, and the hash is that of the book after all of it."""
    batches: dict[tuple[str, str] | int, _Batch] = {}
    for i, event in enumerate(frames):
        if isinstance(event, BookChanged):
            key = (event.hash_yes, event.hash_no) if _hashes(event) else i
            batches.setdefault(key, []).append(event)
    return list(batches.values())
