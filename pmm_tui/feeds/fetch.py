"""How the feeds ask and wait: one bounded HTTP read, and the capped, jittered patience between tries."""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from random import Random

import httpx

BODY_BYTES_MAX = 16 * 1024 * 1024
RETRY_AFTER_S_MAX = 300.0


class Unanswered(Exception):
    """No usable answer. `reason` is safe to show; `wait_s` is what the server asked us to wait (0: it did not say)."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


class Patience:
    """Waiting times between tries: doubled from `first_s` to `most_s`, each drawn from its upper half.

    The draw keeps many clients from coming back at once.
    """

    def __init__(self, first_s: float, most_s: float, chance: Random) -> None:
        self.first_s = first_s
        self.most_s = most_s
        self.tries = 0
        self._chance = chance

    def next(self, least_s: float = 0.0) -> float:
        """The wait before the next try, seconds; never below `least_s` (what the server asked for)."""
        ceiling = min(self.most_s, self.first_s * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return max(least_s, ceiling * (0.5 + 0.5 * self._chance.random()))

    def reset(self) -> None:
        """It worked: the next failure waits little again."""
        self.tries = 0


def retry_after_s(said: str | None, now_s: float) -> float:
    """A Retry-After header (seconds, or an HTTP date against `now_s`) as seconds in [0, 300]; 0 where absent or unreadable."""
    if not said:
        return 0.0
    text = said.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_S_MAX)
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, until - now_s), RETRY_AFTER_S_MAX)


async def fetch(client: httpx.AsyncClient, url: str, params: Sequence[tuple[str, str]], now_s: float) -> bytes:
    """The body of a 200 JSON answer, at most 16 MiB; Unanswered for everything else, whatever the body is (throttling answers in HTML)."""
    try:
        async with client.stream("GET", url, params=tuple(params)) as answer:
            kind = answer.headers.get("content-type", "no content type").partition(";")[0][:60]
            if answer.status_code != httpx.codes.OK:
                wait_s = retry_after_s(answer.headers.get("retry-after"), now_s)
                raise Unanswered(f"HTTP {answer.status_code} {answer.reason_phrase[:40]}".strip(), wait_s)
            if "json" not in kind:
                raise Unanswered(f"HTTP 200 with {kind} instead of JSON")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise Unanswered(f"a body of more than {BODY_BYTES_MAX} bytes")
            return bytes(body)
    except httpx.HTTPError as lost:
        raise Unanswered(f"{type(lost).__name__}: {str(lost)[:120]}".rstrip(": ")) from None
    except (httpx.InvalidURL, RuntimeError) as lost:
        # RuntimeError: the client was closed under the request, which is how close() ends a wait.
        raise Unanswered(f"{type(lost).__name__}: {str(lost)[:120]}") from None
