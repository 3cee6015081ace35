"""The foot of the screen and the help, both made from the key table; and the face of a screen that is too small."""

from collections.abc import Iterable
from functools import lru_cache

from msgspec.structs import replace

from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.dialogs.asked import mode
from pmm_tui.tui.keys import KEYS, RISKS, Key, Keys, applies, brief, label, rank
from pmm_tui.tui.rows.desk import newest
from pmm_tui.tui.rows.duo import desk_word
from pmm_tui.tui.rows.fresh import aged
from pmm_tui.tui.rows.lines import Panel, Row, Span, length, wrap
from pmm_tui.tui.rows.top import banner, tone
from pmm_tui.tui.signs import badges, mark
from pmm_tui.tui.state import Scene, desk_verdict, positions, quoting, safe_verdict

WANTED = 6
"""Keys up to this rank stand closer before one of them is left out."""
USEFUL = 40
"""Cells below which the newest event is only the beginning of one."""
BESIDE = 60
"""An answer to a key that leaves so much room does not cover the newest event."""


def target(scene: Scene) -> Span:
    """Which desk a key reaches."""
    if scene.frame is None:
        return (f"[{desk_word(scene).lower()}]", "waiting")
    if scene.live:
        return ("[LIVE $]", "live")
    word = "REHEARSAL" if scene.rehearsing else "REPLAY" if scene.replayed else f.said(scene.frame.card.mode, 5).strip()
    return (f"[{word}]", "paper")


Named = tuple[Key, str, str]
"""A key, what it is called now, and that in a word."""


def _keys_row(aim: Span, keys: list[Named], roomy: bool, in_short: bool) -> Row:
    """The target and the keys, each in its pill."""
    row: list[Span] = [(" target " if roomy else " ", "dim"), aim]
    for key, name, word in keys:
        pill = f" {key.show} " if roomy else key.show
        row += [("  " if roomy else " ", ""), (pill, "danger" if key.id == "kill" else "key"), (f" {word if in_short else name}", "")]
    return tuple(row)


@lru_cache(maxsize=16)  # the keys change when somebody does something
def _fitting(aim: Span, keys: tuple[Named, ...], width: int) -> Row:
    """As many of the keys as fit, in their own order: those of the lowest rank have their room first, the kill key before all.

    Where one that is wanted is left out, none of a higher rank fills the gap: it would read as all that there is."""
    first = [named for named in keys if named[0].footer <= WANTED]
    looks = [(True, False)] * (width >= 100) + [(False, False), (False, True)]
    roomy, in_short = next((look for look in looks if length(_keys_row(aim, first, *look)) <= width), looks[-1])
    kept: set[str] = set()
    row: Row = ()
    last = 99
    for wanted, *_ in sorted(keys, key=lambda named: named[0].footer - (named[0].id == "kill")):
        fuller = _keys_row(aim, [named for named in keys if named[0].id in {*kept, wanted.id}], roomy, in_short)
        if wanted.footer <= last and (not kept or length(fuller) <= width):
            kept.add(wanted.id)
            row = fuller
        elif wanted.footer <= WANTED:
            last = min(last, wanted.footer)
    return row


def _named(scene: Scene, keys: Iterable[Key]) -> tuple[Named, ...]:
    now = [(key if (at := rank(key, scene)) == key.footer else replace(key, footer=at)) for key in keys if applies(key, scene)]
    return tuple([(key, label(key, scene), brief(key, scene)) for key in now])


def unanswered(scene: Scene) -> list[str]:
    """What is to be done by hand about each desk that was told to stop and did not say that it heard it."""
    return [f"!! {mode(one)} {one.unanswered}" for one in (scene, scene.beside) if one is not None and one.unanswered]


def told(scene: Scene, width: int) -> Row:
    """A kill that was not answered, for as long as it was not; beside it the newest there is."""
    waits = "   ".join(unanswered(scene))
    if not waits:
        room = width - length(((f.clean(scene.message[1]), ""),)) - 4
        if not scene.message[1] or room < BESIDE:
            return newest(scene, width)
        return (*newest(scene, width - room - 2), ("  ", ""), *newest(replace(scene, message=("", "")), room))
    row: Row = ((f.fit(f" {waits} ", min(width, len(waits) + 2)), "killed"),)
    room = width - length(row)
    return (*row, *newest(scene, room)) if room >= USEFUL else row


def footer(scene: Scene, width: int, height: int, keys: Keys = KEYS) -> Panel:
    """What was last answered or happened, and the keys that act now, as many as fit."""
    row = _fitting(target(scene), _named(scene, (key for key in keys if rank(key, scene))), width)
    rows: list[Row] = [told(scene, width), row]
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


def _money(scene: Scene) -> Row:
    """What was made, how far the kill switch is away, what rests."""
    if scene.frame is None:
        return ()
    money = scene.frame.snapshot.money
    made = Cash(money.equity - money.initial)
    quotes = quoting(scene)[0] and not scene.lost and not scene.frame.card.busy
    rest = f" drawdown {f.percent(money.drawdown_pct)} of {money.halt_pct:g}%  orders {len(scene.frame.snapshot.orders)}"
    if (held := positions(scene.frame.snapshot)) and not quotes:
        rest += f"  held {held}"
    word, style = mark(scene)
    return aged(scene, ((f" {word} ", style), (f" {f.arrow(made)} {f.signed_usd(made)} ", tone(made)), (rest, "")))


def _reason(one: Scene, many: bool, width: int) -> list[Row]:
    """What the banner of a small screen has no room to say, of safety, too, and whose it is where there are many desks."""
    verdict, safe = desk_verdict(one), safe_verdict(one)
    whose = f"{mark(one)[0] or desk_word(one)}: " if many else ""
    style = "dim" if verdict.style == "waiting" else "warn"
    rows: list[Row] = []
    if verdict.style != "running" and verdict.why:
        rows += [((f" {line}", style),) for line in wrap(f"{whose}{verdict.why}", width - 2, 3)]
    if not one.lost and safe.style not in ("up", "waiting") and safe.word not in ("SAFE", verdict.word):
        rows += [((f" {line}", "warn"),) for line in wrap(f"{whose}{safe.word}: {safe.why}", width - 2, 2)]
    return rows


def small(scene: Scene, width: int, height: int, table: Keys = KEYS) -> Panel:
    """A screen too small for a dashboard: mode, state and money, the size that is needed, and below it all the keys that still work.

    Where there are few rows the least needed go first: the banner of the keys' desk and the keys themselves never do.
    """
    desks = [scene] if scene.beside is None else [scene, scene.beside]
    banners = [banner(replace(one, beside=None), width, 1).rows[0] for one in desks]
    signs = tuple(span for badge in badges(scene) for span in ((" ", ""), (f" {badge.text} ", badge.style)))
    runs = all(one.frame is not None and not one.lost and not one.stopped and not one.frame.card.busy for one in desks)
    waits: list[Row] = [((f" {line}", "killed"),) for text in unanswered(scene) for line in wrap(text, width - 2, 3)]
    goes_on = "The desk keeps running. " if scene.beside is None else "The desks keep running. "
    keys = (key for key in table if key.small or (scene.frozen and key.id == "view.freeze"))
    held: Row = ((" ▌▌ DISPLAY FROZEN behind this, which is of now ", "paused"),)
    ranked: list[tuple[int, Row]] = [
        (0, banners[0]),
        *((3, row) for row in banners[1:]),
        *((2, row) for row in waits),
        *((2, row) for row in (signs, held if scene.frozen else ()) if row),
        *((4, row) for one in desks for row in (*_reason(one, len(desks) > 1, width), _money(one)) if row),
        (7, ()),
        (6, ((f" Too small: this is {width}×{height}, the dashboard needs 80×24.", "warn"),)),
        (8, ((f" {goes_on if runs else ''}These keys still work:", ""),)),
        (7, ()),
        (5, newest(scene, width)),
        (1, _fitting(target(scene), _named(scene, keys), width)),
    ]
    kept = sorted(range(len(ranked)), key=lambda at: ranked[at][0])[:height]
    rows = [row for at, (_, row) in enumerate(ranked) if at in kept]
    return Panel("", [*rows[:-1], *[()] * (height - len(rows)), rows[-1]])
