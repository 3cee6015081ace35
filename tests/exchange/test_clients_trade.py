"""Clients that no one here wrote trade on the exchange over real sockets: the venue's own two generations and its present one."""

import asyncio
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from polymarket import AsyncSecureClient
from polymarket._internal.environment import create_environment, get_environment_config
from polymarket.environments import PRODUCTION
from py_clob_client.client import ClobClient as OldClient
from py_clob_client.clob_types import OpenOrderParams as OldParams
from py_clob_client.clob_types import OrderArgs as OldArgs
from py_clob_client.exceptions import PolyApiException as OldRefusal
from py_clob_client_v2 import client as v2
from py_clob_client_v2.clob_types import AssetType, BalanceAllowanceParams, OpenOrderParams, OrderArgs, OrderType, PartialCreateOrderOptions

ROOT = Path(__file__).resolve().parents[2]
# The old clients leave their connections to the garbage collector, and use what httpx no longer recommends.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


class Market:
    """The exchange's address, and its one market."""

    def __init__(self, port: int) -> None:
        self.host = f"http://127.0.0.1:{port}"
        said = httpx.get(f"{self.host}/gamma/markets/keyset").json()["markets"][0]
        self.id: str = said["conditionId"]
        self.yes, self.no = json.loads(said["clobTokenIds"])

    def best(self, side: str) -> float:
        """The best bid or ask of YES now."""
        return float(httpx.get(f"{self.host}/book", params={"token_id": self.yes}).json()[side][-1]["price"])


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    """An exchange in a process of its own, half a minute before its market comes alive."""
    words = [sys.executable, "-m", "pmm_tui", "exchange", "--port", "0", "--tape", "demo", "--start-at", "870"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            yield Market(json.loads(child.stdout.readline())["port"])
        finally:
            child.terminate()


def second(market: Market) -> Any:
    """py-clob-client-v2 with a wallet of its own."""
    made = v2.ClobClient(host=market.host, chain_id=137, key=Account.create().key.hex())
    made.set_api_creds(made.create_or_derive_api_key())
    return made


class TestSecondGeneration:
    def order(self, client: Any, market: Market, price: float, size: float, side: str, kind: Any = OrderType.GTC) -> dict[str, Any]:
        wish = OrderArgs(token_id=market.yes, price=price, size=size, side=side)
        signed = client.create_order(wish, PartialCreateOrderOptions(tick_size="0.01"))
        told: dict[str, Any] = client.post_order(signed, kind)
        return told

    def test_it_places_sees_and_cancels(self, market: Market) -> None:
        client = second(market)
        placed = self.order(client, market, 0.05, 10, "BUY")
        assert placed["success"] and placed["status"] == "live" and placed["errorMsg"] == ""
        (row,) = client.get_open_orders(OpenOrderParams())
        assert (row["id"], row["price"], row["original_size"], row["status"]) == (placed["orderID"], "0.05", "10", "LIVE")
        assert client.get_order(placed["orderID"])["asset_id"] == market.yes
        assert client.cancel_orders([placed["orderID"], "0x" + "0" * 64])["canceled"] == [placed["orderID"]]
        assert client.get_open_orders(OpenOrderParams()) == []

    def test_it_takes_what_the_tape_shows_and_finds_its_trade(self, market: Market) -> None:
        client = second(market)
        before = client.get_balance_allowance(BalanceAllowanceParams(asset_type=AssetType.COLLATERAL))
        taken = self.order(client, market, min(0.99, market.best("asks") + 0.02), 10, "BUY", OrderType.FAK)
        assert taken["status"] == "matched" and float(taken["takingAmount"]) >= 10, "a market buy spends dollars: a better price gives more"
        (trade,) = [one for one in client.get_trades() if one["taker_order_id"] == taken["orderID"]]
        assert (trade["side"], trade["trader_side"]) == ("BUY", "TAKER") and trade["status"] in ("MATCHED", "MINED", "CONFIRMED")
        assert before["balance"] == "1000000000" and before["allowances"]

    def test_a_buy_of_the_complement_takes_the_bids(self, market: Market) -> None:
        maker, taker = second(market), second(market)
        made = self.order(maker, market, 0.01, 20, "BUY")
        signed = taker.create_order(
            OrderArgs(token_id=market.no, price=0.99, size=20, side="BUY"), PartialCreateOrderOptions(tick_size="0.01")
        )
        taken = taker.post_order(signed, OrderType.GTC)
        assert made["status"] == "live" and taken["status"] == "matched", "a NO buy at 0.99 takes every YES bid"
        assert maker.cancel_all()["canceled"] == [made["orderID"]] and taker.cancel_all()["canceled"] == []

    def test_what_it_reads(self, market: Market) -> None:
        client = second(market)
        book = client.get_order_book(market.yes)
        assert book["hash"] and float(book["bids"][-1]["price"]) < float(book["asks"][-1]["price"])
        assert client.get_tick_size(market.yes) == "0.01" and client.get_neg_risk(market.yes) is False
        assert float(client.get_midpoint(market.yes)["mid"]) > 0 and float(client.get_spread(market.yes)["spread"]) > 0
        assert client.get_version() == 2 and client.get_ok() == "OK"


class TestFirstGeneration:
    def test_it_reads_and_cancels_but_cannot_place(self, market: Market) -> None:
        client = OldClient(market.host, key=Account.create().key.hex(), chain_id=137)
        client.set_api_creds(client.create_or_derive_api_creds())
        book = client.get_order_book(market.yes)
        assert book.bids and book.asks and client.get_order_book_hash(book)
        assert client.get_orders(OldParams()) == []
        signed = client.create_order(OldArgs(token_id=market.yes, price=0.05, size=10, side="BUY"))
        with pytest.raises(OldRefusal) as refused:
            client.post_order(signed)
        assert refused.value.status_code == 400 and refused.value.error_msg == {"error": "order_version_mismatch"}
        assert client.cancel_all() == {"canceled": [], "not_canceled": {}}


async def test_the_present_generation_trades(market: Market) -> None:
    urls = {"clob_url": market.host} | {f"{name}_url": f"{market.host}/{path}" for name, path in (("gamma", "gamma"), ("rpc", "rpc"))}
    config = dataclasses.replace(get_environment_config(PRODUCTION), **urls)  # type: ignore[arg-type]  # only the texts among its fields
    account = Account.create()
    client = await AsyncSecureClient.create(
        private_key=account.key.hex(), wallet=account.address, environment=create_environment(name="loopback", config=config)
    )
    try:
        placed = await client.place_limit_order(token_id=market.yes, price="0.05", size="10", side="BUY", post_only=True)
        assert placed.ok and placed.status == "live"
        page = await client.list_open_orders().first_page()
        assert [order.id for order in page.items] == [placed.order_id]
        gone = await client.cancel_order(order_id=placed.order_id)
        assert list(gone.canceled) == [placed.order_id]
        taken = await client.place_limit_order(token_id=market.yes, price=str(min(0.99, market.best("asks") + 0.02)), size="10", side="BUY")
        assert taken.ok
        await asyncio.sleep(0)
        trades = await client.list_account_trades().first_page()
        assert any(trade.taker_order_id == taken.order_id for trade in trades.items)
        assert (await client.send_order_heartbeat()).heartbeat_id
    finally:
        await client.close()
