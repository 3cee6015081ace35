"""What a feed needs of a WebSocket, so that another road than the network's can stand in for it."""

from collections.abc import Awaitable
from typing import Protocol

from websockets.asyncio.client import connect as websockets_connect

__all__ = ["Connect", "Socket", "websockets_connect"]


class Socket(Protocol):
    """An open WebSocket: websockets' ClientConnection, or a stand-in. Its end is websockets' ConnectionClosed."""

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """The next message; decode=False: a text message as its bytes."""
        ...

    async def send(self, message: str) -> None:
        """Send text."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


class Connect(Protocol):
    """How a socket is opened: websockets' `connect`, or a stand-in. Raises what websockets raises."""

    def __call__(
        self, uri: str, *, ping_interval: float | None, max_size: int, open_timeout: float, close_timeout: float
    ) -> Awaitable[Socket]:
        """Open one."""
        ...
