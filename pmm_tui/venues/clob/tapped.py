"""A feed that the venue listens to as well."""

from collections.abc import AsyncIterator, Callable

from pmm_tui.core.events import Event
from pmm_tui.feeds.base import Feed


class Tapped:
    """The feed's facts, unchanged: `before` sees each before the desk has it, `after` once the desk took it."""

    def __init__(self, feed: Feed, before: Callable[[Event], None], after: Callable[[Event], None]) -> None:
        self._feed = feed
        self._before = before
        self._after = after

    async def events(self) -> AsyncIterator[Event]:
        """The feed's facts."""
        async for event in self._feed.events():
            self._before(event)
            yield event
            self._after(event)

    async def close(self) -> None:
        """Close the feed."""
        await self._feed.close()
