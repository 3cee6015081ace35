"""The user's tui.toml: read strictly, told by file, line, key, found and allowed; the last good one stays; keys are remapped by id."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from pmm_tui.tui.config import Config, ConfigRefused, config_path, read_config
from pmm_tui.tui.keys import IDS, KEYS, remapped
from pmm_tui.tui.palette import STYLES, TABLES, THEMES, style
from pmm_tui.tui.start import Wish
from pmm_tui.tui.start import settings as settings_of
from tests.faces import pictures
from tests.faces.conftest import grid
from tests.faces.driver import desk

GOOD = """\
theme = "cb"
red_up = true
fps = 2
symbols = "ascii"
mouse = false
time = "local"
start_screen = 3

[confirm]
arm_s = 1.5
typed_above_usd = 50

[keymap]
"quote.toggle" = "p"
"quote.market" = ["o", "f5"]
"app.help" = "?"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file in a home of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = config_path()
    path.parent.mkdir()
    yield path


def test_without_a_file_everything_is_as_shipped(file: Path) -> None:
    assert read_config() == Config() and read_config().keys == KEYS


def test_everything_can_be_said(file: Path) -> None:
    file.write_text(GOOD)
    read = read_config()
    assert (read.theme, read.red_up, read.fps, read.symbols, read.mouse, read.time) == ("cb", True, 2, "ascii", False, "local")
    assert (read.start_screen, read.arm_s, read.typed_above) == (3, 1.5, 50)
    keys = {key.id: key.keys for key in read.keys}
    assert keys["quote.toggle"] == ("p",) and keys["quote.market"] == ("o", "f5") and keys["app.help"] == ("question_mark",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\ntheme = 'blue'", "line 2: theme: found 'blue'; allowed: dark, light, cb, mono, ansi"),
        ("fps = 3", "line 1: fps: found 3; allowed: 1, 2, 4, 10"),
        ("fps = true", "line 1: fps: found true"),
        ("mouse = 1", "line 1: mouse: found 1; allowed: true or false"),
        ("start_screen = 9", "a whole number from 1 to 8"),
        ("colour = 'red'", "line 1: colour: found 'red'; allowed: no such setting"),
        ("confirm = 3", "allowed: a table: [confirm]"),
        ("[confirm]\n\narm_s = 0.1", "line 3: confirm.arm_s: found 0.1; allowed: a number from 0.5 to 5"),
        ("[confirm]\ntyped_above_usd = 1000", "line 2: confirm.typed_above_usd: found 1000; allowed: a number from 0 to 250"),
        ("theme = 'dark'\n[keymap]\n'nothing' = 'x'", "line 3: keymap.nothing: found 'x'; allowed: no such id"),
        ("[keymap]\n'kill' = []", "line 2: keymap.kill: found []; allowed: a key, or a list of at least one key"),
        ("[keymap]\nquote.toggle = 'x'", 'the id in quotes: "quote.toggle"'),
        ("[keymap]\n'kill' = 'ctrl+b'", "a key that tmux, screen and terminals leave alone"),
        ("[keymap]\n'kill' = 'ctrl+c'", "a key that tmux, screen and terminals leave alone"),
        ("[keymap]\n'kill' = 'alt+k'", "found 'alt+k'; allowed: a character"),
        ("[keymap]\n'kill' = 'x'", "line 2: [keymap]: x is the key of cancel and of kill"),
        ("[keymap]\n'view.time' = 'o'\n\n'kill' = 'o'", "line 4: [keymap]: o is the key of kill and of view.time"),
        ("[keymap]\n'view.time' = 'x'", "line 2: [keymap]: x is the key of cancel and of view.time"),
        ("[keymap]\n'kill.typing' = 'o'", "line 2: keymap.kill.typing: found 'o'; allowed: a key that types nothing, as ctrl+k or f10"),
        ("[keymap]\n'kill.typing' = ['f10', '!']", "found '!'; allowed: a key that types nothing"),
        ("[keymap]\n'kill.typing' = 'space'", "found 'space'; allowed: a key that no dialog hears"),
        *(
            (f"[keymap]\n'{id_}' = '{key}'", f"line 2: keymap.{id_}: found '{key}'; allowed: a key that no dialog hears")
            for id_ in ("kill", "flatten.all", "app.stop", "cancel", "kill.reset")
            for key in ("y", "n", "p", "c", "space", "enter", "escape", "tab")
        ),
        ("[keymap]\n'quote.toggle' = 'y'", "line 2: keymap.quote.toggle: found 'y'; allowed: a key that no dialog hears"),
        ("theme = 'dark'\n[keymap]\nfps = [", "line 3: Invalid value (at end of document)"),
        ("start_layout = 10", "line 1: start_layout: found 10; allowed: a whole number from 0 to 9"),
        ("fps = 4\nstart_layout = 8", "line 2: start_layout: found 8; allowed: 0, 1, 2, 3, 4, 5, or one that has its [layout.N]"),
        ("layout = 3", "line 1: layout: found 3; allowed: a table: [layout]"),
        ("[layout]\n3 = 'wide'", "line 2: layout.3: found 'wide'; allowed: a table: [layout.3]"),
        ("[layout.10]\nname = 'x'", "line 1: layout.10: found {'name': 'x'}; allowed: a table [layout.0] to [layout.9]"),
        ("[layout.3]\n\npane = 'log'", "line 3: layout.3.pane: found 'log'; allowed: no such setting; one of name, screen, panes"),
        ("[layout.2]\n[layout.3]\npanes = ['tape']", "line 3: layout.3.panes: found ['tape']; allowed: a list of some of markets, ladder"),
        ("[layout.3]\npanes = ['log', 'log']", "line 2: layout.3.panes: found ['log', 'log']; allowed: a list"),
        ("[layout.3]\npanes = []", "line 2: layout.3.panes: found []; allowed: a list"),
        ("[layout.3]\npanes = [['log']]", "line 2: layout.3.panes: found [['log']]; allowed: a list"),
        ("[layout.3]\nscreen = 2\npanes = ['log']", "line 3: layout.3.panes: found ['log']; allowed: nothing: only the dashboard"),
        ("[layout.3]\nscreen = 7", "line 2: layout.3.screen: found 7; allowed: 1, 2, 3, 4, 5, 6, 8"),
        ("[layout.3]\ndepth = 7", "line 2: layout.3.depth: found 7; allowed: 0, 5, 10, 15, 25"),
        ("[layout.3]\nbars = 'lin'", "line 2: layout.3.bars: found 'lin'; allowed: linear, log"),
        ("[layout.3]\nunits = '%'", "line 2: layout.3.units: found '%'; allowed: cents, probability"),
        ("[layout.3]\nname = ''", "line 2: layout.3.name: found ''; allowed: 1 to 20 characters"),
        ("[layout]\n3 = { bars = 'x' }", "line 2: layout.3.bars: found 'x'"),
        ("mouse = true\ntheme = dark", "line 2: Invalid value (at line 2, column 9)"),
    ],
)
def test_what_is_wrong_is_told_by_file_line_key_found_and_allowed(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigRefused) as refused:
        read_config()
    assert str(refused.value).startswith(f"{file}: ") and told in str(refused.value)


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"theme = '\xff'")
    with pytest.raises(ConfigRefused, match="not UTF-8 at byte 9"):
        read_config()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(IDS)), st.sampled_from([*"abcxyzKQ123", "f9", "space"]).map(lambda key: (key,)), max_size=6))
def test_no_remapping_gives_one_key_to_two_ids_or_takes_a_key_away(keymap: dict[str, tuple[str, ...]]) -> None:
    try:
        keys = remapped(keymap)
    except ValueError:
        return
    names = [name for key in keys for name in key.keys]
    assert len(names) == len(set(names)) and all(key.keys for key in keys) and len(keys) == len(KEYS)


async def test_a_remapped_key_acts_and_is_told_and_the_old_one_does_nothing() -> None:
    async with desk(pictures.quoting(), (160, 48), config=Config(keymap={"kill": ("f9",), "quote.toggle": ("o",)})) as one:
        await one.press("K", "space")
        assert one.source.asked == []
        await one.press("f9", "o")
        assert [cmd for cmd, _ in one.source.asked] == ["kill", "pause"]
        assert " f9  KILL" in grid(one.app) and " o  pause" in grid(one.app)
        await one.press("question_mark")
        assert "f9              at once     stop quoting" in grid(one.app)


NEW = {"kill.typing": "f10", "kill": "f9", "app.lock": "f8", "view.freeze": "f7", "kill.reset": "f6", "target": "f5", "app.detach": "f4"}


async def test_every_text_names_a_remapped_key_as_it_is() -> None:
    keymap: dict[str, tuple[str, ...]] = {id_: (key,) for id_, key in NEW.items()}
    async with desk(pictures.killed(), (160, 48), config=Config(keymap=keymap)) as one:
        assert "reset: f6, type RESET PAPER" in grid(one.app)
        await one.press("f6")
        assert "f10 KILL" in grid(one.app) and "ctrl+k" not in grid(one.app)
        await one.press("ctrl+k")
        assert one.source.asked == []
        await one.press("f10", "escape", "f7")
        assert [cmd for cmd, _ in one.source.asked] == ["kill"]
        assert "f7 goes on" in one.said
        await one.press("f7", "space")
        assert "until it is reset (f6)" in one.said
        await one.press("ctrl+c")
        assert one.said == "f4 leaves the console, f9 kills the desk; ctrl+c does neither"
        await one.press("f8")
        assert one.said == "locked: only f9 and looking; f8 unlocks" and "LOCKED f8" in grid(one.app)


async def test_settings_are_read_again_and_the_last_good_ones_stay(file: Path) -> None:
    async with desk(pictures.quoting()) as one:
        file.write_text('theme = "light"\n[keymap]\n"cancel.all" = "C"')
        await one.press("ctrl+r", "C")
        assert one.app.look == "light" and [cmd for cmd, _ in one.source.asked] == ["pause"]
        file.write_text('theme = "mono"\n[keymap]\n"cancel.all" = "x"')
        await one.press("ctrl+r")
        assert "x is the key of cancel" in one.said and one.app.scene.message[0] == "alarm" and one.app.look == "light"
        await one.press("C")
        assert len(one.source.asked) == 2


async def test_raised_friction_is_in_force() -> None:
    async with desk(pictures.quoting(), config=Config(arm_s=3.0)) as one:
        await one.press("Q")
        await one.press("y", apart=1.0)
        assert one.source.asked == [], "still deaf"
        await one.press("y", apart=2.5)
        assert one.source.asked == [("stop", {})]


def apart(one: Style, other: Style) -> float:
    """The contrast of two grounds, as WCAG counts it."""
    lights = []
    for ground in (one.bgcolor, other.bgcolor):
        assert ground is not None
        parts = [part / 255 for part in ground.get_truecolor()]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(lights) / min(lights)


def test_every_theme_has_every_style_and_colour_blind_eyes_get_no_red_and_green() -> None:
    for name, table in TABLES.items():
        assert table.keys() == STYLES.keys(), name
        assert style("up sel", name) is not None
    colours = THEMES["cb"]
    assert colours["up"].color != STYLES["up"].color and colours["down"].color != STYLES["down"].color
    red_up = TABLES["dark+red-up"]
    assert red_up["plus"] == STYLES["minus"] and [red_up[name] for name in ("alarm", "up", "down")] == [
        STYLES[name] for name in ("alarm", "up", "down")
    ], "a gain is red, and a lamp that is well stays green"
    for name, table in THEMES.items():
        words = [table[word] for word in ("held", "paused", "alert", "killed", "lost")]
        assert all((one.bgcolor, one.reverse, one.underline) != (table["live"].bgcolor, table["live"].reverse, None) for one in words), name
        assert name in ("mono", "ansi") or apart(table["live"], table["held"]) > 4 < apart(table["live"], table["paused"]), name
    for table in (THEMES["mono"],):
        assert all(each.color is None or each.color.is_default for each in table.values())


async def test_themes_turn_by_key_and_repaint_what_is_shown() -> None:
    async with desk(pictures.quoting()) as one:
        text = grid(one.app).splitlines()[:-2]
        for name in ("light", "cb", "mono", "ansi", "dark"):
            before = one.app.export_screenshot()
            await one.press("T")
            assert one.app.look == name and one.app.export_screenshot() != before
            assert grid(one.app).splitlines()[:-2] == text, "a theme moves nothing"


async def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with desk(pictures.live()) as one:
        assert one.app.look == "mono"
        styles = {part.style for strip in one.app.screen._compositor.render_strips() for part in strip if part.style is not None}
        colours = [colour for each in styles for colour in (each.color, each.bgcolor) if colour is not None]
        assert all(colour.is_default for colour in colours), "the terminal's own, whatever they are: black on black is none of them"
        assert any(each.bold for each in styles) and any(each.reverse for each in styles), "what is loud is told by other means"
        assert "REAL MONEY" in grid(one.app), "said in words"


def test_what_is_asked_for_goes_over_the_file_and_a_slow_line_gets_less(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTUAL_COLOR_SYSTEM", "so that it is put back")
    monkeypatch.delenv("TEXTUAL_COLOR_SYSTEM")
    for name, value in {"TERM": "xterm", "LC_ALL": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    file.write_text(GOOD)
    asked = settings_of(Wish(fps=4, symbols="braille"))
    assert (asked.fps, asked.symbols, asked.mouse, asked.theme) == (4, "braille", False, "cb")
    file.unlink()
    assert settings_of(Wish(mouse=False)) == Config(mouse=False)
    slow = settings_of(Wish(low_bandwidth=True))
    assert (slow.fps, slow.symbols, os.environ["TEXTUAL_COLOR_SYSTEM"]) == (2, "block", "256")
    with pytest.raises(ValueError, match="--fps: found 7; allowed: 1, 2, 4, 10"):
        settings_of(Wish(fps=7))


@pytest.mark.parametrize("theme", sorted(TABLES))
def test_no_letter_is_faint_on_a_reversed_ground(theme: str) -> None:
    worn = [style(f"{ground} {name}", theme) for ground in ("sel", "key", "alarm") for name in ("dim", "head", "wish")]
    assert not [one for one in worn if one.reverse and one.dim]
    assert style("dim", "mono").dim and style("sel", "mono").reverse
