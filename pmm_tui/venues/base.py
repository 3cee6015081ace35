"""The port of a venue: a feed of answers that also takes commands."""

from typing import Protocol

from pmm_tui.core.commands import Command
from pmm_tui.feeds.base import Feed


class Venue(Feed, Protocol):
    """Where commands go. A venue answers nothing: the answer is a fact, and comes through `events`."""

    async def send(self, command: Command) -> None:
        """Ask. Never raises for what the venue answers."""
        ...
