"""The display while the operator holds it: the data of then, under the target, the selection and the alarms of now."""

from msgspec.structs import replace

from pmm_tui.tui.state import Scene


def _run(scene: Scene | None) -> str:
    """Which run a scene is of."""
    return scene.frame.card.run if scene is not None and scene.frame is not None else ""


def held(then: Scene, now: Scene) -> Scene:
    """The scene of then as it is shown now: the desk and the market that the keys go to stand where they go to now."""
    if _run(then) != _run(now) and then.beside is not None and _run(then.beside) == _run(now):
        then = replace(then.beside, beside=replace(then, beside=None))
    chosen = now.market.id if now.market is not None else ""
    beside = replace(_at(then.beside, chosen), frozen=True) if then.beside is not None else None
    return replace(_at(then, chosen), frozen=True, now=now, message=now.message, beside=beside)


def _at(then: Scene, market: str) -> Scene:
    """A scene at a market; at none where it does not have it."""
    markets = then.frame.snapshot.markets if then.frame is not None else ()
    return replace(then, selected=next((number for number, row in enumerate(markets) if row.id == market), -1))
