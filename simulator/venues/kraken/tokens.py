"""Tokens that open Kraken's authenticated channels: given for a signed request, bound to the key that signed it.

Sources: docs.kraken.com, "Get Websockets Token" (a token is to be used within 15 minutes, and lasts as long as the subscription
it opened); answers of the live feed to a subscription without a token (`Token(s) not found`) and with one it does not know
(`ESession:Invalid session`).
"""

from __future__ import annotations

import base64
from random import Random

from aiohttp import web

from simulator.accounts.accounts import Accounts, Refusal
from simulator.accounts.exchanges.kraken import Kraken
from simulator.wire import Connection

PATH = "/0/private/GetWebSocketsToken"
VALID_SECONDS = 900
PERMISSION = "read"
MISSING = "Token(s) not found"
UNKNOWN = "ESession:Invalid session"
FORBIDDEN = "EAccount:Invalid permissions"


class Tokens:
    """Every token given and not yet too old to open a subscription; the same seed gives the same tokens in the same order."""

    def __init__(self, accounts: Accounts, seed: int) -> None:
        self._accounts = accounts
        self._keys = Kraken()
        self._random = Random(f"{seed}|tokens")
        self._given: dict[str, tuple[str, int]] = {}
        """Token → its key, and the microsecond from which it opens nothing; oldest first."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the path that gives tokens."""
        router.add_post(PATH, self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            key = await self._keys.signed(self._accounts, request)
        except Refusal as refusal:
            return self._keys.refusal(refusal)
        if PERMISSION not in key.permissions:
            return web.json_response({"error": ["EGeneral:Permission denied"]})
        return web.json_response({"error": [], "result": {"token": self.give(key.key), "expires": VALID_SECONDS}})

    def give(self, key: str) -> str:
        """Return a new token of a key."""
        now = self._accounts.now()
        while self._given and next(iter(self._given.values()))[1] <= now:
            del self._given[next(iter(self._given))]
        token = base64.urlsafe_b64encode(self._random.randbytes(32)).decode().rstrip("=")
        self._given[token] = (key, now + VALID_SECONDS * 1_000_000)
        return token

    def refusal(self, connection: Connection, token: object) -> str | None:
        """Return the venue's words where a token opens nothing on a connection, else let the connection remember token and key."""
        if not isinstance(token, str) or not token:
            return MISSING
        name, until = self._given.get(token, ("", 0))
        name = connection.keys.get(token) or (name if until > self._accounts.now() else "")
        try:
            key = self._accounts.found(self._keys.name, name)
        except Refusal:
            return UNKNOWN
        if PERMISSION not in key.permissions:
            return FORBIDDEN
        connection.keys[token] = name
        return None

    def orphaned(self, connection: Connection) -> bool:
        """Whether a connection was opened with a key which has ended since."""
        for name in connection.keys.values():
            try:
                self._accounts.found(self._keys.name, name)
            except Refusal:
                return True
        return False
