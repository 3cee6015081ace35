"""The venue's whole protocol in process: one market, a crowd, one account that signs for real, and sockets."""

from random import Random
from typing import Any
from urllib.parse import urlencode

import msgspec

from pmm_tui.core.market import Fees, Market, Rewards, Side
from pmm_tui.core.units import DOLLAR, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.auth import Keys, sign_l2
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.habits import Habits
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.polymarket import Polymarket
from pmm_tui.exchange.terms import Answer, Ask, Lasts, Order
from tests.exchange.signing import EOA, YES, order, signed

MARKET = Market(
    id="0x" + "ab" * 32,
    slug="will-it-hold",
    question="Does it hold?",
    yes=YES,
    no="52114319501245915516055106046884209969926127482827954674443846427813813222426",
    tick=Price(100),
    min_size=Size(5 * SHARE),
    opens=Nanos(1_782_753_000 * SECOND),
    closes=Nanos(1_782_753_900 * SECOND),
    fees=Fees(0.07, 1.0, 0.2),
    rewards=Rewards(max_spread_cents=4.5, min_size=Size(50 * SHARE), daily_usd=144.0),
)
OTHER = msgspec.structs.replace(MARKET, id="0x" + "cd" * 32, slug="another", yes="111", no="222", rewards=Rewards())
START = Nanos(1_782_753_357 * SECOND)
CROWD = "crowd"
BUY, SELL = Side.BUY, Side.SELL


class Socket:
    """One client of a channel; `heard` has everything since it was asked last."""

    def __init__(self, scene: "VenueScene", channel: str) -> None:
        self._scene = scene
        self._channel = channel
        self.number = scene.venue.open(channel)

    def say(self, message: Any) -> None:
        raw = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        self._scene.venue.hear(self._channel, self.number, raw, self._scene.at)

    def raw(self) -> list[str]:
        """The texts that arrived."""
        return self._scene.delivered(self.number)

    def heard(self, event: str = "") -> list[dict[str, Any]]:
        """The JSON objects that arrived, arrays taken apart; only those of one kind where one is named."""
        said = [msgspec.json.decode(raw) for raw in self.raw()]
        flat = [one for frame in said for one in (frame if isinstance(frame, list) else [frame])]
        return [one for one in flat if not event or one.get("event_type") == event]


class VenueScene:
    """An exchange with two markets. Prices are cents, sizes shares, times seconds."""

    def __init__(self, habits: Habits | None = None, rules: Rules | None = None, faults: Faults | None = None) -> None:
        self.at = START
        self.matching = Matching(Random(7), rules or Rules(reward_sample_s=0))
        self.venue = Polymarket(self.matching, Keys(b"scene"), faults, grant=Cash(1_000 * DOLLAR), habits=habits)
        self.matching.unlimited(CROWD)
        for market in (MARKET, OTHER):
            self.matching.list_market(market, START)
        made = self.venue.keys.create(EOA, 0)
        assert made is not None
        self.key = made
        self.matching.deposit(EOA.lower(), Cash(1_000 * DOLLAR))
        self.count = 0
        self._delivered: dict[int, list[str]] = {}
        self.venue.advance(START)

    # --- time and the others ----------------------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        end = Nanos(self.at + round(seconds * SECOND))
        self._collect()
        while (due := self.venue.due()) <= end:
            self.at = max(self.at, due)
            self.venue.advance(self.at)
            self._collect()
        self.at = end
        self.venue.advance(self.at)

    def act(self, side: Side, cents: float, shares: float, lasts: Lasts = Lasts.GTC, market: Market = MARKET) -> Order:
        """One of the crowd sends an order; nothing is told yet."""
        self.count += 1
        price, size = Price(round(cents * 100)), Size(round(shares * SHARE))
        made = Order(f"o{self.count}", CROWD, "", market.id, market.yes, side, price, size, lasts, False, self.at)
        placed = self.matching.place(made, self.at)
        assert not placed.error, placed.error
        return made

    def show(self, bid: float = 48, ask: float = 52, shares: float = 100) -> None:
        """The crowd shows a bid and an ask, and it is told."""
        self.act(BUY, bid, shares)
        self.act(SELL, ask, shares)
        self.venue.advance(self.at)

    # --- a client -------------------------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, *, signed: bool = False, ip: str = "127.0.0.1", **asked: Any) -> Answer:
        raw = b"" if body is None else msgspec.json.encode(body)
        headers = {}
        if signed:
            stamp = str(self.at // SECOND)
            headers = {"poly_address": EOA, "poly_api_key": self.key.key, "poly_passphrase": self.key.passphrase, "poly_timestamp": stamp}
            headers["poly_signature"] = sign_l2(self.key.secret, stamp, method, path, raw)
        return self.venue.answer(Ask(method, path, urlencode(asked), headers, raw, ip), self.at)

    def get(self, path: str, *, signed: bool = False, **asked: Any) -> Any:
        """The JSON of a GET that must succeed."""
        said = self.ask("GET", path, signed=signed, **asked)
        assert said.status == 200, said.body
        return msgspec.json.decode(said.body)

    def body(self, cents: int = 40, shares: int = 10, post_only: bool = False, side: str = "BUY", kind: str = "GTC") -> dict[str, Any]:
        """A signed order, as POST /order has it."""
        self.count += 1
        money, size = str(cents * shares * 10_000), str(shares * 1_000_000)
        amounts = {"makerAmount": money, "takerAmount": size} if side == "BUY" else {"makerAmount": size, "takerAmount": money}
        made = signed(order(salt=self.count, side=side, **amounts), MARKET)
        return {"order": made, "owner": self.key.key, "orderType": kind, "deferExec": False, "postOnly": post_only}

    def post(self, **terms: Any) -> Answer:
        """Send one order."""
        return self.ask("POST", "/order", self.body(**terms), signed=True)

    def rest(self, **terms: Any) -> str:
        """Send one order that must be taken; its id."""
        said = self.post(**terms)
        assert said.status == 200, said.body
        name: str = msgspec.json.decode(said.body)["orderID"]
        return name

    def cancel(self, name: str) -> Answer:
        return self.ask("DELETE", "/order", {"orderID": name}, signed=True)

    # --- sockets --------------------------------------------------------------------------------------------------------------------------

    def market_socket(self, *tokens: str, custom: bool = False) -> Socket:
        """A socket on the market channel that follows these tokens (none: both of the market); the initial dump is on its way."""
        socket = Socket(self, "market")
        socket.say({"assets_ids": list(tokens or (MARKET.yes, MARKET.no)), "type": "market", "custom_feature_enabled": custom})
        return socket

    def user_socket(self) -> Socket:
        socket = Socket(self, "user")
        auth = {"apiKey": self.key.key, "secret": self.key.secret, "passphrase": self.key.passphrase}
        socket.say({"auth": auth, "type": "user"})
        return socket

    def delivered(self, number: int) -> list[str]:
        """What a socket got since it was asked last."""
        self._collect()
        return self._delivered.pop(number, [])

    def _collect(self) -> None:
        for to, frame in self.venue.frames(self.at):
            self._delivered.setdefault(to, []).append(frame.raw)


def error(said: Answer) -> tuple[int, str]:
    """The status and text of a refusal."""
    return said.status, msgspec.json.decode(said.body)["error"]
