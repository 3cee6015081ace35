"""A small Polymarket on loopback for the feeds: market channel, REST /book and Gamma over real sockets, misbehaving on demand.

It keeps one true book a market. `publish` changes the truth and tells it; what the socket and REST then really say is up to the faults
that a test switches on. Prices and sizes are the wire's decimal strings.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Levels = dict[str, str]
PATIENCE_S = 20.0
"""How long a test waits for what must happen: generous, and never what decides whether it passes."""


def mirrored(price: str) -> str:
    """1 - p in the wire's spelling."""
    return f"{1 - float(price):.4f}".rstrip("0").rstrip(".")


def condition(n: int) -> str:
    """The condition id of market n."""
    return f"0x{n:064x}"


class LoopMarket:
    """One market: YES levels by price, and what Gamma says of it."""

    def __init__(self, n: int) -> None:
        self.id = condition(n)
        self.slug = f"market-{n}"
        self.yes, self.no = str(10**20 + 2 * n), str(10**20 + 2 * n + 1)
        self.ts = 1_776_808_414_000
        self.bids: Levels = {"0.48": "100", "0.47": "200"}
        self.asks: Levels = {"0.5": "150", "0.51": "250"}
        self.said: dict[str, Any] = {}
        """Overrides of the Gamma object."""

    def book(self, token: str, **over: Any) -> dict[str, Any]:
        """A `book` frame (and, with the REST fields, a /book body) of one token."""
        yes = token == self.yes
        bids = self.bids if yes else {mirrored(p): s for p, s in self.asks.items()}
        asks = self.asks if yes else {mirrored(p): s for p, s in self.bids.items()}
        frame = {
            "market": self.id,
            "asset_id": token,
            "timestamp": str(self.ts),
            "hash": "",
            "bids": [{"price": p, "size": bids[p]} for p in sorted(bids, key=float)],
            "asks": [{"price": p, "size": asks[p]} for p in sorted(asks, key=float, reverse=True)],
            "tick_size": "0.01",
            "event_type": "book",
            "last_trade_price": "0.490",
        }
        return frame | over

    def rest(self, **over: Any) -> dict[str, Any]:
        """The REST /book body of the YES token, in the venue's key order."""
        frame = self.book(self.yes)
        body = {key: frame[key] for key in ("market", "asset_id", "timestamp", "hash", "bids", "asks")}
        return body | {"min_order_size": "5", "tick_size": "0.01", "neg_risk": False, "last_trade_price": "0.490"} | over

    def change(self, side: str, price: str, size: str) -> dict[str, Any]:
        """Set one YES level and say so in a `price_change` frame with the mirrored pair."""
        self.ts += 10
        levels = self.bids if side == "BUY" else self.asks
        levels.pop(price, None)
        if size != "0":
            levels[price] = size
        bid, ask = max(self.bids, key=float, default="0"), min(self.asks, key=float, default="1")
        other = "SELL" if side == "BUY" else "BUY"
        touch_no = {"best_bid": mirrored(ask), "best_ask": mirrored(bid)}
        return {
            "market": self.id,
            "price_changes": [
                {"asset_id": self.yes, "price": price, "size": size, "side": side, "hash": "", "best_bid": bid, "best_ask": ask},
                {"asset_id": self.no, "price": mirrored(price), "size": size, "side": other, "hash": "", **touch_no},
            ],
            "timestamp": str(self.ts),
            "event_type": "price_change",
        }

    def gamma(self) -> dict[str, Any]:
        """The Gamma object."""
        said = {
            "id": self.slug,
            "slug": self.slug,
            "question": f"Does {self.slug} happen?",
            "conditionId": self.id,
            "outcomes": '["Yes", "No"]',
            "outcomePrices": '["0.49", "0.51"]',
            "clobTokenIds": json.dumps([self.yes, self.no]),
            "active": True,
            "closed": False,
            "archived": False,
            "acceptingOrders": True,
            "enableOrderBook": True,
            "negRisk": False,
            "endDate": "2030-01-01T00:00:00Z",
            "startDate": "2026-01-01T00:00:00Z",
            "orderMinSize": 5,
            "orderPriceMinTickSize": 0.01,
            "bestBid": 0.48,
            "bestAsk": 0.5,
            "volume24hr": 250000.5,
            "rewardsMinSize": 50,
            "rewardsMaxSpread": 4.5,
            "feesEnabled": True,
            "feeSchedule": {"rate": 0.04, "exponent": 1, "takerOnly": True, "rebateRate": 0.25},
        }
        return said | self.said


class Loopback:
    """The server. Faults are attributes: set them before or while it runs."""

    def __init__(self, *markets: LoopMarket) -> None:
        self.markets = {market.id: market for market in markets}
        self.by_token = {token: market for market in markets for token in (market.yes, market.no)}
        self.sockets: dict[ServerConnection, set[str]] = {}
        self.subscriptions: list[dict[str, Any]] = []
        self.pings = 0
        self.upgrades = 0
        self.requests: list[str] = []
        self.rest_reads = 0
        # Faults.
        self.refuse: list[tuple[int, dict[str, str], str]] = []
        """The next upgrades are answered with this status, headers and body."""
        self.frozen = False
        """Sockets stay open and answer PING, but say nothing more."""
        self.mute_pong = False
        self.no_dump = False
        self.on_open: list[Callable[[ServerConnection], None]] = []
        """What happens right after the next sockets open, one each: to break them."""
        self.rest_answer: Callable[[LoopMarket], tuple[int, str, str]] | None = None
        """(status, content type, body) instead of the true book."""
        self.gamma_answers: list[tuple[int, dict[str, str], str]] = []
        """The next Gamma requests are answered with these."""
        self.page_size = 100
        self._server: Server | None = None
        self._moved = asyncio.Condition()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/market"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something that the server counts is so."""
        async with asyncio.timeout(PATIENCE_S), self._moved:
            await self._moved.wait_for(true)

    async def publish(self, frame: Any, market: LoopMarket | None = None) -> None:
        """Send a frame (JSON, or text as it is) to every socket subscribed to the market; to every socket where none is named."""
        if self.frozen:
            return
        text = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"))
        for socket, tokens in list(self.sockets.items()):
            if market is None or market.yes in tokens:
                try:
                    await socket.send(text)
                except ConnectionClosed:
                    continue

    async def _note(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _talk(self, socket: ServerConnection) -> None:
        tokens = self.sockets[socket] = set()
        if self.on_open:
            self.on_open.pop(0)(socket)
        try:
            async for raw in socket:
                await self._hear(socket, tokens, raw)
        except ConnectionClosed:
            pass
        finally:
            del self.sockets[socket]
            await self._note()

    async def _hear(self, socket: ServerConnection, tokens: set[str], raw: str | bytes) -> None:
        if raw == "PING":
            self.pings += 1
            if not self.mute_pong:
                await socket.send("PONG")
        else:
            said = json.loads(raw)
            self.subscriptions.append(said)
            if said.get("operation") == "unsubscribe":
                tokens.difference_update(said["assets_ids"])
            else:
                fresh = [token for token in said["assets_ids"] if token in self.by_token and token not in tokens]
                tokens.update(said["assets_ids"])
                if not self.no_dump and not self.frozen and fresh:
                    await socket.send(json.dumps([self.by_token[token].book(token) for token in fresh]))
        await self._note()

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urlsplit(request.path)
        if url.path == "/ws/market":
            self.upgrades += 1
            await self._note()
            return _response(*self.refuse.pop(0)) if self.refuse else None
        self.requests.append(request.path)
        asked = parse_qs(url.query)
        if url.path == "/book":
            answer = self._book(asked)
        elif url.path == "/markets/keyset":
            answer = _response(*self.gamma_answers.pop(0)) if self.gamma_answers else self._page(asked)
        else:
            answer = _response(404, {}, "{}")
        await self._note()
        return answer

    def _book(self, asked: dict[str, list[str]]) -> Response:
        self.rest_reads += 1
        market = self.by_token.get(asked["token_id"][0])
        if market is None:
            return _json(404, {"error": "No orderbook exists for the requested token id"})
        if self.rest_answer is not None:
            status, kind, body = self.rest_answer(market)
            return _response(status, {"content-type": kind}, body)
        return _json(200, market.rest())

    def _page(self, asked: dict[str, list[str]]) -> Response:
        objects = [market.gamma() for market in self.markets.values()]
        closed = asked.get("closed", ["false"])[0] == "true"
        objects = [said for said in objects if said["closed"] is closed]
        for filter_, key in (("slug", "slug"), ("condition_ids", "conditionId")):
            if filter_ in asked:
                objects = [said for said in objects if said[key] in asked[filter_]]
        if "clob_token_ids" in asked:
            objects = [said for said in objects if any(token in said["clobTokenIds"] for token in asked["clob_token_ids"])]
        start = int(asked.get("after_cursor", ["0"])[0])
        size = min(self.page_size, int(asked["limit"][0]))
        page: dict[str, Any] = {"markets": objects[start : start + size]}
        if start + size < len(objects):
            page["next_cursor"] = str(start + size)
        return _json(200, page)


@asynccontextmanager
async def running(*markets: LoopMarket) -> AsyncIterator[Loopback]:
    """A server on a free port of 127.0.0.1, closed afterwards."""
    loopback = Loopback(*markets)
    server = await serve(loopback._talk, "127.0.0.1", 0, process_request=loopback._answer, ping_interval=None, close_timeout=0.2)
    loopback._server = server
    try:
        yield loopback
    finally:
        server.close()
        await server.wait_closed()


def half_frame_then_reset(socket: ServerConnection) -> None:
    """Announce a text frame of 4,096 bytes, send a part of it, and cut the connection."""
    socket.transport.write(b"\x81\x7e\x10\x00" + b'{"market":"half of a fr')
    socket.transport.abort()


def reset(socket: ServerConnection) -> None:
    """Cut the connection."""
    socket.transport.abort()


def _json(status: int, body: Any) -> Response:
    return _response(status, {"content-type": "application/json"}, json.dumps(body, separators=(",", ":")))


def _response(status: int, headers: dict[str, str], body: str) -> Response:
    raw = body.encode()
    given = Headers({"content-length": str(len(raw)), "connection": "close", **headers})
    return Response(status, "OK" if status == 200 else "Refused", given, raw)
