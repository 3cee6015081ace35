"""What the tests of the CLOB's client stand on: the key of the published vectors, and a venue that answers as told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
from eth_account import Account

from pmm_tui.core.commands import Place
from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.units import Nanos, Price, Size
from pmm_tui.venues.clob.client import SdkClob, make
from pmm_tui.venues.clob.keys import ApiCreds, Keys, Secret

AT = Nanos(1_713_398_400_000 * 1_000_000)
TOKEN = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
EOA = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
WALLET = "0x57ffbc34De23124FAEb8387FCd689D314E57AccD"
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PASSPHRASE = "a-passphrase-of-the-test"
OWNER = "9180014b-33c8-9240-a14b-bdca11c0a465"
ID = "0x" + "ab" * 32
CONDITION = "0x" + "cd" * 32
MARKET = Market(id=CONDITION, slug="m", question="?", yes=TOKEN, no="2", tick=Price(100), min_size=Size(5_000_000))
PLACE = Place(order=7, market=CONDITION, token=TOKEN, side=Side.BUY, price=Price(5200), size=Size(10_000_000), kind=Kind.POST_ONLY)
HTML = "<html><head><title>Attention Required!</title></head><body>error code: 1015</body></html>"
Answering = Callable[[httpx.Request], httpx.Response]


class Published(Random):
    """Draws the salt of the published vectors."""

    def getrandbits(self, k: int, /) -> int:
        assert k == 53
        return 479249096354


def keys(api: bool = True) -> Keys:
    """The key of the published vectors."""
    creds = ApiCreds(Secret(OWNER), Secret(SECRET), Secret(PASSPHRASE)) if api else None
    return Keys(Account.from_key("0x" + "11" * 32), creds)


def answering(answer: Answering) -> httpx.AsyncClient:
    """A client whose every request is answered in the process."""
    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://clob.test")


async def clob_of(answer: Answering, **over: Any) -> SdkClob:
    """A client on a venue that answers like this."""
    return await make(
        over.pop("keys", keys()), http=answering(answer), chance=Published(), clock=lambda: Nanos(1_700_000_000 * 10**9), **over
    )


def signer(wallet: str = "", signature_type: int | None = None) -> SdkClob:
    """A client that only signs."""
    return SdkClob(keys(), wallet, signature_type, Published(), lambda: Nanos(0))


def placed(place: Place, **over: Any) -> Place:
    """The order of the tests, but for this."""
    return Place(**{name: getattr(place, name) for name in place.__struct_fields__} | over)


def listed(**over: Any) -> Market:
    """The market of the tests, but for this."""
    return Market(**{name: getattr(MARKET, name) for name in MARKET.__struct_fields__} | over)


class Venue:
    """Answers by method and path, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.asked: list[httpx.Request] = []
        self.answers = {name.replace("__", " /").replace("_", "-"): answer for name, answer in answers.items()}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """One answer; a list is answered one element after the other."""
        self.asked.append(request)
        answer = self.answers[f"{request.method} {request.url.path}"]
        return httpx.Response(200, json=answer.pop(0) if isinstance(answer, Queue) else answer)


class Queue(list[Any]):
    """Answers given one after the other."""


async def on(answers: dict[str, Any]) -> tuple[SdkClob, Venue]:
    """A client and the venue that it talks to."""
    venue = Venue()
    venue.answers = answers
    return await clob_of(venue), venue


def taken(id_: str = ID, status: str = "live") -> dict[str, Any]:
    """The venue's yes."""
    return {"errorMsg": "", "orderID": id_, "takingAmount": "", "makingAmount": "", "status": status, "success": True}


NO = {"errorMsg": "not enough balance / allowance", "orderID": "", "takingAmount": "", "makingAmount": "", "status": "", "success": True}


def order_row(n: int, **over: Any) -> dict[str, Any]:
    """An order as GET /data/orders tells it."""
    return {
        "id": f"0x{n:064x}", "status": "LIVE", "owner": OWNER, "maker_address": EOA, "market": CONDITION, "asset_id": TOKEN, "side": "BUY",
        "original_size": "10", "size_matched": "2.5", "price": "0.52", "outcome": "Yes", "expiration": "0", "order_type": "GTC",
        "associate_trades": [], "created_at": 1_700_000_000,
    } | over  # fmt: skip


def trade_row(**over: Any) -> dict[str, Any]:
    """A trade in which the wallet of the tests took."""
    return {
        "id": "t1", "taker_order_id": ID, "market": CONDITION, "asset_id": TOKEN, "side": "BUY", "size": "10", "fee_rate_bps": "0",
        "price": "0.52", "status": "TRADE_STATUS_CONFIRMED", "match_time": "1700000000", "last_update": "1700000001", "outcome": "Yes",
        "bucket_index": 0, "owner": OWNER, "maker_address": EOA, "transaction_hash": "", "trader_side": "TAKER", "maker_orders": [],
    } | over  # fmt: skip


@asynccontextmanager
async def served(answer: Callable[[str], tuple[bytes, bool]], connected: Callable[[], None]) -> AsyncIterator[str]:
    """The address of a server on a real socket. `answer`: to a request, head and body, what it says, and whether it then hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected()
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")), 0)
                said, over = answer(head + (await reader.readexactly(length)).decode())
                writer.write(said)
                await writer.drain()
                if over:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
