"""What a change of the profile does to the risk: parameter by parameter, and whatever cannot be judged counts as more."""

APPLY = "APPLY LIVE"
"""What a person types before a live desk takes what widens its risk; the command carries it as `typed`, and the desk looks at it itself."""
_MORE_IS_RISK = frozenset(
    "default_order_size levels level_size_factor max_position_size max_balance_fraction_per_order stale_after_s crossed_after_ms "  # noqa: SIM905 # a list of words
    "astray_after_ms hash_streak_max max_market_pct max_cluster_pct max_total_pct max_open_orders failed_trades_max pnl_blind_s "
    "kill_switch_max_drawdown_pct kill_switch_alert_pct order_timeout_s sync_interval_s kill_retry_ms price_tolerance_ticks".split()
)
_LESS_IS_RISK = frozenset(
    "default_half_spread_bps min_half_spread_ticks min_half_spread_bps gamma_risk_aversion warm_up_s stop_before_close_s min_price "  # noqa: SIM905 # a list of words
    "widen_last_s widen_last_ticks failed_hold_s reject_backoff_ms skew_eta level_step_ticks min_sigma_usdc_per_sqrt_min "
    "bid_suppress_when_saturated shrink_to_position_limit asks_only_against_inventory vol_samples_min".split()
)


def _value(text: str) -> float | None:
    try:
        return {"true": 1.0, "false": 0.0}[text] if text in ("true", "false") else float(text)
    except ValueError:
        return None


def risk_of(line: str) -> str:
    """What one line of a profile's diff does to the risk: wider | tighter | unknown; empty for a line that is no change."""
    name, colon, change = line.partition(": ")
    old, arrow, new = change.removesuffix(" (needs a restart)").partition(" -> ")
    if not colon or not arrow:
        return ""
    before, after = _value(old), _value(new)
    if before is None or after is None or name not in _MORE_IS_RISK | _LESS_IS_RISK:
        return "unknown"
    return "wider" if (after > before) == (name in _MORE_IS_RISK) else "tighter"


def adds_risk(text: str) -> bool:
    """Whether any line of a diff widens what may be lost, or cannot be judged."""
    return any(risk_of(line) in ("wider", "unknown", "") for line in text.splitlines())
