"""`pmm-tui web`: the console in a browser on this machine, to look at and nothing else."""

import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"


def serve(sockets: Sequence[Path], port: int) -> int:
    """Serve a read-only console for each browser that comes, until it is interrupted. ValueError where the extra is not installed.

    Only this machine can reach it: for another one, ssh -L 8000:127.0.0.1:8000.
    """
    try:
        from aiohttp import web
        from textual_serve.server import Server
    except ModuleNotFoundError:
        raise ValueError('the console in a browser needs an extra package: pip install "pmm-tui[web]"') from None
    hosts = {f"{HOST}:{port}", f"localhost:{port}"}

    @web.middleware
    async def ours(request: "web.Request", handler: "Callable[[web.Request], Awaitable[web.StreamResponse]]") -> "web.StreamResponse":
        """A page of another site cannot look through the browser of whoever has it open."""
        origin = request.headers.get("Origin", f"http://{request.host}")
        if request.host not in hosts or origin.removeprefix("http://") not in hosts:
            raise web.HTTPForbidden(text=f"only for {' and '.join(sorted(hosts))}")
        return await handler(request)

    class Ours(Server):
        """The library's server, closed to others; its way to add to the routes is this method."""

        async def _make_app(self) -> "web.Application":
            app = await super()._make_app()
            app.middlewares.append(ours)
            return app

    command = [sys.executable, "-m", "pmm_tui", "attach", "--read-only", "--no-mouse", *map(str, sockets)]
    Ours(shlex.join(command), host=HOST, port=port, title="pmm-tui, read only").serve()
    return 0
