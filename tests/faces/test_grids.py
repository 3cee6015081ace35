"""Every full-size screen as a text grid, at three sizes, for paper, production and both; and the banner of every state."""

import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from rich.cells import cell_len

from pmm_tui.tui.rows import fills, lines, log, market, orders, risk, top
from pmm_tui.tui.rows.lines import Builder, Row
from pmm_tui.tui.state import Scene, badges, desk_verdict
from tests.faces import pictures, scenes

GRIDS = Path(__file__).parent / "grids"
SCREENS: dict[str, Builder] = {
    "market": market.market, "orders": orders.orders, "fills": fills.fills, "risk": risk.risk, "log": log.log
}  # fmt: skip
SIZES = ((160, 44), (120, 32), (80, 20))
MODES = ("paper", "live", "both")
Compare = Callable[[str, str], None]


@pytest.fixture
def same(request: pytest.FixtureRequest) -> Compare:
    """Compare a text with its stored grid; --snapshot-update writes it."""

    def compare(name: str, text: str) -> None:
        path = GRIDS / f"{name}.txt"
        if request.config.option.update_snapshots:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"the grid differs from {path.name}"

    return compare


@cache
def everyday() -> dict[str, Scene]:
    """The everyday scenes, made once."""
    return scenes.modes(pictures.three(), scenes.production())


def text(rows: list[Row]) -> str:
    """Rows as they stand on the screen."""
    return "".join("".join(part for part, _ in row) + "\n" for row in rows)


def drawn(builder: Builder, scene: Scene, width: int, height: int) -> str:
    """What a builder shows at a size, checked to be exactly that large and free of anything that steers a terminal."""
    made = text(lines.block(builder(scene, width, height).rows, width, height))
    rows = made.splitlines()
    assert len(rows) == height and {cell_len(row) for row in rows} == {width}
    assert not [char for char in made if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")]
    return made


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES, ids=["160", "120", "80"])
@pytest.mark.parametrize("name", SCREENS)
def test_screen(same: Compare, name: str, size: tuple[int, int], mode: str) -> None:
    same(f"screens/{name}-{size[0]}-{mode}", drawn(SCREENS[name], everyday()[mode], *size))


def test_every_state_has_a_face(same: Compare) -> None:
    shown: list[str] = []
    for name, make in scenes.STATES.items():
        one = make()
        shown.append(f"== {name}\n")
        shown.append(drawn(top.banner, one, 160, 1) + drawn(top.strip, one, 160, 1))
        shown.append(drawn(top.banner, one, 80, 1) + drawn(top.strip, one, 80, 1))
    same("states", "".join(shown))


def test_states_differ_by_word_or_badge_and_each_says_why() -> None:
    told: dict[tuple[str, ...], str] = {}
    for name, make in scenes.STATES.items():
        one = make()
        verdict = desk_verdict(one)
        face = (verdict.word, verdict.why, *(badge.text for badge in badges(one)), "frozen" * one.frozen)
        assert face not in told, f"{name} looks like {told.get(face)}"
        told[face] = name
        assert verdict.why or verdict.word.startswith("QUOTING"), f"{name} does not say why"
        assert not any("nan" in text or "inf" in text for text in face)
