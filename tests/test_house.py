"""The house rules hold in the tree, and each rule is shown to fail on a page that breaks it."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from tests.house.knobs import knob_faults, knob_groups
from tests.house.pages import RULES, Fault, Page, below, is_pure, page_of, pages

ALLOWED: dict[tuple[str, str, str], str] = {}
"""Exceptions: (rule, path, subject) and the reason, in a sentence."""

CORE = "pmm_tui/core/room.py"
FEED = "pmm_tui/feeds/room.py"
TEST = "tests/test_room.py"


@pytest.fixture(scope="module")
def tree() -> list[Page]:
    """Every text file of the project."""
    return pages()


def listed(faults: list[Fault]) -> str:
    """One fault a line, as file:line: text."""
    return "\n".join(map(str, faults))


@pytest.mark.parametrize("name", RULES)
def test_the_tree_keeps_the_rule(name: str, tree: list[Page]) -> None:
    faults = [fault for fault in RULES[name](tree) if (name, fault.path, fault.subject) not in ALLOWED]
    assert not faults, f"{name}:\n{listed(faults)}"


def test_every_knob_says_its_bounds_and_meaning_and_has_a_name_of_its_own(tree: list[Page]) -> None:
    faults = list(knob_faults(knob_groups(tree)))
    assert not faults, listed(faults)


def test_every_allowed_exception_is_needed_and_says_why(tree: list[Page]) -> None:
    met = {(name, fault.path, fault.subject) for name in {rule for rule, _, _ in ALLOWED} for fault in RULES[name](tree)}
    assert not ALLOWED.keys() - met, "nothing breaks these rules there any more"
    assert all(len(reason.split()) >= 5 for reason in ALLOWED.values())


def test_the_rules_see_the_whole_package(tree: list[Page], root: Path) -> None:
    on_disk = {path.relative_to(root).as_posix() for path in (root / "pmm_tui").rglob("*.py")}
    assert on_disk <= {page.path for page in tree}


def test_the_import_contract_names_every_pure_room(tree: list[Page], root: Path) -> None:
    contracts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    [sources] = [contract["source_modules"] for contract in contracts if contract["name"].startswith("The pure rooms")]
    modules = [page.path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".") for page in tree if is_pure(page.path)]
    assert [module for module in modules if not below(module, sources)] == []


def test_the_console_is_not_loaded_by_the_command_line(root: Path) -> None:
    code = "import sys, pmm_tui.cli; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0, "importing pmm_tui.cli loads textual"


BROKEN: dict[str, list[tuple[str, str, int]]] = {
    "a function is a screenful": [(CORE, "def f():\n" + "    x = 1\n" * 60, 1), (TEST, "async def f():\n" + "    x = 1\n" * 60, 1)],
    "a file has at most 400 lines": [(CORE, "x = 1\n" * 401, 401)],
    "names are words of the trade": [
        (CORE, "class OrderManager: ...", 1),
        (CORE, "def price_helper(): ...", 1),
        (CORE, "class HTTPHandler: ...", 1),
        (CORE, "class EventBus: ...", 1),
        ("pmm_tui/core/utils.py", "", 1),
        (CORE, "class Utility: ...", 1),
        ("pmm_tui/services/room.py", "", 1),
        (TEST, "def quote_processor(): ...", 1),
    ],
    "there is one Engine": [(CORE, "class Engine: ...", 1), ("pmm_tui/core/engine.py", "class QuoteEngine: ...", 1)],
    "a module opens by saying what the room is for": [(CORE, "x = 1\n", 1), (TEST, '"""No sentence"""\n', 1), (CORE, '""""""\n', 1)],
    "a public class or function says what it is": [(CORE, "class Quote:\n    x = 1\n", 1), (CORE, "async def quote():\n    return 1\n", 1)],
    "a pure room imports only pure libraries": [
        (CORE, "import time", 1),
        (CORE, "x = 1\nfrom datetime import datetime", 2),
        (CORE, "def f():\n    import random", 2),
        (CORE, "import os.path", 1),
        (CORE, "import httpx", 1),
        ("pmm_tui/venues/paper/matching.py", "import asyncio", 1),
        ("pmm_tui/study/room.py", "from pathlib import Path", 1),
    ],
    "a pure room calls nothing that differs from run to run": [
        (CORE, "print(1)", 1),
        (CORE, "x = id(y)", 1),
        (CORE, "x = hash('a')", 1),
        (CORE, "with open('a') as f:\n    f.read()", 1),
        (CORE, "x = clock.now()", 1),
        (CORE, "x = clock.time_ns()", 1),
    ],
    "a pure room never depends on the order of a set": [
        (CORE, "for x in {1, 2}:\n    y = x", 1),
        (CORE, "live = set()\nfor x in live:\n    y = x", 2),
        (CORE, "def f(live: set[str]):\n    return [x for x in live]", 2),
        (CORE, "class A:\n    live: frozenset[str]\n    def f(self):\n        return list(self.live)", 4),
        (CORE, "for x in a.keys() - b.keys():\n    y = x", 1),
        (CORE, "x = ','.join({y for y in z})", 1),
        (CORE, "x = {1} | y\nz = x.pop()", 2),
        (CORE, "f(*frozenset(x))", 1),
        (CORE, "x = tuple(y for y in {1}.union(z))", 1),
    ],
    "an except names what it expects": [
        (TEST, "try:\n    f()\nexcept:\n    g()", 3),
        (FEED, "try:\n    f()\nexcept Exception:\n    g()", 3),
        (FEED, "try:\n    f()\nexcept (OSError, BaseException):\n    g()", 3),
        (FEED, "with contextlib.suppress(Exception):\n    f()", 1),
    ],
    "every queue has a bound": [
        (FEED, "q = asyncio.Queue()", 1),
        (CORE, "q = asyncio.Queue[int](0)", 1),
        (FEED, "q = queue.PriorityQueue(maxsize=0)", 1),
        (FEED, "q = queue.SimpleQueue()", 1),
        (FEED, "q = deque()", 1),
        (FEED, "q = connect(url, max_queue=None)", 1),
    ],
    "a class has one parent of ours at most": [
        (CORE, "class A: ...\nclass B(A): ...\nclass C(B): ...", 3),
        (CORE, "class A: ...\nclass B: ...\nclass C(A, B): ...", 3),
        (CORE, "class A(Widget): ...\nclass B(A): ...\nclass C(B): ...\nclass D(C): ...", 4),
    ],
    "a face sees of the core only snapshot, instructions and units": [
        ("pmm_tui/tui/room.py", "from pmm_tui.core.engine import Engine", 1),
        ("pmm_tui/api/room.py", "from pmm_tui.core import book", 1),
        ("pmm_tui/api/room.py", "from ..core.orders import life", 1),
    ],
    "one room alone knows each outside world": [
        ("pmm_tui/venues/clob/venue.py", "from polymarket import AsyncSecureClient", 1),
        ("pmm_tui/venues/clob/client.py", "import web3", 1),
        ("pmm_tui/cli.py", "def f():\n    import textual.app", 2),
    ],
    "strategies, shapers and reviewers edit wishes, never commands": [
        ("pmm_tui/core/risk/room.py", "from pmm_tui.core.commands import Cancel", 1),
        ("pmm_tui/core/strategies/room.py", "from pmm_tui.core import commands", 1),
    ],
    "an exception to a tool carries its reason": [
        (CORE, "x = 1  # type: ignore[arg-type]", 1),
        (CORE, "x = 1  # type: ignore  # the stub is wrong", 1),
        (CORE, "x = 1  # noqa: S101", 1),
        (CORE, "x = 1  # noqa", 1),
        (CORE, "x = 1  # pragma: no cover", 1),
        (CORE, "x = 1  # type: ignore[arg-type]  # noqa: S101 - the tape is trusted", 1),
    ],
    "nothing is left unfinished": [
        (CORE, "x = 1  # " + "TO" + "DO: later", 1),
        (CORE, "def f():\n    raise NotImplementedError", 2),
        (CORE, "def f():\n    pass", 1),
        (FEED, 'class A:\n    def f(self):\n        """Says."""\n        ...', 2),
    ],
    "a test uses the real part": [(TEST, "from unittest.mock import Mock", 1), (TEST, "from unittest import mock", 1)],
    "no file names a package registry's host": [
        ("README.md", "a\nhttps://pypi." + "org/simple", 2),
        ("x.lock", "https://files.python" + "hosted.org/x", 1),
    ],
    "the text speaks of the project alone": [
        ("README.md", "see issue " + "#2", 1),
        (CORE, "# from shared/" + "reference", 1),
        (TEST, "x = '/wo" + "rk/main'", 1),
    ],
    "the top level is fixed": [("setup.py", "", 1), ("docs/a.md", "", 1)],
}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in BROKEN.items() for case in range(len(cases))])
def test_the_rule_sees_what_breaks_it(name: str, case: int) -> None:
    path, text, line = BROKEN[name][case]
    assert [(fault.path, fault.line) for fault in RULES[name]([page_of(path, text)])] == [(path, line)]


def test_every_rule_is_shown_to_fail() -> None:
    assert BROKEN.keys() == RULES.keys()


SOUND: list[tuple[str, str]] = [
    ("pmm_tui/core/engine.py", "class Engine:\n    'One.'\n"),
    (CORE, "import math\nfrom collections.abc import Iterator\nfrom . import book\nx = sorted({1, 2})\ny = any(z for z in {1})\n"),
    (CORE, "live: set[int] = set()\nx = {y for y in live}\nz = 3 in live\nw = len(live)\n"),
    (CORE, "class _A(Struct): ...\nclass _B(_A): ...\nclass _C(_B): ...\n"),
    (CORE, "x = f(y)  # type: ignore[arg-type]  # the stub forgets None\nz = 1  # noqa: S101 - the tape is trusted\n"),
    (CORE, "class _Port(Protocol):\n    def send(self): ...\n\n    async def close(self):\n        'Let go.'\n        ...\n"),
    (FEED, "import asyncio\nq = asyncio.Queue[int](maxsize=10)\nr = asyncio.Queue(N)\nd = deque(maxlen=5)\n"),
    (FEED, "try:\n    f()\nexcept (OSError, ValueError):\n    g()\n"),
    ("pmm_tui/tui/room.py", "from textual.app import App\nfrom pmm_tui.core.snapshot import Frame\nfrom pmm_tui.core import units\n"),
    ("pmm_tui/venues/paper/venue.py", "import asyncio\nimport time\nx = time.time_ns()\n"),
    ("pmm_tui/venues/clob/client.py", "from polymarket import AsyncSecureClient\n"),
    (TEST, "class Listener: ...\nx = 'shared/data'\n"),
]


@pytest.mark.parametrize(("path", "text"), SOUND)
def test_the_rules_let_sound_work_pass(path: str, text: str) -> None:
    faults = [fault for rule in RULES.values() for fault in rule([page_of(path, f'"""A room."""\n{text}')])]
    assert not faults, listed(faults)


class _Vague(Struct, kw_only=True):
    plain: float = 1.0
    unbounded: Annotated[float, Meta(description="a number")] = 1.0
    half: Annotated[int, Meta(ge=0, description="a count")] = 1
    maybe: Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description="perhaps a number")] = None
    needed: Annotated[bool, Meta(description="a switch")]
    twice: Annotated[bool, Meta(description="a switch")] = True


class _Clear(Struct):
    bounded: Annotated[float, Meta(ge=0, lt=1, description="a share")] = 0.5
    word: Annotated[str, Meta(description="a name")] = ""
    maybe_rate: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="perhaps a rate")] = None
    twice: Annotated[bool, Meta(description="a switch")] = True


def test_a_vague_knob_is_seen() -> None:
    faults = list(knob_faults([(_Vague, CORE, 1), (_Clear, FEED, 2)]))
    assert [(fault.path, fault.subject) for fault in faults] == [
        (CORE, "plain"), (CORE, "unbounded"), (CORE, "half"), (CORE, "maybe"), (CORE, "needed"), (FEED, "twice"),
    ]  # fmt: skip
