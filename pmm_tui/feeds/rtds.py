"""Reference prices from the venue's real-time data socket: Binance's and Chainlink's, each a source of its own.

The socket's ways (polymarket.md §5.3): a filter is compact JSON in a text; one unknown topic poisons the whole subscription; PING is not
answered; a socket can stay open and say nothing for hours. So a source is judged by its data alone: one that tells nothing for
`ws_first_data_s` gives the socket up for a new one. The backfill that a subscription begins with is history, and is not told.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from random import Random

import msgspec
from msgspec import Struct
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from pmm_tui.core.events import Event, LinkDown, LinkUp, ReferenceMoved
from pmm_tui.core.risk.guards import REFERENCE_LINK
from pmm_tui.core.units import DOLLAR, MILLI, SECOND, Cash, Nanos, cash_of
from pmm_tui.feeds.fetch import Patience, retry_after_s
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.feeds.sockets import Connect, Socket, dial, websockets_connect

SOURCES = {"crypto_prices": "binance", "crypto_prices_chainlink": "chainlink"}
"""Who speaks on a topic."""
_E18 = 10**12
"""Chainlink's exact value counts 1e-18 dollars: so many of them are a micro-dollar."""
_DIGITS_MAX = 40
_PRICE_MAX = Cash(10**9 * DOLLAR)
_APART_MAX = 1e-6
"""A value and its exact spelling are the same number, but for what a float loses."""
_AHEAD_MAX_NS = 3_600 * SECOND
"""A source's time farther ahead than this is none: it would make all that the source says later look old."""
LOOK_S = 1.0
"""At least this often a silent socket is looked after."""
_MINUTE_NS = 60 * SECOND
_BROKEN = (msgspec.MsgspecError, ValueError, RecursionError)


class _Kind(Struct):
    """The least of a frame. The gateway's refusals have a status or a message, and no type."""

    type: str = ""
    topic: str = ""
    statusCode: int = 0  # noqa: N815 - the venue's spelling
    message: str = ""


class _Payload(Struct):
    symbol: str
    timestamp: int
    value: float
    full_accuracy_value: str


class _Update(Struct):
    topic: str
    payload: _Payload


class Refused(Exception):
    """The venue will not have the subscription; the text is safe to show."""


def wire_symbol(topic: str, symbol: str) -> str:
    """A symbol (`btc/usd`) as a topic spells it."""
    return symbol.replace("/usd", "usdt") if topic == "crypto_prices" else symbol


def subscription(symbols: Sequence[str]) -> str:
    """What to say once the socket is open."""
    wanted = [
        {"topic": topic, "type": "*", "filters": msgspec.json.encode({"symbol": wire_symbol(topic, symbol)}).decode()}
        for topic in SOURCES
        for symbol in symbols
    ]
    return msgspec.json.encode({"action": "subscribe", "subscriptions": wanted}).decode()


class RtdsDecoder:
    """Frames into facts. What cannot be read is counted in `malformed`, what is right and of no use here in `ignored`."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.malformed = 0
        self.ignored = 0
        self._symbols = {(topic, wire_symbol(topic, symbol)): symbol for topic in SOURCES for symbol in symbols}

    def decode(self, raw: bytes, at: Nanos) -> ReferenceMoved | None:
        """The price in a frame, if it tells one that was asked for; Refused where the venue refuses."""
        try:
            kind = msgspec.json.decode(raw, type=_Kind) if raw.strip() else _Kind()
            if kind.statusCode or (kind.message and not kind.type):
                text = "".join(mark for mark in kind.message[:80] if mark.isprintable())
                raise Refused(f"subscription refused: {kind.statusCode or ''} {text}".strip())
            if kind.type == "update" and kind.topic in SOURCES:
                update = msgspec.json.decode(raw, type=_Update)
                if (symbol := self._symbols.get((kind.topic, update.payload.symbol.lower()))) is not None:
                    return ReferenceMoved(at, SOURCES[kind.topic], symbol, _price(kind.topic, update.payload), _stamp(update.payload, at))
        except _BROKEN:
            self.malformed += 1
            return None
        self.ignored += 1
        return None


def _price(topic: str, payload: _Payload) -> Cash:
    """The exact value, which must be the one that is told as a number too; ValueError otherwise."""
    text = payload.full_accuracy_value
    if topic == "crypto_prices_chainlink":
        price = Cash(_whole(text) // _E18)
    else:
        whole, dot, part = text.partition(".")
        price = cash_of(f"{whole}{dot}{part[:6]}")
    if not 0 < price <= _PRICE_MAX or abs(price - payload.value * DOLLAR) > 1 + _APART_MAX * price:
        raise ValueError(f"price {text[:40]!r}, value {payload.value!r}")
    return price


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise ValueError(f"value {text[:40]!r}: expected digits")
    return int(text)


def _stamp(payload: _Payload, at: Nanos) -> Nanos:
    ts = payload.timestamp * MILLI
    if not 0 < ts <= at + _AHEAD_MAX_NS:
        raise ValueError(f"timestamp {payload.timestamp}")
    return Nanos(ts)


class RtdsFeed:
    """The socket as a feed, for as long as `events` is read. Pace and limits are those of the market channel's sockets."""

    def __init__(
        self,
        knobs: MarketWsKnobs,
        url: str,
        symbols: Sequence[str],
        clock: Callable[[], Nanos],
        chance: Random,
        *,
        connect: Connect = websockets_connect,
    ) -> None:
        self.knobs = knobs
        self.decoder = RtdsDecoder(symbols)
        self.connections = 0
        self._url = url
        self._hello = subscription(symbols)
        self._clock = clock
        self._patience = Patience(knobs.ws_backoff_first_s, knobs.ws_backoff_max_s, chance)
        self._connect = connect
        self._closing = asyncio.Event()
        self._up = False
        self._why = ""
        """Why the present socket is over; empty while it is not."""
        self._news = {(source, symbol): (Nanos(0), Nanos(0)) for source in SOURCES.values() for symbol in symbols}
        """The newest of the source's own times, and when it was heard on the present socket (at first: when that opened)."""
        self._opened = self._pinged = Nanos(0)
        self._malformed: deque[Nanos] = deque(maxlen=knobs.malformed_per_min_max)

    async def events(self) -> AsyncIterator[Event]:
        """Prices and the state of the link, until closed."""
        while not self._closing.is_set():
            self._why, wait_s = "", 0.0
            try:
                socket = await self._open()
            except InvalidStatus as refused:
                self._why = f"refused with HTTP {refused.response.status_code}"
                wait_s = retry_after_s(refused.response.headers.get("Retry-After"), self._clock() / SECOND)
            except (OSError, TimeoutError, WebSocketException) as lost:
                self._why = f"cannot connect: {type(lost).__name__}"
            else:
                try:
                    while not (self._why or self._closing.is_set()):
                        for fact in await self._turn(socket):
                            yield fact
                finally:
                    await socket.close()
                if self._clock() - self._opened >= self.knobs.ws_stable_s * SECOND:
                    self._patience.reset()
            if self._closing.is_set():
                return
            self._up = False
            yield LinkDown(self._clock(), REFERENCE_LINK, self._why)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._patience.next(wait_s))

    async def close(self) -> None:
        """Let `events` end."""
        self._closing.set()

    async def _open(self) -> Socket:
        knobs = self.knobs
        socket = await dial(self._connect, self._url, knobs.ws_frame_bytes_max, knobs.ws_open_timeout_s)
        self.connections += 1
        self._opened = self._pinged = now = self._clock()
        self._news = {key: (ts, now) for key, (ts, _) in self._news.items()}
        self._malformed.clear()
        await socket.send(self._hello)
        return socket

    async def _turn(self, socket: Socket) -> list[Event]:
        """Wait for the next frame, and a moment at most; what it told."""
        now = self._clock()
        if why := self._silent(now):
            self._why = why
            return []
        try:
            if now - self._pinged >= self.knobs.ws_ping_s * SECOND:
                self._pinged = now
                await socket.send("PING")
            async with asyncio.timeout(LOOK_S):
                said = await socket.recv(decode=False)
        except TimeoutError:
            return []
        except ConnectionClosed as lost:
            self._why = f"connection lost: {lost.rcvd.code if lost.rcvd is not None else 'no close frame'}"
            return []
        return self._read(said if isinstance(said, bytes) else said.encode())

    def _read(self, raw: bytes) -> list[Event]:
        at, before = self._clock(), self.decoder.malformed
        try:
            fact = self.decoder.decode(raw, at)
        except Refused as refused:
            self._why = str(refused)
            return []
        if self.decoder.malformed != before:
            self._malformed.append(at)
            if len(self._malformed) == self._malformed.maxlen and at - self._malformed[0] <= _MINUTE_NS:
                self._why = f"{len(self._malformed)} unreadable frames within a minute"
        if fact is None:
            return []
        key = (fact.source, fact.symbol)
        if fact.ts > self._news[key][0]:
            self._news[key] = (fact.ts, at)
        if self._up:
            return [fact]
        self._up = True
        return [LinkUp(at, REFERENCE_LINK), fact]

    def _silent(self, now: Nanos) -> str:
        """Which source has told nothing newer for so long that the socket may be frozen."""
        most_s = self.knobs.ws_first_data_s
        mute = (key for key, (_, heard_at) in self._news.items() if now - heard_at > most_s * SECOND)
        return next((f"{source} told no newer price of {symbol} for over {most_s:g} s" for source, symbol in mute), "")
