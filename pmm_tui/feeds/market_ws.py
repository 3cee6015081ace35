"""Live books from the market channel: sharded sockets, judged by data age against REST, in one bounded stream of facts.

Back-pressure. The stream holds at most `feed_queue_max` facts. When it is full, facts about a market's book are dropped and counted, and
the market is torn: nothing about it goes out until half the queue is free again, and then its whole book goes out as one BookReset,
because the feed keeps every watched book itself. So a slow desk sees fewer, newer books, never a wrong one, and memory does not grow. Link
facts are never dropped.

Liveness. A socket can be open, answer PONG and be frozen. A market that was silent for `silence_probe_s` is compared with REST /book: the
same book goes out as proof of life; another book that no frame explains within `silence_confirm_ms` gives the socket up for a new one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from random import Random

import httpx

from pmm_tui.core.book import Book
from pmm_tui.core.events import (
    BookChanged,
    BookReset,
    Event,
    Level,
    LinkDown,
    LinkUp,
    MarketClosed,
    MarketResolved,
    TickSizeChanged,
    Traded,
)
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, SECOND, Nanos
from pmm_tui.feeds.fetch import Patience, Unanswered, fetch
from pmm_tui.feeds.shard import MarketWsKnobs, Shard
from pmm_tui.feeds.sockets import Connect, websockets_connect
from pmm_tui.feeds.wire import Decoder

LINK = "market"
_DEEP = 1_000_000
_PROBES_AT_ONCE = 8
_GHOST = 10
"""A REST book whose spread is more than this many times the socket's is a ghost (py-clob-client issue 180: 0.01/0.99)."""
_MARKET_FACTS = (BookReset, BookChanged, Traded, TickSizeChanged, MarketClosed, MarketResolved)
_MarketFact = BookReset | BookChanged | Traded | TickSizeChanged | MarketClosed | MarketResolved
_Face = tuple[tuple[Level, ...], tuple[Level, ...]]


class _Watched:
    """One market on the channel: the book as the socket tells it, and when it last told anything."""

    __slots__ = ("book", "dumped", "heard_at", "judged", "looked_at", "looking", "market", "pending", "resync", "shard", "torn")

    def __init__(self, market: Market, shard: Shard, now: Nanos) -> None:
        self.market = market
        self.shard = shard
        self.book = Book(market.tick)
        self.dumped = False
        """The present socket has sent its whole book."""
        self.heard_at = self.looked_at = now
        self.judged: tuple[_Face, _Face] | None = None
        """A disagreement with REST that already cost a socket: if the fresh dump repeats it, REST is the one that is wrong."""
        self.pending: list[_MarketFact] | None = None
        """Facts held back while a resync fetches its snapshot."""
        self.torn = False
        self.resync = False
        self.looking = False
        """A probe or a resync is under way."""

    def fresh(self) -> None:
        """Forget the book: a new socket dumps it anew."""
        self.book = Book(self.book.tick)
        self.dumped = False

    def take(self, fact: _MarketFact) -> None:
        """Keep the own copy of the book."""
        if isinstance(fact, BookReset):
            self.dumped = True
            self.book.reset(fact.bids, fact.asks, fact.ts, fact.tick)
        elif isinstance(fact, BookChanged):
            for side, price, size in fact.changes:
                self.book.change(side, price, size, fact.ts)
        elif isinstance(fact, TickSizeChanged):
            self.book.retick(fact.tick)

    def face(self) -> _Face:
        """All levels, best last, as a BookReset carries them."""
        book = self.book
        return tuple(reversed(book.levels(Side.BUY, _DEEP))), tuple(reversed(book.levels(Side.SELL, _DEEP)))

    def ghostly(self, rest: BookReset) -> bool:
        """REST shows a spread that the socket's book makes incredible."""
        if not self.book.two_sided:
            return False
        bid = rest.bids[-1][0] if rest.bids else 0
        ask = rest.asks[-1][0] if rest.asks else ONE
        return ask - bid > _GHOST * max(self.book.ask - self.book.bid, self.book.tick)


class MarketFeed:
    """The market channel as a feed. `watch` needs a running event loop.

    clock: the receive time of every fact. chance: the jitter of the waiting times. tape: gets every data frame ("market") and REST body
    ("rest") with its receive time before anything reads it. connect and transport stand in for sockets of its own.
    """

    def __init__(
        self,
        knobs: MarketWsKnobs,
        ws_url: str,
        clob_url: str,
        decoder: Decoder,
        clock: Callable[[], Nanos],
        chance: Random,
        tape: Callable[[Nanos, str, str], None] | None = None,
        *,
        connect: Connect = websockets_connect,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.knobs = knobs
        self.dropped = 0
        """Facts not told because the desk was too slow; each torn market was told whole afterwards."""
        self.ghosts = 0
        self.rest_failures = 0
        self.rotations = 0
        self.resyncs = 0
        self._ws_url = ws_url
        self._book_url = clob_url.rstrip("/") + "/book"
        self._decoder = decoder
        self._clock = clock
        self._chance = chance
        self._tape = tape
        self._inbox: asyncio.Queue[Event | None] = asyncio.Queue(maxsize=knobs.feed_queue_max)
        self._watched: dict[str, _Watched] = {}
        self._shards: list[Shard] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._door = asyncio.Lock()
        self._probing = asyncio.Semaphore(_PROBES_AT_ONCE)
        self._connect = connect
        self._client = httpx.AsyncClient(
            timeout=knobs.rest_timeout_s, headers={"accept": "application/json", "user-agent": "pmm-tui"}, transport=transport
        )
        self._link = ""
        self._broken: BaseException | None = None
        self._audited = False

    # --- what the desk asks -------------------------------------------------------------------------------------------------------------

    def watch(self, market: Market) -> None:
        """Subscribe to both tokens of a market; asked again for a watched market, fetch its book anew from REST."""
        known = self._watched.get(market.id)
        if known is not None:
            known.resync = True
            self._attend(known, self._clock())
            return
        self._decoder.know(market)
        shard = self._shard()
        self._watched[market.id] = _Watched(market, shard, self._clock())
        shard.want(market.yes, market.no)
        if not self._audited:
            self._audited = True
            self._start(self._audit())

    def unwatch(self, market_id: str) -> None:
        """Unsubscribe; an unknown market is nothing to do."""
        watched = self._watched.pop(market_id, None)
        if watched is not None:
            watched.shard.drop(watched.market.yes, watched.market.no)
            self._decoder.forget(watched.market)

    async def events(self) -> AsyncIterator[Event]:
        """Facts as they come, until closed."""
        while True:
            fact = await self._inbox.get()
            if self._broken is not None:
                raise self._broken
            if fact is None:
                return
            yield fact

    async def close(self) -> None:
        """End every socket and task; `events` ends after it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()
        self._wake()

    @property
    def connections(self) -> int:
        """Sockets opened so far."""
        return sum(shard.connections for shard in self._shards)

    # --- sockets ------------------------------------------------------------------------------------------------------------------------

    def _shard(self) -> Shard:
        """A socket with room for one more market."""
        for shard in self._shards:
            if len(shard.tokens) + 2 <= self.knobs.shard_tokens_max:
                return shard
        patience = Patience(self.knobs.ws_backoff_first_s, self.knobs.ws_backoff_max_s, self._chance)
        shard = Shard(
            self._ws_url, self.knobs, self._clock, patience, self._door, self._decode, self._accept_all, self._moved, self._connect
        )
        self._shards.append(shard)
        self._start(shard.run())
        return shard

    def _start(self, chore: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(chore)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that raised is a defect: it comes out of `events`, and is not swallowed."""
        self._tasks.discard(task)
        if not task.cancelled() and (broken := task.exception()) is not None:
            self._broken = broken
            self._wake()

    def _wake(self) -> None:
        """Let `events` look up even where nothing is queued; where the queue is full, it will look by itself."""
        try:
            self._inbox.put_nowait(None)
        except asyncio.QueueFull:
            self._inbox.get_nowait()
            self._inbox.put_nowait(None)

    async def _moved(self, shard: Shard) -> None:
        """A socket came up or went down: books start anew, and the one link says the worst of all sockets."""
        if not shard.up:
            for watched in self._watched.values():
                if watched.shard is shard:
                    watched.fresh()
        worst = next((f"socket {i}: {one.reason}" for i, one in enumerate(self._shards, 1) if one.reason), "")
        if worst and worst != self._link:
            self._link = worst
            await self._inbox.put(LinkDown(at=self._clock(), link=LINK, reason=worst))
        elif not worst and self._link != "up" and all(one.up for one in self._shards if one.tokens):
            self._link = "up"
            await self._inbox.put(LinkUp(at=self._clock(), link=LINK))

    def _decode(self, raw: bytes, at: Nanos) -> tuple[list[Event], bool]:
        """The facts in a frame, and whether all of it could be read."""
        if self._tape is not None:
            self._tape(at, LINK, raw.decode("utf-8", "replace"))
        before = self._decoder.malformed
        facts = self._decoder.decode(raw, at)
        return facts, self._decoder.malformed == before

    def _accept_all(self, facts: list[Event]) -> None:
        for fact in facts:
            if isinstance(fact, _MARKET_FACTS):
                self._accept(fact)

    def _accept(self, fact: _MarketFact) -> None:
        """One fact from a socket: into the own book, and out to the desk unless the market is in a resync or torn."""
        watched = self._watched.get(fact.market)
        if watched is None:
            return
        watched.heard_at = fact.at
        watched.take(fact)
        if watched.pending is not None and len(watched.pending) < self._inbox.maxsize:
            watched.pending.append(fact)
        elif watched.torn or watched.pending is not None:
            watched.torn = True
            self.dropped += 1
            self._mend(watched)
        else:
            self._tell(watched, fact)

    def _tell(self, watched: _Watched, fact: _MarketFact) -> None:
        try:
            self._inbox.put_nowait(fact)
        except asyncio.QueueFull:
            watched.torn = True
            self.dropped += 1

    def _mend(self, watched: _Watched) -> None:
        """Tell a torn market's whole book once there is room: everything dropped before is in it."""
        if watched.torn and watched.dumped and watched.pending is None and self._inbox.qsize() * 2 <= self._inbox.maxsize:
            watched.torn = False
            bids, asks = watched.face()
            book = watched.book
            # rest: the lagging copy that verifies hashes has missed what was dropped, and must start anew from here.
            self._tell(watched, BookReset(self._clock(), watched.market.id, book.ts, bids, asks, tick=book.tick, rest=True))

    # --- REST ---------------------------------------------------------------------------------------------------------------------------

    async def _audit(self) -> None:
        """Look at every market again and again: a resync asked for, a dump that never came, silence."""
        while True:
            await asyncio.sleep(min(1.0, self.knobs.silence_probe_s / 5))
            now = self._clock()
            for watched in self._watched.values():
                self._mend(watched)
                self._attend(watched, now)

    def _attend(self, watched: _Watched, now: Nanos) -> None:
        """Start what a market needs now, if anything; one thing at a time."""
        if watched.looking or not watched.shard.up:
            return
        probe_ns = self.knobs.silence_probe_s * SECOND
        undumped = not watched.dumped and now - max(watched.shard.up_at, watched.looked_at) >= probe_ns
        if watched.resync or undumped:
            watched.looking, watched.resync = True, False
            self._start(self._look(watched, self._resync))
        elif watched.dumped and now - max(watched.heard_at, watched.looked_at) >= probe_ns:
            watched.looking = True
            self._start(self._look(watched, self._probe))

    async def _look(self, watched: _Watched, how: Callable[[_Watched], Awaitable[None]]) -> None:
        try:
            async with self._probing:
                watched.looked_at = self._clock()
                await how(watched)
        finally:
            watched.looking = False

    async def _probe(self, watched: _Watched) -> None:
        """A silent market against REST: alive and quiet, or frozen."""
        heard_at = watched.heard_at
        rest = await self._rest_book(watched)
        if rest is None or watched.heard_at != heard_at or not watched.dumped:
            return
        here, there = watched.face(), (rest.bids, rest.asks)
        if here == there:
            if not watched.torn:
                self._tell(watched, rest)
            return
        if rest.ts < watched.book.ts or watched.judged == (here, there):
            return
        await asyncio.sleep(self.knobs.silence_confirm_ms / 1000)
        if watched.heard_at == heard_at and watched.dumped:
            watched.judged = (here, there)
            self._rotate(watched, f"frozen: REST shows another book of {watched.market.slug}")

    async def _resync(self, watched: _Watched) -> None:
        """The book from REST while the socket's facts wait, then those it does not cover; a new socket where REST is no help."""
        self.resyncs += 1
        told, connection = watched.book.ts, watched.shard.connections
        patience = Patience(self.knobs.ws_backoff_first_s, self.knobs.ws_backoff_max_s, self._chance)
        watched.pending = []
        try:
            for _ in range(self.knobs.resync_tries):
                rest = await self._rest_book(watched)
                if watched.shard.connections != connection or not watched.shard.up:
                    return  # a new socket dumps the book by itself
                if self._watched.get(watched.market.id) is not watched:
                    return  # nobody asks for it any more
                if rest is not None and watched.ghostly(rest):
                    self.ghosts += 1
                elif rest is not None and rest.ts >= told:
                    self._rebase(watched, rest)
                    return
                await asyncio.sleep(patience.next())
            self._rotate(watched, f"no usable REST book of {watched.market.slug}")
        finally:
            held, watched.pending = watched.pending, None
            for fact in held:
                self._tell(watched, fact)

    def _rebase(self, watched: _Watched, rest: BookReset) -> None:
        """The REST book as the new ground, with what the socket told after it on top."""
        held, watched.pending = watched.pending or [], []
        watched.fresh()
        watched.take(rest)
        watched.torn = False
        self._tell(watched, rest)
        for fact in held:
            if not isinstance(fact, BookReset | BookChanged) or fact.ts > rest.ts:
                watched.take(fact)
                watched.pending.append(fact)

    def _rotate(self, watched: _Watched, reason: str) -> None:
        self.rotations += 1
        watched.shard.rotate(reason)

    async def _rest_book(self, watched: _Watched) -> BookReset | None:
        """The market's book from REST; None, counted, where there is no believable answer. A newly made market has none for minutes."""
        try:
            raw = await fetch(self._client, self._book_url, [("token_id", watched.market.yes)], self._clock() / SECOND)
            at = self._clock()
            if self._tape is not None:
                self._tape(at, "rest", raw.decode("utf-8", "replace"))
            rest = self._decoder.rest_book(raw, at)
        except (Unanswered, ValueError):
            self.rest_failures += 1
            return None
        if rest.market != watched.market.id:
            self.rest_failures += 1
            return None
        return rest
