"""HTTP/1.1 to the CLOB over the sockets of aiohttp: under half the processor time of httpx's own, and a request leaves in one piece."""

from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

IDLE_S = 55.0
"""A connection is kept this long unused: below the minute after which balancers drop theirs."""


def transport(url: str, connections: int) -> AiohttpTransport:
    """At most so many connections to one host, kept alive, through the proxy that the environment has for it. Cookies are the client's matter.

    The environment is read once: aiohttp itself would look into it, in another thread, before every request.
    """
    host = httpx.URL(url)
    proxy = None if proxy_bypass(host.host) else getproxies().get(host.scheme)
    verified = httpx.create_ssl_context()

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=IDLE_S, ssl=verified)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    return AiohttpTransport(client=session, proxy=httpx.Proxy(proxy) if proxy else None)


def client(url: str, timeout: httpx.Timeout, connections: int) -> httpx.AsyncClient:
    """Redirects off: a redirected POST would be an order sent who knows where."""
    return httpx.AsyncClient(
        base_url=url,
        transport=transport(url, connections),
        follow_redirects=False,
        timeout=timeout,
        headers={"accept": "application/json", "user-agent": "pmm-tui"},
    )
