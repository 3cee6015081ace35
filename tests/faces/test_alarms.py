"""What rings: a kill and a storm of refused orders, once each; what acknowledges it; what turns the bell off."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.tui.config import Config, ConfigRefused, read_config
from pmm_tui.tui.storms import Storms
from tests.faces import pictures
from tests.faces.conftest import grid
from tests.faces.driver import desk
from tests.faces.pictures import NOW


def refused(count: int, after_s: float = 0.0, made: Frame | None = None) -> Frame:
    """A desk that was refused so many orders by then, of two kinds."""
    frame = made or pictures.live()
    rejects = {"post_only": count // 2, "balance": count - count // 2}
    return replace(frame, snapshot=replace(frame.snapshot, at=Nanos(NOW + round(after_s * SECOND)), rejects=rejects, orders=()))


class TestStorms:
    def look(self, storms: Storms, *seen: tuple[int, float]) -> list[str]:
        return [storms.look(refused(count, after_s), 10, 30) for count, after_s in seen]

    def test_what_was_refused_before_one_looked_is_no_storm(self) -> None:
        assert self.look(Storms(), (500, 0), (505, 1)) == ["", ""]

    def test_it_begins_at_so_many_within_so_long_and_ends_with_fewer_than_half(self) -> None:
        told = self.look(Storms(), (0, 0), (9, 5), (10, 10), (10, 34), (11, 36), (11, 41), (11, 70))
        assert told == ["", "", "REFUSED 10 in 30s", "REFUSED 10 in 30s", "", "", ""]

    def test_a_trickle_is_none(self) -> None:
        assert set(self.look(Storms(), *((number, number * 4.0) for number in range(60)))) == {""}

    def test_another_run_and_a_replay_that_goes_back_begin_anew(self) -> None:
        storms = Storms()
        assert self.look(storms, (0, 0), (40, 1), (3, 2), (4, 0))[1:] == ["REFUSED 40 in 30s", "", ""]


async def test_a_storm_rings_once_is_named_and_acknowledged_by_a() -> None:
    rung: list[bool] = []
    async with desk(refused(0), (160, 48)) as one:
        one.app.bell = lambda: rung.append(True)  # type: ignore[method-assign]  # what a terminal would hear
        for count, after_s in ((5, 1), (25, 2), (40, 3), (60, 4)):
            one.source.frame = refused(count, after_s)
            one.app.pull()
        await one.pilot.pause()
        assert rung == [True] and one.app.herald.title.startswith("!! ") and "REFUSED 60 in 30s" in grid(one.app)
        await one.press("a")
        one.app.pull()
        assert not one.app.herald.title.startswith("!! ") and rung == [True], "seen, and still the same storm"
        for count, after_s in ((60, 60), (90, 61)):
            one.source.frame = refused(count, after_s)
            one.app.pull()
        assert rung == [True, True], "another storm"
        one.source.frame = refused(90, 62, pictures.killed())
        one.app.pull()
        assert rung == [True, True, True], "a kill"


async def test_without_the_bell_the_title_still_says_it() -> None:
    rung: list[bool] = []
    async with desk(refused(0), config=Config(bell=False, rejects=5, within_s=10)) as one:
        one.app.bell = lambda: rung.append(True)  # type: ignore[method-assign]  # what a terminal would hear
        one.source.frame = refused(5, 1)
        one.app.pull()
        assert rung == [] and one.app.herald.title.startswith("!! ")


def test_the_alarm_is_set_in_a_table_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "tui.toml"
    path.write_text("[alarm]\nbell = false\nrejects = 7\nwithin_s = 12.5\n")
    read = read_config(path)
    assert (read.bell, read.rejects, read.within_s) == (False, 7, 12.5)
    path.write_text("[alarm]\n\nrejects = 1\n")
    with pytest.raises(ConfigRefused, match=r"line 3: alarm\.rejects: found 1; allowed: a whole number from 2 to 10000"):
        read_config(path)
