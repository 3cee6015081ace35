"""Section A, F20: our clock against the venue's. Two seconds apart the desk only reduces, ten kill it; one reading proves nothing."""

import pytest

from pmm_tui.core.events import ClockSeen, OrderFilled
from pmm_tui.core.instructions import Flattened, KillReset
from pmm_tui.core.units import SECOND
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.virtual import clock
from tests.faults.scene import Scene, playing
from tests.faults.test_section_a_reference import replays
from tests.venues.clob_stand import timeless

PHASES = ("killing", "killed")


def told(why: str) -> float:
    """The seconds that a reason names."""
    return float(why.partition("the venue's clock is ")[2].split()[0])


def phase(scene: Scene) -> str:
    return scene.engine.state.kill.phase


@timeless
@pytest.mark.parametrize("skew_s", [4, -9])
async def test_F20_a_clock_that_is_off_pulls_the_quotes_until_it_is_right(skew_s: float) -> None:
    async with playing() as scene:
        scene.cause("clock_skew", skew_s=skew_s, tolerance_s=300)
        await scene.pulled(16)
        began = clock()
        assert abs(told(scene.market.hold) - skew_s) <= 1
        assert scene.engine.snapshot().markets[0].why == scene.market.hold
        await scene.seconds(60)
        assert not scene.posted(began) and phase(scene) == "ok"
        (row,) = [row for row in scene.engine.snapshot().risk if row.name == "clock"]
        assert row.holding and row.used > 1
        scene.cease()
        await scene.quoting(20)
        assert replays(scene) and len(scene.facts(ClockSeen)) >= 5


@timeless
async def test_F20_what_only_reduces_still_leaves_while_the_clock_is_off() -> None:
    async with playing() as scene:
        hit = scene.hit()
        await scene.until(lambda: scene.facts(OrderFilled) and not scene.engine.state.portfolio.holding(hit.token).pending, 20)
        scene.cause("clock_skew", skew_s=5, tolerance_s=300)
        await scene.pulled(16)
        await scene.seconds(3)  # stamps follow what two readings agree on
        scene.cause("clock_skew", skew_s=5, tolerance_s=2)
        began = clock()
        scene.tell(Flattened(NOT_YET, "scene"))
        await scene.until(lambda: not scene.engine.state.portfolio.shares(hit.token), 10)
        assert scene.posted(began) == 1 and scene.market.hold.startswith("paused")


@timeless
@pytest.mark.parametrize("skew_s", [12, -60])
async def test_F20_a_clock_far_off_kills_for_good_and_the_kill_is_verified_with_stamps_that_the_venue_takes(skew_s: float) -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("clock_skew", skew_s=skew_s, tolerance_s=abs(skew_s) + 2)
        await scene.until(lambda: phase(scene) in PHASES, 18)
        assert len(scene.facts(ClockSeen, began)) == 2  # the first one pulled the quotes
        scene.cause("clock_skew", skew_s=skew_s, tolerance_s=2)  # what is stamped with our own time is refused from now on
        await scene.until(lambda: phase(scene) == "killed", 10)
        assert abs(told(scene.engine.state.kill.why) - skew_s) <= 1 and not scene.resting()
        scene.cease()
        killed = clock()
        await scene.seconds(60)
        assert phase(scene) == "killed" and not scene.posted(killed)  # latched, though the clock is right again
        scene.tell(KillReset(NOT_YET, "scene", "the clock was set"))
        await scene.quoting(30)
        assert replays(scene)


@timeless
async def test_F20_a_kill_reset_while_the_clock_is_still_off_comes_again() -> None:
    async with playing() as scene:
        scene.cause("clock_skew", skew_s=30, tolerance_s=300)
        await scene.until(lambda: phase(scene) == "killed", 30)
        began = clock()
        scene.tell(KillReset(NOT_YET, "scene", "too early"))
        await scene.until(lambda: phase(scene) == "ok", 2)
        await scene.until(lambda: phase(scene) in PHASES, 20)
        assert not scene.posted(began)


@timeless
async def test_F20_one_bad_reading_pulls_the_quotes_and_kills_nothing() -> None:
    async with playing() as scene:
        scene.cause("clock_skew", path="/time", skew_s=60, tolerance_s=300, times=1)
        await scene.pulled(16)
        await scene.quoting(10)  # asked again at once
        assert phase(scene) == "ok" and scene.noted("clock: the venue's is ours again")


@timeless
async def test_F20_bad_readings_that_contradict_each_other_kill_nothing() -> None:
    async with playing() as scene:
        for skew_s in (60, -60, 600):
            scene.cause("clock_skew", path="/time", skew_s=skew_s, tolerance_s=300, times=1)
            began = clock()
            while not scene.facts(ClockSeen, began):
                await scene.seconds(1)
        assert phase(scene) == "ok" and not scene.resting()
        await scene.quoting(10)


@timeless
async def test_F20_a_slow_answer_says_little() -> None:
    async with playing() as scene:
        scene.cause("late_answers", path="/time", ms=4_400)
        await scene.seconds(60)
        assert len(scene.resting()) == 2
        [*_, seen] = scene.facts(ClockSeen)
        assert seen.most - seen.least > 5 * SECOND
        scene.cause("clock_skew", path="/time", skew_s=13, tolerance_s=300)
        await scene.pulled(30)
        await scene.seconds(60)
        assert phase(scene) == "ok"  # it may be no more than nine


@timeless
@pytest.mark.parametrize("step_s", [-4, -60])
async def test_F20_a_wall_clock_set_back_moves_nothing(step_s: float) -> None:
    async with playing() as scene:
        began = clock()
        scene.step_wall(step_s)
        await scene.seconds(40)
        assert len(scene.resting()) == 2 and scene.facts(ClockSeen, began) and phase(scene) == "ok"


@timeless
async def test_F20_a_wall_clock_set_ahead_a_little_pulls_the_quotes_at_once() -> None:
    async with playing() as scene:
        scene.apart = True  # the clock stays wrong
        scene.step_wall(4)
        await scene.pulled(1)
        await scene.seconds(30)
        began = clock()
        assert "clock: the venue's clock is -" in scene.market.hold and phase(scene) == "ok"
        await scene.seconds(30)
        assert not scene.posted(began)


@timeless
async def test_F20_a_wall_clock_set_ahead_by_a_minute_kills_within_three_seconds() -> None:
    async with playing() as scene:
        scene.apart = True
        scene.cause("clock_skew", skew_s=0, tolerance_s=70)
        scene.step_wall(60)
        await scene.pulled(1)
        await scene.until(lambda: phase(scene) in PHASES, 3)
        scene.cause("clock_skew", skew_s=0, tolerance_s=2)
        await scene.until(lambda: phase(scene) == "killed", 10)
        assert "the venue's clock is -" in scene.engine.state.kill.why
