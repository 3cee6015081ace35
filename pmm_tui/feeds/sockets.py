"""What a channel of the venue needs of a WebSocket, so that another road than the network's can stand in for it."""

from collections.abc import Awaitable
from typing import Protocol

from websockets.asyncio.client import connect as websockets_connect

__all__ = ["Connect", "Socket", "dial", "websockets_connect"]
CLOSE_TIMEOUT_S = 1.0


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


async def dial(connect: Connect, url: str, frame_bytes_max: int, timeout_s: float) -> Socket:
    """A socket to a channel that is pinged in its own words, not by the protocol's. Raises what websockets raises."""
    return await connect(url, ping_interval=None, max_size=frame_bytes_max, open_timeout=timeout_s, close_timeout=CLOSE_TIMEOUT_S)
