"""The venue's mode as the desk knows it, against the exchange whose control switches modes: which one, since when, until when."""

from msgspec import structs

from pmm_tui.core.events import OrderRejected, VenueModeChanged
from pmm_tui.core.instructions import Killed, KillReset
from pmm_tui.core.market import Kind
from pmm_tui.core.snapshot import VenueRow
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.virtual import clock
from pmm_tui.venues.clob.links import CALM_NS
from pmm_tui.venues.clob.port import Closed, Unauthorized
from tests.faults.scene import Scene, playing
from tests.venues.clob_stand import Stand, opened, order, timeless
from tests.venues.venue_suite import of

NEAR, FAR = (4_600, 5_200), (4_700, 5_300)


async def switch(scene: Scene, mode: str, for_s: float = 0.0) -> Nanos:
    """The exchange's control sets its mode; when."""
    said = await scene.http.post("/-/exchange", json={"mode": mode, "for_s": for_s})
    assert said.json()["mode"] == mode
    return clock()


def shown(scene: Scene) -> VenueRow:
    """What a face is told."""
    return scene.engine.snapshot().venue


async def told(scene: Scene, mode: str, within_s: float = 20) -> VenueRow:
    """Wait until the desk says that the venue is in this mode."""
    await scene.until(lambda: shown(scene).mode == mode, within_s)
    return shown(scene)


def modes(scene: Scene) -> list[str]:
    """Every mode that it was in, in order."""
    names = [fact.mode for fact in scene.facts(VenueModeChanged)]
    return [name for number, name in enumerate(names) if not number or names[number - 1] != name]


@timeless
async def test_a_restart_is_told_until_an_order_is_taken_again() -> None:
    async with playing() as scene:
        assert shown(scene) == VenueRow()
        began = await switch(scene, "restarting", 10)
        scene.show(*NEAR)
        row = await told(scene, "restarting")
        assert began < row.since <= clock() and row.until > row.since
        scene.show(*FAR)
        await scene.quoting(60)
        assert shown(scene) == VenueRow("open", shown(scene).since)
        assert modes(scene) == ["restarting", "open"] and shown(scene).since >= began + 10 * SECOND
        assert scene.noted("the venue is restarting") and scene.noted("the venue is open again, restarting before")


@timeless
async def test_cancel_only_is_told_though_the_cancels_go_on() -> None:
    async with playing() as scene:
        began = await switch(scene, "cancel_only", 20)
        scene.show(*NEAR)
        first = await told(scene, "cancel_only")
        await scene.pulled(10)
        scene.show(*FAR)
        await scene.until(lambda: shown(scene).until > first.until, 20)
        assert shown(scene).since == first.since, "asked again and refused again: it is still the same stretch"
        await scene.quoting(90)
        assert modes(scene) == ["cancel_only", "open"] and shown(scene).since >= began + 20 * SECOND


@timeless
async def test_disabled_is_told_by_a_cancel_alone() -> None:
    async with playing() as scene:
        await switch(scene, "disabled", 8)
        entry = scene.venue.ledger.find(scene.resting()[0].id)
        assert entry is not None
        scene.venue.lanes.cancel(entry)
        assert (await told(scene, "disabled", 3)).until
        await told(scene, "open", 150)
        assert modes(scene) == ["disabled", "open"]


@timeless
async def test_a_kill_learns_of_it_too_and_goes_on_until_it_is_proven() -> None:
    async with playing() as scene:
        await switch(scene, "disabled", 4)
        scene.tell(Killed(NOT_YET, "test", "a drill"))
        assert (await told(scene, "disabled", 5)).until and scene.engine.state.kill.phase == "killing"
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 60)
        assert not scene.resting()
        scene.tell(KillReset(NOT_YET, "test", "it is over"))
        await told(scene, "open", 90)


@timeless
async def test_post_only_is_told_with_its_end_and_ends_then() -> None:
    async with playing() as scene:
        began = await switch(scene, "post_only", 40)
        await taker(scene, 901)
        row = await told(scene, "post_only", 3)
        assert abs(row.until - began - 40 * SECOND) <= SECOND, "the venue's own word"
        scene.show(*FAR)
        await scene.seconds(20)
        await scene.quoting(10)
        assert shown(scene).mode == "post_only", "an order that the mode allows proves nothing"
        await told(scene, "open", 25)
        assert 0 <= clock() - row.until <= 2 * SECOND


@timeless
async def test_post_only_without_an_end_is_over_after_a_calm_minute() -> None:
    async with playing() as scene:
        began = await switch(scene, "post_only")
        await taker(scene, 901)
        await told(scene, "post_only", 3)
        await scene.seconds(CALM_NS / SECOND - 10)
        assert shown(scene).mode == "post_only"
        await told(scene, "open", 15)
        assert clock() - began >= CALM_NS
        await taker(scene, 902)
        await told(scene, "post_only", 3)
        refused = [fact.order for fact in scene.facts(OrderRejected, began) if fact.order > 900]
        assert refused == [901, 902]


@timeless
async def test_a_taker_that_is_taken_proves_that_post_only_is_over_and_a_maker_does_not() -> None:
    stand = await opened(Stand())
    stand.clob.fails("post", Closed("post-only mode", "post_only", 0))
    await stand.venue.send(order(1, 5_200, kind=Kind.IOC))
    begun = of(await stand.after(2), VenueModeChanged)
    await stand.venue.send(order(2))
    still = of(await stand.after(1), VenueModeChanged)
    await stand.venue.send(order(3, 5_200, 150, kind=Kind.IOC))
    over = of(await stand.after(1), VenueModeChanged)
    assert ([one.mode for one in begun], still, [one.mode for one in over]) == (["post_only"], [], ["open"])
    await stand.close()


@timeless
async def test_a_key_that_is_refused_is_told_once_and_for_good() -> None:
    stand = await opened(Stand())
    stand.clob.fails("post", *[Unauthorized("Unauthorized/Invalid api key")] * 2)
    await stand.venue.send(order(1))
    told = await stand.after(1)
    await stand.venue.send(order(2))
    told += await stand.after(120)
    assert [one.mode for one in of(told, VenueModeChanged)] == ["key refused"]
    await stand.close()


async def taker(scene: Scene, number: int) -> None:
    """An order that is not post-only leaves."""
    place = scene.places(Nanos(0))[-1]
    await scene.venue.send(structs.replace(place, order=number, kind=Kind.IOC))
    await scene.seconds(0.2)
