"""`pmm-tui api`: the desks of this machine behind one port, and the documents that describe what is served."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pmm_tui.api.gate import read_token
from pmm_tui.api.gateway import Gateway, Locate, Who, behind, who_is
from pmm_tui.api.schema import alerts, asyncapi, dashboard, openapi
from pmm_tui.api.server import Door, SocketTaken
from pmm_tui.runtime.fleet import find, running
from pmm_tui.runtime.places import CannotStart, token_path

PROD = "/prod"
_SUFFIXES = ("", PROD)
DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "openapi": lambda: openapi(_SUFFIXES),
    "asyncapi": lambda: asyncapi(_SUFFIXES),
    "grafana": dashboard,
    "alerts": alerts,
}


def show_document(what: str) -> int:
    """Print one; CannotStart where there is none of that name."""
    if what not in DOCUMENTS:
        raise CannotStart(f"api: found {what[:20]!r}; allowed: serve, {', '.join(DOCUMENTS)}")
    sys.stdout.write(DOCUMENTS[what]().decode())
    return 0


def serve_api(port: int, paper: str, prod: str, token_file: str) -> int:
    """Serve until SIGTERM or SIGINT. The first line on stdout tells the port. CannotStart or OSError where it cannot be served."""
    token = token_path(token_file)
    door = Door(port, read_token(token, make=not token_file))
    desks = [behind("paper", "", locator(paper, "PAPER")), behind("prod", PROD, locator(prod, "LIVE"))]
    try:
        asyncio.run(_serve(Gateway(desks, door), token))
    except SocketTaken as taken:
        raise CannotStart(str(taken)) from taken
    return 0


def locator(name: str, mode: str) -> Locate:
    """What finds the socket of a desk of this mode: the named one, else the one that started last. A rehearsal is found only by its name,
    since it would be taken for real money."""

    def locate(kept: Who | None) -> Path | None:
        try:
            desks = [find(name)] if name else running()
        except CannotStart:
            return None
        fits = list[tuple[int, Path]]()
        for desk in desks:
            if desk.frame is None:
                fits += [] if desk.gone or not name else [(0, desk.socket)]  # it hangs: a kill reaches it all the same
                continue
            who, card = who_is(desk.frame), desk.frame.card
            if who == kept or (kept is None and mode == (card.mode if name else who[1])):
                fits.append((card.started, desk.socket))
        return max(fits)[1] if fits else None

    return locate


async def _serve(gateway: Gateway, token: Path) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.stop)
    serving = loop.create_task(gateway.serve())
    while not gateway.listening and not serving.done():
        await asyncio.sleep(0.01)
    if gateway.listening:
        sys.stdout.write(f"http://127.0.0.1:{gateway.port}  the bearer token is in {token}\n")
        sys.stdout.flush()
    await serving
