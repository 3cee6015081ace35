"""Pages of a list as the CLOB cuts them: a cursor is the base64 of where the next page begins, "LTE=" (of -1) the end."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from pmm_tui.exchange import shapes
from pmm_tui.exchange.terms import Answer

END = "LTE="
PAGE = 500
BAD_CURSOR = "next item should be greater than or equal to 0"


def cursor(offset: int) -> str:
    """Where a page begins, as a client hands it back."""
    return b64encode(str(offset).encode()).decode()


def page(rows: Sequence[dict[str, Any]], asked: Mapping[str, str], limit: int = PAGE) -> Answer:
    """The page of `rows` that `next_cursor` asks for; a 400 where the cursor is none of ours."""
    try:
        start = int(b64decode(asked.get("next_cursor") or "MA==", validate=True))
    except ValueError:
        start = -1
    if start < 0:
        return shapes.error(BAD_CURSOR)
    part = list(rows[start : start + limit])
    following = cursor(start + limit) if start + limit < len(rows) else END
    return shapes.answer({"limit": limit, "next_cursor": following, "count": len(part), "data": part})
