"""What the keys are called on this console: texts name a key by what it does, so that one which was remapped is told as it is."""

from collections.abc import Mapping

_NAMES: dict[str, str] = {}


def call_keys(names: Mapping[str, str]) -> None:
    """From now on the keys are called so, by their ids: one console a process."""
    _NAMES.update(names)


def key_of(id_: str) -> str:
    """The key that does this, as an operator reads it."""
    return _NAMES[id_]
