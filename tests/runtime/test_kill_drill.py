"""The kill drill of a preflight: a real desk, tripped at the exchange as a program; and what it says and leaves where that goes wrong."""

import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from pmm_tui.core.engine import Engine
from pmm_tui.core.events import OrderAccepted, OrderSigned
from pmm_tui.core.instructions import Killed
from pmm_tui.core.market import Market
from pmm_tui.exchange import control
from pmm_tui.runtime import kill_drill, preflight
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.consent import Check
from pmm_tui.runtime.demo import exchange
from pmm_tui.runtime.loop import Live
from pmm_tui.runtime.places import latch_path
from pmm_tui.runtime.preflight import find_market, guarded
from pmm_tui.runtime.production import open_client
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.venues.clob.client import SdkClob
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.port import Standing
from tests.runtime.live_stage import Stage

Trip = Callable[[Any, Live], Coroutine[Any, Any, str]]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An exchange that plays the demo's tape from inside its first market."""
    with exchange("demo", 900.0) as listening:
        yield listening


class Ground:
    """A wallet, what its profile would trade, and a look at its account past the desk."""

    def __init__(self, stage: Stage, clob: SdkClob, market: Market, profile: Profile) -> None:
        self.stage, self.clob, self.market, self.profile = stage, clob, market, profile

    async def drill(self) -> Check:
        """As the preflight does it."""
        keys = Keys(self.stage.account)
        return await guarded("kill drill", kill_drill.kill_drill(self.profile, keys, self.market, self.clob))

    async def set(self, mode: str, for_s: float = 0) -> None:
        """The exchange's own control."""
        async with httpx.AsyncClient(base_url=self.stage.url) as http:
            (await http.post(control.PATH, json={"mode": mode, "for_s": for_s})).raise_for_status()


@pytest.fixture
async def ground(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    stage = Stage(tmp_path, port)
    stage.home.enter(monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(preflight, "GATHER_S", 0.0)
    profile = load(stage.profile)
    clob = await open_client(profile, Keys(stage.account), Clock(), Random(1))
    market = await find_market(profile)
    assert market is not None
    yield Ground(stage, clob, market, profile)
    await clob.close()


async def test_one_small_order_far_from_the_market_is_killed_by_the_desk_itself_and_no_trace_is_left(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Any] = []
    rested: list[Standing] = []
    step, trip = Engine.step, kill_drill._Drill._trip

    def stepped(engine: Engine, event: Any) -> Any:
        steps.append(event)
        return step(engine, event)

    async def looked(drill: Any, live: Live) -> str:
        rested.extend(await ground.clob.open_orders())
        return await trip(drill, live)

    monkeypatch.setattr(Engine, "step", stepped)
    monkeypatch.setattr(kill_drill._Drill, "_trip", looked)
    before = sorted(tmp_path.rglob("*"))
    check = await ground.drill()
    assert check.ok and "the desk proved that none rests after" in check.why, check
    assert sorted(tmp_path.rglob("*")) == before and not latch_path(ground.profile).exists()
    (order,) = rested
    assert order.size == ground.market.min_size and order.price <= 6 * ground.market.tick, "small, and far from a market near a half"
    signed = [event for event in steps if isinstance(event, OrderSigned)]
    assert [one.venue_id for one in signed] == [order.id], "one order, and never another"
    kinds = [type(event) for event in steps if isinstance(event, OrderAccepted | Killed)]
    assert kinds == [OrderAccepted, Killed] and await ground.clob.open_orders() == []


async def test_a_venue_that_does_not_cancel_fails_the_drill_which_says_so_and_leaves_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip = kill_drill._Drill._trip

    async def deaf(drill: Any, live: Live) -> str:
        await ground.set("disabled")
        try:
            return await trip(drill, live)
        finally:
            await ground.set("open")

    monkeypatch.setattr(kill_drill, "KILL_S_MAX", 0.3)
    monkeypatch.setattr(kill_drill._Drill, "_trip", deaf)
    check = await ground.drill()
    assert not check.ok and check.why.startswith("tripped, and 0.3 s later the account still does not show that nothing rests: order 1 is")
    assert await ground.clob.open_orders() == []


async def test_a_drill_that_breaks_off_leaves_no_order(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(drill: Any, live: Live) -> str:
        assert len(await ground.clob.open_orders()) == 1
        raise ValueError("broken off")

    monkeypatch.setattr(kill_drill._Drill, "_trip", broken)
    assert await ground.drill() == Check("kill drill", False, "could not be looked at: broken off")
    assert await ground.clob.open_orders() == []


async def test_an_order_that_the_venue_does_not_take_is_told_with_its_reason(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    await ground.set("cancel_only")
    try:
        check = await ground.drill()
    finally:
        await ground.set("open")
    assert check == Check("kill drill", False, "no order came to rest: venue: cancel_only")
