"""The exchange's misbehaviour: a script of faults applied to requests, frames and the exchange itself, the same for the same seed.

A script is a list of entries. Times are seconds from the start; `for` is how long a fault lasts, `share` how likely it strikes what it
could strike, `times` how often at most. The rest is the fault's own (KINDS in fault_script.py has every name and field).

    - {at: 30, for: 5, what: post_books_but_times_out, share: 0.3}
    - {at: [60, 90], for: 20, what: restart}         # begins somewhere in between; 425, then two minutes of post-only
    - {at: 0, what: reorder_frames, channel: market, ms: 35}
    - {at: 120, what: tick_change, tick: "0.001"}
    - {seed: 7, rate: 2, until: 600, mean_s: 5}      # and two more a minute, drawn at random
"""

from typing import TYPE_CHECKING

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange import fault_asks, fault_frames
from pmm_tui.exchange.fault_frames import CUT
from pmm_tui.exchange.fault_script import FOREVER_S, KINDS, Entry, Script, Wild
from pmm_tui.exchange.fault_terms import UNTOUCHED, Act, Blow, Fault, Verdict
from pmm_tui.exchange.terms import Ask, Frame

if TYPE_CHECKING:
    from random import Random

__all__ = ["CUT", "NEVER", "UNTOUCHED", "Act", "Faults", "Verdict"]

NEVER = Nanos(2**63 - 1)
"""Later than everything."""
_RESTART_S = 90.0
"""How long a restart answers 425 where the script does not say: about what the venue takes."""
_SPANS = ("match_then_fail", "retrying")
"""Acts that begin and end; the others happen once."""


class Faults:
    """What goes wrong, and when. Without a script nothing does, and nothing is drawn.

    chance: a Random of its own, seeded by the script's seed. start: what the script's times count from; by default, the first time
    it hears of.
    """

    def __init__(self, script: Script | None = None, chance: "Random | None" = None, start: Nanos | None = None) -> None:
        self.struck: dict[str, int] = {}
        """How often each fault struck a request or a frame."""
        self._script = script or Script()
        self._chance = chance
        self._acts: list[tuple[Nanos, Act]] = []
        self._live: list[Fault] = []
        self._active: list[Fault] = []
        self._turn = NEVER
        self._started = not (self._script.entries or self._script.wild)
        if not self._started and chance is None:
            raise ValueError("a script needs a chance")
        if start is not None:
            self._start(start)

    def judge(self, ask: Ask, at: Nanos) -> Verdict:
        """What becomes of a request that arrives now. A socket's upgrade is a GET of its path."""
        verdict = UNTOUCHED
        for fault in self._at(at):
            if fault.what not in fault_asks.EFFECTS or self._chance is None:
                continue
            acts: list[Act] = []
            struck = fault_asks.strike(Blow(fault, ask, at, self._chance, acts))
            if struck is not None:
                self._count(fault)
                verdict = verdict.join(struck)
                self._plan([(at, act) for act in acts])
        return verdict

    def bend(self, frame: Frame, at: Nanos) -> list[Frame]:
        """What is sent in place of a frame, each at its own time; a text that ends with CUT breaks the connection."""
        frames = [frame]
        for fault in self._at(at):
            if fault.what not in fault_frames.EFFECTS or self._chance is None:
                continue
            bent = [one for whole in frames for one in fault_frames.strike(fault, whole, self._chance)]
            if bent != frames:
                self._count(fault)
            frames = bent
        return frames

    def refuse_leg(self, at: Nanos) -> str:
        """Asked for every order of a batch before it is booked: the text with which it is refused for no reason of its own, or none."""
        for fault in self._at(at):
            if fault.what == "batch_partial" and self._chance is not None and fault.strikes(self._chance):
                self._count(fault)
                return fault.text("error")
        return ""

    def due(self) -> Nanos:
        """When the next act is due; NEVER if none is."""
        return self._acts[0][0] if self._acts else NEVER

    def due_acts(self, at: Nanos) -> list[Act]:
        """What the exchange itself shall do by now, in order; each once.

        cancel_races_fill {orders, part}: fill these orders (none: all of the wallet's) before the cancel arrives. match_then_fail
        {on, share}, retrying {on, share, ms}: settlement from now on. tick_change {market, tick}, early_resolution {market, payout_yes,
        told}, clear_book {market}: now; an empty market is every market.
        """
        self._at(at)
        due = [act for when, act in self._acts if when <= at]
        del self._acts[: len(due)]
        return due

    def _at(self, at: Nanos) -> list[Fault]:
        """The faults that may strike now."""
        if not self._started:
            self._start(at)
        if at >= self._turn:
            self._active = [fault for fault in self._live if fault.begin <= at < fault.end]
            self._turn = min((turn for fault in self._live for turn in (fault.begin, fault.end) if turn > at), default=NEVER)
        return self._active

    def _count(self, fault: Fault) -> None:
        self.struck[fault.what] = self.struck.get(fault.what, 0) + 1

    def _start(self, start: Nanos) -> None:
        """Give every fault its place in time."""
        chance = self._chance
        if chance is None:
            return
        self._started, self._turn = True, start
        acts: list[tuple[Nanos, Act]] = []
        drawn = [entry for wild in self._script.wild for entry in _drawn(wild, chance)]
        for entry in (*self._script.entries, *drawn):
            begin = Nanos(start + round((entry.at[0] + (entry.at[1] - entry.at[0]) * chance.random()) * SECOND))
            lasts = entry.lasts
            if entry.what == "restart":
                lasts = (_RESTART_S if lasts >= FOREVER_S else lasts) + float(entry.told["post_only_s"])
            end = NEVER if lasts >= FOREVER_S else Nanos(begin + round(lasts * SECOND))
            if KINDS[entry.what].strikes != "act":
                self._live.append(Fault(entry.what, begin, end, entry.share, int(entry.times), entry.told))
            elif entry.what in _SPANS:
                told = {"share": entry.share, **entry.told}
                acts.append((begin, (entry.what, {"on": True, **told})))
                if end != NEVER:
                    acts.append((end, (entry.what, {"on": False, **told})))
            elif entry.share >= 1 or chance.random() < entry.share:
                acts.append((begin, (entry.what, dict(entry.told))))
        self._plan(acts)

    def _plan(self, acts: list[tuple[Nanos, Act]]) -> None:
        """Keep acts in the order of their times; among equal times, in the order in which they came."""
        if acts:
            self._acts = sorted(self._acts + acts, key=lambda act: act[0])


def _drawn(wild: Wild, chance: "Random") -> list[Entry]:
    """Faults at random times, each of a random kind, length, share and manner."""
    entries = []
    at_s = chance.expovariate(wild.rate / 60) if wild.rate else wild.until
    while at_s < wild.until:
        what = chance.choice(wild.only)
        told = {
            name: chance.choice(field.words) if field.words and field.default == field.words[0] else field.default
            for name, field in KINDS[what].fields.items()
        }
        lasts = max(1e-3, chance.expovariate(1 / wild.mean_s))
        entries.append(Entry(what, (at_s, at_s), lasts, 0.1 + 0.9 * chance.random(), told=told))
        at_s += chance.expovariate(wild.rate / 60)
    return entries
