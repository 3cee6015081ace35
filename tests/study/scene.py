"""A small desk whose run is counted as it goes."""

import math
from collections import Counter

from pmm_tui.core.commands import Command
from pmm_tui.core.events import Event, Ticked
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.market import Market
from pmm_tui.study.cells import AT, FIELDS
from pmm_tui.study.tally import READ_MOST, Tally
from tests.core.desk import MARKET, Bench, at, book, knobs


class Counted(Bench):
    """An engine with a tally beside it."""

    def __init__(self, settings: Knobs | None = None, market: Market = MARKET, most: int = READ_MOST) -> None:
        self.tally = Tally(most)
        super().__init__(settings or knobs(default_order_size=10.0), market)

    def tell(self, *events: Event) -> list[Command]:
        """Tell facts, each counted after its step."""
        answer: list[Command] = []
        for event in events:
            asked = super().tell(event)
            self.tally.step(self.engine.state, event, asked)
            answer += asked
        return answer

    def quoted(self) -> list[Command]:
        """A two-sided book, a tick later the quotes, accepted 140 ms after they were sent."""
        asked = self.tell(book(1_000, "48x500 | 52x500")) + self.tick(1_100)
        self.accept(asked, 1_140)
        return asked

    def leap(self, until: int) -> list[Command]:
        """Let time pass in one tick."""
        return self.tell(Ticked(at(until)))

    def total(self, name: str) -> float:
        """One figure over all cells."""
        return math.fsum(cell.values[AT[name]] for cell in self.tally.told().cells)

    def waits(self, name: str) -> dict[int, int]:
        """The latencies of one kind by bucket, over all cells."""
        told = [getattr(cell, name) for cell in self.tally.told().cells]
        return dict(sum((Counter(dict(pairs)) for pairs in told), Counter()))

    def figures(self) -> dict[str, float]:
        """Every figure that is not zero, over all cells."""
        return {name: total for name in FIELDS if (total := self.total(name))}
