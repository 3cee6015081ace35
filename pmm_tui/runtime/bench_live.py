"""What `pmm-tui bench` measures of the production path: signing, the exchange's matching, and the whole way over loopback sockets."""

import asyncio
import time
from random import Random

import httpx
from eth_account import Account

from pmm_tui.core.commands import Place
from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.units import SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, Order
from pmm_tui.venues.clob.client import SdkClob
from pmm_tui.venues.clob.keys import ApiCreds, Keys, Secret

MARKET = Market(
    id="0x" + "ab" * 32,
    slug="bench",
    question="Is it fast?",
    yes="71321045679252212594626385532706912750332728571942532289631379312455583992563",
    no="52114319501245915516055106046884209969926127482827954674443846427813813222426",
    tick=Price(100),
    min_size=Size(5 * SHARE),
)
WALLETS = ("eoa", "deposit")
_TAKEN = {"errorMsg": "", "orderID": "0x1", "takingAmount": "", "makingAmount": "", "status": "live", "success": True}


def offline_client(kind: str) -> SdkClob:
    """A client that signs and never sends: a throwaway key, an API key of no value."""
    account = Account.from_key("0x" + "11" * 32)
    keys = Keys(account, ApiCreds(Secret("key"), Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), Secret("pass")))
    wallet = "" if kind == "eoa" else "0x57ffbc34De23124FAEb8387FCd689D314E57AccD"
    return SdkClob(keys, wallet, None if kind == "eoa" else 3, Random(1), lambda: Nanos(0))  # noqa: S311 - repeatable, and not for money


class _Edge(httpx.AsyncBaseTransport):
    """Where a request would leave for the network: it notes the time and takes the order."""

    reached = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Note the time."""
        self.reached = time.perf_counter()
        return httpx.Response(200, json=_TAKEN)


def signing_ms(kind: str, orders: int) -> list[float]:
    """Build, sign and serialise one order, with its headers, up to the socket: milliseconds each."""
    client, edge = offline_client(kind), _Edge()

    async def work() -> list[float]:
        async with httpx.AsyncClient(base_url="http://edge", transport=edge) as http:
            client.connect(http, http, [])
            took = []
            for number in range(orders):
                place = Place(number, MARKET.id, MARKET.yes, Side.BUY, Price(4_900 - 100 * (number % 9)), Size(5 * SHARE), Kind.POST_ONLY)
                began = time.perf_counter()
                await client.post([client.sign(place, MARKET, Nanos(1_790_000_000_000_000_000 + number * 1_000_000))])
                took.append((edge.reached - began) * 1e3)
            return took

    return asyncio.run(work())


def matching_rate(operations: int) -> float:
    """Orders placed, cancelled and matched a second by the exchange's core, one market, two wallets with their money counted."""
    matching = Matching(Random(1))  # noqa: S311 - a bench is to be repeated, not to be secret
    matching.list_market(MARKET, Nanos(0))
    for wallet in ("a", "b"):
        matching.deposit(wallet, Cash(10**15))
    began = time.perf_counter()
    for number in range(operations):
        at = Nanos(number * 1_000_000)
        wallet, token = ("a", MARKET.yes) if number % 2 else ("b", MARKET.no)
        price = Price(4_900 - 100 * (number % 7)) if number % 10 else Price(5_600)
        order = Order(f"0x{number:064x}", wallet, wallet, MARKET.id, token, Side.BUY, price, Size(10 * SHARE), Lasts.GTC, False, at)
        matching.place(order, at)
        if number >= 40:
            matching.cancel([f"0x{number - 40:064x}"], "a" if number % 2 else "b", at)
        matching.advance(at)
        matching.take()
    return 2 * operations / (time.perf_counter() - began)

