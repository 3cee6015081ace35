"""The preflight end to end against the exchange as a program with its chain: it passes, and every check fails where it should."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from eth_account import Account
from typer.testing import CliRunner

from pmm_tui.cli import app
from pmm_tui.core.market import Market
from pmm_tui.core.units import DOLLAR, SHARE, Price, Size
from pmm_tui.exchange.contracts import POLYGON
from pmm_tui.exchange.node import Node, NoNode, call, find_anvil
from pmm_tui.exchange.wallets import EXCHANGES, UNLIMITED
from pmm_tui.runtime import preflight
from pmm_tui.runtime.alerts import URLS, Channels
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.consent import Check, against, read_preflight
from pmm_tui.runtime.demo import PLACES
from pmm_tui.runtime.preflight import run_checks
from pmm_tui.runtime.production import open_client
from pmm_tui.runtime.profile import Profile, load, packaged
from pmm_tui.runtime.purse import Wish, purse
from pmm_tui.venues.clob.client import SdkClob
from pmm_tui.venues.clob.keys import PRIVATE_KEY, Keys
from pmm_tui.venues.clob.wallet import Wallet
from tests.runtime.scene import PATIENCE_S, ROOT, Home

KEY = "11" * 32
SECRET_PATH = "/hooks/s3cr3t-part"
NAMES = [
    "paper knobs", "kill switch", "order size", "signature type", "geoblock", "alert channel", "venue and key", "clock", "balance",
    "shares", "place and cancel", "kill drill", "nothing left", "rate tier", "chain", "gas", "allowances",
]  # fmt: skip


class Stand:
    """An exchange with its chain, and profiles for it."""

    def __init__(self, folder: Path, said: dict[str, Any]) -> None:
        self.home = Home(folder)
        self.said = said

    def profile(self, **values: object) -> str:
        """A profile's file: local-prod here, with these values."""
        places = {name: url.format(port=self.said["port"]) for name, url in PLACES.items()} | {"rpc_url": self.said["rpc"]} | values
        lines = [line for line in (packaged() / "local-prod.yaml").read_text().splitlines() if line.split(":")[0] not in places]
        return self.home.profile("\n".join([*lines, *(f"{name}: {value}" for name, value in places.items() if value != "")]), "mine")

    def load(self, **values: object) -> Profile:
        """The profile itself."""
        return load(self.profile(**values))

    async def set_up(self) -> SdkClob:
        """Have the key made, and wait until the exchange's grant is on the chain."""
        clob = await open_client(self.load(), fresh(), Clock(), Random(1))
        account = fresh().account
        wallet = await Wallet.open(self.said["rpc"], account.address, account)
        async with asyncio.timeout(PATIENCE_S):
            while not (await wallet.holdings()).pusd:
                await asyncio.sleep(0.02)
        await wallet.close()
        return clob

    async def allowed(self, clob: SdkClob) -> dict[str, int]:
        """What the venue says that each exchange may move of the wallet's dollars."""
        told = preflight.Overheard()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.said['port']}", event_hooks={"response": [told.hear]}) as http:
            again = await open_client(self.load(), clob._keys, Clock(), Random(1), http)
            await again.cash()
        return told.allowances["COLLATERAL"]

    async def checks(self, keys: Keys | None = None, **values: object) -> dict[str, Check]:
        """All checks, by name."""
        found = await run_checks(self.load(**values), keys or fresh(), Channels(()))
        return {check.name: check for check in found}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """One market is enough here, and the exchange is asked again at once."""
    monkeypatch.setattr(preflight, "GATHER_S", 0.0)
    monkeypatch.setattr(preflight, "LEFT_APART_S", 0.0)


def fresh() -> Keys:
    """The keys, with no API key yet."""
    return Keys(Account.from_key(KEY))


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """The exchange as a program; its wallet allows what `wallet approve` gives, and nothing before."""
    try:
        find_anvil()
    except NoNode as missing:
        pytest.skip(str(missing))
    words = [sys.executable, "-m", "pmm_tui", "exchange", "--port", "0", "--tape", "demo", "--start-at", "900", "--chain", "--bare"]
    with (
        tempfile.TemporaryDirectory(prefix="pmm") as folder,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as child,
    ):
        assert child.stdout is not None
        try:
            yield Stand(Path(folder), json.loads(child.stdout.readline()))
        finally:
            child.terminate()


@asynccontextmanager
async def receiver(status: int, body: dict[str, Any] | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An HTTP server that answers everything the same way: its URL, and what it was sent."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        heard.append(head + await reader.readexactly(length))
        said = json.dumps(body or {}).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(said)) + said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{SECRET_PATH}", heard


async def test_allowances_are_missing_until_they_are_given_and_then_all_of_it_passes(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.home.enter(monkeypatch)
    clob = await stand.set_up()
    before = await preflight.chain_checks(stand.load(), fresh())
    assert [check.name for check in before if not check.ok] == ["allowances"]
    assert "by the chain: pUSD for the exchange, pUSD for the neg-risk exchange, pUSD for the exchange v3, outcome" in before[-1].why
    market = await preflight.find_market(stand.load())
    assert market is not None
    node = Node(stand.said["rpc"])
    told = "not enough balance / allowance: the allowance is not enough -> spender: {}, allowance: {}, sum of matched orders: 0, order"
    for cents in (0, 2):
        if cents:
            await node.send(clob.wallet, POLYGON.pusd, call("approve", ("address", "uint256"), POLYGON.exchange, cents * DOLLAR // 100))
        async with asyncio.timeout(PATIENCE_S):
            while (await stand.allowed(clob))[POLYGON.exchange.lower()] != cents * DOLLAR // 100:
                await asyncio.sleep(0.02)
        refused = await preflight.guarded("place and cancel", preflight.place_and_cancel(clob, market, Clock()))
        assert not refused.ok and told.format(POLYGON.exchange, cents * DOLLAR // 100) in refused.why
    monkeypatch.setenv(PRIVATE_KEY, KEY)
    file = stand.profile()
    await asyncio.to_thread(purse, file, Wish("approve", yes=True), str, lambda text: None, lambda text: None, None)
    async with asyncio.timeout(PATIENCE_S):
        while set((await stand.allowed(clob)).values()) != {UNLIMITED}:
            await asyncio.sleep(0.02)
    await clob.close()
    await node.close()
    async with receiver(204) as (url, heard):
        monkeypatch.setenv(PRIVATE_KEY, KEY)
        monkeypatch.setenv(URLS, url.replace("http:", "json:"))
        ended = await asyncio.to_thread(CliRunner().invoke, app, ["preflight", "--profile", file, "--json"])
    assert ended.exit_code == 0, ended.output
    told = ended.output
    said = json.loads(ended.stdout)
    assert said["passed"] and [check["name"] for check in said["checks"]] == NAMES
    assert SECRET_PATH not in told and KEY not in told
    assert len(heard) == 1 and b"pmm-tui preflight" in heard[0]


async def test_what_a_profile_says_wrong_is_found_without_the_venue(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.home.enter(monkeypatch)
    assert not preflight.paper_knobs(stand.load(fill_probability=0.9)).ok
    assert not preflight.kill_switch(stand.load(kill_switch_max_drawdown_pct=50)).ok
    assert not preflight.order_size(stand.load(default_order_size=20, max_position_size=20)).ok
    wrong = preflight.signature_type(stand.load(wallet_kind="safe"), fresh())
    assert not wrong.ok and "wallet_kind safe" in wrong.why
    assert preflight.signature_type(stand.load(wallet_kind="eoa"), fresh()).why == "0 (eoa); wallet_kind is eoa"
    assert not preflight.rate_tier(stand.load(clob_orders_per_s=41), "Standard").ok
    assert not preflight.rate_tier(stand.load(clob_orders_per_s=41), "never heard of").ok
    assert preflight.rate_tier(stand.load(clob_orders_per_s=60), "Copper").ok
    assert "the venue told of no tier; the lowest allows 40" in preflight.rate_tier(stand.load(), "").why
    assert not preflight.rate_tier(stand.load(clob_orders_per_s=41), "").ok


async def test_the_alert_channel_must_answer_and_is_never_shown(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.home.enter(monkeypatch)
    away = stand.load(geoblock_url="https://polymarket.com/api/geoblock")
    unset = await preflight.alert_channel(away, Channels(()))
    assert not unset.ok and URLS in unset.why
    assert (await preflight.alert_channel(stand.load(), Channels(()))).ok
    for status, ok in ((200, True), (204, True), (404, False), (500, False)):
        async with receiver(status) as (url, _):
            check = await preflight.alert_channel(away, Channels([url.replace("http:", "json:")]))
        assert check.ok is ok, check
        assert SECRET_PATH not in check.why and ok is not ("did not take" in check.why)
    check = await preflight.alert_channel(away, Channels(["json://127.0.0.1:1/s3cr3t"]))
    assert not check.ok and "s3cr3t" not in check.why


async def test_the_chain_must_be_the_right_one_and_pay_for_gas(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.home.enter(monkeypatch)
    other = await preflight.chain_checks(stand.load(chain_id=80002), fresh())
    assert [check.ok for check in other] == [False] * 3 and "the node is of chain 137" in other[0].why
    gone = await preflight.chain_checks(stand.load(rpc_url="http://127.0.0.1:1"), fresh())
    assert not any(check.ok for check in gone) and "does not answer" in gone[0].why
    none = await preflight.chain_checks(stand.load(rpc_url=""), fresh())
    assert [check.name for check in none] == ["chain", "gas"] and all(check.ok for check in none) and "not needed" in none[1].why
    away = await preflight.chain_checks(stand.load(rpc_url="", geoblock_url="https://polymarket.com/api/geoblock"), fresh())
    assert not any(check.ok for check in away) and "POLYGON_RPC_URL" in away[0].why
    node, poor = Node(stand.said["rpc"]), Account.from_key("22" * 32)
    await node.ask("anvil_setBalance", poor.address, hex(10**12))
    wallet = await Wallet.open(stand.said["rpc"], poor.address, poor)
    check = await preflight.guarded("gas", preflight.gas(wallet, Keys(poor)))
    assert not check.ok and "20 approvals cost at most" in check.why and "$" in check.why
    assert (await preflight.gas(wallet, fresh())).why == "not needed: the venue's relayer sends for this wallet"
    await wallet.close()
    await node.close()


async def test_without_a_node_the_venue_tells_the_allowances(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.home.enter(monkeypatch)
    profile = stand.load(rpc_url="")
    told = preflight.Overheard(allowances={"COLLATERAL": dict.fromkeys(map(str.lower, EXCHANGES), 25 * DOLLAR)})
    assert "told of none" in preflight.venue_allowances(profile, told).why
    told.allowances["CONDITIONAL"] = dict.fromkeys(map(str.lower, EXCHANGES), 1)
    assert preflight.venue_allowances(profile, told).ok
    told.allowances["COLLATERAL"][EXCHANGES[0].lower()] -= 1
    del told.allowances["CONDITIONAL"][EXCHANGES[1].lower()]
    short = preflight.venue_allowances(profile, told)
    assert not short.ok and "not given, by the venue: pUSD for the exchange, outcome tokens for the neg-risk exchange; do:" in short.why
    nothing = await stand.checks(rpc_url="", clob_url="http://127.0.0.1:1")
    assert not nothing["allowances"].ok and "could not be looked at" in nothing["allowances"].why


async def test_a_check_that_fails_is_the_exit_code_and_is_not_remembered(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.home.enter(monkeypatch)
    monkeypatch.setenv(PRIVATE_KEY, KEY)
    file = stand.profile(rpc_url="", kill_switch_max_drawdown_pct=30, clob_url="http://127.0.0.1:1")
    assert await asyncio.to_thread(preflight.preflight, file, str, True) == 1
    said = json.loads(capsys.readouterr().out)
    failed = [check["name"] for check in said["checks"] if not check["ok"]]
    assert not said["passed"] and failed == ["kill switch", "venue and key", "allowances"]
    assert against(read_preflight(load(file), said["wallet"]), load(file)) == "the last one failed"
    monkeypatch.setenv(PRIVATE_KEY, KEY)
    file = stand.profile(rpc_url="")
    assert await asyncio.to_thread(preflight.preflight, file, str, False) == 0
    told = capsys.readouterr().out
    assert "FAIL" not in told and told.count("pass  ") == len(NAMES) and "passed, valid today (UTC)" in told
    assert "all 5 are given, by the venue; no node is named" in told
    assert against(read_preflight(load(file), said["wallet"]), load(file)) == ""


async def test_what_the_venue_will_not_have_fails(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.home.enter(monkeypatch)
    async with receiver(200, {"blocked": True, "country": "XX"}) as (url, _):
        check = await preflight.geoblock(stand.load(geoblock_url=url))
        assert not check.ok and check.why == "blocked in 'XX'"
    found = {check.name: check for check in [*await run_checks(stand.load(clob_url="http://127.0.0.1:1"), fresh(), Channels(()))]}
    assert not found["venue and key"].ok and "place and cancel" not in found
    clob = await open_client(stand.load(), fresh(), Clock(), Random(1))
    try:
        assert not (await preflight.balance(stand.load(initial_balance=100_000), clob)).ok
        unlisted = Market(id="0x" + "99" * 32, slug="none", question="?", yes="91", no="92", tick=Price(100), min_size=Size(5 * SHARE))
        refused = await preflight.guarded("place and cancel", preflight.place_and_cancel(clob, unlisted, Clock()))
        assert not refused.ok and "Invalid order payload" in refused.why
        monkeypatch.setattr("pmm_tui.runtime.preflight.time.time", lambda: 0.0)
        assert not (await preflight.skew(clob)).ok
    finally:
        await clob.close()


async def test_what_a_failed_check_left_resting_is_cancelled_and_that_is_proven(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.home.enter(monkeypatch)
    monkeypatch.setattr(preflight, "LATE_S", 0.0)

    async def booked_and_lost(profile: Profile, keys: Keys, market: Market, clob: SdkClob) -> Check:
        await clob.post([clob.sign(preflight.small_order(market, 7), market, Clock()())])
        assert len(await clob.open_orders()) == 1
        raise ValueError("the connection broke")

    monkeypatch.setattr(preflight, "kill_drill", booked_and_lost)
    found = await stand.checks()
    assert not found["kill drill"].ok and found["nothing left"] == Check("nothing left", True, "no open order, read twice")
    clob = await open_client(stand.load(), fresh(), Clock(), Random(1))
    try:
        assert await clob.open_orders() == []
        market = await preflight.find_market(stand.load())
        assert market is not None
        await clob.post([clob.sign(preflight.small_order(market, 8), market, Clock()())])
        sweep = clob.cancel_all
        monkeypatch.setattr(preflight, "LEFT_ASKS_MAX", 2)
        monkeypatch.setattr(clob, "cancel_all", clob.cash)  # a venue that cancels nothing
        stays = await preflight.nothing_left(clob, "mine", 0.0)
        assert not stays.ok and stays.why.startswith("1 ORDERS REST: pmm-tui cancel mine")
        await sweep()
    finally:
        await clob.close()


async def test_shares_that_are_there_already_are_told_and_too_many_of_them_fail(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.home.enter(monkeypatch)
    market = await preflight.find_market(stand.load())
    assert market is not None

    async def checked(action: str, pairs: int, held: int) -> Check:
        monkeypatch.setenv(PRIVATE_KEY, KEY)
        wish = Wish(action, market.slug, str(pairs), yes=True)
        await asyncio.to_thread(purse, stand.profile(), wish, str, lambda text: None, lambda text: None, None)
        clob = await open_client(stand.load(), fresh(), Clock(), Random(1))
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await clob.shares(market.yes, market) != held * SHARE:
                    await asyncio.sleep(0.02)
            return await preflight.holdings(stand.load(), clob, [market])
        finally:
            await clob.close()

    few = await checked("split", 10, 10)
    assert few.ok and few.why == f"WARNING, held already and counted in every cap: 10 of {market.slug}, 10 of {market.slug}"
    many = await checked("split", 10, 20)
    assert not many.ok and many.why.endswith("; more than the $25 of the profile can carry: sell them first")
    none = await checked("merge", 20, 0)
    assert none == Check("shares", True, "none is held in the 1 markets that were looked at")
