"""The port of a feed: facts as they come."""

from collections.abc import AsyncIterator
from typing import Protocol

from pmm_tui.core.events import Event


class Feed(Protocol):
    """A source of facts."""

    def events(self) -> AsyncIterator[Event]:
        """Facts as they come, until closed. Connection losses are facts (LinkDown), never exceptions."""
        ...

    async def close(self) -> None:
        """Let go of sockets and tasks."""
        ...
