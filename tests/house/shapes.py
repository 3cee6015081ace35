"""Rules on shape: lengths, names, openings, failures, queues and classes."""

import ast
import re
from collections.abc import Iterator

from tests.house.pages import RULES, Fault, Found, Function, Page, around, calls, classes, functions, is_code, is_python, last_word, rule

LINES_MAX_FUNCTION = 60
LINES_MAX_FILE = 400


@rule("a function is a screenful", is_python)
def _function_length(page: Page) -> Iterator[Found]:
    for node in functions(page.tree):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > LINES_MAX_FUNCTION:
            yield node.lineno, node.name, f"{node.name} has {lines} lines; at most {LINES_MAX_FUNCTION}"


@rule("a file has at most 400 lines", is_python)
def _file_length(page: Page) -> Iterator[Found]:
    lines = page.text.count("\n")
    if lines > LINES_MAX_FILE:
        yield lines, "file", f"the file has {lines} lines; at most {LINES_MAX_FILE}"


EMPTY_WORDS = {"manager", "handler", "helper", "util", "utility", "utilities", "service", "processor"}
ROADS = {"bus", "observer", "listener", "callback", "dispatcher"}


def _words(name: str) -> set[str]:
    """The words of a CamelCase or snake_case name in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


@rule("names are words of the trade", is_python)
def _names(page: Page) -> Iterator[Found]:
    defined = [(node.lineno, node.name) for node in ast.walk(page.tree) if isinstance(node, Function | ast.ClassDef)]
    for line, name in [(1, part.removesuffix(".py")) for part in page.path.split("/")] + defined:
        for word in sorted(_words(name)):
            if {word, word.removesuffix("s")} & EMPTY_WORDS:
                yield line, name, f"{name}: the word {word!r} says nothing of what it does"
            elif is_code(page.path) and {word, word.removesuffix("s")} & ROADS:
                yield line, name, f"{name}: {word!r}? There is no fourth road beside event, quote and command"


@rule("there is one Engine", is_python)
def _one_engine(page: Page) -> Iterator[Found]:
    for node in classes(page.tree):
        the_one = (page.path, node.name) == ("pmm_tui/core/engine.py", "Engine")
        if "engine" in _words(node.name) and not the_one and not node.name.startswith("Test"):
            yield node.lineno, node.name, f"class {node.name}: only pmm_tui/core/engine.py has an Engine"


@rule("a module opens by saying what the room is for", is_python)
def _docstring(page: Page) -> Iterator[Found]:
    opening = (ast.get_docstring(page.tree) or "").partition("\n\n")[0].strip()
    if not opening:
        yield 1, "module", "the module has no docstring"
    elif not opening.endswith((".", ":")):
        yield 1, "module", "the docstring does not open with a sentence"


@rule("a public class or function says what it is", is_code)
def _public_docstrings(page: Page) -> Iterator[Found]:
    for node in page.tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield node.lineno, node.name, f"{node.name} has no docstring"


@rule("an except names what it expects", is_python)
def _excepts(page: Page) -> Iterator[Found]:
    for node in ast.walk(page.tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and last_word(node.func) == "suppress":
            kinds = list(node.args)
        else:
            continue
        for kind in kinds:
            if kind is None or last_word(kind) in {"Exception", "BaseException"}:
                said = ast.unparse(kind) if kind else "a bare except"
                yield node.lineno, around(page.tree, node.lineno), f"{said} swallows what nobody thought of"


QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "JoinableQueue", "SimpleQueue"}
DEQUE_ROOMS = ("pmm_tui/runtime/", "pmm_tui/api/", "pmm_tui/feeds/", "pmm_tui/venues/", "pmm_tui/record/", "pmm_tui/tui/")


@rule("every queue has a bound", is_code)
def _queues(page: Page) -> Iterator[Found]:
    for node, name in calls(page.tree):
        words = {word.arg: word.value for word in node.keywords}
        if name in QUEUES:
            bound = words.get("maxsize", node.args[0] if node.args else None)
            if bound is None or (isinstance(bound, ast.Constant) and not bound.value) or name == "SimpleQueue":
                yield node.lineno, around(page.tree, node.lineno), f"{name} without a maxsize"
        elif name == "deque" and page.path.startswith(DEQUE_ROOMS) and len(node.args) < 2 and "maxlen" not in words:
            yield node.lineno, around(page.tree, node.lineno), "a deque without a maxlen"
        for limit in ("max_queue", "max_size"):
            if limit in words and isinstance(words[limit], ast.Constant) and not ast.literal_eval(words[limit]):
                yield node.lineno, around(page.tree, node.lineno), f"{limit} is switched off"


DATA_ROOTS = {"object", "Protocol", "ABC", "Generic"}


def _class_depth(all_pages: list[Page]) -> Iterator[Fault]:
    """A class has one project parent at most, and that one none; below a framework's class (a widget, a struct) one more."""
    project = {node.name: node for page in all_pages if is_python(page.path) for node in classes(page.tree)}

    def parents(node: ast.ClassDef) -> list[str]:
        return [name for base in node.bases if (name := last_word(base)) in project and name != node.name]

    def lineage(node: ast.ClassDef) -> list[ast.ClassDef]:
        up = parents(node)
        return [node, *lineage(project[up[0]])] if up else [node]

    for page in all_pages:
        for node in classes(page.tree) if is_python(page.path) else ():
            line = lineage(node)
            framed = any(last_word(base) not in DATA_ROOTS | project.keys() for base in line[-1].bases)
            if len(line) - 1 > 1 + framed or len(parents(node)) > 1:
                chain = " < ".join(ancestor.name for ancestor in line)
                yield Fault(page.path, node.lineno, node.name, f"{chain}: too deep, or of two parents; compose instead")


RULES["a class has one parent of ours at most"] = _class_depth
