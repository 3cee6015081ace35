"""The venue's real-time data socket: reference prices by topic, with the quirks that were observed of it (polymarket.md §5.3)."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1
from typing import Any

import msgspec
from msgspec import Struct, field

from pmm_tui.core.units import MILLI, SECOND, Cash, Nanos
from pmm_tui.exchange import shapes
from pmm_tui.exchange.prices import Prices

NEVER = Nanos(2**63 - 1)
BACKFILL_S = 60
_SPOT, _CHAINLINK = "crypto_prices", "crypto_prices_chainlink"
_TWAPS = {"crypto_prices_twap_thirty": 30, "crypto_prices_twap_sixty": 60}
_PRICES = (_SPOT, _CHAINLINK, *_TWAPS)
_SILENT = ("equity_prices", "comments", "activity")
"""Topics that the venue knows and nothing is said about here."""


class _Follower(Struct):
    """One socket: its name, and what it follows as (topic, symbol); an empty symbol is every symbol of the topic."""

    name: str
    follows: dict[tuple[str, str], None] = field(default_factory=dict)


class Rtds:
    """The sockets of the channel and what each gets. PING is not answered: the venue's does not either."""

    def __init__(self, prices: Prices) -> None:
        self.prices = prices
        self._followers: dict[int, _Follower] = {}
        self._told = 0

    def open(self, number: int) -> None:
        """A new socket."""
        self._followers[number] = _Follower(_name(number))

    def shut(self, number: int) -> None:
        """A socket is gone."""
        self._followers.pop(number, None)

    def due(self) -> Nanos:
        """When the next prices are told: a moment after the second they are of."""
        if not any(one.follows for one in self._followers.values()):
            return NEVER
        return Nanos((self.prices.second + 1) * SECOND)

    def hear(self, number: int, said: Any, at: Nanos) -> Iterator[tuple[str, str]]:
        """A message from a socket; what it is answered, as (topic, text)."""
        follower = self._followers.get(number)
        if follower is None:
            return
        wanted = said.get("subscriptions") if isinstance(said, dict) else None
        action = said.get("action") if isinstance(said, dict) else None
        if action not in ("subscribe", "unsubscribe") or not isinstance(wanted, list) or not all(_sound(one) for one in wanted):
            refused = f'{{"message": "Invalid request body", "connectionId":"{follower.name}", "requestId":"{_name(at)}"}}'
            yield "", refused
            return
        if any(one["topic"] not in (*_PRICES, *_SILENT) for one in wanted):
            yield "", shapes.text({"connection_id": follower.name, "message": "Unauthorized", "statusCode": 401})  # one poisons all of them
            return
        for one in wanted:
            yield from self._subscribe(follower, one["topic"], one.get("filters") or "", action == "subscribe", at)

    def _subscribe(self, follower: _Follower, topic: str, filters: str, on: bool, at: Nanos) -> Iterator[tuple[str, str]]:
        symbol = _symbol(filters)
        if topic not in _PRICES or (filters and not symbol):
            return
        if not on:
            follower.follows.pop((topic, symbol), None)
            return
        if symbol and (coin := _coin(topic, symbol)):
            yield topic, self._backfill(topic, symbol, coin, at)
        if not filters or " " not in filters:  # a filter with a blank in it gets the backfill, and then nothing
            follower.follows[topic, symbol] = None

    def tick(self, at: Nanos) -> Iterator[tuple[int, str, str]]:
        """The newest prices, once each, as (socket, topic, text)."""
        if self.prices.second <= self._told:
            return
        self._told = self.prices.second
        for number, follower in self._followers.items():
            for topic, symbol in follower.follows:
                for one in [symbol] if symbol else _symbols(topic):
                    if coin := _coin(topic, one):
                        yield number, topic, self._update(follower, topic, one, coin, at)

    def _value(self, topic: str, coin: str) -> Cash:
        return self.prices.mean(coin, _TWAPS[topic]) if topic in _TWAPS else self.prices.last(coin, 1)[0][1]

    def _update(self, follower: _Follower, topic: str, symbol: str, coin: str, at: Nanos) -> str:
        price = self._value(topic, coin)
        exact = f"{price / 1e6:.2f}000000" if topic == _SPOT else str(price * 10**12)
        stamp = self.prices.second * 1_000
        payload: dict[str, Any] = {"full_accuracy_value": exact, "symbol": symbol, "timestamp": stamp, "value": _number(topic, price)}
        payload |= {"window_s": _TWAPS[topic]} if topic in _TWAPS else {}
        said = {"connection_id": follower.name, "payload": payload, "timestamp": at // MILLI, "topic": topic, "type": "update"}
        return shapes.text(said)

    def _backfill(self, topic: str, symbol: str, coin: str, at: Nanos) -> str:
        points = [{"timestamp": second * 1_000, "value": _number(topic, price)} for second, price in self.prices.last(coin, BACKFILL_S)]
        label = _SPOT if topic == _CHAINLINK else topic  # so it was recorded
        return shapes.text({"payload": {"data": points, "symbol": symbol}, "timestamp": at // MILLI, "topic": label, "type": "subscribe"})


def _sound(one: Any) -> bool:
    """Whether a subscription has the shape that the venue takes: its filters are a text, not an object."""
    return isinstance(one, dict) and isinstance(one.get("topic"), str) and isinstance(one.get("filters", ""), str)


def _symbol(filters: str) -> str:
    """The symbol that a filter names, in lower case; empty where it names none."""
    try:
        said = msgspec.json.decode(filters) if filters else None
    except (msgspec.DecodeError, RecursionError):
        return ""
    return str(said.get("symbol", "")).lower() if isinstance(said, dict) else ""


def _symbols(topic: str) -> list[str]:
    return [f"{coin}usdt" if topic == _SPOT else f"{coin}/usd" for coin in ("btc", "eth", "sol", "xrp")]


def _coin(topic: str, symbol: str) -> str:
    """The coin of a symbol, in the topic's spelling of it; empty where the topic has no such symbol."""
    return symbol.removesuffix("usdt").removesuffix("/usd") if symbol in _symbols(topic) else ""


def _number(topic: str, price: Cash) -> float:
    """Dollars; Binance's have two decimals."""
    return shapes.number(round(price / 1e6, 2) if topic == _SPOT else price / 1e6)


def _name(number: int) -> str:
    """An id as the venue's gateway gives them."""
    return b64encode(sha1(str(number).encode(), usedforsecurity=False).digest()[:11]).decode()
