"""The README says what is true: its reference is the program's own, its files and commands exist."""

import re
from pathlib import Path

from typer.main import get_command

from pmm_tui.cli import app
from pmm_tui.runtime.listing import reference
from pmm_tui.tui.keys import KEYS


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
