"""One seed, one desk: made-up or taped markets, a venue behind a bad road and an operator in virtual time, invariants after each step.

Theory of operation. `draw` says what a seed means. A Stage tells what happens outside: markets act, the operator speaks, the feed is lost
and comes back, a book that the desk asks for anew is sent. The Conductor merges that with the venue's answers and the ticks, as it does for
a tape; between it and the engine stands the noisy line that loses, repeats and swaps frames. Every fact the engine takes is written down
as a journal would, and every invariant is checked after it. At the end the troubles stop and all comes to rest: then the desk and the
venue must agree to the micro-dollar. Last, what was written down is replayed through a fresh engine, which must answer byte for byte.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random

from msgspec import Struct, field, structs

from pmm_tui.core.commands import Command, Place, Watch
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import (
    BookChanged,
    BookReset,
    Event,
    FillSettled,
    LinkDown,
    LinkUp,
    OrderFilled,
    OrderUncertain,
    Ticked,
    TickSizeChanged,
    Traded,
)
from pmm_tui.core.instructions import Instruction, Paused, Resumed
from pmm_tui.core.market import Kind
from pmm_tui.core.units import MILLI, SECOND, Nanos, to_cash
from pmm_tui.record.conduct import Conductor
from pmm_tui.record.drawn import ACTOR, START, Scenario, draw
from pmm_tui.record.invariants import Broken, Invariants
from pmm_tui.record.lines import decode_fact, encode
from pmm_tui.record.made_up import MadeUp, draw_market
from pmm_tui.record.slices import draw_slice
from pmm_tui.venues.paper.latency import Road
from pmm_tui.venues.paper.trouble import NoisyLine, Troubled, TroubleKnobs

QUIET_MAX = 90 * SECOND
"""So long a desk may take, once the troubles are over, to know what became of every order."""
_FRAMES = (BookReset, BookChanged, Traded, TickSizeChanged)
_CRASHES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a bug raises, Broken among them."""
Actor = Callable[[Nanos], Iterable[Event]]
"""What is due at a time: the facts of it."""


class Outcome(Struct):
    """What became of one seed."""

    seed: int
    steps: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """What was exercised: orders, fills, kills and so on."""
    broken: str = ""
    """The invariant that did not hold and what was found; empty where all is well."""
    at: str = ""
    """The step and the event after which it did not hold."""


def run_seed(seed: int) -> Outcome:
    """Play one seed to its end, or to the first invariant that does not hold."""
    run = Simulated(draw(seed))
    outcome = Outcome(seed)
    try:
        run.play()
        run.replay()
    except Broken as wrong:
        outcome.broken = str(wrong)
    except _CRASHES:
        outcome.broken = f"nothing raises: {traceback.format_exc()}"
    if outcome.broken:
        outcome.at = f"step {run.steps}, {run.last}"
    outcome.steps = run.steps
    outcome.counts = run.counts()
    return outcome


class Stage:
    """What happens outside the desk and the venue, in order of time."""

    def __init__(self, scenario: Scenario, speak: Callable[[Instruction], None]) -> None:
        self.now = START
        self._chance = Random(~scenario.seed)  # noqa: S311 - a simulation is to be repeated, not to be secret
        self._scenario = scenario
        self._speak = speak
        self._road: Road[Actor] = Road()
        self._markets: dict[str, MadeUp] = {}
        self._seen: dict[str, BookReset] = {}
        """Taped markets: the last whole book."""
        self.deaf = False
        """The market feed is lost: its frames do not reach the desk."""
        if scenario.taped:
            self._set_tape()
        else:
            self._set_markets()
        for at, instruction in scenario.instructions:
            self._road.put(at, partial(self._said, instruction))
        for down, up in scenario.outages:
            self._road.put(down, self._lost)
            self._road.put(up, self.back)

    def facts(self) -> Iterator[Event]:
        """Facts until the length of the scenario is over. A thing that was asked for late happens now."""
        until = START + self._scenario.length
        while self._road.next <= until:
            at, actor = self._road.take()
            self.now = max(self.now, at)
            for fact in actor(self.now):
                if isinstance(fact, BookReset):
                    self._seen[fact.market] = fact
                yield fact

    def watch(self, command: Command) -> None:
        """The desk subscribes to a book, or asks for it anew."""
        if isinstance(command, Watch):
            self._road.put(Nanos(self.now + self._scenario.resync), partial(self._whole, command.market))

    def back(self, now: Nanos) -> list[Event]:
        """The market feed works again, and sends every book."""
        self.deaf = False
        return [LinkUp(now, "market"), *(book for market in {**self._markets, **self._seen} for book in self._whole(market, now))]

    def _lost(self, now: Nanos) -> list[Event]:
        self.deaf = True
        return [LinkDown(now, "market", "simulated outage")]

    def _said(self, instruction: Instruction, now: Nanos) -> list[Event]:
        self._speak(instruction)
        return []

    def _whole(self, market: str, now: Nanos) -> list[Event]:
        if market in self._markets:
            return [self._markets[market].whole(now, rest=True)]
        seen = self._seen.get(market)
        return [structs.replace(seen, at=now, rest=True)] if seen is not None else []

    def _set_tape(self) -> None:
        for fact in draw_slice(self._chance, START):
            self._road.put(fact.at, partial(_played, fact))

    def _set_markets(self) -> None:
        chance, scenario = self._chance, self._scenario
        for number in range(scenario.markets):
            at = START if number == 0 else Nanos(START + chance.randrange(scenario.length // 2))
            terms = draw_market(chance, number, at)
            lag = Nanos(int(scenario.paper.feed_latency_ms * MILLI))
            market = MadeUp(chance, terms, scenario.pace_ms, lag)
            self._road.put(at, partial(self._begin, market))
            if chance.random() < 0.6:
                end = Nanos(at + chance.randrange(int(scenario.length * 0.4), scenario.length))
                self._road.put(end, partial(self._end, market))

    def _begin(self, market: MadeUp, now: Nanos) -> list[Event]:
        self._markets[market.market.id] = market
        listed = market.listed(now)
        self._road.put(Nanos(now + 50 * MILLI), partial(self._act, market))
        return [listed]

    def _act(self, market: MadeUp, now: Nanos) -> list[Event]:
        events, following = market.act(now)
        self._road.put(following, partial(self._act, market))
        return events

    def _end(self, market: MadeUp, now: Nanos) -> list[Event]:
        events, following = market.end(now)
        self._road.put(following, partial(self._end, market))
        return events


def _played(fact: Event, now: Nanos) -> list[Event]:
    return [structs.replace(fact, at=now)]


class Simulated:
    """One desk and its venue in virtual time."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.engine = Engine(scenario.knobs)
        cash = to_cash(scenario.knobs.desk.initial_balance)
        self.matching = Troubled(scenario.paper, scenario.seed, scenario.trouble, cash)
        self.invariants = Invariants(self.engine, self.matching, scenario.position_holds)
        self.conductor = Conductor(self._step, self.matching, self._other)
        self.stage = Stage(scenario, self.conductor.inject)
        self.last: Event | None = None
        """The fact in hand."""
        self._line = NoisyLine(scenario.trouble, scenario.seed)
        self._written: list[tuple[bytes, bytes]] = []
        """Each event and the commands it led to, as a journal holds them."""
        self._met: dict[str, int] = {}

    @property
    def steps(self) -> int:
        """Facts that the engine took."""
        return len(self._written)

    def play(self) -> None:
        """The whole run, then the quiet after it; Broken where an invariant does not hold."""
        self.conductor.run(self.stage.facts())
        self._come_to_rest()
        self.invariants.quiet()

    def replay(self) -> None:
        """What was written down, through a fresh engine: the same commands and the same digest, byte for byte."""
        engine = Engine(self.scenario.knobs)
        for number, (event, commands) in enumerate(self._written):
            self.last = decode_fact(event)
            answered = encode(engine.step(self.last))
            if answered != commands:
                raise Broken("a replay answers byte for byte", f"step {number}: {answered!r} for {commands!r}")
        if engine.digest() != self.engine.digest():
            raise Broken("a replay ends in the same state", f"{engine.digest()} for {self.engine.digest()}")

    def counts(self) -> dict[str, int]:
        """What this seed exercised."""
        state = self.engine.state
        return {
            "placed": state.orders_sent,
            "rejected": sum(state.rejects.values()),
            "kills verified": self.invariants.kills_verified,
            "troubles": self.matching.troubles,
            "markets resolved": len(state.past) + sum(market.payout is not None for market in state.markets.values()),
            **self._met,
        }

    def _step(self, event: Event) -> list[Command]:
        if isinstance(event, _FRAMES):
            if self.stage.deaf:
                return []
            return [command for heard in self._line.hear(event) for command in self._hear(heard)]
        return self._hear(event)

    def _hear(self, event: Event) -> list[Command]:
        self.last = event
        said = encode(event)
        commands = self.engine.step(event)
        self._written.append((said, encode(commands)))
        self.invariants.after(event, commands)
        if not isinstance(event, Ticked):
            self._meet(event)
        if commands:
            flattens = sum(isinstance(command, Place) and command.kind is Kind.IOC for command in commands)
            self._met["flattening"] = self._met.get("flattening", 0) + flattens
        return commands

    def _meet(self, event: Event) -> None:
        if isinstance(event, OrderFilled | OrderUncertain | Instruction) or (isinstance(event, FillSettled) and not event.ok):
            name = type(event).__name__
            self._met[name] = self._met.get(name, 0) + 1

    def _other(self, command: Command) -> None:
        self.stage.watch(command)

    def _come_to_rest(self) -> None:
        """No more troubles, no more markets: the desk is paused and time passes until nothing is under way."""
        self.matching.trouble = TroubleKnobs()
        self._line = NoisyLine(TroubleKnobs(), 0)
        conductor = self.conductor
        for fact in self.stage.back(conductor.now) if self.stage.deaf else ():
            conductor.tell(fact)
        conductor.inject(Resumed(Nanos(0), ACTOR))  # ends a flatten that may never find a price
        conductor.inject(Paused(Nanos(0), ACTOR))
        state = self.engine.state
        until = Nanos(conductor.now + QUIET_MAX)
        calm_since = Nanos(0)
        patience = int((2 * state.knobs.desk.sync_interval_s + 1) * SECOND)
        for now in conductor.idle(until):
            owed = any(fill.status == "MATCHED" for fill in state.portfolio.fills.values())
            if state.live or self.matching.resting() or owed or state.kill.phase == "killing":
                calm_since = Nanos(0)
            else:
                calm_since = calm_since or now
                if now - calm_since > patience:
                    break

