"""Every product of screen, size, state and mode looks as it did when a person last judged it: its text, its colours, some as SVG."""

import unicodedata
from pathlib import Path

import pytest
from rich.cells import cell_len

from pmm_tui.tui.layout import SCREENS as FACES
from pmm_tui.tui.troubles import MISMATCHES, VENUE
from tests.faces.album import KEPT, PAGES, Picture
from tests.faces.album_table import EVERYDAY, LOOKS, MODES, SCREENS, SIZES, STATES, seen

FOLDER = Path(__file__).parent / "album"
LOOK = "look at it with `python -m tests.faces.album FOLDER` and the words of its name, then accept it with --snapshot-update"


def told(pictures: list[Picture]) -> dict[str, str]:
    """By name what is stored of each: its colours, the picture it is most like, and the rows that differ from that one; the first whole."""
    made: dict[str, str] = {}
    for number, one in enumerate(pictures):
        apart = [sum(a != b for a, b in zip(one.rows, other.rows, strict=True)) for other in pictures[:number]]
        like = pictures[apart.index(min(apart))] if apart else None
        known = like.rows if like is not None else ("",) * len(one.rows)
        rows = [f"{at:2} {row}\n" for at, (row, before) in enumerate(zip(one.rows, known, strict=True)) if row != before]
        than = f", as {like.name}{' but' if rows else ''}" if like is not None else ""
        made[one.name] = f"== {one.name}: colours {one.colours}{than}\n" + "".join(rows)
    return made


def stored(path: Path) -> dict[str, str]:
    """The same, as it was accepted."""
    parts = ("\n" + path.read_text()).split("\n== ")[1:] if path.exists() else []
    return {part.split(": colours ")[0]: f"== {part.removesuffix(chr(10))}\n" for part in parts}


def fills_its_screen(one: Picture) -> None:
    """Every row is as wide as the screen, there are as many as it has, and nothing in them steers a terminal."""
    width, height = next(SIZES[word] for word in one.name.split() if word in SIZES)
    assert len(one.rows) == height and {cell_len(row) for row in one.rows} == {width}, one.name
    assert not [char for row in one.rows for char in row if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")], one.name


def svg_of(name: str) -> Path:
    """Where a picture's SVG is stored."""
    return FOLDER / f"{name.replace(' ', '_').replace(',', '')}.svg"


@pytest.mark.parametrize("page", PAGES)
async def test_every_picture_is_as_it_was_accepted(request: pytest.FixtureRequest, page: str) -> None:
    pictures = [picture async for picture in PAGES[page](KEPT.__contains__)]
    for one in pictures:
        fills_its_screen(one)
    now, path = told(pictures), FOLDER / f"{page}.txt"
    drawn = [one for one in pictures if one.svg]
    if request.config.option.update_snapshots:
        path.write_text("".join(now.values()))
        for one in drawn:
            svg_of(one.name).write_text(one.svg)
    then = stored(path)
    assert now.keys() == then.keys(), f"{path.name} has other pictures"
    changed = [name for name in now if now[name] != then[name]]
    assert not changed, f"{len(changed)} differ, first:\n{then[changed[0]]}{now[changed[0]]}{LOOK}"
    assert [one.name for one in drawn if svg_of(one.name).read_text() != one.svg] == [], f"an SVG differs: {LOOK}"


def test_the_album_has_nothing_else_and_misses_nothing() -> None:
    there = {path.name for path in FOLDER.iterdir()}
    assert there == {f"{page}.txt" for page in PAGES} | {svg_of(name).name for name in KEPT}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 7_000_000
    names = {name for page in PAGES for name in stored(FOLDER / f"{page}.txt")}
    assert names >= KEPT
    wanted = {
        f"{screen} {size} {mode} {state}"
        for screen in SCREENS for size in SIZES for mode in MODES[:3] for state in STATES
        if seen(state, mode) is not None and (size != "60x12" or screen == "dashboard")
    }  # fmt: skip
    assert wanted <= names
    assert {f"{screen} 120x36 both look {look}" for screen in SCREENS for look in LOOKS} <= names


def test_every_screen_and_every_state_of_the_venue_is_in_the_table() -> None:
    assert set(SCREENS) | {"runs"} == {face.name for face in FACES}
    assert EVERYDAY in STATES
    words = "".join(told for page in PAGES for told in stored(FOLDER / f"{page}.txt").values())
    assert [word for word, _ in VENUE.values() if word not in words] == []
    assert [word for word in MISMATCHES.values() if word not in words] == []
