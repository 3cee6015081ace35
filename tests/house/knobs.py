"""The rule on knobs, asked of the real classes: bounds, a meaning, and a name of its own, for a profile is flat."""

import importlib
from collections.abc import Iterable, Iterator

from msgspec import NODEFAULT, Struct, inspect

from tests.house.pages import Fault, Page, classes, is_code


def knob_groups(pages: Iterable[Page]) -> list[tuple[type[Struct], str, int]]:
    """Every knob group of the package with the file and line where it stands; the group that only gathers groups is left out."""
    found = []
    for page in pages:
        names = [node for node in classes(page.tree) if is_code(page.path) and node.name.endswith("Knobs") and node.name != "Knobs"]
        for node in names:
            module = importlib.import_module(page.path.removesuffix(".py").replace("/", "."))
            found.append((getattr(module, node.name), page.path, node.lineno))
    return found


def knob_faults(groups: Iterable[tuple[type[Struct], str, int]]) -> Iterator[Fault]:
    """What the groups leave unsaid, and names that stand in two of them."""
    home: dict[str, str] = {}
    for group, path, line in groups:
        for field in inspect.type_info(group).fields:  # type: ignore[attr-defined]  # type_info is typed as the base of all answers
            name = field.name
            if why := _unsaid(field):
                yield Fault(path, line, name, f"{group.__name__}.{name} {why}")
            if home.setdefault(name, group.__name__) != group.__name__:
                yield Fault(path, line, name, f"{group.__name__}.{name} is in {home[name]} too")


def _unsaid(field: inspect.Field) -> str:
    said = field.type
    if not isinstance(said, inspect.Metadata) or not (said.extra_json_schema or {}).get("description"):
        return "has no description"
    if field.default is NODEFAULT and field.default_factory is NODEFAULT:
        return "has no default"
    kinds = said.type.types if isinstance(said.type, inspect.UnionType) else [said.type]
    for kind in (kind.type if isinstance(kind, inspect.Metadata) else kind for kind in kinds):
        if isinstance(kind, inspect.IntType | inspect.FloatType) and (
            (kind.ge is None and kind.gt is None) or (kind.le is None and kind.lt is None)
        ):
            return "has no lower and upper bound"
    return ""
