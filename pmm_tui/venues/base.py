"""The port of a venue: a feed of answers that also takes commands."""

from collections.abc import Sequence
from typing import Protocol

from pmm_tui.core.commands import Command
from pmm_tui.core.events import Event
from pmm_tui.feeds.base import Feed


class Venue(Feed, Protocol):
    """Where commands go. A venue answers nothing: the answer is a fact, and comes through `events`."""

    def prepare(self, commands: Sequence[Command]) -> list[Event]:
        """Facts to be written down before these commands are sent: the ids of the orders among them, where the venue gives ids."""
        ...

    async def close(self, patience_s: float = 0.0) -> None:
        """Let go of sockets and tasks; what was asked for last may take so long."""
        ...

    async def send(self, command: Command) -> None:
        """Ask. Never raises for what the venue answers."""
        ...

    async def flush(self) -> None:
        """All that one fact asked for was sent: what may leave leaves before the next fact is looked at."""
        ...
