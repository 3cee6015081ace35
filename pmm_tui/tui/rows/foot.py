"""The foot of the screen and the help, both made from the key table; and the face of a screen that is too small."""

from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.keys import KEYS, RISKS, Key, Keys, applies, label
from pmm_tui.tui.rows.desk import newest
from pmm_tui.tui.rows.lines import Panel, Row, Span, length
from pmm_tui.tui.rows.top import banner
from pmm_tui.tui.state import Scene, desk_verdict


def target(scene: Scene) -> Span:
    """Which desk a key reaches."""
    if scene.frame is None:
        return ("[no desk]", "waiting")
    if scene.live:
        return ("[LIVE $]", "live")
    word = "REHEARSAL" if scene.rehearsing else "REPLAY" if scene.replayed else f.said(scene.frame.card.mode, 5).strip()
    return (f"[{word}]", "paper")


def _keys_row(scene: Scene, keys: list[Key], roomy: bool) -> Row:
    """The target and the keys, each in its pill."""
    row: list[Span] = [(" target " if roomy else " ", "dim"), target(scene)]
    for key in keys:
        pill = f" {key.show} " if roomy else key.show
        row += [("  " if roomy else " ", ""), (pill, "danger" if key.id == "kill" else "key"), (f" {label(key, scene)}", "")]
    return tuple(row)


def footer(scene: Scene, width: int, height: int, keys: Keys = KEYS) -> Panel:
    """What was last answered or happened, and the keys that act now, as many as fit."""
    fitting = [key for key in keys if key.footer and applies(key, scene)]
    row = _keys_row(scene, fitting, width >= 100)
    while length(row) > width and len(fitting) > 1:
        fitting.remove(max(fitting, key=lambda key: key.footer))
        row = _keys_row(scene, fitting, width >= 100)
    rows: list[Row] = [newest(scene, width), row]
    return Panel("", rows[-height:])


def help_rows(keys: Keys = KEYS, screen: int = 0) -> list[Row]:
    """Every key of a screen (0: of all), what it does, and how much it asks before it does it."""
    rows: list[Row] = []
    here = [key for key in keys if not screen or not key.screens or screen in key.screens]
    for number, key in enumerate(here):
        if not key.help and number:
            continue
        rest = here[number + 1 :]
        group = [key, *rest[: next((at for at, one in enumerate(rest) if one.help), len(rest))]]
        style = {"frees": "up", "costs": "warn", "adds": "down"}.get(key.risk, "dim")
        shown = " ".join(one.show for one in group)
        rows.append(((f.fit(shown, 16), "bold"), (f.fit(RISKS[key.risk], 12), style), (key.help or key.label, "")))
    return rows


def small(scene: Scene, width: int, height: int, table: Keys = KEYS) -> Panel:
    """A screen too small for a dashboard: mode, state and money, the size that is needed, and the keys that still work."""
    verdict = desk_verdict(scene)
    rows: list[Row] = [banner(scene, width, 1).rows[0]]
    if scene.frame is not None:
        money = scene.frame.snapshot.money
        made = Cash(money.equity - money.initial)
        tone = "up" if made > 0 else "down" if made < 0 else ""
        rows.append(
            (
                (f" {f.arrow(made)} {f.signed_usd(made)} ", tone),
                (f" drawdown {f.percent(money.drawdown_pct)} of {money.halt_pct:g}%  orders {len(scene.frame.snapshot.orders)}", ""),
            )
        )
    else:
        rows.append(((f" {verdict.why}", "dim"),))
    keys = _keys_row(scene, [key for key in table if key.small], False)
    rows += [
        (),
        ((f" Too small for the dashboard: {width}×{height}, 80×24 is needed.", "warn"),),
        ((" The desk keeps running. These keys still work:", ""),),
        keys,
        (),
        newest(scene, width),
    ]
    if height < len(rows):
        rows = [rows[0], rows[1], keys, newest(scene, width)]
    return Panel("", rows[:height])
