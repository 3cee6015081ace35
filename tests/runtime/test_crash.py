"""The production desk is killed, frozen, cut off and left without a disk: no order is forgotten, nothing acknowledged is lost."""

import asyncio
import resource
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from eth_account import Account

from pmm_tui.core.commands import Place
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import SHARE, Cash, Price, Size, mirror
from pmm_tui.record.invariants import Broken
from pmm_tui.record.lines import LIVE
from pmm_tui.runtime.cable import Cable
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crashing import GRANT, UP_S, Drill, Left, Truth, books, crash, kill_late
from pmm_tui.runtime.demo import exchange
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.client import SdkClob
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.port import Piece
from tests.runtime.scene import PATIENCE_S, logged

ENDED_S = 60.0
FROZEN_S = 16.0
"""More than the ten seconds without a heartbeat, and the five until the venue looks."""
DEAD = "heartbeat lost: no heartbeat was answered"
IMPATIENT = {
    "clob_heartbeat_s": 0.5, "clob_heartbeat_deadline_s": 2, "clob_heartbeat_timeout_s": 0.5, "clob_read_timeout_s": 1,
    "clob_post_timeout_s": 1, "clob_cancel_timeout_s": 1, "clob_absent_after_s": 2, "clob_compare_s": 2, "user_ping_s": 0.5,
    "user_deaf_s": 2, "stale_after_s": 3,
}  # fmt: skip
"""So that what is lost is missed within seconds."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An exchange with a crowd that trades."""
    with exchange("", 0.0) as listening:
        yield listening


@asynccontextmanager
async def drilled(folder: Path, port: int, **values: object) -> AsyncIterator[tuple[Drill, SdkClob]]:
    """A wallet on the exchange, behind a cable, and a look at it past the cable."""
    cable = Cable(port)
    await cable.mend()
    drill = Drill(folder, port, cable, **values)
    clob = await drill.open_client()
    try:
        yield drill, clob
    finally:
        await clob.close()
        await cable.close()


@asynccontextmanager
async def running(drill: Drill) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """A desk whose orders may leave."""
    child = drill.start()
    try:
        assert await drill.up(child, asyncio.get_running_loop().time() + UP_S), drill.said()
        yield child
    finally:
        child.kill()
        child.wait()


async def resting(clob: SdkClob, other_than: frozenset[str] = frozenset()) -> frozenset[str]:
    """What rests at the exchange, once something does, and nothing of what was named."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := frozenset(one.id.lower() for one in await clob.open_orders())) or found & other_than:
            await asyncio.sleep(0.05)
    return found


async def nothing_rests(clob: SdkClob) -> None:
    """Once it does not."""
    async with asyncio.timeout(PATIENCE_S):
        while await clob.open_orders():
            await asyncio.sleep(0.05)


async def said(drill: Drill, words: str) -> None:
    """Wait for a line in the run's log that begins so."""
    folder = drill.run_folder()
    assert folder is not None
    async with asyncio.timeout(PATIENCE_S):
        while not any(line["event"].startswith(words) for line in logged(folder)):
            await asyncio.sleep(0.05)


async def ended_well(drill: Drill, clob: SdkClob, child: "subprocess.Popen[bytes]", code: int = 0) -> tuple[Left, Truth]:
    """It ends, nothing rests, and all journals agree with the exchange."""
    child.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(child.wait, ENDED_S) == code, drill.said()
    left = drill.bury()
    truth = await drill.truth(clob)
    drill.check(left, truth)
    assert not truth.opens
    return left, truth


async def test_F59_killed_at_random_points_nothing_is_lost_and_no_order_forgotten(port: int, tmp_path: Path) -> None:
    async with drilled(tmp_path, port) as (drill, _):
        tally = await crash(drill, kills=4, seed=6, window_s=0.8)
    assert tally.kills == 4 and 0 < tally.while_starting < 4
    assert tally.acknowledged and tally.orders >= tally.acknowledged


async def test_F59_orders_that_arrive_when_the_next_desk_is_up_are_cancelled_by_it(port: int, tmp_path: Path) -> None:
    """Where the next desk is slow to come up, the market may have moved past all of them, and the venue books none: then once more."""
    async with drilled(tmp_path, port) as (drill, clob):
        for _ in range(4):
            await kill_late(drill, clob)
            if drill.tally.late:
                break
    assert drill.tally.late and drill.tally.kills


async def _taken(drill: Drill, clob: SdkClob, known: int) -> None:
    """Have an order that rests traded by another wallet, unless the crowd is first."""
    async with asyncio.timeout(PATIENCE_S):
        while len(await clob.trades(0)) == known:
            other = await client.make(Keys(Account.create()), drill.url, chance=Random(1), clock=Clock())
            for one in await clob.open_orders():
                market = drill.markets[one.market]
                token = one.token if one.side is Side.SELL else market.no if one.token == market.yes else market.yes
                price = one.price if one.side is Side.SELL else mirror(one.price)
                place = Place(1, market.id, token, Side.BUY, price, Size(400 * SHARE), Kind.IOC)
                await other.post([other.sign(place, market, Clock()())])
            await other.close()


async def test_F59_what_fills_while_nobody_lives_is_found_by_the_next_start(port: int, tmp_path: Path) -> None:
    async with drilled(tmp_path, port) as (drill, clob):
        async with running(drill) as child:
            await resting(clob)
            child.kill()
            child.wait()
        known = len(drill.bury().fills)
        await _taken(drill, clob, known)
        async with running(drill) as child:
            await resting(clob)
            left, truth = await ended_well(drill, clob, child)
        before = books(tuple(piece for piece in truth.pieces if piece.order.lower() not in left.ids))[1]
        assert before, "the wallet held shares when the second desk started"
        assert left.found == before
        assert left.engine is not None and left.engine.state.portfolio.cash == truth.cash


async def test_F71_a_frozen_desk_finds_its_orders_cancelled_by_the_venue_and_goes_on(port: int, tmp_path: Path) -> None:
    async with drilled(tmp_path, port) as (drill, clob), running(drill) as child:
        old = await resting(clob)
        child.send_signal(signal.SIGSTOP)
        old |= frozenset(one.id.lower() for one in await clob.open_orders())
        await asyncio.sleep(FROZEN_S)
        assert not await clob.open_orders(), "the venue\'s own switch"
        child.send_signal(signal.SIGCONT)
        await said(drill, DEAD)
        fresh = await resting(clob, other_than=old)
        left, _ = await ended_well(drill, clob, child)
    assert fresh <= left.ids.keys() and old <= left.ids.keys()


@pytest.mark.parametrize("how", ["cut", "hush"])
async def test_a_desk_without_a_network_stops_and_comes_back(port: int, tmp_path: Path, how: str) -> None:
    async with drilled(tmp_path, port, **IMPATIENT) as (drill, clob), running(drill) as child:
        old = await resting(clob)
        (drill.cable.cut if how == "cut" else drill.cable.hush)()
        await said(drill, DEAD)
        old |= frozenset(one.id.lower() for one in await clob.open_orders())
        await drill.cable.mend()
        fresh = await resting(clob, other_than=old)
        left, _ = await ended_well(drill, clob, child)
    assert fresh <= left.ids.keys()
    assert old <= left.ids.keys()


async def test_F61_without_room_on_the_disk_nothing_leaves_that_is_not_written_and_all_is_cancelled(port: int, tmp_path: Path) -> None:
    async with drilled(tmp_path, port) as (drill, clob), running(drill) as child:
        await resting(clob)
        folder = drill.run_folder()
        assert folder is not None
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, ((folder / LIVE).stat().st_size + 2_000, resource.RLIM_INFINITY))
        await said(drill, "records cannot be written")
        await nothing_rests(clob)
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        left, _ = await ended_well(drill, clob, child, code=3)
    assert drill.cable.acknowledged <= left.ids.keys()


async def test_F67_a_second_signal_does_not_wait_for_proof(port: int, tmp_path: Path) -> None:
    async with drilled(tmp_path, port) as (drill, clob), running(drill) as child:
        await resting(clob)
        drill.cable.hush()
        child.send_signal(signal.SIGTERM)
        await said(drill, "desk: the run ends, everything is cancelled")
        child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(child.wait, ENDED_S) == 3, "what became of the orders was not seen"
        await said(drill, "orders not proven gone")
        await drill.cable.mend()
        await nothing_rests(clob)
        left = drill.bury()
        drill.check(left, await drill.truth(clob))
    assert left.ended, "the records were closed in order all the same"


def piece(order: str, status: str = "CONFIRMED", size: int = 5 * SHARE) -> Piece:
    """A fill of a buy at 0.40."""
    return Piece("t-" + order, order, "m", "yes", Side.BUY, Price(4_000), Size(size), True, status, 0)


def test_the_drill_sees_what_is_lost(tmp_path: Path) -> None:
    drill = Drill(tmp_path, 1, Cable(1))
    drill.ids = {"0xa", "0xb"}
    drill.cable.acknowledged = {"0xa"}
    left = Left(ids={"0xb": 2}, opened=GRANT)
    paid, held = Cash(GRANT - 2_000_000), {"yes": Size(5 * SHARE)}
    drill.check(left, Truth(frozenset({"0xb"}), (piece("0xb"),), paid, held))
    drill.check(left, Truth(frozenset(), (piece("0xb", "MATCHED"),), GRANT, {}))
    late = Truth(frozenset(), (piece("0xa"),), paid, held)
    drill.check(left, late, frozenset({"0xa"}))
    drill.check(Left(ids={"0xe": 1}, opened=paid), late)  # what came late and was filled is of before the next start
    for lost, truth in (
        ("none is of before the start", Truth(frozenset({"0xa"}), (), GRANT, {})),
        ("every order that traded was written down", Truth(frozenset(), (piece("0xc"),), paid, held)),
        ("are the wallet's cash", Truth(frozenset(), (piece("0xb"),), GRANT, held)),
        ("and its shares", Truth(frozenset(), (piece("0xb"),), paid, {})),
        ("a desk opens with the cash", Truth(frozenset(), (piece("0xa"),), paid, held)),
    ):
        with pytest.raises(Broken, match=lost):
            drill.check(left, truth)
    left.fills = {("t-0xb", "0xb"): (Price(4_000), Size(6 * SHARE))}
    with pytest.raises(Broken, match="a fill in the journal is one of the exchange's"):
        drill.check(left, Truth(frozenset(), (piece("0xb"),), paid, held))
    drill.cable.acknowledged.add("0xd")
    with pytest.raises(Broken, match=r"every order that was acknowledged was written down: .*0xd"):
        drill.check(left, Truth(frozenset(), (), GRANT, {}))
