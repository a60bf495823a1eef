"""What lets a venue's authenticated feeds in: the newest good version of its credential, taken up while they run.

The watcher lives in a thread, because stores and exchanges are asked by libraries that block. A new version is in use once every
feed has a connection that was opened with it and that the venue confirmed; only then is each old connection closed.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from topology.errors import Retry, TidewireError
from topology.log import logger
from topology.secrets.credential import Credential, Identity
from topology.secrets.credentials import Credentials, CredentialVersion
from topology.secrets.watcher import Check, Watcher

AGAIN_SECONDS = 60.0
"""Versions that were all refused are tried again after this: what a key may do can be mended at the exchange."""


class Renewable(Protocol):
    """A feed: see producers/feed.py."""

    async def renew(self, reason: str) -> None:
        """Open a new connection beside the old, see it confirmed, close the old."""


class Access:
    """One credential of one venue. Lives in one event loop; `run` must run beside the feeds.

    `check` asks the exchange whether a credential may be used, `token` for what opens its authenticated channels; both block. `period`
    is the longest time in seconds between two looks for a new version; `listen` is given what brings the next look at once, and
    returns where nothing tells of new versions. `random_number` gives numbers in [0, 1), `clock` monotonic seconds.
    """

    def __init__(
        self,
        credentials: Credentials,
        identity: Identity,
        check: Check,
        token: Callable[[Credential], str],
        period: float,
        listen: Callable[[Callable[[], None]], Awaitable[None]],
        random_number: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._identity = identity
        self._token = token
        self._period = period
        self._listen = listen
        self._clock = clock
        self._feeds: Callable[[], Iterable[Renewable]] = tuple
        self._using: CredentialVersion | None = None
        self._trouble = f"{identity.path}: not read yet"
        self._asking = asyncio.Lock()
        self._stopping = False
        self._watching: asyncio.Future[None] | None = None
        self._wake = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._watcher = Watcher(credentials, identity, check, self._take, self._say, period, random_number, self._wait)

    async def token(self) -> str:
        """Ask the exchange for a token with the version in use. Raises Retry where there is none yet, else as topology.secrets.tokens."""
        async with self._asking:  # an exchange wants the nonces of a key to grow
            if self._using is None:
                raise Retry(self._trouble)
            return await asyncio.to_thread(self._token, self._using.credential)

    async def run(self, feeds: Callable[[], Iterable[Renewable]]) -> None:
        """Keep the feeds on the newest good version until cancelled. Raises what failed in ourselves; it may then be run again."""
        self._feeds = feeds
        if self._watching is not None:
            await asyncio.wait((self._watching,))
        self._stopping = False
        self._watching = watching = asyncio.get_running_loop().run_in_executor(None, self._watch)
        listening = asyncio.ensure_future(self._listen(self._wake.set))
        try:
            await asyncio.wait((watching, listening), return_when=asyncio.FIRST_EXCEPTION)
            await asyncio.gather(*(one for one in (watching, listening) if one.done()))
        finally:
            listening.cancel()
            self._stopping = True
            self._wake.set()

    def _watch(self) -> None:
        if self._begin():
            self._watcher.run()

    def _begin(self) -> bool:
        """Hold the newest version that may be used, waiting for one; False when it is to stop."""
        tried, again_at = -1, 0.0
        while True:
            try:
                newest = self._credentials.newest(self._identity.path)
                if newest != tried or self._clock() >= again_at:
                    tried, again_at = newest, self._clock() + AGAIN_SECONDS
                    self._take(self._watcher.begin())
                    return True
            except TidewireError as error:
                if isinstance(error, Retry):
                    tried = -1
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    self._say(f"authenticated channels wait for a credential: {error}")
            if self._wait(self._period):
                return False

    def _wait(self, seconds: float) -> bool:
        """Wait until the next look, less where a new version is told; whether to stop."""
        self._wake.wait(seconds)
        self._wake.clear()
        return self._stopping

    def _take(self, candidate: CredentialVersion) -> None:
        """Move every feed to a version (called in the watcher's thread). Raises as Feed.renew; the version before then stays in use."""
        asyncio.run_coroutine_threadsafe(self._renew(candidate), self._loop).result()

    async def _renew(self, candidate: CredentialVersion) -> None:
        before, self._using = self._using, candidate
        reason = f"version {candidate.version} of {self._identity.path}"
        outcomes = await asyncio.gather(*(feed.renew(reason) for feed in self._feeds()), return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            self._using = before
            raise failures[0]

    def _say(self, words: str) -> None:
        logger().warning("credential", says=words)
