"""What a tired operator meets: a tiny terminal, a replay, a desk that is lost, columns that must not jump."""

import re

import pytest
from msgspec.structs import replace

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.rows import fills, top
from pmm_tui.tui.sending import REPLAYED
from pmm_tui.tui.state import Scene
from tests.faces import pictures, scenes
from tests.faces.conftest import grid
from tests.faces.driver import desk
from tests.faces.fake_desk import ENDED, LOST, UP
from tests.faces.pictures import NOW
from tests.faces.test_two_desks import two

TINY = ((79, 24), (60, 12), (59, 11), (30, 8), (20, 5))


@pytest.mark.parametrize("size", TINY)
async def test_on_a_tiny_terminal_the_banner_is_first_and_the_keys_are_last_whatever_was_killed(size: tuple[int, int]) -> None:
    async with desk(pictures.quoting(), size) as one:
        one.source.frame = pictures.killed()
        one.app.pull()
        await one.pilot.pause()
        lines = grid(one.app).splitlines()
        assert len(lines) == size[1] and "PAPER" in lines[0] and lines[-1].startswith(" [PAPER] ") and "K KILL" in lines[-1]
        assert "space" not in lines[-1], "there is nothing to pause"
        assert ("R reset" in lines[-1]) is (size[0] >= 30)
        said = " ".join(grid(one.app).split())
        assert size[0] < 59 or f"Too small: this is {size[0]}×{size[1]}, the dashboard needs 80×24." in said


@pytest.mark.parametrize("size", TINY)
async def test_two_desks_on_a_tiny_terminal_show_the_keys_desk_first(size: tuple[int, int]) -> None:
    async with two(pictures.quoting(), scenes.killed(), size) as desks:
        lines = desks.lines()
        assert "PAPER" in lines[0] and "LIVE $$$ REAL" in lines[1] and "K KILL" in lines[-1] and "[PAPER]" in lines[-1]


@pytest.mark.parametrize("key", ["f", "F", "K", "X", "x", "p", "R", "r"])
async def test_in_a_replay_no_key_asks_what_it_cannot_do(key: str) -> None:
    async with desk(scenes.replayed(), (160, 48)) as one:
        await one.press(key)
        assert one.said == REPLAYED and one.source.asked == [] and len(one.app.screen_stack) == 1


async def test_a_replay_pretends_neither_latency_nor_time_up() -> None:
    async with desk(scenes.replayed(), (160, 48)) as one:
        assert "step p99" not in grid(one.app) and " up " not in grid(one.app).splitlines()[1]
    async with desk(pictures.quoting(), (160, 48)) as one:
        assert "step p99" in grid(one.app) and " up " in grid(one.app).splitlines()[1]


async def test_the_speed_of_a_held_replay_goes_round_all_three() -> None:
    frame = scenes.replayed()
    async with desk(replace(frame, card=replace(frame.card, speed="10")), (160, 48)) as one:
        await one.press("less_than_sign")
        one.source.frame = replace(frame, card=replace(frame.card, speed="held"))
        one.app.pull()
        await one.press("s", "s", "s")
        assert [args["speed"] for _, args in one.source.asked] == ["1", "10", "max", "1"]


@pytest.mark.parametrize(("link", "left"), [(LOST, {"K"}), (ENDED, set())], ids=["lost", "ended"])
async def test_a_desk_that_is_not_there_is_offered_no_key_that_cannot_reach_it(link: Link, left: set[str]) -> None:
    async with desk(pictures.quoting(), (160, 48)) as one:
        one.source.now_link = link
        one.app.pull()
        await one.pilot.pause()
        foot = grid(one.app).splitlines()[-1]
        offered = {key for key in ("space", "x", "X", "f", "K") if re.search(rf" {key}  ", foot)}
        assert offered == left and " q  quit" in foot


def _strip(frame: Frame, link: Link = UP) -> str:
    scene = Scene(frame, link, 0, NOW)
    return "".join(text for text, _ in top.strip(scene, 160, 1).rows[0])


def test_what_follows_a_number_that_grows_stays_where_it_is() -> None:
    frame = scenes.in_tape()
    shown = [
        _strip(replace(frame, card=replace(frame.card, tape_position=part, engine_p99_us=step)))
        for part, step in ((0.09, 75.0), (0.15, 365.0), (1.0, 1981.0))
    ]
    assert len({tuple(at for at, char in enumerate(text) if char == "│") for text in shown}) == 1


def test_the_time_up_of_a_desk_that_is_lost_stands_with_its_clock() -> None:
    early, late = (re.findall(r"up (\S+)", _strip(pictures.quoting(), replace(LOST, age_s=age)))[0] for age in (10.0, 70.0))
    assert early != late, "the picture is older, and the time up is of the picture"


def test_a_fill_is_priced_in_what_was_asked_for() -> None:
    fill = pictures.fills()[0]
    rows = ["".join(text for text, _ in fills.pane(fill, 60, 100, unit)) for unit in (False, True)]
    assert " 51.0 " in rows[0] and " 0.510 " in rows[1] and len(rows[0]) == len(rows[1])


async def test_a_small_dashboard_has_our_quotes_and_the_equity_as_a_line() -> None:
    async with desk(pictures.three(), (80, 24)) as one:
        lines = grid(one.app).splitlines()
        head = next(line for line in lines if "net pos" in line)
        assert "  bid/ask" in head and any("52.0/53.0" in line for line in lines)
        assert re.search(r"alert 15%  equity [⠁-⣿]{6}", lines[2])
        one.source.frame = pictures.killed()
        one.app.pull()
        await one.pilot.pause()
        assert any("╱╱╱╱╱" in line and "KILLED" in line for line in grid(one.app).splitlines())


@pytest.mark.parametrize(("size", "word"), [((80, 24), "bid/ask"), ((120, 36), "bid")])
async def test_where_one_desks_quotes_stand_beside_another_desk_they_say_whose(size: tuple[int, int], word: str) -> None:
    async with two(pictures.three(), scenes.production(), size) as desks:
        assert f" P {word} " in next(line for line in desks.lines() if "net pos" in line)
        await desks.press("e")
        assert f" L {word} " in next(line for line in desks.lines() if "net pos" in line)


async def test_an_answer_does_not_cover_the_newest_event_where_there_is_room() -> None:
    async with desk(pictures.quoting(), (160, 48)) as one:
        newest = grid(one.app).splitlines()[-2].strip()
        await one.press("p")
        assert re.fullmatch(rf"14:02:33 PAPER pause: done    {re.escape(newest)}", grid(one.app).splitlines()[-2].strip())
    async with desk(pictures.quoting(), (80, 24)) as one:
        await one.press("p")
        assert grid(one.app).splitlines()[-2].strip() == "14:02:33 PAPER pause: done"
