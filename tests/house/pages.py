"""The pages of the project, and the small questions that every rule asks of them."""

import ast
import io
import subprocess
import tokenize
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TOP = frozenset({"pyproject.toml", "requirements.lock", "Makefile", "README.md", "LICENSE", "pmm_tui", "profiles", "logs", "tests"})


class Page(NamedTuple):
    """One text file: its path below the root with forward slashes, its text, and its syntax tree (empty where it is not Python)."""

    path: str
    text: str
    tree: ast.Module


class Fault(NamedTuple):
    """Where a rule is broken. `subject` is the name that an allow-list entry would use; it stays when lines move."""

    path: str
    line: int
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


Found = tuple[int, str, str]
"""Line, subject and text of a fault in the page at hand."""
Rule = Callable[[list[Page]], Iterable[Fault]]
RULES: dict[str, Rule] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def page_of(path: str, text: str) -> Page:
    """A page from its text; a Python file that does not parse is a SyntaxError."""
    return Page(path, text, ast.parse(text if path.endswith(".py") else "", filename=path))


def pages() -> list[Page]:
    """Every text file of the project: what git tracks and what it would; without git, all below the fixed top level."""
    asked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if asked.returncode == 0:
        names = [name for name in asked.stdout.split("\0") if name]
    else:
        everything = [path for top in TOP - {"logs"} for path in (ROOT / top, *(ROOT / top).rglob("*"))]
        names = [path.relative_to(ROOT).as_posix() for path in everything if "__pycache__" not in path.parts]
    found = []
    for name in sorted(set(names)):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            found.append(page_of(name, path.read_text("utf-8")))
        except UnicodeDecodeError:
            continue  # a tape or a picture: not text
    return found


def is_code(path: str) -> bool:
    """The package itself."""
    return path.startswith("pmm_tui/") and path.endswith(".py")


def is_python(path: str) -> bool:
    """The package and its tests."""
    return path.endswith(".py")


def is_pure(path: str) -> bool:
    """A room that never touches the world: no clock, chance, file, socket or thread."""
    if path.startswith("pmm_tui/venues/paper/"):
        return not path.endswith(("/venue.py", "/__init__.py"))
    rooms = ("pmm_tui/core/", "pmm_tui/study/", "pmm_tui/exchange/matching.py", "pmm_tui/exchange/traders.py")
    return path.startswith(rooms) and is_code(path)


def rule(name: str, where: Callable[[str], bool]) -> Callable[[Callable[[Page], Iterator[Found]]], None]:
    """Register a rule that looks at one page at a time, on the pages `where` says."""

    def register(check: Callable[[Page], Iterator[Found]]) -> None:
        RULES[name] = lambda all_pages: (Fault(page.path, *found) for page in all_pages if where(page.path) for found in check(page))

    return register


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, however deep."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def classes(tree: ast.AST) -> Iterator[ast.ClassDef]:
    """Every class, however deep."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the last word of what is called: `asyncio.Queue[int]()` gives "Queue"."""
    return ((node, last_word(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call))


def last_word(node: ast.expr) -> str:
    """The last word of a dotted, perhaps subscripted name; empty for anything else."""
    if isinstance(node, ast.Subscript):
        return last_word(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def imports(page: Page) -> Iterator[tuple[int, str]]:
    """Every dotted name that could be a module imported by the page: `from a.b import c` gives a.b.c, relative imports made absolute.

    What is imported for the type checker alone is not there when the program runs.
    """
    parts = page.path.removesuffix(".py").split("/")
    blocks = [node for node in ast.walk(page.tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    unseen = {id(node) for block in blocks for line in block.body for node in ast.walk(line)}
    for node in ast.walk(page.tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parts[: -node.level]) if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def below(name: str, tops: Iterable[str]) -> bool:
    """Whether a dotted name is one of `tops` or inside one."""
    return any(name == top or name.startswith(top + ".") for top in tops)


def around(tree: ast.Module, line: int) -> str:
    """The innermost function around a line, or "module"."""
    inside = [node for node in functions(tree) if node.lineno <= line <= (node.end_lineno or node.lineno)]
    return max(inside, key=lambda node: node.lineno).name if inside else "module"


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Every comment of a Python text with its line."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return ((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)
