"""A desk on live data, over real sockets, from a Polymarket on loopback: it trades, and whatever goes away may come back."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import serve

from pmm_tui.api.client import Client
from pmm_tui.core.snapshot import Snapshot
from pmm_tui.runtime.places import latch_path
from pmm_tui.runtime.profile import load
from tests.feeds.loopback import Loopback, LoopMarket
from tests.runtime.desks import proven
from tests.runtime.scene import Home, ending, face, journaled, logged, picture, resting, running, until, waited

PROFILE = """\
markets: market-1
quote_interval_s: 0
warm_up_s: 0
levels: 1
fill_model: queue
queue_base_probability: 1
placement_latency_ms: 5
cancel_latency_ms: 5
answer_latency_ms: 5
feed_latency_ms: 5
gamma_poll_s: 0.1
gamma_backoff_first_s: 0.02
gamma_backoff_max_s: 0.1
gamma_grace_s: 0.2
ws_backoff_first_s: 0.02
ws_backoff_max_s: 0.1
silence_probe_s: 0.3
stale_after_s: 600
"""


class Polymarket:
    """The loopback server on one port: it goes down and comes back."""

    def __init__(self, *markets: LoopMarket) -> None:
        self.market = markets[0]
        self.server = Loopback(*markets)
        self.held = socket.socket()
        """Keeps the port ours while the server is down: bound, and never listening."""
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port = int(self.held.getsockname()[1])

    @property
    def env(self) -> dict[str, str]:
        """Where it is, as a profile is told."""
        http = f"http://127.0.0.1:{self.port}"
        return {"PMM_GAMMA_URL": http, "PMM_CLOB_URL": http, "PMM_MARKET_WS_URL": f"ws://127.0.0.1:{self.port}/ws/market"}

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Loopback]:
        """Up."""
        talk, answer = self.server._talk, self.server._answer
        how: dict[str, Any] = {"ping_interval": None, "close_timeout": 0.2, "reuse_port": True}
        server = await serve(talk, "127.0.0.1", self.port, process_request=answer, **how)
        self.server._server = server
        try:
            yield self.server
        finally:
            server.close()
            await server.wait_closed()

    async def trade(self, side: str, price: str, size: str) -> None:
        """Somebody takes."""
        market = self.market
        market.ts += 10
        frame = {
            "market": market.id, "asset_id": market.yes, "price": price, "size": size, "side": side,
            "timestamp": str(market.ts), "fee_rate_bps": "0", "event_type": "last_trade_price",
        }  # fmt: skip
        await self.server.publish(frame, market)


@pytest.fixture
def venue() -> Iterator[Polymarket]:
    """A Polymarket with one market, not up yet."""
    venue = Polymarket(LoopMarket(1))
    yield venue
    venue.held.close()


@pytest.fixture
def profile(home: Home, venue: Polymarket, monkeypatch: pytest.MonkeyPatch) -> str:
    """A profile that trades there."""
    home.enter(monkeypatch, **venue.env)
    return home.profile(PROFILE, "live")


async def seen(client: Client, true: Callable[[Snapshot], bool]) -> Snapshot:
    """Wait for a picture that shows it."""
    await until(lambda: true(picture(client).snapshot))
    return picture(client).snapshot


def quoting(snapshot: Snapshot) -> bool:
    """A quote rests."""
    return any(order.status == "OPEN" for order in snapshot.orders)


async def test_discovery_lists_a_book_arrives_quotes_rest_and_trades_fill(home: Home, profile: str, venue: Polymarket) -> None:
    home.profile(PROFILE.replace("market-1", "auto"), "live")
    async with venue.up(), running(home, profile) as (run, task), face(run.socket) as client:
        shown = await seen(client, quoting)
        assert (shown.markets[0].slug, shown.phase, picture(client).card.source) == ("market-1", "running", "loopback")
        assert [(row.link, row.up) for row in shown.feeds] == [("gamma", True), ("market", True)]
        bid = next(order for order in shown.orders if order.side == "BUY")
        assert shown.markets[0].mid == pytest.approx(0.49)

        async def taken() -> None:
            while not picture(client).snapshot.fill_count:
                await venue.trade("SELL", f"{(bid.price - 100) / 10_000:.2f}", "500")
                await asyncio.sleep(0.02)

        async with asyncio.timeout(30):
            await taken()
        after = await seen(client, lambda snapshot: snapshot.markets[0].yes > 0)
        assert {fill.price for fill in after.fills if fill.order == bid.id} <= {bid.price}, "a maker's fill has the maker's price"
        run.stop.set()
        async with asyncio.timeout(30):
            assert await task == 0
    assert not run.matching.resting() and not resting(journaled(run.folder))
    assert proven(run.folder).recorded_digest
    trades = [json.loads(line) for line in (run.folder / "trades.jsonl").read_text().splitlines()]
    assert run.summary is not None and len(trades) == run.summary.fills > 0


async def test_the_coin_fills_when_the_book_moves_through_a_quote(
    home: Home, profile: str, venue: Polymarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PMM_FILL_MODEL", "coin")
    monkeypatch.setenv("PMM_FILL_PROBABILITY", "1")
    async with venue.up() as server, running(home, profile) as (run, _), face(run.socket) as client:
        shown = await seen(client, quoting)
        bid = next(order for order in shown.orders if order.side == "BUY")
        gone = [venue.market.change("BUY", price, "0") for price in list(venue.market.bids) if float(price) >= bid.price / 10_000]
        frame = venue.market.change("SELL", f"{bid.price / 10_000:.2f}", "100")
        frame["price_changes"] = [change for part in (*gone, frame) for change in part["price_changes"]]
        await server.publish(frame, venue.market)
        await seen(client, lambda snapshot: snapshot.fill_count > 0)
    assert run.code == 0


async def test_F21_a_lost_feed_pulls_quotes_with_its_reason_and_comes_back(home: Home, profile: str, venue: Polymarket) -> None:
    async with running(home, profile) as (run, task):
        async with venue.up(), face(run.socket) as client:
            await seen(client, quoting)
        async with face(run.socket) as client:
            lost = await seen(client, lambda snapshot: not snapshot.orders and not snapshot.feeds[1].up)
            assert lost.markets[0].state == "held" and lost.markets[0].why.startswith("market feed lost: ")
            assert lost.phase == "running"
            await seen(client, lambda snapshot: not snapshot.feeds[0].up)
        tries = venue.server.upgrades
        async with venue.up(), face(run.socket) as client:
            await seen(client, quoting)
            assert all(row.up for row in picture(client).snapshot.feeds)
        assert venue.server.upgrades > tries
        run.stop.set()
        async with asyncio.timeout(30):
            assert await task == 0
    said = [line["event"] for line in logged(run.folder)]
    assert any(line.startswith("market lost: ") for line in said) and any(line.startswith("gamma lost: ") for line in said)


async def test_a_market_that_resolves_is_settled_at_its_payout(home: Home, profile: str, venue: Polymarket) -> None:
    async with venue.up() as server, running(home, profile) as (run, _), face(run.socket) as client:
        await seen(client, quoting)
        venue.market.said = {"closed": True, "outcomePrices": '["1", "0"]', "umaResolutionStatus": "resolved", "acceptingOrders": False}
        shown = await seen(client, lambda snapshot: snapshot.markets[0].payout_yes is not None)
        assert (shown.markets[0].payout_yes, shown.markets[0].state) == (10_000, "resolved")
        await seen(client, lambda snapshot: not snapshot.orders)
        await server.until(lambda: not server.sockets)  # nothing is watched any more
    assert run.code == 0


async def test_without_any_server_it_waits_and_says_so(home: Home, profile: str) -> None:
    async with running(home, profile) as (run, task), face(run.socket) as client:
        shown = await seen(client, lambda snapshot: bool(snapshot.feeds))
        assert (shown.feeds[0].link, shown.feeds[0].up) == ("gamma", False)
        assert shown.feeds[0].why and shown.phase == "starting" and shown.why == "no market yet"
        assert not task.done()
    assert run.code == 0
    assert any(line["event"].startswith("gamma lost: ") and line["level"] == "warning" for line in logged(run.folder))
    assert proven(run.folder).recorded_digest


def test_the_program_itself_without_a_network_ends_after_its_duration(home: Home, venue: Polymarket) -> None:
    """As a user without a network meets it: the shipped profile, and nothing to reach."""
    ended = home.call("--profile", "run-007", "--no-ui", "--duration", "0.5s", "--logs", home.logs, env=venue.env)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    with ending(home.start("--profile", "run-007", "--no-ui", "--logs", home.folder / "more", env=venue.env)) as process:
        waited(lambda: any("gamma lost: " in path.read_text() for path in home.folder.glob("more/*/run.log")))
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in err


async def test_a_kill_survives_a_restart_until_it_is_reset(home: Home, profile: str, venue: Polymarket) -> None:
    latch = latch_path(load(profile))
    async with venue.up():
        async with running(home, profile) as (run, task), face(run.socket) as client:
            await seen(client, quoting)
            await client.command("kill", {"reason": "drill"})
            await seen(client, lambda snapshot: snapshot.phase == "killed")
            run.stop.set()
            async with asyncio.timeout(30):
                assert await task == 3
        assert json.loads(latch.read_text())["why"] == "console:test: drill"
        async with running(home, profile) as (run, task), face(run.socket) as client:
            shown = await seen(client, lambda snapshot: snapshot.phase == "killed" and bool(snapshot.markets))
            assert shown.why == "latch: an earlier run was killed and not reset: console:test: drill"
            await until(lambda: bool(run.desk.engine.state.markets) and bool(next(iter(run.desk.engine.state.markets.values())).seen_at))
            assert not shown.orders_sent
            assert await client.command("kill_reset", {"reason": "the drill is over"}) == (True, "kill switch reset")
            await seen(client, quoting)
            assert not latch.exists()
            run.stop.set()
            async with asyncio.timeout(30):
                assert await task == 0
        assert json.loads((run.folder / "summary.json").read_text())["phase"] == "ok"
        latch.write_text("not what was written there")
        async with running(home, profile) as (run, _), face(run.socket) as client:
            await seen(client, lambda snapshot: snapshot.phase == "killed")
            assert picture(client).snapshot.why.endswith("not reset: unknown")


async def test_a_program_on_live_data_ends_at_a_signal_with_nothing_resting(home: Home, profile: str, venue: Polymarket) -> None:
    async with venue.up():
        with ending(home.headless(profile, env=venue.env)) as process:

            def wait_and_stop() -> Any:
                waited(lambda: home.logs.exists() and any(home.logs.iterdir()) and _quotes(home.run_folder()))
                process.terminate()
                return process.communicate(timeout=30)

            _, err = await asyncio.to_thread(wait_and_stop)
    assert process.returncode == 0, err
    assert not resting(journaled(home.run_folder()))
    assert proven(home.run_folder()).recorded_digest


def _quotes(folder: Path) -> bool:
    return (folder / "journal.jsonl").exists() and bool(resting(journaled(folder)))


async def test_F72_a_defect_in_a_live_feed_ends_the_run_as_broken(
    home: Home, profile: str, venue: Polymarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with venue.up() as server, running(home, profile) as (run, task), face(run.socket) as client:
        await seen(client, quoting)

        def broken(*_: Any) -> None:
            raise RuntimeError("a defect in the decoder")

        monkeypatch.setattr("pmm_tui.feeds.wire.Decoder.decode", broken)
        await server.publish(venue.market.change("BUY", "0.47", "333"), venue.market)
        async with asyncio.timeout(30):
            assert await task == 3
    assert not run.matching.resting() and run.desk.engine.state.kill.phase == "killed"
    assert any(line["event"] == "the market feed failed" and "a defect in the decoder" in line["why"] for line in logged(run.folder))
    assert latch_path(load(profile)).exists(), "the next run does not start as if nothing had been"
