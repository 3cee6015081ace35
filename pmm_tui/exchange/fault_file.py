"""The reading of a fault script from a YAML file."""

from pathlib import Path

import yaml

from pmm_tui.exchange.fault_script import Script, ScriptRefused, parse

_BYTES_MAX = 1 << 20


def read(path: Path) -> Script:
    """The script in a file; ScriptRefused, naming the file, where it cannot be read or has mistakes."""
    try:
        with path.open("rb") as file:
            raw = file.read(_BYTES_MAX + 1)
        if len(raw) > _BYTES_MAX:
            raise ScriptRefused([f"{path}: found more than {_BYTES_MAX} bytes; allowed: a script"])
        said = yaml.safe_load(raw.decode("utf-8"))
    except OSError as wrong:
        raise ScriptRefused([f"{path}: {wrong.strerror or 'unreadable'}"]) from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as wrong:
        raise ScriptRefused([f"{path}: no YAML: {' '.join(str(wrong).split())[:200]}"]) from None
    return parse(said, path.name)
