"""What every answer of the CLOB proves, and that no answer can surprise its client or make it tell a secret."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pmm_tui.venues.clob.port import Closed, Limited, Refused, Silent, Trouble, Unauthorized
from tests.venues.clob_scene import AT, CONDITION, EOA, HTML, ID, MARKET, OWNER, PASSPHRASE, PLACE, SECRET, TOKEN, clob_of

REFUSED = [
    "Invalid order payload",
    "the order owner has to be the owner of the API KEY",
    "the order signer address has to be the address of the API KEY",
    f"'{EOA}' address banned",
    f"'{EOA}' address in closed only mode",
    "invalid post-only order: order crosses book",
    f"order {ID} is invalid. Price (0.525) breaks minimum tick size rule: 0.01",
    f"order {ID} is invalid. Size (1) lower than the minimum: 5",
    f"order {ID} is invalid. Duplicated.",
    f"order {ID} crosses the book",
    "not enough balance / allowance",
    "not enough balance / allowance: the balance is not enough -> balance: 93308118, order amount (inc. fees): 1",
    "invalid expiration",
    "order canceled in the CTF exchange contract",
    "order couldn't be fully filled. FOK orders are fully filled or killed.",
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found.",
    "the market is not yet ready to process new orders",
    "Too many orders in payload: 16, max allowed: 15",
    "invalid amount for a marketable BUY order ($0.5), min size: $1",
    "invalid amounts, the buy orders maker amount supports a max accuracy of 4 decimals, taker amount a max of 2 decimals",
    "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals, taker amount a max of 4 decimals",
    "maker address not allowed",
    "order_version_mismatch",
    "invalid order version, please use the latest clob-client",
    "invalid signature",
    "Invalid orderID",
    "invalid order params payload",
    "Invalid trade params payload",
]
SILENT_500 = [
    "order timed out",
    "could not insert order",
    "there are no matching orders",
    "FOK orders are filled or killed",
    "the trade contains rounding issues",
    "the price of the taker's order has a discrepancy greater than allowed with the worst maker order",
    "Internal server error",
]
DISABLED = "Trading is currently disabled. Check polymarket.com for updates"
CANCEL_ONLY = "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."
POST_ONLY = {"error": "post-only mode: only post-only orders and cancels are allowed", "code": "post_only_mode", "retry_after_seconds": 79}


def said(text: str, **headers: str) -> dict[str, Any]:
    """A JSON error as the venue words it."""
    return {"json": {"error": text}, "headers": headers}


TABLE: list[tuple[int, dict[str, Any], type[Trouble], dict[str, Any]]] = [
    *((400, said(text), Refused, {"status": 400, "text": text}) for text in REFUSED),
    (404, said("market not found"), Refused, {"status": 404}),
    (400, {"text": "invalid signature"}, Refused, {"text": "invalid signature"}),
    *((500, said(text), Silent, {"text": f"HTTP 500: {text}"}) for text in SILENT_500),
    (400, said("order match delayed due to market conditions"), Silent, {}),
    (400, said("something that nobody documented"), Silent, {}),
    (400, {"html": HTML}, Silent, {}),
    (400, {"json": {"error": {"nested": 1}}}, Silent, {}),
    (400, {"json": [1]}, Silent, {}),
    (400, {"content": b""}, Silent, {}),
    (408, said("Invalid order payload"), Silent, {}),
    (413, {"html": HTML}, Silent, {}),
    *((status, {"html": HTML}, Silent, {}) for status in (301, 302, 404, 500, 502, 503, 504, 520, 522, 524, 530)),
    (500, {"content": b"\xff\xfe\x00", "headers": {"content-type": "application/json"}}, Silent, {}),
    (503, said("no healthy upstream"), Silent, {}),
    (425, said("matching engine is restarting", **{"retry-after": "7"}), Closed, {"mode": "restarting", "retry_after_s": 7.0}),
    (425, {"html": HTML}, Closed, {"mode": "restarting", "retry_after_s": 1.0}),
    (503, said(DISABLED), Closed, {"mode": "disabled", "text": DISABLED}),
    (503, {"text": DISABLED}, Closed, {"mode": "disabled"}),
    (503, said(CANCEL_ONLY), Closed, {"mode": "cancel_only"}),
    (503, {"json": POST_ONLY, "headers": {"retry-after": "80"}}, Closed, {"mode": "post_only", "retry_after_s": 80.0}),
    (503, {"json": POST_ONLY}, Closed, {"mode": "post_only", "retry_after_s": 79.0}),
    (429, said("Too Many Requests", **{"retry-after": "3"}), Limited, {"retry_after_s": 3.0}),
    (429, said("Too Many Requests", **{"poly-ratelimit-reset": "1700000004.5"}), Limited, {"retry_after_s": 4.5}),
    (429, said("Too Many Requests", **{"poly-ratelimit-reset": "1600000000"}), Limited, {"retry_after_s": 0.0}),
    (429, {"html": HTML, "headers": {"retry-after": "soon"}}, Limited, {"retry_after_s": 1.0}),
    (429, {"html": HTML, "headers": {"retry-after": "99999"}}, Limited, {"retry_after_s": 300.0}),
    (401, said("Unauthorized/Invalid api key"), Unauthorized, {"text": "Unauthorized/Invalid api key"}),
    (401, said("Invalid L1 Request headers"), Unauthorized, {}),
    (403, {"html": HTML, "headers": {"server": "cloudflare"}}, Unauthorized, {}),
    (200, {"html": HTML}, Silent, {}),
    (200, {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, Silent, {}),
    (200, {"json": None}, Silent, {}),
    (200, {"json": []}, Silent, {}),
    (200, {"json": {"success": True}}, Silent, {}),
    (200, {"json": {"orderID": ID, "errorMsg": "order crosses book", "success": True}}, Silent, {}),
    (200, {"json": {"orderID": "", "errorMsg": "order match delayed due to market conditions"}}, Silent, {}),
]


@pytest.mark.parametrize(("status", "answer", "kind", "fields"), TABLE, ids=lambda value: str(value)[:40])
async def test_F24_F28_each_answer_to_an_order_is_one_trouble(
    status: int, answer: dict[str, Any], kind: type[Trouble], fields: dict[str, Any]
) -> None:
    clob = await clob_of(lambda request: httpx.Response(status, **answer))
    with pytest.raises(Trouble) as told:
        await clob.post([clob.sign(PLACE, MARKET, AT)])
    assert type(told.value) is kind
    for name, value in fields.items():
        assert getattr(told.value, name) == value
    assert len(told.value.text) <= 320
    assert told.value.text.isprintable()


@pytest.mark.parametrize(
    "lost",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout(""),
        httpx.ReadTimeout(""),
        httpx.PoolTimeout(""),
        httpx.WriteError(""),
        httpx.RemoteProtocolError("server disconnected"),
        httpx.ReadError("reset"),
        RuntimeError("the client has been closed"),
        OSError(28, "no space"),
    ],
    ids=lambda lost: type(lost).__name__,
)
async def test_F21_every_way_to_lose_an_answer_is_silence(lost: Exception) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise lost

    clob = await clob_of(answer)
    orders: list[Callable[[], Any]] = [lambda: clob.post([clob.sign(PLACE, MARKET, AT)]), lambda: clob.cancel([ID]), clob.cancel_all]
    orders += [lambda: clob.cancel_market(CONDITION), clob.open_orders, lambda: clob.order(ID), lambda: clob.trades(0)]
    account: list[Callable[[], Any]] = [clob.cash, lambda: clob.shares(TOKEN, MARKET), lambda: clob.refresh(None, None)]
    account += [lambda: clob.beat(""), clob.server_time_s]
    for call in orders + account:
        with pytest.raises(Silent):
            await call()


async def test_F80_no_trouble_repeats_a_header_a_signature_or_a_key() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        body = request.content.decode()
        sent = " ".join(f"{name.upper()}: {value}" for name, value in request.headers.items())
        return httpx.Response(400, json={"error": f"Invalid order payload {sent} {body}"})

    clob = await clob_of(answer)
    signed = clob.sign(PLACE, MARKET, AT)
    with pytest.raises(Refused) as told:
        await clob.post([signed])
    shown = f"{told.value} {told.value!r} {told.value.text} {vars(told.value)}"
    for hidden in (signed.body[0].signature[2:], SECRET, PASSPHRASE, OWNER, "11" * 32):
        assert hidden not in shown
    assert told.value.__cause__ is None
