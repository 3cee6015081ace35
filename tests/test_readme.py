"""The README says what is true: its reference is the program's own, its files and commands exist."""

import ast
import re
from pathlib import Path

from typer.main import get_command

from pmm_tui.cli import app
from pmm_tui.runtime.listing import reference
from pmm_tui.tui.keys import KEYS
from tests.faces.walk import FILES, FOLDER


def test_the_reference_is_what_the_program_checks(root: Path) -> None:
    text = (root / "README.md").read_text()
    told = text.split("<!-- reference -->")[1].split("<!-- /reference -->")[0].strip()
    assert told == reference(), "put the output of `pmm-tui profiles --reference` into the README"


def test_every_file_that_is_pointed_at_exists(root: Path) -> None:
    text = (root / "README.md").read_text()
    pointed = re.findall(r"\]\((?!http)([^)#]+)\)", text) + re.findall(r"`((?:tests|pmm_tui|profiles|core)/[\w./-]*)`", text)
    assert pointed
    missing = [path for path in pointed if not (root / path).exists() and not (root / "pmm_tui" / path).exists()]
    assert missing == []


def test_every_command_is_told_and_no_other(root: Path) -> None:
    text = (root / "README.md").read_text()
    told = {word for word in re.findall(r"pmm-tui ([a-z]+)", text) if word != "is"}
    there = {name for name, command in get_command(app).commands.items() if not command.hidden}  # type: ignore[attr-defined]  # a group has commands
    assert told == there


def test_the_keys_that_are_told_are_bound(root: Path) -> None:
    table = (root / "README.md").read_text().split("## Keys")[1].split("## Commands")[0]
    bound = {part for key in KEYS for part in (*key.show.split(), *key.show)}
    cells = [cell for row in re.findall(r"^\| (.+?) \|", table, re.M)[2:] for cell in re.findall(r"`([^`]+)`", row)]
    told = {key for cell in cells for key in cell.split("–")}
    assert told <= bound, told - bound


CODE = ("state.py", "signs.py", "exposed.py", "unanswered.py", "storms.py", "looks.py", "rows/*.py", "dialogs/widening.py")
"""Where the words stand that tell how a desk, its venue or the console is."""
NO_STATES = frozenset(
    {
        "SELL", "LIVE", "PAPER", "REHEARSAL", "REAL MONEY", "NO MONEY", "RESET", "UNLOCK", "RUN RUN", "SOCKET SOCKET", "SENT", "OPEN",
        "DONE", "CANCELLING", "SETTLING", "MATCHED", "CONFIRMED", "UNCERTAIN", "EXTERNAL",
    }
)  # fmt: skip
"""Modes, sides, phrases that are typed, placeholders, and how the desk itself writes an order's state: none says that something is so."""


def shouted(path: Path) -> set[str]:
    """The words in capitals of a module's strings; those of its docstrings are no part of the screen."""
    tree = ast.parse(path.read_text())
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in told]
    return {word for text in texts for word in re.findall(r"\b[A-Z]{2,}(?:[ -][A-Z]{2,})*\b", text) if len(word) > 3}


def test_every_word_of_the_screen_for_a_state_is_explained(root: Path) -> None:
    walk = (root / "README.md").read_text().split("### What each word means")[1].split("## On call")[0]
    cells = re.findall(r"^\| (.+?) \| .+? \| .+? \|$", walk, re.M)
    explained = {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}
    shown = {word for part in CODE for path in (root / "pmm_tui/tui").glob(part) for word in shouted(path)} - NO_STATES
    assert len(shown) > 40
    assert {word for word in shown if not any(word in one for one in explained)} == set()


def test_the_walks_pictures_are_those_that_its_command_makes_and_none_is_heavy(root: Path) -> None:
    text = (root / "README.md").read_text()
    there = {path.name for path in FOLDER.iterdir()}
    assert there == {f"{name}.svg" for name in FILES}
    seen = re.findall(r"!\[([^\]]+)\]\(tests/faces/walk/([\w-]+\.svg)\)", text)
    assert sorted(name for _, name in seen) == sorted(there), "each is shown once"
    assert all(len(alt) > 30 for alt, _ in seen), "who cannot see them is told what they show"
    assert max(path.stat().st_size for path in FOLDER.iterdir()) < 250_000
