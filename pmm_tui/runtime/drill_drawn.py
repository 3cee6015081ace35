"""What one seed of the drill means: knobs, roads, the exchange's rules, its faults and the operator's instructions, all drawn from it."""

from random import Random

from msgspec import Struct

from pmm_tui.core.instructions import Flattened, Instruction, Killed, KillReset, Paused, Resumed
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.units import MILLI, SECOND, Nanos
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.fault_script import KINDS, Script, Wild
from pmm_tui.record.drawn import START, turned

ACTOR = "drill"
LENGTH_MS = (6_000, 14_000)
NEVER_DRAWN = (
    "key_revoked", "giant_message", "clock_skew", "refuse_upgrade", "crossed_frames", "overfill", "order_by_hand", "balance_moves",
    "pairs_by_hand", "fee_change",
)  # fmt: skip
"""What ends a run for good, or costs more than it shows; each has tests of its own."""


class Scenario(Struct, frozen=True):
    """One run. Times are the desk's."""

    seed: int
    knobs: Knobs
    rules: Rules
    script: Script
    length: Nanos
    lasts: Nanos
    """How long a market trades; the next one follows."""
    aside: int
    """Dollars of the wallet that are not the desk's."""
    out_ms: float
    back_ms: float
    cuts: tuple[tuple[Nanos, Nanos, str], ...]
    """When the network is cut, until when, and how."""
    instructions: tuple[tuple[Nanos, Instruction], ...]
    by_hand: tuple[Nanos, ...]
    """When somebody else posts an order of the same wallet."""


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    chance = Random(seed)  # noqa: S311 - a drill is to be repeated, not to be secret
    length = Nanos(chance.randrange(*LENGTH_MS) * MILLI)
    kinds = tuple(sorted(name for name in KINDS if name not in NEVER_DRAWN))
    wild = Wild(rate=chance.choice((20.0, 60.0, 120.0)), until=length / SECOND, mean_s=chance.choice((0.5, 2.0, 5.0)), only=kinds)
    return Scenario(
        seed=seed,
        knobs=_knobs(chance),
        rules=Rules(
            mined_after_ms=chance.choice((200, 1_000)),
            confirmed_after_ms=chance.choice((200, 1_000)),
            fail_share=chance.choice((0.0, 0.0, 0.2)),
            retry_share=chance.choice((0.0, 0.2)),
            retry_ms=1_000,
        ),
        script=Script(wild=(wild,) if chance.random() < 0.85 else (), seed=seed),
        length=length,
        lasts=Nanos(chance.choice((8, 900, 900)) * SECOND),
        aside=chance.choice((0, 0, 250)),
        out_ms=chance.choice((1.0, 20.0, 150.0)),
        back_ms=chance.choice((1.0, 20.0, 150.0)),
        cuts=tuple(_cuts(chance, length)),
        instructions=tuple(_instructions(chance, length)),
        by_hand=tuple(Nanos(START + chance.randrange(length)) for _ in range(chance.choice((0, 0, 0, 1)))),
    )


def _knobs(chance: Random) -> Knobs:
    pick = chance.choice
    return turned(
        Knobs(),
        {
            "initial_balance": pick((100.0, 500.0, 2_000.0)),
            "quote_interval_s": pick((0.5, 1.0, 2.0)),
            "order_timeout_s": pick((1.0, 3.0)),
            "sync_interval_s": pick((1.0, 3.0, 5.0)),
            "vol_samples_min": 1,
            "warm_up_s": 0.0,
            "default_order_size": pick((5.0, 15.0, 25.0)),
            "levels": pick((1, 2)),
            "max_position_size": pick((12.0, 30.0, 100.0)),
            "max_market_pct": pick((50.0, 100.0)),
            "max_cluster_pct": 100.0,
            "max_total_pct": pick((60.0, 100.0)),
            "stop_before_close_s": pick((0.0, 2.0)),
            "kill_switch_max_drawdown_pct": pick((10.0, 60.0)),
            "kill_retry_ms": pick((200, 1_000)),
        },
    )


def _cuts(chance: Random, length: Nanos) -> list[tuple[Nanos, Nanos, str]]:
    found, at = [], START
    for _ in range(chance.choice((0, 0, 1))):
        down = Nanos(at + chance.randrange(length))
        at = Nanos(down + chance.randrange(100, 4_000) * MILLI)
        found.append((down, at, chance.choice(("refused", "silent"))))
    return found


def _instructions(chance: Random, length: Nanos) -> list[tuple[Nanos, Instruction]]:
    told: list[tuple[Nanos, Instruction]] = []
    for _ in range(chance.choice((0, 1, 1, 2))):
        at = Nanos(START + 2 * SECOND + chance.randrange(length))
        later = Nanos(at + chance.randrange(100, 3_000) * MILLI)
        kind = chance.choice(("pause", "flatten", "kill"))
        if kind == "pause":
            told.append((at, Paused(at, ACTOR)))
        elif kind == "flatten":
            told.append((at, Flattened(at, ACTOR, slippage_ticks=chance.choice((0, 2, 10)))))
        else:
            told += [(at, Killed(at, ACTOR)), (later, KillReset(later, ACTOR, "the reason is known"))]
        told.append((later, Resumed(later, ACTOR)))
    return sorted(told, key=lambda one: one[0])
