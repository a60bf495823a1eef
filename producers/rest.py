"""A venue's public REST API: within its limits, and still when it says so."""

import asyncio
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp

from dialects.contract import Dialect, Request
from topology.errors import Reject, Retry
from topology.retry import Attempts, persist_async

MOST_BYTES = 64 * 1024 * 1024
TIMEOUT_SECONDS = 30.0
MOST_UNANSWERED = 32
"""Requests under way at once: the allowance paces them, and one that is never answered holds up no other."""
SHARE = 0.8
"""Share of the venue's allowance that we use: others behind the same address (a person, another tool) need some."""


class Unclear(Retry):
    """An answer of which nobody here knows what it means: it may pass, or stay so for ever (producers/doubt.py)."""


class Allowance:
    """A bucket of request weight: half a minute's worth at most, refilled evenly. Pure: times in monotonic seconds."""

    def __init__(self, weight_per_minute: float, at: float) -> None:
        self._rate = weight_per_minute * SHARE / 60
        self._most = max(weight_per_minute * SHARE / 2, 1)
        self._left = self._most
        self._at = at
        self._blocked_until = at

    def wait(self, weight: float, at: float) -> float:
        """Take `weight` and return 0, or return the seconds to wait before asking again (nothing is then taken)."""
        if at < self._blocked_until:
            return self._blocked_until - at
        if self._rate == 0:
            return 0
        self._left = min(self._most, self._left + (at - self._at) * self._rate)
        self._at = at
        needed = min(weight, self._most)
        if self._left < needed:
            return (needed - self._left) / self._rate
        self._left -= weight
        return 0

    def block(self, seconds: float, at: float) -> None:
        """Let nobody ask for so long: the venue said so."""
        self._blocked_until = max(self._blocked_until, at + seconds)


class Rest:
    """A venue's REST base address. `clock` is monotonic seconds, `now` microseconds since 1970 UTC.

    `dialect` says what is sent with each request, how much may be asked, and which replies are none, in the venue's own words.
    """

    def __init__(self, base: str, dialect: Dialect, clock: Callable[[], float], now: Callable[[], int]) -> None:
        self._base = base
        self._dialect = dialect
        self._allowance = Allowance(dialect.limits.requests_per_minute, clock())
        self._clock = clock
        self._now = now
        self._turn = asyncio.Lock()
        self._lines: dict[str, asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(), limit=MOST_UNANSWERED)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        self._session = aiohttp.ClientSession(headers=dict(self._dialect.request_headers), connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    async def get(self, request: Request, line: str = "") -> tuple[bytes, int]:
        """Return the body, verbatim, and when it was whole; waits for its turn first.

        Requests wait in lines, each in order, and the lines take turns: a hundred snapshots hold up no poll for longer than one of
        them. Raises Retry (with the venue's Retry-After) where asking later may help, Unclear where nobody knows, Reject with the
        venue's words where not.
        """
        async with self._lines.setdefault(line, asyncio.Lock()), self._turn:
            while (seconds := self._allowance.wait(request.weight, self._clock())) > 0:  # noqa: ASYNC110 - it is time that is awaited
                await asyncio.sleep(seconds)
        kind = {"Content-Type": "application/json"} if request.body else None
        try:
            async with self._session.request(request.method, self._base + request.path, data=request.body or None, headers=kind) as answer:
                body = await answer.content.read(MOST_BYTES + 1)
                while len(body) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES + 1 - len(body))):
                    body += more
                received_at = self._now()
                status, headers = answer.status, answer.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retry(f"{self._base}: {error or type(error).__name__}") from error
        if len(body) > MOST_BYTES:
            raise Reject(f"{self._base}{request.path} is larger than {MOST_BYTES} bytes")
        refusal = self._dialect.refusal(status, headers, body)
        if refusal is not None:
            words = f"{self._base}{request.path}: {refusal.words}"
            if refusal.again is None:
                raise Reject(words)
            if refusal.limited:
                self._allowance.block(refusal.again, self._clock())
            raise (Unclear if refusal.unclear else Retry)(words, refusal.again)
        return body, received_at

    async def get_with_retries(
        self, request: Request, wait: Callable[[], float], line: str = "", say: Callable[[str], None] | None = None
    ) -> tuple[bytes, int]:
        """Ask until there is an answer, waiting `wait()` seconds, or as long as the venue says, in between; Unclear and Reject as `get`.

        `say` hears why there is none yet, each time, and "" when there is.
        """

        async def ask() -> tuple[bytes, int] | Unclear:
            try:
                return await self.get(request, line)
            except Unclear as error:
                return error

        answer = await persist_async(ask, Attempts("producers", "rest", about=request.text, wait=wait, say=say))
        if isinstance(answer, Unclear):
            raise answer
        return answer
