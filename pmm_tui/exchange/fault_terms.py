"""The words of misbehaviour: the verdict on a request, a fault at its place in time, and the two meeting."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from pmm_tui.core.units import Nanos
from pmm_tui.exchange.fault_script import Value
from pmm_tui.exchange.terms import Answer, Ask

if TYPE_CHECKING:
    from random import Random

Act = tuple[str, dict[str, Any]]
"""Something the exchange itself shall do: its name and what it is told."""


class Verdict(Struct, frozen=True):
    """What becomes of one request, in the order in which it happens."""

    late_ms: float = 0.0
    """It reaches the exchange this much later."""
    before: Answer | None = None
    """The exchange never sees it, and this is the answer."""
    mend: Callable[[Answer], Answer] | None = None
    """The true answer is changed so."""
    then: Answer | None = None
    """It is carried out, and this is the answer."""
    delay_ms: float = 0.0
    """The answer is held back for this long."""
    hang: bool = False
    """No answer ever comes."""
    drop: bool = False
    """The connection is closed in place of an answer."""

    def carry(self, ask: Ask, at: Nanos, answer: Callable[[Ask, Nanos], Answer]) -> Answer | None:
        """Let the exchange carry the request out, unless it never sees it; what goes back after `delay_ms`, None for nothing."""
        given = self.before
        if given is None:
            given = answer(ask, at)
            given = self.then or (self.mend(given) if self.mend else given)
        return None if self.hang or self.drop else given

    def join(self, other: "Verdict") -> "Verdict":
        """Both: delays add up, and where both would answer, the first does."""
        return Verdict(
            self.late_ms + other.late_ms,
            self.before or other.before,
            self.mend or other.mend,
            self.then or other.then,
            self.delay_ms + other.delay_ms,
            self.hang or other.hang,
            self.drop or other.drop,
        )


UNTOUCHED = Verdict()
NOTHING = Answer(0, b"")
"""In `before`, where no answer comes back and the exchange sees nothing."""


class Fault(Struct):
    """A fault at its place in time."""

    what: str
    begin: Nanos
    end: Nanos
    share: float
    times: int
    told: dict[str, Value]
    struck: int = 0
    known: dict[str, tuple[Nanos, Answer]] = field(default_factory=dict)
    """Answers given before, and when: what a stale cache repeats."""

    def number(self, name: str) -> float:
        """A number that it was told."""
        return float(self.told[name])

    def text(self, name: str) -> str:
        """A text that it was told."""
        return str(self.told[name])

    def strikes(self, chance: "Random") -> bool:
        """Whether it does so this time; counted."""
        struck = not (self.times and self.struck >= self.times) and (self.share >= 1 or chance.random() < self.share)
        self.struck += struck
        return struck


class Blow(Struct):
    """A fault meeting a request. `acts` takes what the exchange shall do besides."""

    fault: Fault
    ask: Ask
    at: Nanos
    chance: "Random"
    acts: list[Act]
