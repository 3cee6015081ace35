"""A display that stands still keeps the data of then; whom the keys go to, which market, and every alarm are those of now."""

from msgspec.structs import replace

from tests.faces import pictures, scenes
from tests.faces.conftest import grid
from tests.faces.driver import desk
from tests.faces.test_two_desks import rehearsal, two


async def test_the_banner_the_target_and_the_foot_follow_the_keys_to_the_other_desk() -> None:
    async with two(pictures.quoting(), rehearsal()) as desks:
        await desks.press("w")
        before = "\n".join(desks.lines())
        assert "FROZEN" in before and "target [PAPER]" in before
        await desks.press("e")
        shown = "\n".join(desks.lines())
        assert "target [REHEARSAL]" in shown and "▶ ▒▒▒ LIVE REHEARSAL" in shown and "▶ ▒▒▒ PAPER" not in shown and "FROZEN" in shown
        desks.live.frame = replace(rehearsal(), snapshot=replace(pictures.paused().snapshot, at=pictures.ago(-60)))
        desks.app.pull()
        await desks.pilot.pause()
        banner, *rest = desks.lines()
        assert "PAUSED" in banner and "PAUSED" not in "\n".join(rest), "the data stand still"


async def test_a_kill_of_either_desk_ends_it_and_is_told() -> None:
    async with two(pictures.quoting(), rehearsal()) as desks:
        await desks.press("w", "e")
        await desks.press("K")
        assert [cmd for cmd, _ in desks.live.asked] == ["kill"] and desks.paper.asked == []
        desks.live.frame = replace(rehearsal(), snapshot=pictures.killed().snapshot)
        desks.app.pull()
        await desks.pilot.pause()
        shown = "\n".join(desks.lines())
        assert "FROZEN" not in shown and "target [REHEARSAL]" in shown and "the display goes on: prod-001-1795258 killed" in shown


async def test_an_alarm_that_was_there_before_does_not_end_it() -> None:
    async with desk(scenes.mismatch("account check")) as one:
        await one.press("w")
        one.app.pull()
        assert one.app.frozen is not None and "FROZEN" in grid(one.app)


async def test_the_chosen_market_is_marked_as_the_keys_have_it() -> None:
    async with desk(pictures.three(), (160, 48)) as one:
        await one.press("w", "down", "p")
        assert one.source.asked == [("pause", {"market": pictures.ETH})]
        marked = [line for line in grid(one.app).splitlines() if "▶ " in line]
        assert len(marked) == 1 and "Ethereum" in marked[0]
