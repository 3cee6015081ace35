"""The tasks of one venue: whatever one of them raises ends the venue, and nothing is forgotten when it closes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Chores:
    """Tasks that live as long as the venue. `failed` is called once, with what the first of them raised."""

    def __init__(self, failed: Callable[[], None]) -> None:
        self.broken: BaseException | None = None
        self._failed = failed
        self._tasks: dict[asyncio.Task[None], None] = {}

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it beside the others."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """Cancel them all and see them end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (broken := task.exception()) is not None and self.broken is None:
            self.broken = broken
            self._failed()
