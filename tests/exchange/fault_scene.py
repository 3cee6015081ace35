"""A scene for the faults: one request of each kind, frames of each channel, and what comes of them."""

from random import Random
from typing import Any

import msgspec

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.fault_script import parse
from pmm_tui.exchange.faults import Faults, Verdict
from pmm_tui.exchange.terms import Answer, Ask, Frame

START = Nanos(1_780_000_000 * SECOND)
KEY = "11111111-2222-3333-4444-555555555555"
HEADERS = {"poly_address": "0xab", "poly_api_key": KEY, "poly_timestamp": "1780000000"}
TRUE = Answer(200, b'{"true":1}')
BOOK_BODY = (
    b'{"market":"0xm","asset_id":"111","timestamp":"1780000000000","hash":"h","bids":[{"price":"0.4","size":"9"}],"asks":[],'
    b'"min_order_size":"5","tick_size":"0.01","neg_risk":false,"last_trade_price":"0.400"}'
)
PRICE_CHANGE = (
    '{"market":"0xm","price_changes":[{"asset_id":"111","price":"0.86","size":"3","side":"BUY","hash":"' + "a" * 40 + '",'
    '"best_bid":"0.86","best_ask":"0.87"}],"timestamp":"1780000000000","event_type":"price_change"}'
)
TRADE = '{"event_type":"trade","type":"TRADE","id":"t","status":"MATCHED"}'


def order(post_only: bool = True, cost: int = 5_200_000, token: str = "111", side: str = "BUY") -> dict[str, Any]:
    return {"order": {"tokenId": token, "makerAmount": str(cost), "side": side}, "owner": KEY, "orderType": "GTC", "postOnly": post_only}


def ask(method: str, path: str, body: object = None, query: str = "", **headers: str) -> Ask:
    return Ask(method, path, query, HEADERS | headers, msgspec.json.encode(body) if body is not None else b"")


POST = ask("POST", "/order", order())
BATCH = ask("POST", "/orders", [order(), order()])
CANCEL = ask("DELETE", "/order", {"orderID": "0x1"})
CANCEL_ALL = ask("DELETE", "/cancel-all")
BEAT = ask("POST", "/v1/heartbeats", {"heartbeat_id": ""})
BOOK = ask("GET", "/book", query="token_id=111")
TIME = ask("GET", "/time")
BALANCE = ask("GET", "/balance-allowance", query="asset_type=COLLATERAL")
UPGRADE = ask("GET", "/ws/market")
EVERY = (POST, BATCH, CANCEL, CANCEL_ALL, BEAT, BOOK, TIME, BALANCE, UPGRADE)


def later(seconds: float) -> Nanos:
    return Nanos(START + round(seconds * SECOND))


def faults(*entries: dict[str, Any], seed: int = 1) -> Faults:
    return Faults(parse([{"at": 0, **entry} for entry in entries]), Random(seed), START)


def verdict(what: str, request: Ask, **told: Any) -> Verdict:
    return faults({"what": what, **told}).judge(request, START)


class Venue:
    """An exchange that only counts what it carried out."""

    def __init__(self, body: bytes = TRUE.body) -> None:
        self.carried = 0
        self.body = body

    def answer(self, request: Ask, at: Nanos) -> Answer:
        self.carried += 1
        return Answer(200, self.body)


def served(judged: Verdict, request: Ask) -> tuple[Answer | None, int]:
    """What comes back, and how often the exchange carried it out."""
    venue = Venue()
    return judged.carry(request, START, venue.answer), venue.carried


def refusal(judged: Verdict) -> tuple[int, Any]:
    """Status and JSON of an answer given in place of the exchange's."""
    assert judged.before is not None
    return judged.before.status, msgspec.json.decode(judged.before.body)


def frame(raw: str = PRICE_CHANGE, channel: str = "market", at: Nanos = START) -> Frame:
    return Frame(channel, "111", raw, at)


def bent(what: str, one: Frame, **told: Any) -> list[Frame]:
    return faults({"what": what, **told}).bend(one, one.at)


def conduct(faults_: Faults, seconds: int = 600) -> list[object]:
    """Everything once a second, as it comes out."""
    out: list[object] = []
    for second in range(seconds):
        at = later(second)
        for request in EVERY:
            judged = faults_.judge(request, at)
            out.append(msgspec.structs.replace(judged, mend=None))
            out.append(judged.carry(request, at, Venue(BOOK_BODY).answer))
        for channel, raw in (("market", PRICE_CHANGE), ("user", TRADE), ("rtds", "{}")):
            out.append([hash(one.raw) for one in faults_.bend(frame(raw, channel, at), at)])
        out.append([faults_.refuse_leg(at) for _ in range(3)])
        out.append(faults_.due_acts(at))
    return out
