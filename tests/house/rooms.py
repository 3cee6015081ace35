"""Rules on rooms: what a pure room may do, and who may know whom."""

import ast
from collections.abc import Iterator

from tests.house.pages import Found, Page, below, calls, imports, is_code, is_pure, last_word, rule

PURE_LIBRARIES = frozenset(
    """
    __future__ abc array bisect cmath collections copy dataclasses decimal enum fractions functools hashlib heapq itertools json math
    msgspec numbers operator re statistics string struct textwrap types typing zlib pmm_tui
    """.split()  # noqa: SIM905 - a list of thirty words reads better as words
)
WORLD_CALLS = {"open", "print", "input", "id", "hash", "eval", "exec", "compile", "breakpoint", "__import__"}
CLOCKS = {"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter", "sleep"}
WORLD_METHODS = CLOCKS | {"urandom", "read_text", "write_text", "read_bytes", "write_bytes"}


@rule("a pure room imports only pure libraries", is_pure)
def _pure_imports(page: Page) -> Iterator[Found]:
    for line, name in imports(page):
        if not below(name, PURE_LIBRARIES):
            yield line, name, f"{name} is no pure library: time is a field, chance is an argument, files and sockets are outside"


@rule("a pure room calls nothing that differs from run to run", is_pure)
def _pure_calls(page: Page) -> Iterator[Found]:
    for node, name in calls(page.tree):
        if name in (WORLD_CALLS if isinstance(node.func, ast.Name) else WORLD_METHODS):
            yield node.lineno, name, f"{ast.unparse(node.func)}() asks the world, or memory, or a salted hash"


SET_TYPES = {"set", "frozenset", "Set", "AbstractSet", "MutableSet", "FrozenSet"}
ORDER_BLIND = {"sorted", "set", "frozenset", "any", "all", "min", "max", "sum", "len"}
ORDER_KEEPING = {"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "join", "extend", "dict", "fromkeys"}


def _set_names(tree: ast.Module) -> set[str]:
    """Names and attributes (".name") that hold sets: by annotation, or because nothing else is ever assigned to them in the page."""
    declared: set[str] = set()
    assigned: set[str] = set()
    otherwise: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation and last_word(node.annotation) in SET_TYPES:
            declared.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and last_word(node.annotation) in SET_TYPES:
            word = last_word(node.target)
            declared |= {word, f".{word}"}  # a field declared in the class body is met as an attribute
        elif isinstance(node, ast.Assign):
            keys = {_key(target) for target in node.targets if isinstance(target, ast.Name | ast.Attribute)}
            (assigned if _is_set(node.value, set()) else otherwise).update(keys)
    return declared | (assigned - otherwise)


def _key(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else f".{node.attr}"


def _is_set(node: ast.expr, known: set[str]) -> bool:
    if isinstance(node, ast.Name | ast.Attribute):
        return _key(node) in known
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        sides = [node.left, node.right]
        return any(_is_set(side, known) or (isinstance(side, ast.Call) and last_word(side.func) == "keys") for side in sides)
    if isinstance(node, ast.Call):
        name = last_word(node.func)
        of_set = isinstance(node.func, ast.Attribute) and _is_set(node.func.value, known)
        return name in {"set", "frozenset"} or (of_set and name in {"union", "difference", "intersection", "copy"})
    return isinstance(node, ast.Set | ast.SetComp)


@rule("a pure room never depends on the order of a set", is_pure)
def _set_order(page: Page) -> Iterator[Found]:
    known = _set_names(page.tree)
    blind = {arg for node, name in calls(page.tree) if name in ORDER_BLIND for arg in node.args}
    for node in ast.walk(page.tree):
        met: list[ast.expr] = []
        if isinstance(node, ast.For):
            met = [node.iter]
        elif isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp) and node not in blind:
            met = [generator.iter for generator in node.generators]
        elif isinstance(node, ast.Starred):
            met = [node.value]
        elif isinstance(node, ast.Call) and last_word(node.func) in ORDER_KEEPING:
            met = node.args
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "pop" and not node.args:
            met = [node.func.value]
        for expression in met:
            if _is_set(expression, known):
                said = ast.unparse(expression)
                yield expression.lineno, said, f"the order of {said} differs from run to run: sort it, or keep a dict"


FACE_MAY = ("pmm_tui.core.snapshot", "pmm_tui.core.instructions", "pmm_tui.core.units")
ONLY_IN = {
    "pmm_tui/venues/clob/client.py": ("polymarket", "polymarket_client", "py_clob_client", "py_clob_client_v2"),
    "pmm_tui/venues/clob/wallet.py": ("web3",),
    "pmm_tui/tui/": ("textual",),
}


@rule("a face sees of the core only snapshot, instructions and units", lambda path: path.startswith(("pmm_tui/tui/", "pmm_tui/api/")))
def _faces(page: Page) -> Iterator[Found]:
    for line, name in imports(page):
        if below(name, ["pmm_tui.core"]) and not below(name, FACE_MAY):
            yield line, name, f"{name}: a face looks through the window (core.snapshot, core.instructions, core.units)"


@rule("one room alone knows each outside world", is_code)
def _outsiders(page: Page) -> Iterator[Found]:
    for line, name in imports(page):
        for home, libraries in ONLY_IN.items():
            if below(name, libraries) and not page.path.startswith(home):
                yield line, name, f"{name} may be imported in {home} only"


WISHING_ROOMS = ("pmm_tui/core/strategies/", "pmm_tui/core/quoting/", "pmm_tui/core/risk/")


@rule("strategies, shapers and reviewers edit wishes, never commands", lambda path: path.startswith(WISHING_ROOMS))
def _wishes(page: Page) -> Iterator[Found]:
    for line, name in imports(page):
        if below(name, ["pmm_tui.core.commands"]):
            yield line, name, f"{name}: this room returns quotes; the diff that makes commands comes last"
