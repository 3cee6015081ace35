"""Which of the venue's connections work, and what it takes, told to the desk whenever that changes."""

from collections.abc import Callable, Iterable

from pmm_tui.core.events import Event, LinkDown, LinkUp, VenueModeChanged
from pmm_tui.core.market import Kind
from pmm_tui.core.units import SECOND, Nanos

OPEN, POST_ONLY = "open", "post_only"
CALM_NS = 60 * SECOND
"""A mode that the venue named no end of, and that refused nothing for so long, is over."""
TOLD_NS = 2 * SECOND
"""Where the venue asks for no wait, the client waits a second: a longer one is the venue's own word."""


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


class Mode:
    """What the venue takes, by its own answers: it begins with a refusal, and ends with an order that it forbids and that is taken all the
    same, at the end that the venue named, or when nothing was refused for long."""

    def __init__(self, clock: Callable[[], Nanos], tell: Callable[[Iterable[Event]], None]) -> None:
        self._clock = clock
        self._tell = tell
        self.name = OPEN
        self._refused = Nanos(0)
        self._until = Nanos(0)

    def refused(self, name: str, wait_s: float) -> None:
        """The venue would not take what it was sent, and named its mode; it is left alone for so long."""
        now = self._clock()
        until = Nanos(now + round(wait_s * SECOND))
        self._refused = now
        if name != self.name or (wait_s and until - self._until >= SECOND):
            self._set(name, until)

    def took(self, kind: Kind) -> None:
        """An order was taken: in the post-only mode that proves something only of one that is not."""
        if self.name != OPEN and not (self.name == POST_ONLY and kind is Kind.POST_ONLY):
            self._set(OPEN, Nanos(0))

    def look(self, admits: bool) -> None:
        """Time has passed; `admits`: orders may leave, so that the venue can refuse them."""
        now, named = self._clock(), self.name == POST_ONLY and self._until - self._refused >= TOLD_NS
        if self.name != OPEN and admits and now >= (self._until if named else self._refused + CALM_NS):
            self._set(OPEN, Nanos(0))

    def _set(self, name: str, until: Nanos) -> None:
        self.name, self._until = name, until
        self._tell([VenueModeChanged(self._clock(), name, until)])
