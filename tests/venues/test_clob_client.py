"""What the CLOB's client sends and reads: orders, cancels, lists, balances, heartbeats, keys, over real sockets too."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
import pytest
from polymarket._internal.hmac import build_hmac_signature

from pmm_tui.venues.clob import client, sockets
from pmm_tui.venues.clob.client import make
from pmm_tui.venues.clob.keys import Secret
from pmm_tui.venues.clob.port import Refused, Silent, Trouble
from tests.venues.clob_scene import (
    AT,
    CONDITION,
    EOA,
    HTML,
    ID,
    MARKET,
    NO,
    OWNER,
    PASSPHRASE,
    PLACE,
    SECRET,
    TOKEN,
    Queue,
    answering,
    clob_of,
    keys,
    listed,
    on,
    order_row,
    served,
    taken,
    trade_row,
)


async def test_F34_a_leg_is_judged_by_its_id_and_error_and_never_by_success() -> None:
    clob, venue = await on({"POST /orders": [taken(), NO, taken("0x" + "EF" * 32, "MATCHED"), taken() | {"success": False}]})
    legs = await clob.post([clob.sign(PLACE, MARKET, AT)] * 4)
    assert [(leg.id, leg.status, leg.error) for leg in legs] == [
        (ID, "live", ""), ("", "", "not enough balance / allowance"), ("0x" + "ef" * 32, "matched", ""), (ID, "live", ""),
    ]  # fmt: skip
    assert [one["postOnly"] for one in json.loads(venue.asked[0].content)] == [True] * 4


@pytest.mark.parametrize("answer", [[taken()], [taken(), {"success": True}], [taken(), None], {"error": "x"}, [taken()] * 3])
async def test_F34_a_batch_with_a_leg_that_is_not_told_proves_nothing(answer: Any) -> None:
    clob, _ = await on({"POST /orders": answer})
    with pytest.raises(Silent):
        await clob.post([clob.sign(PLACE, MARKET, AT)] * 2)


@pytest.mark.parametrize("count", [0, 16])
async def test_a_post_carries_one_to_fifteen_orders(count: int) -> None:
    clob, venue = await on({})
    with pytest.raises(ValueError, match="1 to 15"):
        await clob.post([clob.sign(PLACE, MARKET, AT)] * count)
    assert not venue.asked


async def test_one_order_sent_twice_is_the_same_bytes_and_the_hmac_covers_them() -> None:
    clob, venue = await on({"POST /order": taken()})
    signed = clob.sign(PLACE, MARKET, AT)
    for _ in range(2):
        assert (await clob.post([signed]))[0].id == ID
    first, second = venue.asked
    assert first.content == second.content
    made = build_hmac_signature(secret=SECRET, timestamp=1_700_000_000, method="POST", path="/order", body=first.content.decode())
    assert first.headers["poly_signature"] == made
    assert (first.headers["poly_address"], first.headers["poly_timestamp"]) == (EOA, "1700000000")
    assert (first.headers["poly_api_key"], first.headers["poly_passphrase"]) == (OWNER, PASSPHRASE)


async def test_the_published_hmac_holds_and_leaves_out_the_query() -> None:
    clob, venue = await on({"GET /data/orders": {"data": [], "next_cursor": "LTE="}})
    assert await clob.open_orders() == []
    assert venue.asked[0].headers["poly_signature"] == "NTt0e8XQzUuVTici5whIU-0NfgRXijqf0FarNw-ik2Q="


async def test_cancels_say_what_is_gone_and_what_was_kept_and_why() -> None:
    other = "0x" + "01" * 32
    clob, venue = await on(
        {
            "DELETE /order": {"canceled": [ID], "not_canceled": {}},
            "DELETE /orders": {
                "canceled": [ID.upper().replace("0X", "0x")],
                "not_canceled": {other: "Order not found or already canceled"},
            },
            "DELETE /cancel-all": {"canceled": None, "not_canceled": {}},
            "DELETE /cancel-market-orders": {"canceled": [], "not_canceled": None},
        }
    )
    assert (await clob.cancel([ID])).gone == (ID,)
    both = await clob.cancel([ID, other])
    assert (both.gone, both.kept) == ((ID,), {other: "Order not found or already canceled"})
    assert (await clob.cancel_all()).gone == ()
    assert (await clob.cancel_market(CONDITION)).kept == {}
    assert (await clob.cancel([])).gone == ()
    assert [json.loads(request.content or b"null") for request in venue.asked] == [
        {"orderID": ID},
        [ID, other],
        None,
        {"market": CONDITION},
    ]


async def test_more_than_a_thousand_cancels_go_in_several_requests() -> None:
    clob, venue = await on(
        {"DELETE /orders": Queue([{"canceled": ["0x01"]}, {"canceled": ["0x02"]}]), "DELETE /order": {"canceled": ["0x03"]}}
    )
    assert (await clob.cancel([f"0x{n:064x}" for n in range(2001)])).gone == ("0x01", "0x02", "0x03")
    assert [request.url.path for request in venue.asked] == ["/orders", "/orders", "/order"]


@pytest.mark.parametrize("answer", [{}, [], {"canceled": "0x"}, {"canceled": [], "not_canceled": []}])
async def test_F31_a_cancels_answer_that_is_none_is_silence(answer: Any) -> None:
    clob, _ = await on({"DELETE /order": answer})
    with pytest.raises(Silent):
        await clob.cancel([ID])


async def test_F55_every_page_is_read_and_an_order_seen_twice_is_one() -> None:
    pages = [
        {"data": [order_row(1), order_row(2)], "next_cursor": "Mg=="},
        {"data": [order_row(2, size_matched="3")], "next_cursor": "NA=="},
        {"data": [], "next_cursor": "LTE="},
    ]
    clob, venue = await on({"GET /data/orders": Queue(pages)})
    found = await clob.open_orders()
    assert [(order.id[-1], order.matched) for order in found] == [("1", 2_500_000), ("2", 3_000_000)]
    assert [request.url.params.get("next_cursor") for request in venue.asked] == [None, "Mg==", "NA=="]


@pytest.mark.parametrize(
    "pages",
    [
        [{"data": [order_row(1)]}],
        [{"data": [order_row(1)], "next_cursor": ""}],
        [{"data": [order_row(1)], "next_cursor": "Mg=="}, {"data": [], "next_cursor": "Mg=="}],
        [{"data": [order_row(1, size_matched="")], "next_cursor": "LTE="}],
        [{"data": None, "next_cursor": "LTE="}],
        [[order_row(1)]],
    ],
)
async def test_F55_a_list_that_does_not_come_to_its_end_is_no_list(pages: list[Any]) -> None:
    clob, _ = await on({"GET /data/orders": Queue(pages)})
    with pytest.raises(Silent):
        await clob.open_orders()


async def test_F55_a_failure_on_the_second_page_is_not_an_empty_account() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "next_cursor" in request.url.params:
            return httpx.Response(500, json={"error": "Internal server error"})
        return httpx.Response(200, json={"data": [order_row(1)], "next_cursor": "Mg=="})

    with pytest.raises(Silent):
        await (await clob_of(answer)).open_orders()


async def test_an_order_that_the_venue_does_not_know_is_none_and_one_that_it_cannot_tell_is_silence() -> None:
    answers = iter(
        [
            httpx.Response(404, json={"error": "order not found"}),
            httpx.Response(200, content=b"null", headers={"content-type": "application/json"}),
            httpx.Response(404, html=HTML),
        ]
    )
    clob = await clob_of(lambda request: next(answers))
    assert await clob.order(ID) is None
    assert await clob.order(ID) is None
    with pytest.raises(Silent):
        await clob.order(ID)
    with pytest.raises(ValueError, match="64 hex"):
        await clob.order("../balance-allowance")


async def test_one_order_is_read_with_its_status_bare() -> None:
    row = order_row(1, status="ORDER_STATUS_CANCELED_MARKET_RESOLVED", original_size="10000000", size_matched="2500000")
    clob, _ = await on({f"GET /data/order/{ID}": row})
    found = await clob.order(ID)
    assert found is not None
    assert (found.status, found.size, found.matched, found.price) == ("CANCELED_MARKET_RESOLVED", 10_000_000, 2_500_000, 5200)


async def test_trades_are_asked_from_before_and_given_from_at() -> None:
    rows = [trade_row(id="early", match_time="1699999999"), trade_row(), trade_row(id="later", match_time="1700000009")]
    clob, venue = await on(
        {"GET /data/trades": Queue([{"data": rows, "next_cursor": "MQ=="}, {"data": [trade_row()], "next_cursor": "LTE="}])}
    )
    assert [piece.trade for piece in await clob.trades(1_700_000_000)] == ["t1", "later"]
    assert [request.url.params["after"] for request in venue.asked] == ["1699999999"] * 2


async def test_balances_are_base_units_of_the_right_kind() -> None:
    clob, venue = await on({"GET /balance-allowance": {"balance": "93308118", "allowances": {}}, "GET /balance-allowance/update": ""})
    assert await clob.cash() == 93_308_118
    assert await clob.shares(TOKEN, MARKET) == 93_308_118
    assert await clob.shares(TOKEN, listed(protocol=3)) == 93_308_118
    await clob.refresh(TOKEN, MARKET)
    kinds = [(request.url.params["asset_type"], request.url.params.get("token_id")) for request in venue.asked]
    assert kinds == [("COLLATERAL", None), ("CONDITIONAL", TOKEN), ("CONDITIONAL-V2", TOKEN), ("CONDITIONAL", TOKEN)]
    assert venue.asked[0].url.params["signature_type"] == "0"


@pytest.mark.parametrize("answer", [{"balance": "1.5"}, {"balance": "-1"}, {"balance": None}, {}, "x"])
async def test_a_balance_that_is_none_is_silence_and_never_nothing(answer: Any) -> None:
    clob, _ = await on({"GET /balance-allowance": answer})
    with pytest.raises(Silent):
        await clob.cash()


async def test_F38_a_heartbeat_of_another_session_is_told_with_the_id_that_was_expected() -> None:
    answers = iter(
        [
            httpx.Response(200, json={"heartbeat_id": "one"}),
            httpx.Response(400, json={"error_msg": "Invalid Heartbeat ID", "heartbeat_id": "two"}),
        ]
    )
    clob = await clob_of(lambda request: next(answers))
    assert await clob.beat("") == "one"
    with pytest.raises(Refused, match=r"^two$"):
        await clob.beat("one")


@pytest.mark.parametrize(("answer", "time_s"), [(1_700_000_000, 1_700_000_000), ("1700000000", 1_700_000_000)])
async def test_the_clock_is_asked_without_a_signature(answer: Any, time_s: int) -> None:
    clob, venue = await on({"GET /time": answer})
    assert await clob.server_time_s() == time_s
    assert not [name for name in venue.asked[0].headers if name.startswith("poly")]


async def test_the_key_is_derived_and_only_created_where_there_is_none() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        assert request.headers["poly_address"] == EOA
        if request.url.path == "/auth/derive-api-key":
            return httpx.Response(400, json={"error": "Could not derive api key!"})
        return httpx.Response(200, json={"apiKey": OWNER, "secret": SECRET, "passphrase": PASSPHRASE})

    held = keys(api=False)
    clob = await clob_of(answer, keys=held)
    assert asked == ["GET /auth/derive-api-key", "POST /auth/api-key"]
    assert clob.channel_auth() == {"apiKey": OWNER, "secret": SECRET, "passphrase": PASSPHRASE}
    assert Secret(SECRET) in held.secrets()


@pytest.mark.parametrize("status", [401, 429, 500, 502])
async def test_a_venue_that_cannot_say_whether_there_is_a_key_is_not_asked_for_a_new_one(status: int) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(status, html="<html>no</html>")

    with pytest.raises(Trouble):
        await clob_of(answer, keys=keys(api=False))
    assert asked == ["/auth/derive-api-key"]


# --- over sockets -----------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def hanging(said: bytes | None = None) -> AsyncIterator[tuple[str, list[str], asyncio.Event]]:
    """A venue on a real socket that never answers a POST /order, or says this and hangs up, and answers everything else at once."""
    posted, asked = asyncio.Event(), list[str]()

    def answer(request: str) -> tuple[bytes, bool]:
        asked.append(request.split(" HTTP")[0])
        if asked[-1] == "POST /order":
            posted.set()
            return said or b"", said is not None
        body = b'{"canceled":[]}' if request.startswith("DELETE") else b"1700000000"
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body), False

    async with served(answer, lambda: asked.append("connected")) as url:
        yield url, asked, posted


async def test_F44_posts_that_hang_never_hold_up_a_cancel_which_goes_over_a_connection_that_stood_open() -> None:
    async with hanging() as (url, asked, posted):
        clob = await make(keys(), url, chance=Random(1), clock=lambda: AT, read_timeout_s=60.0)
        assert await clob.server_time_s() == 1_700_000_000
        orders = [clob.sign(PLACE, MARKET, AT) for _ in range(client.CONNECTIONS_MAX + 1)]
        clogged = [asyncio.create_task(clob.post([order])) for order in orders]
        while asked.count("POST /order") < client.CONNECTIONS_MAX:
            posted.clear()
            await posted.wait()
        assert (await clob.cancel([ID])).gone == ()
        assert asked[-1] == "DELETE /order"
        assert asked.count("connected") == client.CONNECTIONS_MAX + 1
        for task in clogged:
            task.cancel()
        await asyncio.gather(*clogged, return_exceptions=True)
        await clob.close()


async def test_F21_a_post_that_is_not_answered_in_time_is_silence() -> None:
    async with hanging() as (url, asked, _):
        clob = await make(keys(), url, chance=Random(1), clock=lambda: AT, read_timeout_s=0.05)
        with pytest.raises(Silent, match="ReadTimeout"):
            await clob.post([clob.sign(PLACE, MARKET, AT)])
        assert asked[-1] == "POST /order"
        await clob.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{",
        b"what?\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
    ],
    ids=["hung up", "half an answer", "no HTTP", "no gzip"],
)
async def test_F21_F22_a_post_on_a_kept_connection_that_breaks_is_silence_and_is_sent_once(said: bytes) -> None:
    async with hanging(said) as (url, asked, _):
        http = sockets.client(url, httpx.Timeout(5.0), 1)
        clob = await make(keys(), url, http, chance=Random(1), clock=lambda: AT)
        assert await clob.server_time_s() == 1_700_000_000
        with pytest.raises(Silent):
            await clob.post([clob.sign(PLACE, MARKET, AT)])
        assert await clob.server_time_s() == 1_700_000_000
        assert [one for one in asked if one.startswith("POST")] == ["POST /order"]
        assert asked.count("connected") == 2
        await http.aclose()


async def test_F44_nobody_there_is_silence() -> None:
    clob = await make(keys(), "http://127.0.0.1:1", chance=Random(1), clock=lambda: AT)
    with pytest.raises(Silent, match="Connect"):
        await clob.cancel_all()
    await clob.close()


async def test_clients_that_were_handed_in_are_left_open() -> None:
    http = answering(lambda request: httpx.Response(200, json=1))
    clob = await make(keys(), http=http, chance=Random(1), clock=lambda: AT)
    await clob.close()
    assert not http.is_closed
    await http.aclose()
