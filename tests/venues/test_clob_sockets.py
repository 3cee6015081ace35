"""The CLOB's HTTP over real sockets: connections that are kept, answers of every form, and what is no answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from pmm_tui.venues.clob import sockets
from tests.venues.clob_scene import served

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"
HANG_UP = b""


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """Gives these answers, one a request over all connections, and the last one for ever; hangs up after HANG_UP and short answers."""
    asked: list[str] = []
    left = list(answers)

    def answer(request: str) -> tuple[bytes, bool]:
        asked.append(request)
        said = left.pop(0) if len(left) > 1 else left[0]
        return said, said == HANG_UP or b"length: 99" in said or b"HTTP/1.0" in said

    async with served(answer, lambda: asked.append("connected")) as url:
        yield url, asked


@asynccontextmanager
async def one_host(url: str, connections: int = 2, read_s: float = 5.0) -> AsyncIterator[httpx.AsyncClient]:
    http = sockets.client(url, httpx.Timeout(read_s), connections)
    try:
        yield http
    finally:
        await http.aclose()


async def test_a_request_is_one_write_and_its_head_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    connection_made = sockets._Line.connection_made

    def watched(line: Any, transport: Any) -> None:
        write: Callable[[bytes], None] = transport.write

        def written(data: bytes) -> None:
            writes.append(data)
            write(data)

        transport.write = written
        connection_made(line, transport)

    monkeypatch.setattr(sockets._Line, "connection_made", watched)
    async with serving(OK) as (url, asked), one_host(url) as http:
        response = await http.request("POST", "/orders", content=b'{"a":"b"}', headers={"POLY_NONCE": "7"})
        assert (response.status_code, response.json()) == (200, [])
        assert [one.decode() for one in writes] == asked[1:]
        first, *lines = asked[1].partition("\r\n\r\n")[0].split("\r\n")
        assert first == "POST /orders HTTP/1.1" and asked[1].endswith('\r\n\r\n{"a":"b"}')
        assert dict(line.split(": ") for line in lines) == {
            "Host": url.removeprefix("http://"), "Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "pmm-tui",
            "POLY_NONCE": "7", "Content-Length": "9",
        }  # fmt: skip


async def test_a_connection_is_kept_and_there_are_never_more_than_allowed() -> None:
    async with serving(OK) as (url, asked), one_host(url, connections=2) as http:
        await http.request("GET", "/time")
        await http.request("GET", "/time", params={"a": "1 2", "b": "ü"})
        assert asked.count("connected") == 1 and asked[2].startswith("GET /time?a=1+2&b=%C3%BC HTTP/1.1\r\n")
        await asyncio.gather(*(http.request("GET", "/time") for _ in range(9)))
        assert asked.count("connected") == 2


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[1\r\n3\r\n,2]\r\n0\r\n\r\n", [1, 2]),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]", [1]),
        (b"HTTP/1.0 200 OK\r\n\r\n[3]", [3]),
    ],
    ids=["in chunks", "announced first", "until the end of the connection"],
)
async def test_every_form_of_an_answer_is_read_whole(raw: bytes, body: list[int]) -> None:
    async with serving(raw) as (url, _), one_host(url) as http:
        for _ in range(2):
            assert (await http.request("GET", "/x")).json() == body


@pytest.mark.parametrize("more", [OK, b"garbage"], ids=["a second answer", "no answer"])
async def test_what_follows_an_answer_unasked_is_never_the_answer_to_another_request(more: bytes) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]" + more, OK) as (url, asked), one_host(url) as http:
        try:
            assert (await http.request("POST", "/a", content=b"")).json() == [1]
        except httpx.RemoteProtocolError:
            assert more == b"garbage"
        assert (await http.request("GET", "/b")).json() == []
        assert asked.count("connected") == 2


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("DELETE", 2), ("POST", 1)])
async def test_F22_a_kept_connection_that_is_gone_costs_a_repetition_but_never_a_second_post(method: str, times: int) -> None:
    async with serving(OK, HANG_UP, OK) as (url, asked), one_host(url) as http:
        await http.request("GET", "/first")
        try:
            assert (await http.request(method, "/again", content=b"")).json() == []
        except httpx.RemoteProtocolError:
            assert method == "POST"
        assert sum(one.startswith(f"{method} /again") for one in asked) == times


@pytest.mark.parametrize(
    "raw",
    [
        HANG_UP,
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[",
        b"what?\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
    ids=["hung up", "half an answer", "no HTTP", "no gzip", "another protocol"],
)
async def test_what_is_no_answer_is_an_error_and_the_next_request_has_a_connection_of_its_own(raw: bytes) -> None:
    async with serving(raw, OK) as (url, asked), one_host(url, connections=1) as http:
        with pytest.raises(httpx.HTTPError):
            await http.request("POST", "/order", content=b"{}")
        assert (await http.request("GET", "/time")).json() == []
        assert asked.count("connected") == (1 if b"gzip" in raw else 2)


@pytest.mark.parametrize("raw", [b"content-length: 9000\r\n\r\n" + b"x" * 8_000, b"x: y\r\n" * 2_000], ids=["its body", "its head"])
async def test_an_answer_without_end_ends_with_its_connection(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "ANSWER_MAX", 1_000)
    async with serving(b"HTTP/1.1 200 OK\r\n" + raw) as (url, _), one_host(url) as http:
        with pytest.raises(httpx.RemoteProtocolError, match="more than 1000 bytes"):
            await http.request("GET", "/x")


async def test_who_stops_waiting_ends_the_connection() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n", OK) as (url, asked), one_host(url, read_s=60) as http:
        waiting = asyncio.create_task(http.request("GET", "/slow"))
        while len(asked) < 2:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await http.request("GET", "/x")).json() == []
        assert asked.count("connected") == 2


async def test_silence_is_no_answer_in_time() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n") as (url, _), one_host(url, read_s=0.05) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.request("GET", "/x")


async def test_a_closed_client_takes_nothing_and_lets_go_of_what_waits() -> None:
    async with serving(OK, b"HTTP/1.1 200 OK\r\n") as (url, asked), one_host(url, read_s=60) as http:
        await http.request("GET", "/x")
        waiting = asyncio.create_task(http.request("POST", "/y", content=b""))
        while len(asked) < 3:
            await asyncio.sleep(0.001)
        await http.aclose()
        with pytest.raises(httpx.TransportError):
            await waiting
        with pytest.raises(RuntimeError):
            await http.request("GET", "/x")


@pytest.mark.parametrize("value", ["a\r\nEvil: b", "a\nb", "a\rb", "a\0b"])
async def test_a_line_break_never_gets_into_a_head(value: str) -> None:
    async with serving(OK) as (url, asked), one_host(url) as http:
        for asking in (http.request("GET", "/x", headers={"A": value}), http.request("GET", f"/{value}")):
            with pytest.raises(ValueError, match="line break"):
                await asking
        assert asked == []


async def test_a_cookie_is_kept_and_a_redirect_is_not_followed() -> None:
    cookie = b"HTTP/1.1 200 OK\r\nset-cookie: __cf_bm=mine; path=/\r\ncontent-length: 2\r\n\r\n[]"
    away = b"HTTP/1.1 307 Away\r\nlocation: http://elsewhere.test/order\r\ncontent-length: 0\r\n\r\n"
    async with serving(cookie, away, OK) as (url, asked), one_host(url) as http:
        await http.request("GET", "/time")
        assert (await http.request("POST", "/order", content=b"{}")).status_code == 307
        await http.request("GET", "/time")
        told = [one.split("\r\n") for one in asked if one != "connected"]
        assert [lines[0] for lines in told] == ["GET /time HTTP/1.1", "POST /order HTTP/1.1", "GET /time HTTP/1.1"]
        assert ["Cookie: __cf_bm=mine" in lines for lines in told] == [False, True, True]


async def test_through_a_proxy_of_the_environment_the_venue_is_reached_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(OK) as (url, asked):
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        async with one_host("http://clob.test") as http:
            assert (await http.request("GET", "/time")).json() == []
        assert asked[1].startswith("GET http://clob.test/time HTTP/1.1\r\n")
