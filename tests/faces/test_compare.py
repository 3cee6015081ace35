"""The comparison screen: two desks at three sizes, one desk alone, alarms by mark, word and colour, and figures that cannot be compared."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame, Stats
from pmm_tui.runtime.profile import load
from pmm_tui.study.cells import FIELDS, HORIZONS_S, Cells
from pmm_tui.tui.export import as_csv
from pmm_tui.tui.palette import style
from pmm_tui.tui.rows.compare import compare
from pmm_tui.tui.rows.lines import length
from pmm_tui.tui.state import Scene
from tests.faces import pictures
from tests.faces.fake_desk import ENDED, NEVER, UP
from tests.faces.pictures import NOW

GRIDS = Path(__file__).parent / "grids"
SIZES = ((160, 46), (120, 34), (80, 22))
"""What the screen has inside of 160x48, 120x36 and 80x24."""
SECOND = 10**9


def run(seed: int, minutes: int, filled: float, wait_ms: float, out: float, gas: float = 0.0) -> Stats:
    """A made-up run in two markets: `filled` is the chance of an order, `out` the markout that follows, dollars a share."""
    chance, cells = Random(seed), Cells(500)
    for minute in range(minutes):
        for market in ("0xm1", "0xm2"):
            now = minute * 60 * SECOND
            cell = cells.at(market, now, 0)
            cell.pass_time(60.0, True)
            for number, level in enumerate(("best", "best", "second", "third")):
                cell.count("placed")
                cell.count(f"placed_{level}")
                cell.wait("submit", wait_ms * chance.uniform(0.8, 1.6))
                cell.wait("cancel", wait_ms * chance.uniform(0.5, 1.2))
                if chance.random() >= filled / (1 + number):
                    continue
                at = now + number * 11 * SECOND
                for name in ("filled", f"filled_{level}", "fills", "makers", "judged"):
                    cell.count(name)
                cell.count("toxic", float(chance.random() < 0.4))
                cell.count("shares", 10.0)
                cell.count("rebates", 0.005)
                cell.weigh("arrivals", at, 1.0, 1.0)
                cell.weigh("captured", at, 10.0, 10 * chance.gauss(0.006, 0.002))
                cell.weigh("fee", at, 5.0, -0.005)
                cell.weigh("ahead_filled", at, 1.0, chance.uniform(0, 200))
                for after in (0.0, *HORIZONS_S):
                    cell.weigh(f"markout_{after:g}", at, 10.0, 10 * chance.gauss(out, 0.003))
            cell.count("reject_post_only", float(chance.random() < 0.1))
            cell.weigh("pnl", now, 10.0, chance.gauss(0.05, 0.04))
            cell.weigh("spread", now, 60.0, 60 * 0.01)
            cell.weigh("ours", now, 60.0, 60 * chance.uniform(0.015, 0.025))
            cell.weigh("ahead_joined", now, 1.0, chance.uniform(50, 500))
            cell.largest(chance.uniform(0.0, 0.03))
    return Stats(cells.stretch_s, FIELDS, cells.told(), (("post_only", "order crosses book"),), gas, 3 if gas else 0, 0)


def paper(stats: Stats | None) -> Frame:
    """A paper desk that counted this."""
    return replace(pictures.quoting(), stats=stats)


def production(stats: Stats | None) -> Frame:
    """A production desk that counted this."""
    return replace(pictures.live(), stats=stats)


def both(left: Frame | None, right: Frame | None) -> Scene:
    """The keys go to the production desk; paper is beside it."""
    return Scene(right, UP if right is not None else NEVER, 0, NOW, beside=Scene(left, UP, 0, NOW))


def apart() -> Scene:
    """Production answers slower, is filled less, and what it gets goes against it."""
    return both(paper(run(1, 60, 0.6, 40.0, 0.004)), production(run(2, 60, 0.2, 130.0, -0.004, gas=0.06)))


def alike() -> Scene:
    """Both do the same."""
    return both(paper(run(1, 120, 0.6, 40.0, 0.004)), production(run(3, 120, 0.6, 40.0, 0.004)))


def lines(scene: Scene, width: int, height: int) -> list[str]:
    """The screen as text."""
    return ["".join(text for text, _ in row) for row in compare(scene, width, height).rows]


@pytest.mark.parametrize("size", SIZES, ids=["160x48", "120x36", "80x24"])
@pytest.mark.parametrize("make", [apart, alike], ids=["apart", "alike"])
def test_compare(make: Callable[[], Scene], size: tuple[int, int], request: pytest.FixtureRequest) -> None:
    seen = "\n".join(line.rstrip() for line in lines(make(), *size)) + "\n"
    path = GRIDS / f"{request.node.name.removeprefix('test_').replace('[', '-').replace(']', '')}.txt"
    if request.config.option.update_snapshots:
        path.write_text(seen)
    assert seen == path.read_text(), f"the grid differs from {path.name}"


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (12, 3), (40, 10), (79, 20), (80, 22), (99, 30), (100, 30), (160, 46), (240, 70)])
def test_it_is_exact_at_every_size_with_known_styles(size: tuple[int, int]) -> None:
    width, height = size
    for scene in (apart(), both(None, None), both(paper(None), production(None)), Scene(pictures.quoting(), UP, 0, NOW)):
        rows = compare(scene, width, height).rows
        assert len(rows) == height and {length(row) for row in rows} == {width}
        for row in rows:
            for _, names in row:
                style(names)


@pytest.mark.parametrize("size", SIZES)
def test_an_alarm_has_its_mark_its_word_and_its_colour_and_is_named_on_top(size: tuple[int, int]) -> None:
    rows = compare(apart(), *size).rows
    texts = ["".join(text for text, _ in row) for row in rows]
    found = next(number for number, text in enumerate(texts) if "fill rate" in text and "DIVERGES" in text)
    assert ("!", "alarm") in rows[found] and ("DIVERGES", "alarm") in rows[found]
    head = next(number for number, text in enumerate(texts) if "DIVERGE " in text)
    assert "fill rate" in texts[head] and any(names == "alarm" for _, names in rows[head])


def test_how_far_apart_is_an_alarm_is_the_users_to_say() -> None:
    usual, loose = (sum("DIVERGES" in line for line in lines(replace(apart(), above=above), 160, 60)) for above in (2.0, 50.0))
    assert usual > loose
    frames = [one.frame for one in (apart(), apart().beside) if one is not None and one.frame is not None]
    assert as_csv(frames, 8).count("DIVERGES") > as_csv(frames, 8, 50.0).count("DIVERGES")


def test_paper_is_left_whoever_the_keys_go_to() -> None:
    scene = apart()
    assert scene.beside is not None
    turned = replace(scene.beside, beside=replace(scene, beside=None))
    for one in (scene, turned):
        rate = next(line for line in lines(one, 80, 22) if "fill rate" in line and "%" in line).split()
        assert float(rate[4]) > float(rate[5]), "paper's fill rate is the larger one, and stands first"


def test_the_rest_of_the_table_is_reached_by_scrolling() -> None:
    scene = apart()
    top, down = lines(scene, 80, 22), lines(replace(scene, scroll=1_000), 80, 22)
    assert "Fills" in "\n".join(top) and "our spread" not in "\n".join(top)
    assert "our spread" in down[-1] and top[1:4] == down[1:4], "what is compared, the verdict and the heads stay"


def test_one_desk_is_told_how_to_get_a_second() -> None:
    text = "\n".join(lines(Scene(paper(run(1, 5, 0.5, 40.0, 0.0)), UP, 0, NOW), 80, 22))
    for words in re.findall(r"pmm-tui --profile .*", text):
        profiles = [load(name) for name in re.findall(r"--profile (\S+)", words)]
        assert ("--live" in words) is any(one.is_live and not one.is_loopback for one in profiles), "as it stands there, it starts"
    assert "One desk" in text and "pmm-tui --profile demo" in text and "pmm-tui attach" in text and "pmm-tui compare" in text


def test_it_says_why_nothing_is_compared() -> None:
    full = run(1, 5, 0.5, 40.0, 0.0)
    assert "the other desk: nothing to compare yet" in "\n".join(lines(both(None, production(full)), 120, 34))
    turned = Scene(None, NEVER, 0, NOW, beside=Scene(production(full), UP, 0, NOW))
    assert "the desk that the keys go to: nothing to compare yet" in "\n".join(lines(turned, 120, 34))
    fresh = replace(full, cells=())
    assert "production has watched no market so far" in "\n".join(lines(both(paper(full), production(fresh)), 120, 34))
    assert "The one desk of this console has ended." in "\n".join(lines(Scene(paper(full), ENDED, 0, NOW), 120, 34))
    assert "production: sends no figures" in "\n".join(lines(both(paper(full), production(None)), 120, 34))
    older = replace(full, fields=("watched_s",))
    assert "different versions" in "\n".join(lines(both(paper(full), production(older)), 120, 34))
    elsewhere = replace(full, cells=tuple(replace(cell, market=f"else-{cell.market}") for cell in full.cells))
    assert "no market in common" in "\n".join(lines(both(paper(full), production(elsewhere)), 120, 34))
    few = both(paper(run(1, 3, 0.5, 40.0, 0.0)), production(run(2, 3, 0.5, 40.0, 0.0)))
    assert "too few samples for any verdict yet" in "\n".join(lines(few, 120, 34))


def test_two_paper_desks_are_called_by_their_profiles_and_an_evil_name_steers_nothing() -> None:
    full = run(1, 60, 0.6, 40.0, 0.004)
    evil = replace(paper(full), card=replace(pictures.card(), profile="\x1b[2Jevil\n" + "A" * 500))
    text = "\n".join(lines(both(evil, paper(full)), 120, 34))
    assert "\x1b" not in text and "run-007" in text and "right over left" in text
