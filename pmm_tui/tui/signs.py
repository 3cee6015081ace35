"""What has to stand beside the state all the time: a console that may only look, a dead-man that runs out, a venue with conditions."""

from typing import NamedTuple

from pmm_tui.core.snapshot import Snapshot
from pmm_tui.tui import format as f
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.state import DEADMAN_LOUD_S, DEADMAN_SHOWN_S, Scene


class Badge(NamedTuple):
    """A sign in the line below the banner."""

    text: str
    style: str


def mark(one: Scene) -> tuple[str, str]:
    """A desk in a word, and how that is painted: LIVE is real money and nothing else is."""
    if one.frame is None:
        return ("", "waiting")
    if one.live:
        return ("LIVE", "live")
    if one.replayed:
        return ("REPLAY", "waiting")
    return ("REHEARSAL" if one.rehearsing else f.said(one.frame.card.mode, 5).strip(), "paper")


def post_only(snapshot: Snapshot) -> str:
    """The badge of a venue that takes post-only orders alone, with how long it will at least; empty where it takes others."""
    if snapshot.venue.mode != "post_only":
        return ""
    left_s = (snapshot.venue.until - snapshot.at) / 1e9
    return f"VENUE POST-ONLY {f.fit(f.age(left_s), 3)}" if left_s > 0 else "VENUE POST-ONLY"


def unseen(scene: Scene) -> bool:
    """Whether this desk waits for a sign of its operator, or has acted for want of one."""
    return scene.frame is not None and (bool(scene.frame.card.unwatched) or scene.deadman_s <= DEADMAN_SHOWN_S)


def _of(one: Scene) -> list[Badge]:
    """What one desk has to say."""
    found: list[Badge] = []
    frame = one.frame
    if one.deadman_s <= DEADMAN_SHOWN_S and not (frame is not None and frame.card.unwatched):
        found.append(Badge(f"DEAD-MAN {max(0.0, one.deadman_s):2.0f}s", "killed" if one.deadman_s <= DEADMAN_LOUD_S else "alert"))
    if frame is not None and frame.card.unwatched:
        found.append(Badge("UNWATCHED", "alert"))
    if one.storm:
        found.append(Badge(one.storm, "alert"))
    if frame is not None and (text := post_only(frame.snapshot)):
        found.append(Badge(text, "alert"))
    return found


def badges(scene: Scene) -> tuple[Badge, ...]:
    """This console's own, then those of the keys' desk, then those of the other one, which are named after it."""
    found: list[Badge] = []
    if scene.read_only:
        found.append(Badge(f"LOCKED {key_of('app.lock')}", "alert") if scene.locked else Badge("READ-ONLY", "waiting"))
    found += _of(scene)
    if (other := scene.beside) is not None and other.frame is not None:
        found += [Badge(f"{mark(other)[0]}: {badge.text}", badge.style) for badge in _of(other)]
    return tuple(found)
