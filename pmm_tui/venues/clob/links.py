"""Which of the venue's connections work, told to the desk whenever that changes."""

from collections.abc import Callable, Iterable

from pmm_tui.core.events import Event, LinkDown, LinkUp
from pmm_tui.core.units import Nanos


class Links:
    """Links by name; one that was never told of is not there, and so not down."""

    def __init__(self, clock: Callable[[], Nanos], tell: Callable[[Iterable[Event]], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._down: dict[str, str] = {}
        self._barred: dict[str, None] = {}

    def down(self, link: str, why: str) -> None:
        """Lost, or lost for another reason."""
        if link not in self._barred and self._down.get(link) != why:
            self._down[link] = why
            self._tell([LinkDown(self._clock(), link, why)])

    def up(self, link: str) -> None:
        """It works."""
        if link not in self._barred:
            self._down.pop(link, None)
            self._tell([LinkUp(self._clock(), link)])

    def bar(self, link: str, why: str) -> None:
        """Lost for good."""
        self.down(link, why)
        self._barred[link] = None

    def is_down(self, link: str) -> bool:
        """Whether it is lost."""
        return link in self._down

    def reason(self, link: str) -> str:
        """Why it is lost; empty where it is not."""
        return self._down.get(link, "")

    def why(self) -> str:
        """Why no order may leave; empty where all work."""
        return next((f"{link}: {why}" for link, why in self._down.items()), "")
