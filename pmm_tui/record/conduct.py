"""Virtual time: a tape's facts, the simulated venue's answers and the 100 ms ticks, merged into one ordered stream through the engine.

Theory of operation. The next fact is always the earliest of three: the tape's next, the venue's next answer, the next tick. At equal
times the order is fixed: the tape, then answers, then the tick. Nothing here knows the wall clock, so the same tape, knobs and seed give
the same journal at any speed; whoever plays it in real time sleeps between the steps. An operator's instruction is injected and takes
the present virtual time.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from msgspec import structs

from pmm_tui.core.commands import Cancel as CancelOne
from pmm_tui.core.commands import CancelAll, Command, Merge, Place, Sync
from pmm_tui.core.events import Event, Ticked
from pmm_tui.core.instructions import Instruction
from pmm_tui.core.units import Nanos
from pmm_tui.venues.paper.matching import NEVER, Matching

TICK_NS = 100_000_000
INSTRUCTIONS_MAX = 1_000
_FOR_THE_VENUE = (Place, CancelOne, CancelAll, Sync, Merge)

Step = Callable[[Event], list[Command]]


class Conductor:
    """One desk's step and one simulated venue in virtual time."""

    __slots__ = ("_injected", "_next_tick", "_other", "_step", "matching", "now")

    def __init__(self, step: Step, matching: Matching, other: Callable[[Command], None] | None = None) -> None:
        """`step` answers a fact with commands, and has written both down by then; `other` takes commands that are not for the venue."""
        self.matching = matching
        self.now = Nanos(0)
        self._next_tick = NEVER
        self._step = step
        self._other = other
        self._injected: deque[Instruction] = deque(maxlen=INSTRUCTIONS_MAX)

    def inject(self, instruction: Instruction) -> None:
        """An operator's instruction: the next fact, at the present virtual time."""
        self._injected.append(instruction)

    def play(self, facts: Iterable[Event]) -> Iterator[Nanos]:
        """Play facts, which come in order of `at`, to their end. Yields the time of the next fact before it is told, to be waited for."""
        for fact in facts:
            while True:
                due = min(self._due(), fact.at)
                yield due
                if due < fact.at:
                    self.pump(due)
                elif self._injected:
                    self.pump(self.now)  # what it asks for may be answered before the fact
                else:
                    break
            self.matching.observe(fact)
            self.tell(fact)

    def run(self, facts: Iterable[Event]) -> None:
        """Play without waiting: the fast path of benchmarks and simulations."""
        observe, due, step, ask = self.matching.observe, self.matching.due, self._step, self._ask
        for fact in facts:
            at = fact.at
            while (ours := due()) < at or self._next_tick < at:
                self.pump(min(ours, self._next_tick))
            observe(fact)
            if self._next_tick == NEVER:
                self._start(at)
            self.now = at
            if commands := step(fact):  # almost no fact asks for anything
                ask(commands, at)

    def idle(self, until: Nanos) -> Iterator[Nanos]:
        """Let time pass without facts: answers and ticks up to `until`."""
        while (due := self._due()) <= until:
            yield due
            self.pump(due)

    def _due(self) -> Nanos:
        return min(self.matching.due(), self._next_tick)

    def pump(self, due: Nanos) -> None:
        """Instructions, then the venue's answers due by now, then the tick if it is due."""
        while self._injected:
            self.tell(structs.replace(self._injected.popleft(), at=max(self.now, due)))
        if self.matching.due() <= due:
            for answer in self.matching.advance(due):
                self.tell(answer)
        if self._next_tick <= due:
            tick = self._next_tick
            self._next_tick = Nanos(tick + TICK_NS)
            self.tell(Ticked(tick))

    def tell(self, event: Event) -> None:
        """One fact through the desk, and its commands to the venue."""
        if self._next_tick == NEVER:
            self._start(event.at)
        self.now = event.at
        self._ask(self._step(event), event.at)

    def _start(self, at: Nanos) -> None:
        """The first fact of all starts the ticks."""
        self._next_tick = Nanos(at - at % TICK_NS + TICK_NS)

    def _ask(self, commands: list[Command], at: Nanos) -> None:
        for command in commands:
            if isinstance(command, _FOR_THE_VENUE):
                self.matching.send(command, at)
            elif self._other is not None:
                self._other(command)
