"""Terminals that cannot draw every sign: what they are known by, what stands for a sign, and that nothing moves by it."""

import html
from pathlib import Path

import pytest
from rich.cells import cell_len

from pmm_tui.tui.charset import ASCII, LINUX, drawable, table
from pmm_tui.tui.looks import reread
from pmm_tui.tui.start import Wish
from pmm_tui.tui.start import settings as settings_of
from tests.faces import pictures
from tests.faces.driver import desk

HERE = Path(__file__).parent
STRANGE = set("👨\u0301")
"""Of the texts that mean harm, in the pictures on purpose."""


@pytest.mark.parametrize(
    ("said", "coerced", "drawn"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_GB.UTF-8"}, False, "braille"),
        ({"TERM": "xterm-256color", "LANG": "de_DE.utf8@euro"}, False, "braille"),
        ({"TERM": "xterm-256color", "LC_CTYPE": "C.UTF-8", "LANG": "C"}, False, "braille"),
        ({"TERM": "xterm-256color", "LC_CTYPE": "C.UTF-8", "LANG": "C"}, True, "ascii"),
        ({"TERM": "xterm-256color", "LC_ALL": "C", "LANG": "en_GB.UTF-8"}, False, "ascii"),
        ({"TERM": "xterm-256color", "LC_ALL": "", "LC_CTYPE": "", "LANG": "en_GB.UTF-8"}, False, "braille"),
        ({"TERM": "xterm-256color", "LANG": "de_DE.ISO-8859-1"}, False, "ascii"),
        ({"TERM": "xterm-256color"}, False, "ascii"),
        ({"TERM": "linux", "LANG": "en_GB.UTF-8"}, False, "block"),
        ({"TERM": "linux", "LANG": "C"}, False, "ascii"),
        ({"TERM": "dumb", "LANG": "en_GB.UTF-8"}, False, "ascii"),
        ({"LANG": "en_GB.UTF-8"}, False, "ascii"),
    ],
)
def test_the_environment_says_what_can_be_drawn(said: dict[str, str], coerced: bool, drawn: str) -> None:
    assert drawable(said, coerced) == drawn


def test_what_can_be_drawn_is_written_as_it_is() -> None:
    assert table("braille", "xterm") is table("braille", "linux") is table("block", "xterm") is None
    assert table("block", "linux") is LINUX and table("ascii", "xterm") is table("ascii", "linux") is ASCII


def test_every_sign_of_every_stored_picture_has_one_as_wide_that_any_terminal_draws() -> None:
    stored = [path for path in HERE.rglob("*") if path.suffix in (".txt", ".svg")]
    signs = {char for path in stored for char in html.unescape(path.read_text()) if not char.isascii()}
    assert len(stored) > 100 and len(signs) > 100
    for char in sorted(signs):
        plain, console = char.translate(ASCII), char.translate(LINUX)
        assert plain.isascii() and len(plain) == cell_len(console) == cell_len(char), f"{char!r} is {plain!r}, {console!r}"
        assert ("?" in plain) <= (char in STRANGE), f"no sign was chosen for {char!r}"
    assert {char for sign in signs for char in sign.translate(LINUX) if not char.isascii()} <= set("¢µ·»─│┌┐└┘┤▄█▌▐░▒")


def test_what_must_be_told_apart_still_is() -> None:
    for each in ("▲▼", "█▒", "┏┌", "━─", "┃│", "✔✖", "▸◂", "●■✖…", "▚█▒╱"):
        for signs in (ASCII, LINUX):
            assert len(set(each.translate(signs))) == len(each), each
    assert "é Ź 東 ⣿ ╋".translate(ASCII) == "e Z ?? : +"


async def test_the_settings_file_and_the_word_on_the_command_line_go_over_the_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TERM": "linux", "LC_ALL": "C", "XDG_CONFIG_HOME": str(tmp_path), "TEXTUAL_COLOR_SYSTEM": "256"}.items():
        monkeypatch.setenv(name, value)
    assert settings_of(Wish()).symbols == settings_of(Wish(low_bandwidth=True)).symbols == "ascii"
    assert settings_of(Wish(symbols="block")).symbols == "block"
    file = tmp_path / "pmm-tui" / "tui.toml"
    file.parent.mkdir()
    file.write_text('symbols = "braille"\n')
    assert settings_of(Wish()).symbols == "braille"
    file.write_text("fps = 4\n")
    async with desk(pictures.quoting(), config=settings_of(Wish())) as one:
        file.write_text("fps = 2\n")
        reread(one.app)
        assert (one.app.config.fps, one.app.config.symbols) == (2, "ascii"), "the guess stays, as the file names none"
    monkeypatch.setenv("TEXTUAL_DRIVER", "a browser's")
    assert settings_of(Wish()).symbols == "braille", "not this terminal draws it"
