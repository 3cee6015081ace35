"""What one seed of the simulation means: knobs, latencies, fill model, troubles and the operator's instructions, all drawn from it."""

from random import Random
from typing import Any

from msgspec import Struct, convert, to_builtins

from pmm_tui.core.instructions import Flattened, Instruction, Killed, KillReset, Paused, Resumed, Retuned
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.units import MILLI, SECOND, Nanos
from pmm_tui.venues.paper.fills import PaperKnobs
from pmm_tui.venues.paper.trouble import TroubleKnobs

START = Nanos(1_790_000_000 * SECOND)
ACTOR = "simulation"
LENGTH_MS = (15_000, 45_000)
RETUNED: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("quote_interval_s", (0.0, 0.5, 2.0)),
    ("default_order_size", (5.0, 20.0, 60.0)),
    ("max_position_size", (10.0, 40.0, 200.0)),
    ("max_total_pct", (5.0, 40.0, 100.0)),
    ("max_open_orders", (1, 3, 20)),
    ("kill_switch_max_drawdown_pct", (0.5, 20.0)),
    ("order_timeout_s", (0.5, 2.0)),
    ("levels", (1, 3)),
)


class Scenario(Struct, frozen=True):
    """One run. Times are the desk's."""

    seed: int
    knobs: Knobs
    paper: PaperKnobs
    trouble: TroubleKnobs
    taped: bool
    """A slice of the shipped tape; else made-up markets."""
    markets: int
    pace_ms: float
    """One made-up market acts this often, on average."""
    length: Nanos
    instructions: tuple[tuple[Nanos, Instruction], ...]
    outages: tuple[tuple[Nanos, Nanos], ...]
    """When the market feed is lost, and when it is back."""
    resync: Nanos
    """How long a book that is asked for anew is under way."""

    @property
    def position_holds(self) -> bool:
        """Nothing but fills moves the position, and its limit stays."""
        retuned = any(isinstance(told, Retuned) and "max_position_size" in told.changes for _, told in self.instructions)
        return not retuned and not self.paper.settlement_failure_probability


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    chance = Random(seed)  # noqa: S311 - a simulation is to be repeated, not to be secret
    taped = chance.random() < 0.2
    markets = 1 if taped else chance.choice((1, 1, 2, 3))
    length = Nanos(chance.randrange(*LENGTH_MS) * MILLI)
    return Scenario(
        seed=seed,
        knobs=_knobs(chance),
        paper=_paper(chance, taped),
        trouble=_trouble(chance) if chance.random() < 0.85 else TroubleKnobs(),
        taped=taped,
        markets=markets,
        pace_ms=chance.choice((60, 120, 300)) * markets,
        length=length,
        instructions=tuple(_instructions(chance, length, markets)),
        outages=tuple(_outages(chance, length)),
        resync=Nanos(chance.choice((20, 200, 1_500)) * MILLI),
    )


def _knobs(chance: Random) -> Knobs:
    pick = chance.choice
    changes: dict[str, float | int | str | bool] = {
        "initial_balance": pick((20.0, 100.0, 500.0, 2_000.0, 10_000.0)),
        "quote_interval_s": pick((0.0, 0.2, 1.0, 2.0)),
        "price_tolerance_ticks": pick((0.0, 0.0, 1.0)),
        "size_tolerance_pct": pick((0.0, 25.0, 60.0)),
        "order_timeout_s": pick((0.5, 1.0, 3.0)),
        "sync_interval_s": pick((1.0, 3.0, 5.0)),
        "reject_backoff_ms": pick((0, 200, 1_000)),
        "vol_samples_min": pick((1, 20)),
        "micro_weight": pick((0.0, 0.5, 1.0)),
        "gamma_risk_aversion": pick((0.05, 0.3, 2.0)),
        "risk_horizon_share": pick((0.003, 0.003, 0.1)),
        "default_half_spread_bps": pick((0.0, 50.0, 300.0)),
        "width_model": pick(("fixed", "glft", "as")),
        "min_half_spread_ticks": pick((0.0, 0.5, 1.0)),
        "default_order_size": pick((5.0, 15.0, 25.0, 60.0)),
        "levels": pick((1, 2, 4)),
        "skew_eta": pick((0.0, 0.0, 1.0)),
        "max_position_size": pick((12.0, 30.0, 100.0, 500.0)),
        "max_balance_fraction_per_order": pick((0.05, 0.2, 1.0, 1.0)),
        "complement_routing": pick((True, True, False)),
        "asks_only_against_inventory": pick((False, False, False, True)),
        "bid_suppress_when_saturated": pick((True, False)),
        "shrink_to_position_limit": pick((True, True, False)),
        "stale_after_s": pick((0.5, 2.0, 10.0, 10.0)),
        "crossed_after_ms": pick((0, 200, 500)),
        "hash_streak_max": pick((3, 8)),
        "warm_up_s": pick((0.0, 0.5)),
        "max_market_pct": pick((10.0, 50.0, 100.0, 100.0)),
        "max_cluster_pct": pick((20.0, 100.0, 100.0)),
        "max_total_pct": pick((20.0, 60.0, 100.0, 100.0)),
        "max_open_orders": pick((2, 5, 200, 200)),
        "stop_before_close_s": pick((0.0, 5.0)),
        "min_price": pick((0.0, 0.03)),
        "kill_switch_max_drawdown_pct": pick((1.0, 10.0, 60.0, 60.0)),
        "kill_switch_alert_pct": pick((0.5, 5.0, 30.0)),
        "kill_switch_reference": pick(("start", "peak")),
        "kill_retry_ms": pick((200, 1_000)),
    }
    return turned(Knobs(), changes)


def turned(knobs: Knobs, changes: dict[str, Any]) -> Knobs:
    """Knobs with some of them changed by their flat names; a KeyError for a name that no group has."""
    groups = to_builtins(knobs)
    home = {name: group for group in groups.values() for name in group}
    for name, value in changes.items():
        home[name][name] = value
    return convert(groups, Knobs)


def _paper(chance: Random, taped: bool) -> PaperKnobs:
    pick = chance.choice
    return PaperKnobs(
        fill_model=pick(("coin", "bbo") if taped else ("coin", "coin", "queue", "bbo")),
        fill_probability=pick((0.3, 1.0, 1.0)),
        fill_distance_decay=pick((False, True)),
        partial_fill_probability=pick((0.0, 0.3, 0.8)),
        queue_base_probability=pick((0.3, 1.0)),
        queue_order_age_s_max=pick((0.0, 2.0, 300.0)),
        queue_trade_share_max=pick((0.4, 1.0)),
        queue_estimator=pick(("power", "power2", "power3", "log", "log2", "risk_adverse")),
        adverse_selection_bps=pick((0.0, 0.0, 10.0, 300.0)),
        maker_fee_bps=pick((None, -20.0, 30.0)),
        taker_fee_bps=pick((None, 30.0)),
        feed_latency_ms=pick((0.0, 5.0, 30.0, 400.0)),
        placement_latency_ms=pick((0.0, 20.0, 100.0, 400.0, 1_500.0)),
        cancel_latency_ms=pick((0.0, 20.0, 50.0, 400.0, 1_500.0)),
        answer_latency_ms=pick((0.0, 30.0, 200.0, 800.0)),
        settlement_latency_ms=pick((0.0, 100.0, 1_000.0, 4_000.0)),
        settlement_failure_probability=pick((0.0, 0.0, 0.2, 0.6)),
        venue_position_shares_max=pick((0.0, 0.0, 0.0, 20.0)),
    )


def _trouble(chance: Random) -> TroubleKnobs:
    def rate() -> float:
        return chance.choice((0.0, 0.0, 0.02, 0.1, 0.3))

    return TroubleKnobs(
        trouble_reject=rate(),
        trouble_timeout_booked=rate(),
        trouble_timeout_lost=rate(),
        trouble_command_lost=rate(),
        trouble_timeout_ms=chance.choice((0.0, 300.0, 2_000.0)),
        trouble_drop=rate(),
        trouble_duplicate=rate(),
        trouble_delay=rate(),
        trouble_delay_ms_max=chance.choice((50.0, 200.0, 500.0)),
        trouble_frame_drop=rate(),
        trouble_frame_duplicate=rate(),
        trouble_frame_reorder=rate(),
    )


def _instructions(chance: Random, length: Nanos, markets: int) -> list[tuple[Nanos, Instruction]]:
    """What the operator says, and, mostly, what follows from it a little later."""
    told: list[tuple[Nanos, Instruction]] = []
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        at = Nanos(START + chance.randrange(length))
        market = f"0x{chance.randrange(markets):02x}" if chance.random() < 0.4 else ""
        kind = chance.choice(("pause", "flatten", "kill", "retune", "reset"))
        if kind == "pause":
            told.append((at, Paused(at, ACTOR, market)))
        elif kind == "flatten":
            told.append((at, Flattened(at, ACTOR, market, slippage_ticks=chance.choice((0, 2, 10)))))
        elif kind == "kill":
            told.append((at, Killed(at, ACTOR)))
            told += _after_kill(chance, at)
        elif kind == "reset":
            told.append((at, KillReset(at, ACTOR, "to see whether it is refused")))
        else:
            name, values = chance.choice(RETUNED)
            told.append((at, Retuned(at, ACTOR, {name: chance.choice(values)})))
        if kind in ("pause", "flatten") and chance.random() < 0.8:
            later = _later(chance, at)
            told.append((later, Resumed(later, ACTOR, market)))
    return told


def _after_kill(chance: Random, at: Nanos) -> list[tuple[Nanos, Instruction]]:
    told: list[tuple[Nanos, Instruction]] = []
    if chance.random() < 0.4:
        flatten = _later(chance, at)
        told.append((flatten, Flattened(flatten, ACTOR, slippage_ticks=3)))
    if chance.random() < 0.7:
        for again in sorted((_later(chance, at), _later(chance, at))):
            told += [(again, KillReset(again, ACTOR, "the reason is known")), (again, Resumed(again, ACTOR))]
    return told


def _later(chance: Random, at: Nanos) -> Nanos:
    return Nanos(at + chance.randrange(100, 4_000) * MILLI)


def _outages(chance: Random, length: Nanos) -> list[tuple[Nanos, Nanos]]:
    """Not overlapping."""
    found = []
    at = START
    for _ in range(chance.choice((0, 0, 1, 2))):
        down = Nanos(at + chance.randrange(length // 2))
        at = Nanos(down + chance.randrange(100, 4_000) * MILLI)
        found.append((down, at))
    return found
