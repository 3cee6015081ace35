"""What a production desk's records say beyond a paper desk's: gas, latency, refusals, queues and the fee that was really paid."""

from typing import Any

from msgspec import to_builtins

from pmm_tui.core.events import OrderRejected
from pmm_tui.core.orders.life import Order
from pmm_tui.core.portfolio import Fill
from pmm_tui.core.state import State
from pmm_tui.core.units import pays, shares, usd


def fee_bps(fill: Fill) -> float:
    """The fee of a fill in basis points of its notional; negative is a rebate."""
    notional = pays(fill.price, fill.size)
    return 1e4 * fill.fee / notional if notional else 0.0


def live_trade(state: State, fill: Fill) -> dict[str, Any]:
    """A fill for trades_production.jsonl. gas_cost_usd: dollars paid so far; latency_ms: from sending to acceptance; queue_position: shares
    ahead at the fill, at most; null where unknown."""
    told: dict[str, Any] = to_builtins(fill)
    return told | {
        "gas_cost_usd": usd(state.gas),
        "latency_ms": fill.answered_ms if fill.answered_ms >= 0 else None,
        "rejection_reason": None,
        "queue_position": shares(fill.ahead) if fill.ahead >= 0 else None,
        "real_fee_bps": fee_bps(fill),
    }


def live_refusal(order: Order, event: OrderRejected) -> dict[str, Any]:
    """A refused order for trades_production.jsonl."""
    return {
        "at": event.at,
        "trade": "",
        "order": order.id,
        "market": order.market,
        "token": order.token,
        "side": order.side.value,
        "price": order.price,
        "size": order.size,
        "status": "REJECTED",
        "gas_cost_usd": None,
        "latency_ms": (event.at - order.sent_at) / 1e6,
        "rejection_reason": event.reason,
        "queue_position": None,
        "real_fee_bps": None,
    }


def percentile(values: list[float], part: float) -> float | None:
    """The value that `part` of all do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else None


def live_figures(state: State) -> dict[str, Any]:
    """The same for the whole desk, for live_state_production.json: of the fills and orders still remembered."""
    fills = list(state.portfolio.fills.values())
    answers = [(order.accepted_at - order.sent_at) / 1e6 for order in (*state.live.values(), *state.finished.values()) if order.accepted_at]
    notional = sum(pays(fill.price, fill.size) for fill in fills)
    refused = [order for order in state.finished.values() if not order.accepted_at and order.why]
    return {
        "gas_cost_usd": usd(state.gas),
        "latency_ms": {"p50": percentile(answers, 0.5), "p95": percentile(answers, 0.95), "samples": len(answers)},
        "rejection_reason": refused[-1].why if refused else None,
        "queue_position": {str(order.id): shares(order.ahead) for order in state.live.values() if order.ahead >= 0},
        "real_fee_bps": 1e4 * sum(fill.fee for fill in fills) / notional if notional else 0.0,
    }
