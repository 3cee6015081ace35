"""Frames of the venue's market channel, and REST /book bodies, into facts in YES terms.

A frame is refused whole when any part of it is wrong: refused frames are counted in `malformed`, those that are right but of no use here in
`ignored` by kind. Numbers are ASCII decimals in strings; a key twice in one object is refused (a JSON reader would keep the last).
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from pmm_tui.core.events import BookChanged, BookReset, Event, Level, MarketResolved, TickSizeChanged, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, TICKS, Nanos, Price, Size, mirror, price_of, size_of

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""The largest frame that is read; the sockets have the same limit."""
_SIZE_MAX = 10**18
"""A million million shares."""
_CACHED_MAX = 4_096  # the levels of fifty books; full, they are a megabyte
_STAMP_DIGITS_MAX = 15
_REASONS_MAX = 50
_NAME = re.compile(r"[A-Za-z0-9_ ]{1,40}")
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_Number = TypeVar("_Number", bound=int)
_REFUSALS = (msgspec.MsgspecError, ValueError, KeyError, RecursionError)
"""Everything that a bad frame can raise: broken UTF-8 and lone surrogates are ValueErrors, deep nesting is a RecursionError."""


class _Level(Struct, gc=False):
    price: str
    size: str


class _Entry(Struct, gc=False):
    """One level of one token in a price_change."""

    price: str
    size: str
    side: str
    asset_id: str = ""
    hash: str = ""
    best_bid: str = ""
    best_ask: str = ""


class _Frame(Struct, gc=False):
    """Every field that any frame we read has; what a frame did not say is empty or None."""

    event_type: str = ""
    market: str = ""
    timestamp: str = ""
    asset_id: str = ""
    hash: str = ""
    price_changes: list[_Entry] | None = None
    bids: list[_Level] | None = None
    asks: list[_Level] | None = None
    tick_size: str | None = None
    last_trade_price: str | None = None
    min_order_size: str | None = None
    neg_risk: bool | None = None
    changes: list[_Entry] | None = None
    price: str = ""
    size: str = ""
    side: str = ""
    new_tick_size: str = ""
    winning_asset_id: str = ""


class _Pair(Struct, gc=False):
    """Almost every frame: one level, said for both tokens. Read with these few fields it costs a quarter less than as a `_Frame`."""

    market: str
    price_changes: tuple[_Entry, _Entry]
    timestamp: str
    event_type: Literal["price_change"]


class _Kind(Struct, gc=False):
    """The least of a frame, to tell a broken one of ours from one of a kind that we do not read."""

    event_type: str = ""


class _Row(NamedTuple):
    """One level of a price_change in YES terms, with what its token's entry said."""

    change: tuple[Side, Price, Size]
    hash: str
    bid: Price | None
    ask: Price | None


class _Texts(dict[str, _Number], Generic[_Number]):
    """Numbers by their spelling, parsed once; emptied when full, so that memory is bounded."""

    def __init__(self, parse: Callable[[str], _Number]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str) -> _Number:
        value = self._parse(text)
        if len(self) >= _CACHED_MAX:
            self.clear()
        self[text] = value
        return value


def _level_price(text: str) -> Price:
    price = price_of(text)
    if not 0 < price < ONE:
        raise ValueError(f"price {text!r}: a level is inside (0, 1)")
    return price


def _level_size(text: str) -> Size:
    size = size_of(text)
    if size > _SIZE_MAX:
        raise ValueError(f"size {text!r}: out of range")
    return size


def _tick(text: str) -> Price:
    tick = price_of(text)
    if tick not in TICKS:
        raise ValueError(f"tick {text!r}: not one of the venue's")
    return tick


def _stamp(text: str) -> Nanos:
    """Venue time: the wire says milliseconds since the epoch."""
    if not (text.isdigit() and text.isascii() and len(text) <= _STAMP_DIGITS_MAX):
        raise ValueError(f"timestamp {text[:40]!r}: expected milliseconds")
    return Nanos(int(text) * 1_000_000)


def _single_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key twice in one object")
    return table


def _plain_colons(frame: _Frame) -> int:
    """The colons of a price_change or book that has all its known keys, once each, and no other; -1: read it again more closely.

    A frame with as many, and every value there, has no key twice: counting costs a tenth of reading it again.
    """
    entries = frame.price_changes
    if entries is not None:
        full = all(e.asset_id and e.hash and e.best_bid and e.best_ask for e in entries)
        return 4 + 7 * len(entries) if full and frame.market and frame.timestamp else -1
    if frame.bids is None or frame.asks is None or not (frame.market and frame.timestamp and frame.asset_id and frame.hash):
        return -1
    optional = (frame.tick_size, frame.last_trade_price, frame.min_order_size, frame.neg_risk, frame.event_type or None)
    return 6 + 2 * (len(frame.bids) + len(frame.asks)) + 5 - optional.count(None)


class Decoder:
    """Turns raw frames into facts for the markets it knows. `malformed` counts refused frames, `ignored` the others by reason."""

    def __init__(self) -> None:
        self.malformed = 0
        self.ignored: dict[str, int] = {}
        self._tokens: dict[str, tuple[Market, bool]] = {}
        self._markets: set[str] = set()
        self._pairs: dict[str, tuple[str, str]] = {}
        """YES token to (market, NO token)."""
        self._read_pair = msgspec.json.Decoder(_Pair).decode
        self._read = msgspec.json.Decoder(_Frame | list[_Frame])
        self._read_one = msgspec.json.Decoder(_Frame)
        self._kind = msgspec.json.Decoder(_Kind | list[_Kind])
        self._prices = _Texts(_level_price)
        self._touches = _Texts(price_of)
        self._sizes = _Texts(_level_size)
        self._facts: dict[str, Callable[[_Frame, Nanos], Iterable[Event]]] = {
            "price_change": self._price_change,
            "book": lambda frame, at: [self._reset(frame, at, rest=False)],
            "last_trade_price": self._trade,
            "tick_size_change": self._tick_change,
            "market_resolved": self._resolved,
        }

    def know(self, market: Market) -> None:
        """Read this market's frames from now on."""
        self._markets.add(market.id)
        self._tokens |= {market.yes: (market, True), market.no: (market, False)}
        self._pairs[market.yes] = (market.id, market.no)

    def forget(self, market: Market) -> None:
        """Read them no more, so that what is over leaves memory; an unknown market is nothing to do."""
        self._markets.discard(market.id)
        for token in (market.yes, market.no):
            self._tokens.pop(token, None)
            self._pairs.pop(token, None)

    def decode(self, raw: str | bytes, at: Nanos) -> list[Event]:
        """The facts of one market-channel frame, an object or an array, in its order. Never raises: a bad or useless frame is counted."""
        try:
            if len(raw) > FRAME_BYTES_MAX:
                raise ValueError("a giant frame")
            if (plain := self._plain_pair(raw, at)) is not None:
                return [plain]
            frame = self._read.decode(raw)
            return self._all([frame] if isinstance(frame, _Frame) else frame, raw, at)
        except _REFUSALS:
            self._refuse(raw)
            return []

    def rest_book(self, raw: str | bytes, at: Nanos) -> BookReset:
        """The book in the body of GET /book; ValueError, and a count, where it is malformed or of a token that is not known."""
        try:
            if len(raw) > FRAME_BYTES_MAX:
                raise ValueError("a giant body")
            frame = self._read_one.decode(raw)
            self._keys_once([frame], raw)
            return self._reset(frame, at, rest=True)
        except _REFUSALS as refusal:
            self.malformed += 1
            raise ValueError(f"book refused: {refusal}") from refusal

    def _plain_pair(self, raw: str | bytes, at: Nanos) -> BookChanged | None:
        """One level, said for both tokens, nothing unusual. None: take the long way, which decides."""
        try:
            frame = self._read_pair(raw)
        except _REFUSALS:
            return None
        yes, no = frame.price_changes
        pair = self._pairs.get(yes.asset_id)
        if pair is None:
            no, yes = yes, no
            pair = self._pairs.get(yes.asset_id)
        if pair is None or frame.market != pair[0] or no.asset_id != pair[1] or yes.size != no.size:
            return None
        price = self._prices[yes.price]
        if price + self._prices[no.price] != 10_000 or yes.side == no.side or no.side not in _SIDES:
            return None
        colons = raw.count(":") if isinstance(raw, str) else raw.count(b":")
        said = yes.hash and no.hash and yes.best_bid and yes.best_ask and no.best_bid and no.best_ask
        if not said or colons != 18:  # 4 keys and twice 7: see _plain_colons
            return None
        changes = ((_SIDES[yes.side], price, self._sizes[yes.size]),)
        bid, ask = self._touches[yes.best_bid], self._touches[yes.best_ask]
        return BookChanged(at, pair[0], _stamp(frame.timestamp), changes, yes.hash, no.hash, bid, ask)

    def _all(self, frames: list[_Frame], raw: str | bytes, at: Nanos) -> list[Event]:
        """The facts of every object of a frame. Each is its own message: one that is refused does not take the others along."""
        wanted = [f for f in frames if self._wanted(f)]
        if wanted:
            self._keys_once(frames, raw)
        facts: list[Event] = []
        for frame in wanted:
            try:
                facts.extend(self._facts[frame.event_type](frame, at))
            except _REFUSALS:
                self.malformed += 1
        return facts

    def _wanted(self, frame: _Frame) -> bool:
        """Of a kind that we read, about a market that we know; otherwise counted as ignored."""
        if frame.event_type not in self._facts:
            self._ignore(frame.event_type or "untyped")
            return False
        tokens = [e.asset_id for e in frame.price_changes] if frame.price_changes else [frame.asset_id or frame.winning_asset_id]
        if frame.market in self._markets or any(token in self._tokens for token in tokens):
            return True
        self._ignore("unknown token")
        return False

    def _keys_once(self, frames: list[_Frame], raw: str | bytes) -> None:
        plain = [_plain_colons(frame) for frame in frames]
        if -1 in plain or (raw.count(":") if isinstance(raw, str) else raw.count(b":")) != sum(plain):
            json.loads(raw, object_pairs_hook=_single_keys)

    def _refuse(self, raw: str | bytes) -> None:
        if raw in ("PONG", b"PONG"):
            self._ignore("PONG")
            return
        kind = self._kind_of(raw)
        if kind and kind not in self._facts:
            self._ignore(kind)
        else:
            self.malformed += 1

    def _kind_of(self, raw: str | bytes) -> str:
        if len(raw) > FRAME_BYTES_MAX:
            return ""
        try:
            kinds = self._kind.decode(raw)
        except _REFUSALS:
            return ""
        return (kinds if isinstance(kinds, _Kind) else next(iter(kinds), _Kind())).event_type

    def _ignore(self, why: str) -> None:
        """Kinds come from the wire, so their names and their number are bounded."""
        if why not in self.ignored and (len(self.ignored) >= _REASONS_MAX or not _NAME.fullmatch(why)):
            why = "other"
        self.ignored[why] = self.ignored.get(why, 0) + 1

    def _market(self, frame: _Frame, token: str) -> tuple[Market, bool]:
        """The market of a token and whether it is YES; the frame must name the same market."""
        market, is_yes = self._tokens[token]
        if frame.market != market.id:
            raise ValueError(f"token {token[:20]} is of another market than the frame says")
        return market, is_yes

    def _price_change(self, frame: _Frame, at: Nanos) -> list[Event]:
        """One fact for each run of levels that share a hash: the hash is that of the book after the whole run."""
        market = self._market(frame, self._entries(frame)[0].asset_id)[0]
        yes: list[_Row] = []
        no: list[_Row] = []
        for entry in self._entries(frame):
            is_yes = self._market(frame, entry.asset_id)[1]
            (yes if is_yes else no).append(self._row(entry, is_yes))
        ts = _stamp(frame.timestamp)
        facts: list[Event] = []
        rows: list[tuple[_Row, str, str]] = []
        for row, hash_yes, hash_no in _paired(yes, no):
            if rows and (rows[-1][1], rows[-1][2]) != (hash_yes, hash_no):
                facts.append(_changed(market.id, ts, rows, at))
                rows = []
            rows.append((row, hash_yes, hash_no))
        facts.append(_changed(market.id, ts, rows, at))
        return facts

    def _entries(self, frame: _Frame) -> list[_Entry]:
        """The levels in today's format; before 2025-09-15 the token and hash stood outside the list, and before that there was no list."""
        entries = frame.price_changes
        if entries is None:
            old = frame.changes if frame.changes is not None else [_Entry(frame.price, frame.size, frame.side)]
            entries = [_Entry(e.price, e.size, e.side, frame.asset_id, frame.hash) for e in old]
        if not entries:
            raise ValueError("a price_change without a level")
        return entries

    def _row(self, entry: _Entry, is_yes: bool) -> _Row:
        side, price, size = _SIDES[entry.side], self._prices[entry.price], self._sizes[entry.size]
        bid = self._touches[entry.best_bid] if entry.best_bid else None
        ask = self._touches[entry.best_ask] if entry.best_ask else None
        if is_yes:
            return _Row((side, price, size), entry.hash, bid, ask)
        yes_bid, yes_ask = None if ask is None else mirror(ask), None if bid is None else mirror(bid)
        return _Row((side.other, mirror(price), size), entry.hash, yes_bid, yes_ask)

    def _reset(self, frame: _Frame, at: Nanos, rest: bool) -> BookReset:
        market, is_yes = self._market(frame, frame.asset_id)
        if frame.bids is None or frame.asks is None:
            raise ValueError("a book without a side")
        bids, asks = self._levels(frame.bids, False), self._levels(frame.asks, True)
        if not is_yes:
            bids, asks = tuple((mirror(p), s) for p, s in asks), tuple((mirror(p), s) for p, s in bids)
        tick = _tick(frame.tick_size) if frame.tick_size else Price(0)
        if frame.last_trade_price:
            price_of(frame.last_trade_price)
        return BookReset(at, market.id, _stamp(frame.timestamp), bids, asks, frame.asset_id, frame.hash, tick, frame.last_trade_price, rest)

    def _levels(self, levels: list[_Level], descending: bool) -> tuple[Level, ...]:
        """Best last, whatever order they came in; a price that is there twice is a ValueError."""
        prices, sizes = self._prices, self._sizes
        read = [(prices[level.price], sizes[level.size]) for level in levels]
        read.sort(reverse=descending)
        if len({price for price, _ in read}) != len(read):
            raise ValueError("a level twice in one book")
        return tuple(read)

    def _trade(self, frame: _Frame, at: Nanos) -> list[Event]:
        market, is_yes = self._market(frame, frame.asset_id)
        side, price, size = _SIDES[frame.side], self._prices[frame.price], self._sizes[frame.size]
        if size == 0:
            raise ValueError("a trade of nothing")
        if not is_yes:
            side, price = side.other, mirror(price)
        return [Traded(at, market.id, _stamp(frame.timestamp), price, size, side, frame.price)]

    def _tick_change(self, frame: _Frame, at: Nanos) -> list[Event]:
        market = self._market(frame, frame.asset_id)[0]
        return [TickSizeChanged(at, market.id, _stamp(frame.timestamp), _tick(frame.new_tick_size))]

    def _resolved(self, frame: _Frame, at: Nanos) -> list[Event]:
        market, is_yes = self._market(frame, frame.winning_asset_id)
        return [MarketResolved(at, market.id, ONE if is_yes else Price(0))]


def _paired(yes: list[_Row], no: list[_Row]) -> list[tuple[_Row, str, str]]:
    """Each level once, with both tokens' hashes; ValueError where both tokens are there and say different things."""
    if not no:
        return [(row, row.hash, "") for row in yes]
    if not yes:
        return [(row, "", row.hash) for row in no]
    if [row.change for row in yes] != [row.change for row in no]:
        raise ValueError("the two tokens of one market disagree")
    return [(ours, ours.hash, theirs.hash) for ours, theirs in zip(yes, no, strict=True)]


def _changed(market: str, ts: Nanos, rows: list[tuple[_Row, str, str]], at: Nanos) -> BookChanged:
    last, hash_yes, hash_no = rows[-1]
    return BookChanged(at, market, ts, tuple(row.change for row, _, _ in rows), hash_yes, hash_no, last.bid, last.ask)
