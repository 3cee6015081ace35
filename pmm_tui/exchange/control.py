"""One path that no venue has: it reads and sets this exchange's habits and mode while it runs.

    GET  /-/exchange
    POST /-/exchange   {"mode": "restarting", "for_s": 30, "habits": {"limits": "on", "tier": "Gold"}}
"""

from typing import Any

import msgspec
from msgspec import Struct

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange import shapes
from pmm_tui.exchange.habits import NEVER, Habits, Mode, Modes
from pmm_tui.exchange.terms import Answer, Ask
from pmm_tui.exchange.view import View

PATH = "/-/exchange"


class _Wish(Struct, forbid_unknown_fields=True):
    mode: Mode | None = None
    for_s: float = 0.0
    """How long the mode lasts; 0: until another is set."""
    habits: dict[str, Any] = {}
    """Those to change; the others stay."""


def answer(view: View, modes: Modes, ask: Ask, at: Nanos) -> Answer:
    """Set what a POST asks for, all of it or, with a 400 that says why, nothing; then the habits and the mode as they are."""
    if ask.method == "POST":
        try:
            wish = msgspec.json.decode(ask.body, type=_Wish)
            habits = msgspec.convert(msgspec.structs.asdict(view.habits) | wish.habits, Habits)
        except (msgspec.DecodeError, RecursionError) as wrong:
            return shapes.error(str(wrong))
        view.habits = habits
        if wish.mode is not None:
            modes.set(wish.mode, Nanos(at + round(wish.for_s * SECOND)) if wish.for_s > 0 else NEVER)
    elif ask.method != "GET":
        return shapes.error("not found", 404)
    return shapes.answer({"mode": modes.now(at), "habits": view.habits})
