"""The chain behind the exchange and before the desk: a real node, what both say of one wallet, and every way of not knowing."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from msgspec import structs
from typer.testing import CliRunner

from pmm_tui.cli import app
from pmm_tui.core.events import Event, WalletSeen
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import DOLLAR, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.auth import Keys as ExchangeKeys
from pmm_tui.exchange.contracts import POLYGON
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.node import NoNode, call, find_anvil
from pmm_tui.exchange.polymarket import Polymarket
from pmm_tui.exchange.settlement import Settlement
from pmm_tui.exchange.terms import Lasts, Order
from pmm_tui.exchange.wallets import UNLIMITED
from pmm_tui.runtime.chain import LOUD_AFTER, ChainFeed, opener
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.demo import PLACES
from pmm_tui.runtime.exchanging import ChainBehind
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.production import node_url, open_chain
from pmm_tui.runtime.profile import load, packaged
from pmm_tui.venues.clob.keys import Keys, Secret
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.ledger import Told
from pmm_tui.venues.clob.port import Piece
from pmm_tui.venues.clob.venue import ClobVenue
from tests.runtime.scene import PATIENCE_S, ROOT, Home, journaled, waited
from tests.venues.scripted_clob import ScriptedClob

MARKET = Market(id="0x" + "ab" * 32, slug="up", question="Up?", yes=str(2**255 + 7), no=str(2**254 + 9), tick=Price(100), min_size=SHARE)
THIRD = structs.replace(MARKET, id="0x" + "ef" * 32, yes="3001", no="3002", protocol=3)
KEY: LocalAccount = Account.from_key("0x" + "11" * 32)
OWNER = KEY.address.lower()
OTHERS = "others"


@pytest.fixture(scope="module", autouse=True)
def anvil() -> None:
    """Without the node's program none of this can run."""
    try:
        find_anvil()
    except NoNode as missing:
        pytest.skip(str(missing))


class Scene:
    """An exchange, the chain behind it, and the production venue of a wallet with $100 as far as the feed looks at it."""

    def __init__(self, settlement: Settlement) -> None:
        self.settlement = settlement
        self.matching = Matching(Random(1))
        self.exchange = Polymarket(self.matching, ExchangeKeys(b"k" * 16))
        self.behind = ChainBehind(settlement)
        self.behind.follow(self.exchange)
        self.venue = ClobVenue(ScriptedClob(), ClobKnobs(), Clock(), Cash(25 * DOLLAR), "ws://x", Random(1), lambda: True)
        self.feed = ChainFeed(opener(settlement.url, KEY.address, KEY), POLYGON, 0.05, Clock(), calm_s=0.0)
        self.feed.watch(self.venue)

    def order(self, name: str, wallet: str, side: Side, token: str, lasts: Lasts = Lasts.GTC) -> None:
        """An order over ten shares at half a dollar."""
        assert not self.refused(name, wallet, side, token, lasts)
        self.exchange.advance(Nanos(1))

    def refused(self, name: str, wallet: str, side: Side, token: str, lasts: Lasts = Lasts.GTC) -> str:
        """The same, and why it is not taken."""
        owner = "key" if wallet == OWNER else ""
        one = Order(name, wallet, owner, MARKET.id, token, side, Price(5_000), Size(10 * SHARE), lasts, False, Nanos(1))
        return self.matching.place(one, Nanos(1)).error

    async def buy_both(self) -> None:
        """The wallet buys ten of each, and all of it is mined and on the chain."""
        for number, token in enumerate((MARKET.yes, MARKET.no)):
            self.order(f"a{number}", OWNER, Side.BUY, token)
            self.order(f"b{number}", OTHERS, Side.SELL, token, Lasts.FAK)
        self.exchange.advance(Nanos(60 * SECOND))
        await self.behind.reached()

    async def seen(self) -> WalletSeen:
        """The feed's next word."""
        event: Event = await anext(self.feed.events())
        assert isinstance(event, WalletSeen)
        return event


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """The scene, its wallet funded and the market listed everywhere."""
    settlement = await Settlement.open()
    scene = Scene(settlement)
    work = asyncio.create_task(scene.behind.run())
    try:
        scene.matching.list_market(MARKET, Nanos(1))
        scene.matching.unlimited(OTHERS)
        scene.matching.deposit(OWNER, Cash(100 * DOLLAR))
        scene.behind.fund(OWNER, Cash(100 * DOLLAR))
        scene.exchange.advance(Nanos(1))
        scene.venue.ledger.markets[MARKET.id] = MARKET
        scene.venue.account.aside = Cash(75 * DOLLAR)
        await scene.behind.reached()
        yield scene
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await scene.feed.close()
        await settlement.close()


async def test_the_chain_holds_what_the_exchange_says_and_the_desk_is_told_its_part(scene: Scene) -> None:
    first = await scene.seen()
    assert (first.cash, first.positions, first.gas) == (25 * DOLLAR, (), 0)
    await scene.buy_both()
    after = await scene.seen()
    assert after.cash == scene.matching.cash(OWNER) - 75 * DOLLAR == 15 * DOLLAR
    assert dict(after.positions) == {token: scene.matching.shares(OWNER, token) for token in (MARKET.yes, MARKET.no)}
    assert set(dict(after.positions).values()) == {10 * SHARE}


async def test_pairs_merged_on_chain_are_dollars_everywhere(scene: Scene) -> None:
    await scene.buy_both()
    merged = await scene.feed.merge(MARKET, Size(4 * SHARE))
    assert (merged.size, merged.reason, merged.market) == (4 * SHARE, "", MARKET.id) and merged.gas > 0
    assert set(scene.venue.account.doubted) == {"", MARKET.yes, MARKET.no}
    seen = await scene.seen()
    assert seen.gas == merged.gas and seen.cash == 19 * DOLLAR
    async with asyncio.timeout(PATIENCE_S):
        while scene.matching.shares(OWNER, MARKET.yes) != 6 * SHARE:
            await asyncio.sleep(0.02)
    assert scene.matching.cash(OWNER) == 94 * DOLLAR and scene.matching.shares(OWNER, MARKET.no) == 6 * SHARE


async def test_orders_may_use_what_their_wallet_allows_on_chain_and_no_more(scene: Scene) -> None:
    await scene.buy_both()
    at, node, wallet = scene.settlement.chain, scene.settlement.node, scene.matching.wallet(OWNER)
    assert wallet.may_move("COLLATERAL", at.exchange) == UNLIMITED and not wallet.may_move("COLLATERAL", at.exchange_v3)

    async def allowed(kind: str, amount: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while wallet.may_move(kind, at.exchange) != amount:
                await asyncio.sleep(0.02)

    await node.send(OWNER, at.tokens, call("setApprovalForAll", ("address", "bool"), at.exchange, False))
    await node.send(OWNER, at.pusd, call("approve", ("address", "uint256"), at.exchange, 6 * DOLLAR))
    await allowed("CONDITIONAL", 0)
    await allowed("COLLATERAL", 6 * DOLLAR)
    short = "not enough balance / allowance: the allowance is not enough -> spender: {}, allowance: {}, sum of matched orders: 0, "
    amount = "order amount (inc. fees): {}"
    assert scene.refused("s", OWNER, Side.SELL, MARKET.yes) == short.format(at.exchange, 0) + amount.format(10 * SHARE)
    scene.order("c", OWNER, Side.BUY, MARKET.yes)
    scene.order("d", OTHERS, Side.SELL, MARKET.yes, Lasts.FAK)
    assert "allowance: 6000000, sum of matched orders: 5000000, " in scene.refused("e", OWNER, Side.BUY, MARKET.yes), "one is under way"
    scene.exchange.advance(Nanos(120 * SECOND))
    await allowed("COLLATERAL", 1 * DOLLAR)
    assert scene.refused("f", OWNER, Side.BUY, MARKET.yes) == short.format(at.exchange, DOLLAR) + amount.format(5 * DOLLAR)


async def test_what_cannot_be_merged_says_why(scene: Scene) -> None:
    refused = await scene.feed.merge(MARKET, Size(4 * SHARE))
    assert refused.size == 0 and "insufficient balance" in refused.reason
    safe = ChainFeed(opener(scene.settlement.url, "0x" + "22" * 20, KEY), POLYGON, 1, Clock())
    assert "relayer sends for it" in (await safe.merge(MARKET, Size(SHARE))).reason
    await safe.close()


async def test_markets_of_the_other_protocol_are_read_where_their_shares_are(scene: Scene) -> None:
    await scene.settlement.list_market(THIRD)
    scene.venue.ledger.markets[THIRD.id] = THIRD
    at, node = scene.settlement.chain, scene.settlement.node
    position = call("splitPosition", ("address", "bytes32", "bytes32", "uint256[]", "uint256"), at.asset, b"\0" * 32,
                    bytes.fromhex(THIRD.id[2:]), [1, 2], 3 * SHARE)  # fmt: skip
    await scene.settlement.fund(OWNER, Cash(0), asset=3 * DOLLAR)
    await node.send(OWNER, at.asset, call("approve", ("address", "uint256"), at.position_manager, 3 * DOLLAR))
    await node.send(OWNER, at.position_manager, position)
    assert dict((await scene.seen()).positions) == {THIRD.yes: 3 * SHARE, THIRD.no: 3 * SHARE}


async def test_a_reading_waits_for_what_is_on_its_way_but_not_for_ever(scene: Scene) -> None:
    piece = Piece("t", "o", MARKET.id, MARKET.yes, Side.BUY, Price(5_000), Size(SHARE), True, "MATCHED", 1)
    told = scene.venue.ledger.trades["t", "o"] = Told(piece, 1, Nanos(1), True)
    assert not scene.feed._calm()
    assert (await scene.seen()).cash == 25 * DOLLAR, "one interval later it is read all the same"
    told.ended = True
    assert scene.feed._calm()
    scene.venue.links.down("user", "lost")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await scene.seen()


async def test_a_node_that_goes_away_is_logged_and_nothing_else(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    await scene.seen()
    caplog.set_level(logging.INFO, "pmm_tui")  # httpx logs addresses at this level; the desk's own logs never show it
    await scene.settlement.close()
    task = asyncio.create_task(scene.seen())
    async with asyncio.timeout(PATIENCE_S):
        while sum(record.name == "pmm_tui.runtime.chain" for record in caplog.records) <= LOUD_AFTER:
            await asyncio.sleep(0.02)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    levels = [record.levelname for record in caplog.records if record.name == "pmm_tui.runtime.chain"][: LOUD_AFTER + 1]
    assert levels == ["WARNING", "WARNING", "ERROR", "WARNING"]
    assert scene.settlement.url not in caplog.text


async def test_which_node_a_desk_asks(scene: Scene, home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = (packaged() / "local-prod.yaml").read_text()
    bare = load(home.profile(text, "bare"))
    assert await open_chain(bare, Keys(KEY), Clock()) is None
    assert caplog.text.count("no node of the chain is named") == 1
    assert node_url(bare, Keys(KEY, rpc_url=Secret("https://polygon.example/key"))) == "", "what is on this machine asks no real chain"
    assert node_url(bare, Keys(KEY, rpc_url=Secret(scene.settlement.url))) == scene.settlement.url
    with pytest.raises(CannotStart, match="rpc_url: no node of the chain is named"):
        await open_chain(load("prod-001"), Keys(KEY), Clock())
    named = load(home.profile(f"{text}\nrpc_url: {scene.settlement.url}\n", "named"))
    feed = await open_chain(named, Keys(KEY), Clock())
    assert feed is not None
    await feed.close()
    other = load(home.profile(f"{text}\nrpc_url: {scene.settlement.url}\nchain_id: 80002\n", "other"))
    with pytest.raises(CannotStart, match="the node is of chain 137"):
        await open_chain(other, Keys(KEY), Clock())


def test_without_anvil_the_exchange_says_what_would_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = CliRunner().invoke(app, ["exchange", "--port", "0", "--chain"])
    assert ended.exit_code == 2
    assert ended.stderr.startswith("pmm-tui: --chain: anvil was not found") and "make test" in ended.stderr
    alone = CliRunner().invoke(app, ["exchange", "--port", "0", "--bare"])
    assert alone.exit_code == 2 and "give --chain" in alone.stderr


def test_a_desk_that_trades_on_it_never_differs_from_the_chain(home: Home) -> None:
    words = [sys.executable, "-m", "pmm_tui", "exchange", "--port", "0", "--tape", "demo", "--start-at", "895", "--chain"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            said = json.loads(child.stdout.readline())
            lines = [line for line in (packaged() / "local-prod.yaml").read_text().splitlines() if line.split(":")[0] not in PLACES]
            lines += [f"{name}: {url.format(port=said['port'])}" for name, url in PLACES.items()]
            lines += [f"rpc_url: {said['rpc']}", "wallet_check_s: 1", "warm_up_s: 0.5"]
            profile = home.profile("\n".join(lines).replace("quote_interval_s: 5", "quote_interval_s: 1"), "local")
            with home.headless(profile) as desk:
                waited(lambda: any(one.get("event", {}).get("positions") for one in entries(home) if kind(one) == "WalletSeen"))
                desk.send_signal(signal.SIGTERM)
                _, log = desk.communicate(timeout=PATIENCE_S)
        finally:
            child.terminate()
    assert desk.returncode == 0
    assert sum(kind(one) == "OrderFilled" for one in entries(home)) > 0
    assert "differs" not in log


def entries(home: Home) -> list[dict[str, Any]]:
    """The journal so far."""
    return journaled(home.run_folder()) if home.logs.is_dir() and (home.run_folder() / "journal.jsonl").is_file() else []


def kind(entry: dict[str, Any]) -> str:
    """The type of the fact."""
    return str(entry.get("event", {}).get("type", ""))
