"""The books as the market channel tells them: each fact of the matching core moves them by one operation and becomes its frames.

The matching core may have done many operations by the time its facts are told. A frame must carry the hash of the book right after its own
operation, so the books are kept a second time here, fact by fact, with the text of every level ready for hashing.
"""

import json
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import sha1
from typing import TYPE_CHECKING

from msgspec import Struct

from pmm_tui.core.market import Market, Side
from pmm_tui.core.signals import checksum
from pmm_tui.core.units import MILLI, ONE, Nanos, Price, mirror, price_text, size_text
from pmm_tui.exchange import shapes
from pmm_tui.exchange.history import History
from pmm_tui.exchange.terms import Fact, LevelsMoved, Listed, Printed, Resolved, TickMoved

if TYPE_CHECKING:
    from pmm_tui.exchange.floor import Floor

_BUY, _SELL = Side.BUY, Side.SELL
_FEE_CAP_BPS = "1000"


class Line(Struct, frozen=True):
    """One frame's text, and who hears it: those who follow this token, or with an empty one those who follow any token of the market."""

    market: str
    token: str
    raw: str
    custom: bool = False
    """Only for sockets that asked for the custom features."""
    everyone: bool = False
    """For every socket of the channel, whatever it follows."""


@lru_cache(maxsize=65_536)
def _spelled(price: int, size: int) -> tuple[str, str]:
    """One level as the hash and the frames have it, for YES and for NO."""
    return checksum.level_text(price, size), checksum.level_text(mirror(price), size)


class Board:
    """One market's book, as told so far."""

    __slots__ = ("_prices", "_said", "_texts", "last", "last_side", "market", "tick", "touch")

    def __init__(self, market: Market) -> None:
        self.market = market
        self.tick = market.tick
        self.last = Price(0)
        """The last trade's price, in its taker's own token; 0 before the first."""
        self.last_side = ""
        self.touch: tuple[Price, Price] = (Price(0), ONE)
        """The best YES bid and ask as told last in a best_bid_ask."""
        self._prices: dict[Side, list[Price]] = {_BUY: [], _SELL: []}
        self._texts: dict[Side, dict[Price, tuple[str, str]]] = {_BUY: {}, _SELL: {}}
        self._said: tuple[tuple[str, str], tuple[str, str]] | None = None

    def set(self, side: Side, price: Price, size: int) -> None:
        """A level of the YES book has a new total; 0 takes it out."""
        texts = self._texts[side]
        self._said = None
        if size:
            if price not in texts:
                insort(self._prices[side], price)
            texts[price] = _spelled(price, size)
        elif texts.pop(price, None) is not None:
            prices = self._prices[side]
            del prices[bisect_left(prices, price)]

    def best(self, token: str) -> tuple[Price, Price]:
        """A token's best bid and ask; 0 and ONE where a side is empty."""
        bids, asks = self._prices[_BUY], self._prices[_SELL]
        bid, ask = (bids[-1] if bids else Price(0)), (asks[0] if asks else ONE)
        return (bid, ask) if token == self.market.yes else (mirror(ask), mirror(bid))

    def two_sided(self) -> bool:
        """Whether there is a bid and an ask."""
        return bool(self._prices[_BUY] and self._prices[_SELL])

    def sides(self, token: str) -> tuple[str, str]:
        """A token's own bids and asks as JSON items, best level last."""
        if self._said is None:
            bids = [self._texts[_BUY][price] for price in self._prices[_BUY]]
            asks = [self._texts[_SELL][price] for price in reversed(self._prices[_SELL])]
            yes = (",".join(text for text, _ in bids), ",".join(text for text, _ in asks))
            self._said = (yes, (",".join(text for _, text in asks), ",".join(text for _, text in bids)))
        return self._said[token != self.market.yes]

    def last_text(self) -> str:
        """last_trade_price as the venue writes it; empty where nothing traded."""
        return checksum.last_text(self.last) if self.last else ""

    def digest(self, token: str, at: Nanos) -> str:
        """The hash of a token's book at a time."""
        whole = checksum.body(self.market, token, at, *self.sides(token)) + checksum.tail(self.market, self.tick, self.last_text())
        return sha1(whole, usedforsecurity=False).hexdigest()


class Boards:
    """Every market's board. `listens` tells whether anyone follows a market: what nobody hears is not written."""

    def __init__(self, floor: "Floor", listens: Callable[[Market], bool], tx_of: Callable[[str], str]) -> None:
        self._floor = floor
        self._listens = listens
        self._tx_of = tx_of
        self.history = History()
        """The mids that the books went through."""
        self._boards: dict[str, Board] = {}
        self._stamps: dict[str, Nanos] = {}
        self._prints: dict[str, list[Printed]] = {}

    def of(self, market: str) -> Board | None:
        """A market's board; made from its book as it stands where none of its facts was told yet."""
        board = self._boards.get(market)
        if board is None and (pit := self._floor.markets.get(market)) is not None:
            board = self._boards[market] = Board(pit.market)
            board.tick, board.last = pit.tick, pit.last
            for side in (_BUY, _SELL):
                for price, size in pit.ladder.levels(side):
                    board.set(side, price, size)
            board.touch = board.best(pit.market.yes)
        return board

    def tell(self, facts: list[Fact]) -> Iterator[Line]:
        """The frames of these facts, in order: a trade's last_trade_price and books come after the change of levels that it made."""
        for fact in facts:
            match fact:
                case LevelsMoved():
                    yield from self._moved(fact)
                case Printed():
                    self._printed(fact)
                case TickMoved():
                    yield from self._ticked(fact)
                case Listed():
                    self._boards.setdefault(fact.market.id, Board(fact.market))
                    raw = new_market(fact.market, self.number(fact.market.id), fact.at)
                    yield Line(fact.market.id, "", raw, custom=True, everyone=True)
                case Resolved():
                    yield from self._resolved(fact)
        for market in [*self._prints]:
            yield from self._followed(market)

    def number(self, market: str) -> int:
        """A market's number, as Gamma counts."""
        return 1 + list(self._floor.markets).index(market) if market in self._floor.markets else 0

    def stamp(self, market: str, at: Nanos) -> Nanos:
        """When a market's next frame says it is from: never before its last one."""
        stamp = self._stamps[market] = max(at, self._stamps.get(market, at))
        return stamp

    def _moved(self, fact: LevelsMoved) -> Iterator[Line]:
        board = self.of(fact.market)
        if board is None:
            return
        for side, price, size in fact.changes:
            board.set(side, price, size)
        market = board.market
        at = self.stamp(market.id, fact.at)
        touch = board.best(market.yes)
        changed, board.touch = touch != board.touch, touch
        if board.two_sided():
            self.history.note(market.id, at, sum(touch))
        if self._listens(market):
            yield Line(market.id, "", price_change(board, fact, at))
            for token in (market.yes, market.no) if changed else ():
                yield Line(market.id, token, best_bid_ask(board, token, at), custom=True)
        yield from self._followed(market.id)

    def _printed(self, fact: Printed) -> None:
        board = self.of(fact.market)
        if board is not None:
            board.last, board.last_side = fact.price, fact.side.value
            self._prints.setdefault(fact.market, []).append(fact)

    def _followed(self, name: str) -> Iterator[Line]:
        """What follows a trade: its print, and both books."""
        prints = self._prints.pop(name, ())
        board = self.of(name)
        if board is None or not self._listens(board.market):
            return
        market = board.market
        for fact in prints:
            at = self.stamp(name, fact.at)
            yield Line(name, fact.token, last_trade_price(market, fact, self._tx_of(fact.trade), at))
            for token in (market.yes, market.no):
                yield Line(name, token, book(board, token, at))
            # A book counts after all changes of its own millisecond, so those that follow it are from the next one.
            self._stamps[name] = Nanos((at // MILLI + 1) * MILLI)

    def _ticked(self, fact: TickMoved) -> Iterator[Line]:
        board = self.of(fact.market)
        if board is None:
            return
        board.tick = fact.new
        at = self.stamp(fact.market, fact.at)
        for token in (board.market.yes, board.market.no):
            yield Line(fact.market, token, tick_size_change(fact, token, at))

    def _resolved(self, fact: Resolved) -> Iterator[Line]:
        board = self.of(fact.market)
        if board is not None:
            raw = market_resolved(board.market, self.number(fact.market), fact, self.stamp(fact.market, fact.at))
            yield Line(fact.market, "", raw, custom=True)


# --- frames: key order, spelling and even the blanks after commas are those that were recorded --------------------------------------------


def price_change(board: Board, fact: LevelsMoved, at: Nanos) -> str:
    """Every changed level, each for both tokens; all carry the hash of the book after the whole operation."""
    market = board.market
    marks = {
        token: (board.digest(token, at), *(price_text(price) for price in board.best(token))) for token in (market.yes, market.no)
    }
    entries = []
    for side, price, size in fact.changes:
        for token, at_price, on in ((market.yes, price, side), (market.no, mirror(price), side.other)):
            digest, bid, ask = marks[token]
            entries.append(
                f'{{"asset_id":"{token}", "price":"{price_text(at_price)}", "size":"{size_text(size)}", "side":"{on.value}", '
                f'"hash":"{digest}", "best_bid":"{bid}", "best_ask":"{ask}"}}'
            )
    rows = ", ".join(entries)
    return f'{{"market":"{market.id}", "price_changes":[{rows}], "timestamp":"{at // MILLI}", "event_type":"price_change"}}'


def best_bid_ask(board: Board, token: str, at: Nanos) -> str:
    """A token's touch."""
    bid, ask = board.best(token)
    said = {"market": board.market.id, "asset_id": token, "best_bid": price_text(bid), "best_ask": price_text(ask)}
    return shapes.text(said | {"spread": price_text(ask - bid), "timestamp": shapes.milli(at), "event_type": "best_bid_ask"})


def last_trade_price(market: Market, fact: Printed, tx: str, at: Nanos) -> str:
    """One trade, in its taker's token."""
    said = {"market": market.id, "asset_id": fact.token, "price": price_text(fact.price), "size": size_text(fact.size)}
    said |= {"fee_rate_bps": _FEE_CAP_BPS if market.fees.rate else "0", "side": fact.side.value, "timestamp": shapes.milli(at)}
    return shapes.text(said | {"event_type": "last_trade_price", "transaction_hash": tx})


def book(board: Board, token: str, at: Nanos) -> str:
    """A token's book in mid-stream: without its tick and last trade."""
    bids, asks = board.sides(token)
    head = f'{{"market":"{board.market.id}","asset_id":"{token}","bids":[{bids}],"asks":[{asks}]'
    return f'{head},"hash":"{board.digest(token, at)}","timestamp":"{at // MILLI}","event_type":"book"}}'


def opening(board: Board, token: str, at: Nanos) -> str:
    """A token's book as a subscription begins with it."""
    bids, asks = board.sides(token)
    head = f'{{"market":"{board.market.id}","asset_id":"{token}","timestamp":"{at // MILLI}","hash":"{board.digest(token, at)}"'
    tail = f'"tick_size":"{price_text(board.tick)}","event_type":"book","last_trade_price":"{board.last_text()}"'
    return f'{head},"bids":[{bids}],"asks":[{asks}],{tail}}}'


def tick_size_change(fact: TickMoved, token: str, at: Nanos) -> str:
    """A token's grid changed."""
    said = {"event_type": "tick_size_change", "asset_id": token, "market": fact.market, "old_tick_size": price_text(fact.old)}
    return shapes.text(said | {"new_tick_size": price_text(fact.new), "timestamp": shapes.milli(at)})


def new_market(market: Market, number: int, at: Nanos) -> str:
    """A market is listed: its words, tokens and fees."""
    tokens, fees = [market.yes, market.no], market.fees
    event = {"id": str(number), "ticker": market.slug, "slug": market.slug, "title": market.question, "description": market.question}
    said: dict[str, object] = {"id": str(number), "question": market.question, "market": market.id, "slug": market.slug}
    said |= {"description": market.question, "assets_ids": tokens, "outcomes": list(market.outcomes), "event_message": event}
    said |= {"timestamp": shapes.milli(at), "event_type": "new_market", "tags": [], "condition_id": market.id, "active": True}
    said |= {"clob_token_ids": tokens, "sports_market_type": "", "line": "", "game_start_time": ""}
    said |= {"order_price_min_tick_size": price_text(market.tick), "group_item_title": ""}
    said |= {"taker_base_fee": _FEE_CAP_BPS if fees.rate else "0"}
    schedule = {"exponent": f"{fees.exponent:g}", "rate": f"{fees.rate:g}", "taker_only": True, "rebate_rate": f"{fees.rebate_share:g}"}
    return json.dumps(said | {"fees_enabled": fees.rate > 0, "fee_schedule": schedule}, separators=(", ", ":"), ensure_ascii=False)


def market_resolved(market: Market, number: int, fact: Resolved, at: Nanos) -> str:
    """A market has its result."""
    won = 0 if fact.payout_yes * 2 >= ONE else 1
    tokens = [market.yes, market.no]
    said: dict[str, object] = {"event_type": "market_resolved", "id": str(number), "market": market.id, "assets_ids": tokens}
    said |= {"winning_asset_id": tokens[won], "winning_outcome": market.outcomes[won]}
    return shapes.text(said | {"timestamp": shapes.milli(at), "tags": []})
