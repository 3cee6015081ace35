"""What is shipped: the locks, the wheel, a copy installed where names have spaces, and what `make` says when it cannot go on."""

import json
import os
import re
import shutil
import site
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pmm_tui import __version__

LOCKS = ("requirements.lock", "tests/requirements.lock")
HEAVY = {
    "textual",
    "rich.console",
    "starlette",
    "uvicorn",
    "httpx",
    "websockets",
    "pydantic",
    "pydantic_settings",
    "msgspec",
    "zstandard",
    "asyncio",
}


def project(root: Path) -> dict[str, Any]:
    """The [project] table."""
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def pins(lock: Path) -> dict[str, str]:
    """Name to version, as the lock has them."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", lock.read_text("utf-8"), re.MULTILINE))


def canonical(requirement: str) -> str:
    """The name that a requirement asks for, in the spelling of a lock."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_by_hash_and_names_no_place(root: Path, name: str) -> None:
    text = (root / name).read_text("utf-8")
    assert not re.search(r"://|^\s*-(?!-hash=)|@", text, re.MULTILINE), "a host, a path or an option of the index"
    blocks = re.split(r"^(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    unpinned = [
        block for block in blocks if block and not re.match(r"\S+==\S+( ; [^\n]+)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+\Z", block)
    ]
    assert unpinned == []
    assert len(pins(root / name)) >= len(project(root)["dependencies"])


def test_the_locks_hold_what_the_project_asks_for_and_agree(root: Path) -> None:
    run, test = (pins(root / name) for name in LOCKS)
    table = project(root)
    building = {"hatchling", "editables"}
    assert building | {canonical(wanted) for wanted in table["dependencies"]} <= run.keys()
    assert {canonical(wanted) for wanted in table["optional-dependencies"]["test"]} <= test.keys()
    assert run.items() <= test.items()


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from the tree without asking any index."""
    folder = tmp_path_factory.mktemp("a wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder), str(root)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    [path] = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_its_profiles_its_tape_and_its_licence(root: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if not name.startswith(f"pmm_tui-{__version__}.dist-info/")}
    code = {path.relative_to(root).as_posix() for path in (root / "pmm_tui").rglob("*.py")}
    profiles = {f"pmm_tui/profiles/{path.name}" for path in (root / "profiles").glob("*.yaml")}
    data = {path.relative_to(root).as_posix() for path in (root / "pmm_tui/data").iterdir()}
    assert {f"pmm_tui/profiles/{name}.yaml" for name in ("demo", *(f"run-00{number}" for number in range(1, 8)))} <= profiles
    assert {"pmm_tui/data/ATTRIBUTION.md", "pmm_tui/data/demo.tape.zst"} <= data
    assert code | profiles | data | {"pmm_tui/py.typed"} <= inside
    assert {name.split("/")[0] for name in inside} == {"pmm_tui"}
    assert not [name for name in inside if "test" in name or "__pycache__" in name]
    assert {f"pmm_tui-{__version__}.dist-info/licenses/{name}" for name in ("LICENSE", "pmm_tui/data/ATTRIBUTION.md")} <= names


def test_the_shipped_tape_is_under_one_megabyte(root: Path) -> None:
    assert 0 < (root / "pmm_tui/data/demo.tape.zst").stat().st_size < 1_000_000


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment, a space in its name, with the wheel in it; the dependencies are those of the running environment."""
    home = tmp_path_factory.mktemp("a fresh place") / "an environment"
    venv.create(home, with_pip=False, symlinks=True)
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n", "utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--ignore-installed", str(wheel)], check=True)
    return home


def ran(installed: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the installed program answers, started from a folder that is no checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PMM_", "COV_", "XDG_"))}
    command = [str(installed / "bin" / arguments[0]), *arguments[1:]]
    clean |= {"HOME": str(installed), **environment}
    return subprocess.run(command, cwd=installed, env=clean, capture_output=True, text=True, check=False, timeout=60)


def test_an_installed_copy_says_its_version(installed: Path) -> None:
    answer = ran(installed, "pmm-tui", "--version")
    assert (answer.returncode, answer.stdout.strip()) == (0, f"pmm-tui {__version__}"), answer.stderr
    where = ran(installed, "python", "-c", "import pmm_tui; print(pmm_tui.__file__)")
    assert where.stdout.startswith(str(installed)), "the copy under test is not the installed one"


def test_an_installed_copy_brings_its_profiles(root: Path, installed: Path) -> None:
    answer = ran(installed, "pmm-tui", "profiles")
    assert answer.returncode == 0, answer.stderr
    assert [path.stem for path in (root / "profiles").glob("*.yaml") if path.stem not in answer.stdout] == []


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_program_answers_a_question_without_loading_the_desk_or_the_console(installed: Path, option: str) -> None:
    code = (
        "import json, sys; from pmm_tui.cli import main; sys.argv = ['pmm-tui', sys.argv[1]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(json.dumps([end.code or 0, sorted(sys.modules)]))"
    )
    answer = ran(installed, "python", "-c", code, option)
    code_and_modules = json.loads(answer.stdout.splitlines()[-1])
    assert code_and_modules[0] == 0
    assert not (HEAVY - {"rich.console"} if option == "--help" else HEAVY) & set(code_and_modules[1])


def test_completion_answers(installed: Path) -> None:
    words = {"_PMM_TUI_COMPLETE": "complete_bash", "COMP_WORDS": "pmm-tui pro", "COMP_CWORD": "1"}
    answer = ran(installed, "pmm-tui", **words)
    assert answer.stdout.split() == ["profiles"], answer.stderr


def test_make_says_what_is_missing(root: Path, tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not here")
    place = tmp_path / "a place with spaces"
    place.mkdir()
    shutil.copy(root / "Makefile", place)
    answer = subprocess.run([make, "run", "PYTHONS=no-such-python"], cwd=place, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "needs Python 3.11 or newer" in answer.stderr
    assert not (place / ".venv").exists()


def test_make_names_no_absolute_path(root: Path) -> None:
    text = re.sub(r"^\s*@?echo .*|^#.*|>/dev/null|2>/dev/null", "", (root / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert re.findall(r"(?<![\w.*)])/[a-z]\S*", text) == []
