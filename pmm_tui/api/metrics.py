"""The desk's figures in Prometheus' text format: base units in the names, sums ending in _total."""

import math
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from pmm_tui.api.faces import Faces
from pmm_tui.api.protocol import mode_word
from pmm_tui.core.snapshot import Frame, MarketRow
from pmm_tui.core.units import SECOND, shares, usd

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MODES = ("open", "restarting", "post_only", "cancel_only", "disabled", "limited", "key refused")
_PHASES = ("starting", "running", "paused", "alert", "ending", "killing", "killed")
Sample = tuple[Mapping[str, str], float]
"""Labels and the value; NaN where it is unknown, and then it is left out."""


class Metric(Struct, frozen=True):
    """One family."""

    name: str
    kind: str
    """gauge | counter"""
    about: str
    read: Callable[[Frame], Iterable[Sample]]


def _one(name: str, kind: str, about: str, read: Callable[[Frame], float]) -> Metric:
    return Metric(name, kind, about, lambda frame: (({}, read(frame)),))


def _market(name: str, kind: str, about: str, read: Callable[[MarketRow], float]) -> Metric:
    return Metric(name, kind, about, lambda frame: [({"market": row.id, "slug": row.slug}, read(row)) for row in frame.snapshot.markets])


def _positions(frame: Frame) -> Iterable[Sample]:
    for row in frame.snapshot.markets:
        for outcome, held in zip(row.outcomes, (row.yes, row.no), strict=True):
            yield {"market": row.id, "slug": row.slug, "outcome": outcome}, shares(held)


def _depth(frame: Frame) -> Iterable[Sample]:
    for row in frame.snapshot.markets:
        for side, levels in (("bid", row.bids), ("ask", row.asks)):
            if levels:
                yield {"market": row.id, "slug": row.slug, "side": side}, levels[0].price / 10_000


METRICS: tuple[Metric, ...] = (
    Metric("pmm_desk_phase", "gauge", "1 for the phase that the desk is in.", lambda frame: [
        ({"phase": phase}, float(frame.snapshot.phase == phase)) for phase in _PHASES
    ]),
    _one("pmm_desk_start_time_seconds", "gauge", "When the run began, since the epoch.", lambda frame: frame.card.started / SECOND),
    _one("pmm_desk_snapshot_time_seconds", "gauge", "The picture's moment, since the epoch.", lambda frame: frame.snapshot.at / SECOND),
    _one("pmm_desk_broken", "gauge", "1 where the desk reports that it is broken.", lambda frame: float(bool(frame.card.busy))),
    _one("pmm_desk_deadman_seconds", "gauge", "Until the desk acts for want of an operator; -1: it does not.",
         lambda frame: frame.card.deadman_s),
    _one("pmm_engine_step_p99_seconds", "gauge", "The engine's step, 99th percentile of the last thousand.",
         lambda frame: frame.card.engine_p99_us / 1e6),
    _one("pmm_events_total", "counter", "Facts stepped through the engine.", lambda frame: frame.snapshot.seq),
    _one("pmm_equity_usd", "gauge", "Cash and what the holdings are worth.", lambda frame: usd(frame.snapshot.money.equity)),
    _one("pmm_initial_balance_usd", "gauge", "What the run began with.", lambda frame: usd(frame.snapshot.money.initial)),
    _one("pmm_cash_usd", "gauge", "Cash, what orders hold back included.", lambda frame: usd(frame.snapshot.money.cash)),
    _one("pmm_reserved_usd", "gauge", "Held back by resting buys.", lambda frame: usd(frame.snapshot.money.reserved)),
    _one("pmm_realised_usd", "gauge", "Profit realised.", lambda frame: usd(frame.snapshot.money.realised)),
    _one("pmm_unrealised_usd", "gauge", "Profit not realised.", lambda frame: usd(frame.snapshot.money.unrealised)),
    _one("pmm_fees_usd", "gauge", "Fees net of rebates; positive is paid.", lambda frame: usd(frame.snapshot.money.fees)),
    _one("pmm_gas_usd", "gauge", "Paid on chain by this run.", lambda frame: usd(frame.snapshot.gas)),
    _one("pmm_adverse_selection_usd", "gauge", "Adverse selection that the simulated venue charged.",
         lambda frame: usd(frame.snapshot.money.adverse)),
    _one("pmm_drift_usd", "gauge", "Of the inventory as the mid moved: profit = captured + drift - fees - adverse selection.",
         lambda frame: usd(frame.snapshot.money.drift)),
    _one("pmm_heartbeat_age_seconds", "gauge", "Since the venue answered a heartbeat.",
         lambda frame: frame.card.heartbeat_s if frame.card.heartbeat_s >= 0 else math.nan),
    _one("pmm_venue_answer_seconds", "gauge", "What the venue's answers take, the median of the last hundred orders.",
         lambda frame: frame.card.answer_ms / 1e3 if frame.card.answer_ms >= 0 else math.nan),
    _one("pmm_spread_captured_usd", "gauge", "Captured against the mid of each quote.", lambda frame: usd(frame.snapshot.money.captured)),
    _one("pmm_drawdown_usd", "gauge", "Below the kill switch's reference.", lambda frame: usd(frame.snapshot.money.drawdown)),
    _one("pmm_drawdown_ratio", "gauge", "Below the kill switch's reference, part of it.",
         lambda frame: frame.snapshot.money.drawdown_pct / 100),
    _one("pmm_drawdown_halt_ratio", "gauge", "The drawdown that kills.", lambda frame: frame.snapshot.money.halt_pct / 100),
    _one("pmm_fills_total", "counter", "Fills.", lambda frame: frame.snapshot.fill_count),
    _one("pmm_orders_sent_total", "counter", "Orders sent.", lambda frame: frame.snapshot.orders_sent),
    _one("pmm_open_orders", "gauge", "Orders that are not done.", lambda frame: len(frame.snapshot.orders)),
    Metric("pmm_rejects_total", "counter", "Orders refused, by reason.", lambda frame: [
        ({"reason": reason}, count) for reason, count in sorted(frame.snapshot.rejects.items())
    ]),
    Metric("pmm_feed_up", "gauge", "1 while the connection stands.", lambda frame: [
        ({"link": row.link}, float(row.up)) for row in frame.snapshot.feeds
    ]),
    Metric("pmm_venue_mode", "gauge", "1 for what the venue takes now.", lambda frame: [
        ({"takes": mode}, float(frame.snapshot.venue.mode == mode)) for mode in _MODES
    ]),
    _one("pmm_venue_mode_until_seconds", "gauge", "The venue's mode lasts at least until then, since the epoch; 0: it is open.",
         lambda frame: frame.snapshot.venue.until / SECOND),
    Metric("pmm_risk_holding", "gauge", "1 while this guard holds something.", lambda frame: [
        ({"guard": row.name}, float(row.holding)) for row in frame.snapshot.risk
    ]),
    Metric("pmm_risk_used_ratio", "gauge", "The part of the guard's limit that is used.", lambda frame: [
        ({"guard": row.name}, row.used) for row in frame.snapshot.risk if row.used >= 0
    ]),
    _market("pmm_market_quoting", "gauge", "1 while the market is quoted.", lambda row: float(row.state == "quoting")),
    _market("pmm_market_mid_usd", "gauge", "The middle of the book.", lambda row: row.mid),
    _market("pmm_market_centre_usd", "gauge", "Where our quotes are centred.", lambda row: row.centre),
    _market("pmm_market_half_spread_usd", "gauge", "Half of our spread.", lambda row: row.half_spread),
    _market("pmm_market_fills_total", "counter", "Fills in the market.", lambda row: row.fills),
    Metric("pmm_market_touch_usd", "gauge", "The best price of each side.", _depth),
    Metric("pmm_position_shares", "gauge", "Shares held.", _positions),
    _market("pmm_book_age_seconds", "gauge", "Since the last frame about the market.",
            lambda row: row.health.age_ms / 1e3 if row.health.age_ms >= 0 else math.nan),
    _market("pmm_book_hashes_verified_total", "counter", "Book hashes that agreed.", lambda row: row.health.verified),
    _market("pmm_book_hashes_mismatched_total", "counter", "Book hashes that differed.", lambda row: row.health.mismatched),
    _market("pmm_book_resyncs_total", "counter", "Books asked for anew.", lambda row: row.health.resyncs),
)  # fmt: skip

_API: tuple[tuple[str, str, str, Callable[[Faces], float]], ...] = (
    ("pmm_api_faces", "gauge", "Faces connected.", len),
    ("pmm_api_consoles", "gauge", "Consoles connected that may act.", lambda faces: faces.consoles),
    ("pmm_api_frames_total", "counter", "Pictures drawn for the faces.", lambda faces: faces.counted.pushed),
    ("pmm_api_frames_conflated_total", "counter", "Pictures replaced before a slow face took them.", lambda faces: faces.conflated),
    ("pmm_api_faces_turned_away_total", "counter", "Faces that were one too many.", lambda faces: faces.counted.turned_away),
    ("pmm_api_commands_total", "counter", "Commands carried out.", lambda faces: faces.counted.commands),
    ("pmm_api_commands_refused_total", "counter", "Commands refused at the door.", lambda faces: faces.counted.refused),
)

UP = "pmm_up"
NAMES: tuple[str, ...] = (UP, *(metric.name for metric in METRICS), *(name for name, _, _, _ in _API))


class Shown(Struct, frozen=True):
    """One desk to be told: its picture, None where it is lost, and its faces."""

    desk: str
    """What it is called where several are told at once; empty for the only one."""
    frame: Frame | None
    faces: Faces


def exposition(shown: Iterable[Shown]) -> bytes:
    """The text of a scrape. Every family is named once, with the samples of all the desks."""
    desks = [(one, _labels(one)) for one in shown]
    lines = _family(UP, "gauge", "1 while the desk shows a picture.", [(labels, float(one.frame is not None)) for one, labels in desks])
    for metric in METRICS:
        samples = [
            ({**labels, **more}, value) for one, labels in desks if one.frame is not None for more, value in metric.read(one.frame)
        ]  # fmt: skip
        lines += _family(metric.name, metric.kind, metric.about, samples)
    for name, kind, about, read in _API:
        lines += _family(name, kind, about, [(labels, float(read(one.faces))) for one, labels in desks])
    return ("\n".join(lines) + "\n").encode()


def _labels(one: Shown) -> dict[str, str]:
    named = {"desk": one.desk} if one.desk else {}
    if one.frame is None:
        return named
    card = one.frame.card
    return {**named, "run": card.run, "profile": card.profile, "mode": mode_word(card)}


def _family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> list[str]:
    told = [f"{name}{_written(labels)} {value:.17g}" for labels, value in samples if math.isfinite(value)]
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *told] if told else []


def _written(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
