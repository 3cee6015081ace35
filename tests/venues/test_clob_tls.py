"""A certificate that is not the venue's, and a network that answers with its own page: nothing leaves, nothing is believed."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from eth_account import Account

from pmm_tui.core.commands import Place
from pmm_tui.core.events import Event, LinkDown
from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.selection import TargetingKnobs
from pmm_tui.core.units import SHARE, Nanos, Price, Size
from pmm_tui.feeds.base import Feed
from pmm_tui.feeds.discovery import GammaFeed, GammaKnobs
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.feeds.wire import Decoder
from pmm_tui.runtime.monitor import Known, Subject
from pmm_tui.runtime.outside import ask_outside
from pmm_tui.runtime.profile import load
from pmm_tui.runtime.watch import Finding
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import API_KEY, API_PASSPHRASE, API_SECRET, ApiCreds, Keys, Secret
from pmm_tui.venues.clob.port import Silent
from pmm_tui.venues.clob.reader import ADDRESS

MARKET = Market(id="0x" + "99" * 32, slug="none", question="?", yes="91", no="92", tick=Price(100), min_size=Size(5 * SHARE))
ORDER = Place(1, MARKET.id, MARKET.yes, Side.BUY, Price(4_000), Size(5 * SHARE), Kind.POST_ONLY)
AT = Nanos(1_700_000_000_000_000_000)
ACCOUNT = Account.from_key("0x" + "11" * 32)
CREDS = ApiCreds(Secret("00000000-0000-0000-0000-000000000001"), Secret("c2VjcmV0LWNhbmFyeQ=="), Secret("pass-canary"))
PAGE = b"<html><head><title>Welcome to the hotel</title></head><body>Please log in</body></html>"
GOOD, EXPIRED = ("20200101000000Z", "20991231000000Z"), ("20200101000000Z", "20200102000000Z")
CA = "[ca]\ndefault_ca=d\n[d]\ndatabase={0}/index.txt\nnew_certs_dir={0}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n"
NAMED = "[p]\ncommonName=supplied\n[e]\nsubjectAltName={1}\n[req]\ndistinguished_name=n\n[n]\n"


def certificate(folder: Path, names: str, dates: tuple[str, str]) -> Path:
    """A certificate with its key, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here, which makes the certificates")
    (folder / "index.txt").touch()
    (folder / "ca").write_text((CA + NAMED).format(folder, names))
    key, asked, made, both = (folder / name for name in ("key.pem", "asked.pem", "made.pem", "both.pem"))
    new = ("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=venue")
    steps: list[list[str | Path]] = [
        [*new, "-config", folder / "ca", "-keyout", key, "-out", asked],
        ["ca", "-selfsign", "-batch", "-notext", "-config", folder / "ca", "-keyfile", key, "-in", asked, "-out", made,
         "-startdate", dates[0], "-enddate", dates[1]],
    ]  # fmt: skip
    for words in steps:
        subprocess.run([openssl, *words], check=True, capture_output=True)
    both.write_text(key.read_text() + made.read_text())
    return both


@asynccontextmanager
async def portal(pem: Path) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A TLS server that answers every request with its page: where it is, and the requests that came."""
    came: list[bytes] = []
    talks: set[asyncio.Task[Any]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
                await reader.readexactly(length)
                came.append(head.split(b"\r\n")[0])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", came
    finally:
        server.close()
        await asyncio.gather(*talks, return_exceptions=True)


async def first_down(feed: Feed) -> str:
    """Why the feed is down; it told nothing else."""
    told: list[Event] = []
    async for event in feed.events():
        told.append(event)
        if isinstance(event, LinkDown) and "open" not in event.reason:
            break
    await feed.close()
    assert all(isinstance(event, LinkDown) for event in told)
    return told[-1].reason if isinstance(told[-1], LinkDown) else ""


async def asked(where: str, folder: Path) -> dict[str, str]:
    """What everything that asks the venue says of it: of the client, of both feeds, and of the monitor."""
    said: dict[str, str] = {}
    with pytest.raises(Silent) as unknown:
        await client.make(Keys(ACCOUNT), f"https://{where}", chance=Random(1), clock=lambda: AT)
    said["enrol"] = unknown.value.text
    clob = await client.make(Keys(ACCOUNT, CREDS), f"https://{where}", chance=Random(1), clock=lambda: AT)
    signed = clob.sign(ORDER, MARKET, AT)
    asks: dict[str, Callable[[], Awaitable[object]]] = {
        "post": lambda: clob.post([signed]), "cancel all": clob.cancel_all, "orders": clob.open_orders, "cash": clob.cash,
        "time": clob.server_time_s, "trades": lambda: clob.trades(0), "beat": lambda: clob.beat(""),
    }  # fmt: skip
    for name, ask in asks.items():
        with pytest.raises(Silent) as silent:
            await ask()
        said[name] = silent.value.text
    await clob.close()
    books = MarketFeed(MarketWsKnobs(), f"wss://{where}/ws/market", f"https://{where}", Decoder(), lambda: AT, Random(1))
    books.watch(MARKET)
    said["market"] = await first_down(books)
    said["gamma"] = await first_down(GammaFeed(GammaKnobs(), TargetingKnobs(), ("auto",), f"https://{where}", lambda: AT, Random(1)))
    profile = folder / "outside.yaml"
    profile.write_text(f"mode: live\nclob_url: https://{where}\nkeystore: {folder}/none.json\n")
    environ = {API_KEY: CREDS.key.reveal(), API_SECRET: CREDS.secret.reveal(), API_PASSPHRASE: CREDS.passphrase.reveal()}
    found: Finding = (await ask_outside(Subject("run", load(str(profile)), None, None), Known(), environ | {ADDRESS: ACCOUNT.address}))[0]
    assert found.level == "warn" and found.why.startswith("could not be asked: ")
    return said | {"monitor": found.why}


@pytest.mark.parametrize(
    ("names", "dates", "trusted", "words"),
    [
        ("IP:127.0.0.1", GOOD, False, "self-signed certificate"),
        ("DNS:elsewhere.test", GOOD, True, "IP address mismatch, certificate is not valid for '127.0.0.1"),
        ("IP:127.0.0.1", EXPIRED, True, "certificate has expired"),
    ],
    ids=["nobody's", "another's", "expired"],
)
async def test_F44_nothing_is_sent_to_who_cannot_show_the_venues_certificate_and_what_is_wrong_with_it_is_said(
    names: str, dates: tuple[str, str], trusted: bool, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path, names, dates)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "made.pem"))
    async with portal(pem) as (where, came):
        said = await asked(where, tmp_path)
    assert {name: text for name, text in said.items() if words not in text} == {}
    assert not came, "no request, no key and no order left"


async def test_F44_a_page_in_place_of_the_venue_is_no_answer_to_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = certificate(tmp_path, "IP:127.0.0.1", GOOD)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "made.pem"))
    async with portal(pem) as (where, came):
        said = await asked(where, tmp_path)
    assert b"POST /order HTTP/1.1" in came and b"DELETE /cancel-all HTTP/1.1" in came, "each of them asked, and had its page"
    assert not [text for text in said.values() if "RuntimeError" in text], "said in words"
    assert said["market"] == "socket 1: refused with HTTP 200"
    assert said["gamma"] == "HTTP 200 with text/html instead of JSON"
    assert said["monitor"].endswith("HTTP 200 with text/html instead of JSON: somebody answers in the venue's place")
