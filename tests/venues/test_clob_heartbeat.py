"""The heartbeat: its pace, its chain of ids, when it trips, and what it takes to arm it again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pmm_tui.core.units import SECOND
from pmm_tui.runtime import virtual
from pmm_tui.venues.clob.heartbeat import ANOTHER, Heartbeat, Phase
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.port import Refused, Silent, Unauthorized
from tests.venues.clob_stand import timeless
from tests.venues.scripted_clob import START


class Beaten:
    """A venue that only hears heartbeats: by a script, the answer to each."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str]] = []
        self.said: list[tuple[float, str]] = []
        self.phases: list[Phase] = []
        self.failing: Callable[[], Awaitable[None]] | None = None
        self.alive = True
        self.heart = Heartbeat(
            self._beat,
            lambda: self.alive,
            virtual.clock,
            ClobKnobs(),
            lambda why: self.said.append((self.now(), why)),
            lambda: self.said.append((self.now(), "armed")),
        )
        self._task = asyncio.create_task(self.heart.run())

    def now(self) -> float:
        return (virtual.clock() - START) / SECOND

    async def _beat(self, last: str) -> str:
        self.heard.append((self.now(), last))
        if self.failing is not None:
            await self.failing()
        return f"id{len(self.heard)}"

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def raising(trouble: Exception) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise trouble

    return fail


@timeless
async def test_every_five_seconds_chained() -> None:
    venue = Beaten()
    await asyncio.sleep(16)
    assert [at for at, _ in venue.heard] == pytest.approx([0, 5, 10, 15], abs=0.01)
    assert [last for _, last in venue.heard] == ["", "id1", "id2", "id3"]
    assert venue.said == [(0, "armed")] and venue.heart.phase is Phase.ARMED
    await venue.end()


@timeless
@pytest.mark.parametrize("fail", [raising(Silent("HTTP 500")), raising(Unauthorized("x")), lambda: asyncio.sleep(60)])
async def test_F37_trips_before_the_venue_does_and_arms_with_a_fresh_answer(fail: Callable[[], Awaitable[None]]) -> None:
    venue = Beaten()
    await asyncio.sleep(5.1)
    venue.failing = fail
    await asyncio.sleep(7)
    assert venue.heart.phase is Phase.DEGRADED and len(venue.said) == 1
    await asyncio.sleep(5)
    (at, why) = venue.said[1]
    assert 12.9 <= at <= 13.1 and "no heartbeat was answered for 8 s" in why
    assert Phase(venue.heart.phase) is Phase.TRIPPED
    venue.failing = None
    await asyncio.sleep(4)
    assert venue.said[2][1] == "armed" and len(venue.said) == 3
    await venue.end()


@timeless
async def test_one_miss_is_made_good() -> None:
    venue = Beaten()
    await asyncio.sleep(4)
    venue.failing = raising(Silent("x"))
    await asyncio.sleep(1.5)
    assert Phase(venue.heart.phase) is Phase.DEGRADED
    venue.failing = None
    await asyncio.sleep(1)
    assert Phase(venue.heart.phase) is Phase.ARMED and [why for _, why in venue.said] == ["armed"]
    await venue.end()


@timeless
async def test_F39_nothing_is_sent_for_a_dead_desk() -> None:
    venue = Beaten()
    await asyncio.sleep(1)
    venue.alive = False
    await asyncio.sleep(30)
    assert len(venue.heard) == 1 and [at for at, _ in venue.said] == pytest.approx([0, 8], abs=0.05)
    venue.alive = True
    await asyncio.sleep(2)
    assert venue.said[-1][1] == "armed"
    await venue.end()


@timeless
async def test_F39_after_a_stall_it_trips_before_it_beats() -> None:
    venue = Beaten()
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, virtual.VirtualLoop)
    loop.pass_time(20)
    await asyncio.sleep(0.5)
    assert [why for _, why in venue.said][1].endswith("the desk stood still")
    await venue.end()


@timeless
async def test_F38_another_session_is_told_and_its_id_adopted() -> None:
    venue = Beaten()
    await asyncio.sleep(1)
    venue.failing = raising(Refused("theirs", 400))
    await asyncio.sleep(4.5)
    venue.failing = None
    await asyncio.sleep(2)
    assert [why for _, why in venue.said] == ["armed", ANOTHER, "armed"]
    assert [last for _, last in venue.heard] == ["", "id1", "theirs"]
    await venue.end()


@timeless
async def test_the_id_of_an_earlier_run_is_taken_up_without_a_word() -> None:
    venue = Beaten()
    venue.failing = raising(Refused("earlier", 400))
    await asyncio.sleep(0.5)
    venue.failing = None
    await asyncio.sleep(2)
    assert [why for _, why in venue.said] == ["armed"] and venue.heard[1][1] == "earlier"
    await venue.end()
