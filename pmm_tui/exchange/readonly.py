"""Read-only API keys: an account makes, lists and ends them with a key of its own."""

from uuid import UUID

import msgspec

from pmm_tui.exchange import shapes
from pmm_tui.exchange.terms import Answer, Ask
from pmm_tui.exchange.view import query

ONE, MANY, VALIDATE = "/auth/readonly-api-key", "/auth/readonly-api-keys", "/auth/validate-readonly-api-key"
KEYS_MAX = 100


class ReadonlyKeys:
    """The read-only keys by address; none of them signs a request here."""

    def __init__(self) -> None:
        self._of: dict[str, list[str]] = {}
        self._count = 0

    def answer(self, ask: Ask, address: str) -> Answer:
        """One of the requests about them, of the account at this address."""
        mine = self._of.setdefault(address, [])
        match ask.method, ask.path:
            case "GET", _:
                return shapes.answer(mine)
            case "POST", _:
                if len(mine) >= KEYS_MAX:
                    return shapes.error("Could not create readonly api key")
                self._count += 1
                mine.append(str(UUID(int=self._count << 96 | int(address[2:] or "0", 16) >> 64, version=4)))
                return shapes.answer({"apiKey": mine[-1]})
        try:
            key = msgspec.json.decode(ask.body, type=dict[str, str]).get("key", "")
        except (msgspec.DecodeError, RecursionError):
            return shapes.error("Invalid payload")
        if key not in mine:
            return shapes.error("Could not delete readonly api key")
        mine.remove(key)
        return shapes.answer(True)

    def validate(self, ask: Ask) -> Answer:
        """Whether a key is one of an address's; needs no authentication."""
        asked = query(ask)
        address = asked.get("address", "").lower()
        if asked.get("key", "") in self._of.get(address, ()):
            return shapes.answer(address)
        return shapes.error("Unauthorized/Invalid api key", 401)
