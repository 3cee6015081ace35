"""What the api promises, as it is stored beside this file. After a change that is meant: `python -m tests.api.contract`."""

from pathlib import Path
from typing import Any

import msgspec

from pmm_tui.api.metrics import METRICS, NAMES
from pmm_tui.api.protocol import COMMANDS
from pmm_tui.api.schema import asyncapi, openapi
from pmm_tui.core.portfolio import Fill

STORED = Path(__file__).with_name("contract.json")
COMMAND = "python -m tests.api.contract"


def promised() -> bytes:
    """The contract as the program has it now: documents, payloads, trade lines, commands and metrics."""
    (_,), trade = msgspec.json.schema_components((Fill,), ref_template="#/{name}")
    kinds = {metric.name: metric.kind for metric in METRICS}
    told: dict[str, Any] = {
        "openapi": _plain(openapi(("", "/prod"))),
        "asyncapi": _plain(asyncapi(("", "/prod"))),
        "trade of a paper desk": trade,
        "commands": list(COMMANDS),
        "metrics": {name: kinds.get(name, "") for name in NAMES},
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


def _plain(document: bytes) -> Any:
    """Without the version, which changes with every release."""
    plain = msgspec.json.decode(document)
    del plain["info"]
    return plain


if __name__ == "__main__":
    STORED.write_bytes(promised())
