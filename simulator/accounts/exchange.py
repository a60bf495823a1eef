"""How one exchange deals with API keys: what it signs, what it answers when a key asks what it may do, how it refuses one."""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

from aiohttp import web

from simulator.accounts.accounts import Accounts, ApiKey, Refusal


class Signature(NamedTuple):
    """What a request should be signed with by a key's secret, and what it is signed with."""

    right: str
    given: str


class Exchange(ABC):
    """One exchange, found by being a class with a name in a module of simulator/accounts/exchanges; it holds no state."""

    name: ClassVar[str] = ""
    method: ClassVar[Literal["GET", "POST"]] = "GET"
    path: ClassVar[str]
    """Where a key asks what it may do."""

    @abstractmethod
    def key_of(self, request: web.Request) -> str:
        """Return the name of the key that a request says it is signed by."""

    @abstractmethod
    def signature(self, key: ApiKey, request: web.Request, body: str) -> Signature:
        """Return the right signature of a request, and the one it has."""

    @abstractmethod
    def told(self, key: ApiKey) -> dict[str, Any]:
        """Return what the exchange says of a key."""

    @abstractmethod
    def refused(self, why: str) -> tuple[dict[str, Any], int]:
        """Return the exchange's refusal of a request (`unknown`, `expired`, `signature`), and its status."""

    async def signed(self, accounts: Accounts, request: web.Request) -> ApiKey:
        """Return the key that signed a request. Raises Refusal."""
        key = accounts.found(self.name, self.key_of(request))
        right, given = self.signature(key, request, await request.text())
        if not hmac.compare_digest(right.encode(), given.encode()):
            raise Refusal("signature")
        accounts.asked += 1
        return key

    def refusal(self, refusal: Refusal) -> web.Response:
        """Return the answer to a request that is refused."""
        body, status = self.refused(str(refusal))
        return web.json_response(body, status=status)


def digest(secret: bytes, text: bytes, kind: str) -> bytes:
    """Return the HMAC of a text."""
    return hmac.new(secret, text, kind).digest()
