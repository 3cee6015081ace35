"""Rules on what is written: excuses, unfinished work, and words that do not belong."""

import ast
import re
from collections.abc import Iterator

from tests.house.pages import (
    TOP,
    Found,
    Page,
    around,
    below,
    classes,
    comments,
    functions,
    imports,
    is_code,
    is_python,
    last_word,
    rule,
)

EXCUSE = re.compile(
    r"#\s*(?:type:\s*ignore(?P<code>\[[^\]]+\])?"
    r"|noqa(?P<rules>:\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?"
    r"|pragma:\s*no\s*(?:cover|branch))(?P<why>.*)"
)


@rule("an exception to a tool carries its reason", is_python)
def _excuses(page: Page) -> Iterator[Found]:
    for line, comment in comments(page.text):
        for part in re.split(r"(?=#\s*(?:type:\s*ignore|noqa|pragma:))", comment):
            said = EXCUSE.match(part)
            if said and (len(re.findall(r"[A-Za-z]{2,}", said["why"])) < 2 or not (said["code"] or said["rules"] or "pragma" in part)):
                yield line, part.strip(), f"{part.strip()!r} does not say what it silences and why"


def _is_nothing(step: ast.stmt) -> bool:
    return isinstance(step, ast.Pass) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))


@rule("nothing is left unfinished", is_python)
def _unfinished(page: Page) -> Iterator[Found]:
    for line, comment in comments(page.text):
        if word := re.search(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b", comment):
            yield line, word[0], f"a {word[0]} in a comment"
    for node in ast.walk(page.tree):
        if isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield node.lineno, around(page.tree, node.lineno), "NotImplementedError"
    if not is_code(page.path):
        return
    abstract = {method for node in classes(page.tree) if any(last_word(base) == "Protocol" for base in node.bases) for method in node.body}
    for function in functions(page.tree):
        marked = {last_word(decorator) for decorator in function.decorator_list} & {"overload", "abstractmethod"}
        body = function.body[1:] if ast.get_docstring(function) else function.body
        blank = bool(body) and all(_is_nothing(step) for step in body)
        if blank and not marked and function not in abstract and not function.name.startswith("_"):
            yield function.lineno, function.name, f"{function.name} does nothing"


@rule("a test uses the real part", lambda path: path.startswith("tests/") and is_python(path))
def _mocks(page: Page) -> Iterator[Found]:
    for line, name in imports(page):
        if below(name, ["unittest.mock", "mock", "pytest_mock"]):
            yield line, name, f"{name}: run the real part, or a small one that keeps its promise"


REGISTRY_HOSTS = [r"pypi[.]org", r"pythonhosted[.]org", r"npmjs[.](?:org|com)", r"deb[.]debian"]
STRAY_WORDS = [
    r"\bissue [#]\d*",
    r"\bas an a[i]\b",
    r"\blanguage mode[l]",
    r"shared/(?:referenc[e]|consol[e]|desig[n]|hook[s])",
    r"\bbrief[.]md\b",
    r"(?<![\w.~])/(?:wor[k]|roo[t])/",
    r"\bclaud[e]\b",
    r"\banthropi[c]\b",
    r"\bchatgp[t]\b",
]


@rule("no file names a package registry's host", lambda path: True)
def _hosts(page: Page) -> Iterator[Found]:
    yield from _said(page, REGISTRY_HOSTS, "a registry host: packages are found by the client's own settings")


@rule("the text speaks of the project alone", lambda path: True)
def _stray(page: Page) -> Iterator[Found]:
    yield from _said(page, STRAY_WORDS, "not about the project")


def _said(page: Page, patterns: list[str], why: str) -> Iterator[Found]:
    for found in re.finditer("|".join(patterns), page.text, re.IGNORECASE):
        yield page.text.count("\n", 0, found.start()) + 1, found[0], f"{found[0]!r}: {why}"


@rule("the top level is fixed", lambda path: True)
def _top_level(page: Page) -> Iterator[Found]:
    top = page.path.split("/")[0]
    if top not in TOP and not top.startswith("."):
        yield 1, top, f"{top} does not belong at the top level"
