"""A CLOB in memory behind the port: one market, its own truth, and a script of what goes wrong."""

import asyncio
import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from msgspec import structs

from pmm_tui.core.commands import Place
from pmm_tui.core.market import Fees, Kind, Market, Side
from pmm_tui.core.units import DOLLAR, SECOND, SHARE, Cash, Nanos, Price, Size, gets, mirror, pays, price_text, size_text
from pmm_tui.runtime import virtual
from pmm_tui.venues.clob.port import Cancelled, Leg, Piece, Signed, Silent, Standing, Trouble

START = Nanos(1_790_000_000 * SECOND)
MARKET = Market("0xm", "m", "Up or down?", "11", "22", Price(100), Size(5 * SHARE), fees=Fees(0.07, 1.0))
WALLET = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
OWNER = "00000000-0000-0000-0000-000000000001"
HANG = "hang"
Answer = TypeVar("Answer")


@dataclass
class Trip:
    """What happens to one call: `trouble` is raised (HANG: no answer ever), before or after it was done."""

    trouble: Trouble | str
    done: bool = False


@dataclass
class Truth:
    """One order as the venue has it."""

    place: Place
    matched: int = 0
    status: str = "LIVE"
    kind: Kind = Kind.GTC


class ScriptedSocket:
    """The user channel's socket."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.waiting: asyncio.Queue[str | Exception] = asyncio.Queue(10_000)
        self.closed = False

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """The next frame."""
        frame = await self.waiting.get()
        if isinstance(frame, Exception):
            raise frame
        return frame

    async def send(self, message: str) -> None:
        """Take a message; PING is answered."""
        self.sent.append(message)
        if message == "PING":
            self.waiting.put_nowait("PONG")

    async def close(self) -> None:
        """Close it."""
        self.closed = True


@dataclass
class ScriptedClob:
    """The venue. `trips[method]` is what happens to its next calls; `calls` is what was asked, in order."""

    latency_s: float = 0.05
    cash_held: int = 500 * DOLLAR
    held: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    orders: dict[str, Truth] = field(default_factory=dict)
    told: list[Piece] = field(default_factory=list)
    trips: dict[str, deque[Trip]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=1_000)))
    calls: list[tuple[str, Any, Nanos]] = field(default_factory=list)
    sockets: list[ScriptedSocket] = field(default_factory=list)
    refuse_sockets: deque[Exception] = field(default_factory=lambda: deque(maxlen=100))
    mute: bool = False
    blind: bool = False
    """GET /data/order/{id} knows live orders only."""
    bid: int = 4_800
    ask: int = 5_200
    beats: int = 0
    wallet: str = WALLET
    api_key: str = OWNER
    closed: bool = False

    def channel_auth(self) -> dict[str, str]:
        """For the subscription."""
        return {"apiKey": OWNER, "secret": "s", "passphrase": "p"}

    def sign(self, place: Place, market: Market, at: Nanos) -> Signed:
        """The id is a hash of the order."""
        if place.price % market.tick:
            raise ValueError(f"price {price_text(place.price)} is off the tick {price_text(market.tick)}")
        return Signed(place.order, "0x" + hashlib.sha256(repr(place).encode()).hexdigest(), place)

    async def post(self, orders: Sequence[Signed]) -> list[Leg]:
        """POST."""
        return await self._call("post", orders, lambda: [self._book(one) for one in orders])

    async def cancel(self, ids: Sequence[str]) -> Cancelled:
        """DELETE."""
        return await self._call("cancel", list(ids), lambda: self._cancel(ids))

    async def cancel_all(self) -> Cancelled:
        """DELETE all."""
        return await self._call("cancel_all", None, lambda: self._cancel(self._live()))

    async def cancel_market(self, market: str) -> Cancelled:
        """DELETE by market."""
        return await self._call("cancel_market", market, lambda: self._cancel(self._live()))

    async def open_orders(self) -> list[Standing]:
        """GET."""
        return await self._call("open_orders", None, lambda: [self._standing(id_) for id_ in self._live()])

    async def order(self, id: str) -> Standing | None:  # noqa: A002 - the port's own word
        """GET one."""

        def find() -> Standing | None:
            known = id in self.orders and not (self.blind and self.orders[id].status != "LIVE")
            return self._standing(id) if known else None

        return await self._call("order", id, find)

    async def trades(self, after_s: int) -> list[Piece]:
        """GET."""
        return await self._call("trades", after_s, lambda: [piece for piece in self.told if piece.at_s >= after_s])

    async def cash(self) -> Cash:
        """GET."""
        return await self._call("cash", None, lambda: Cash(self.cash_held))

    async def shares(self, token: str, market: Market) -> Size:
        """GET."""
        return await self._call("shares", token, lambda: Size(self.held[token]))

    async def refresh(self, token: str | None, market: Market | None) -> None:
        """GET update."""
        await self._call("refresh", token, lambda: None)

    async def beat(self, last: str) -> str:
        """Heartbeat."""

        def chained() -> str:
            self.beats += 1
            return f"beat-{self.beats}"

        return await self._call("beat", last, chained)

    async def neg_risk(self, token: str) -> bool:
        """Of its one market."""
        return MARKET.neg_risk

    async def server_time_s(self) -> int:
        """Now."""
        return virtual.clock() // SECOND

    async def close(self) -> None:
        """Close."""
        self.closed = True

    async def connect(self, uri: str, **_: Any) -> ScriptedSocket:
        """A socket of the user channel."""
        await asyncio.sleep(self.latency_s)
        if self.refuse_sockets:
            raise self.refuse_sockets.popleft()
        self.sockets.append(ScriptedSocket())
        return self.sockets[-1]

    def fails(self, method: str, *troubles: Trouble | str, done: bool = False) -> None:
        """Have the next calls of a method fail."""
        self.trips[method].extend(Trip(trouble, done) for trouble in troubles)

    def asked(self, method: str) -> list[Any]:
        """What this method was called with."""
        return [given for name, given, _ in self.calls if name == method]

    def id_of(self, number: int) -> str:
        """The id of the desk's order."""
        return next(id_ for id_, truth in self.orders.items() if truth.place.order == number)

    def fill(self, number: int, shares: float, heard: bool = True, status: str = "MATCHED", maker: bool = True, price: int = 0) -> Piece:
        """A part of a booked order trades."""
        id_ = self.id_of(number)
        truth, size = self.orders[id_], Size(round(shares * SHARE))
        truth.matched += size
        if truth.matched >= truth.place.size:
            truth.status = "MATCHED"
        terms = truth.place
        at_s = virtual.clock() // SECOND
        cost = Price(price) or terms.price
        piece = Piece(f"t{len(self.told)}", id_, terms.market, terms.token, terms.side, cost, size, maker, status, at_s)
        self.told.append(piece)
        if status != "FAILED":
            buy = terms.side is Side.BUY
            self.held[terms.token] += size if buy else -size
            self.cash_held += -pays(cost, size) if buy else gets(cost, size)
        if heard:
            self.tell_trade(piece)
        return piece

    def settle(self, piece: Piece, status: str, heard: bool = True) -> None:
        """A trade's next status."""
        index = next(place for place, one in enumerate(self.told) if (one.trade, one.order) == (piece.trade, piece.order))
        self.told[index] = structs.replace(piece, status=status)
        if status == "FAILED":
            buy = piece.side is Side.BUY
            self.held[piece.token] -= piece.size if buy else -piece.size
            self.cash_held -= -pays(piece.price, piece.size) if buy else gets(piece.price, piece.size)
        if heard:
            self.tell_trade(self.told[index])

    def tell_trade(self, piece: Piece) -> None:
        """The trade's frame: where we make, the top level is the taker's, of the complement token."""
        ours = {
            "order_id": piece.order, "owner": OWNER, "maker_address": WALLET, "matched_amount": size_text(piece.size),
            "price": price_text(piece.price), "fee_rate_bps": "0", "asset_id": piece.token, "outcome": "Yes", "side": piece.side.value,
        }  # fmt: skip
        other = {**ours, "order_id": "0xelse", "owner": "else", "maker_address": "0x" + "9" * 40}
        token = MARKET.complement(piece.token) if piece.maker else piece.token
        price = mirror(piece.price) if piece.maker else piece.price
        frame = {
            "event_type": "trade", "type": "TRADE", "id": piece.trade, "taker_order_id": "0xtaker" if piece.maker else piece.order,
            "market": piece.market, "asset_id": token, "side": piece.side.value, "size": size_text(piece.size), "price": price_text(price),
            "status": piece.status, "match_time": str(piece.at_s), "last_update": str(piece.at_s), "outcome": "No", "owner": OWNER,
            "trade_owner": OWNER, "maker_address": "0x" + "8" * 40 if piece.maker else WALLET, "transaction_hash": None, "bucket_index": 0,
            "maker_orders": [ours] if piece.maker else [other], "trader_side": "MAKER" if piece.maker else "TAKER",
        }  # fmt: skip
        self.frame(json.dumps(frame))

    def tell_order(self, id_: str, kind: str, status: str = "") -> None:
        """An order's frame."""
        truth = self.orders[id_]
        terms = truth.place
        frame = {
            "event_type": "order", "id": id_, "owner": OWNER, "market": terms.market, "asset_id": terms.token, "side": terms.side.value,
            "order_owner": OWNER, "original_size": size_text(terms.size), "size_matched": size_text(truth.matched),
            "price": price_text(terms.price), "associate_trades": None, "outcome": "Yes", "type": kind, "created_at": "1",
            "expiration": "0", "order_type": "GTC", "status": status or truth.status, "maker_address": WALLET, "timestamp": "1790000000000",
        }  # fmt: skip
        self.frame(json.dumps(frame))

    def frame(self, raw: str) -> None:
        """Send a frame to the socket that stands."""
        if self.sockets and not self.mute:
            self.sockets[-1].waiting.put_nowait(raw)

    async def _call(self, name: str, given: Any, work: Callable[[], Answer]) -> Answer:
        self.calls.append((name, given, virtual.clock()))
        await asyncio.sleep(self.latency_s / 2)
        trip = self.trips[name].popleft() if self.trips[name] else None
        if trip is None:
            answer = work()
            await asyncio.sleep(self.latency_s / 2)
            return answer
        if trip.done:
            work()
        await asyncio.sleep(self.latency_s / 2)
        if isinstance(trip.trouble, Trouble):
            raise trip.trouble
        await asyncio.sleep(3_600)
        raise Silent("an hour")

    def _live(self) -> list[str]:
        return [id_ for id_, truth in self.orders.items() if truth.status == "LIVE"]

    def _standing(self, id_: str) -> Standing:
        truth = self.orders[id_]
        terms = truth.place
        return Standing(id_, terms.market, terms.token, terms.side, terms.price, terms.size, Size(truth.matched), truth.status)

    def _cancel(self, ids: Sequence[str]) -> Cancelled:
        gone, kept = [], {}
        for id_ in dict.fromkeys(ids):
            truth = self.orders.get(id_)
            if truth is None or truth.status != "LIVE":
                kept[id_] = "Order not found or already canceled" if truth is None or truth.status != "MATCHED" else "Order already matched"
                continue
            truth.status = "CANCELED"
            gone.append(id_)
            self.tell_order(id_, "CANCELLATION")
        return Cancelled(tuple(gone), kept)

    def _book(self, signed: Signed) -> Leg:
        place: Place = signed.body
        error = self._refusal(signed.id, place)
        if error:
            return Leg("", "", error)
        buy = place.side is Side.BUY
        touch = self.ask if buy else self.bid
        takes = place.price >= touch if buy else place.price <= touch
        self.orders[signed.id] = Truth(place)
        self.tell_order(signed.id, "PLACEMENT")
        if takes:
            self.fill(place.order, min(100.0, place.size / SHARE), maker=False, price=touch)
        if place.kind in (Kind.IOC, Kind.FOK) and self.orders[signed.id].status == "LIVE":
            self.orders[signed.id].status = "CANCELED"
        return Leg(signed.id, "matched" if takes else "live", "")

    def _refusal(self, id_: str, place: Place) -> str:
        if id_ in self.orders:
            return f"order {id_} is invalid. Duplicated."
        if place.size < MARKET.min_size:
            return f"order {id_} is invalid. Size ({size_text(place.size)}) lower than the minimum: 5"
        buy = place.side is Side.BUY
        if place.kind is Kind.POST_ONLY and place.token == MARKET.yes and (place.price >= self.ask if buy else place.price <= self.bid):
            return "invalid post-only order: order crosses book"
        live = [self.orders[one] for one in self._live()]
        bound = sum(pays(one.place.price, one.place.size - one.matched) for one in live if one.place.side is Side.BUY)
        if pays(place.price, place.size) + bound > self.cash_held if buy else place.size > self.held[place.token]:
            return f"not enough balance / allowance: the balance is not enough -> balance: {self.cash_held}"
        return ""
