"""The REST paths on which a key asks what it may do, at each exchange whose keys are known here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from aiohttp import web

import simulator.accounts.exchanges
from simulator.accounts.accounts import Accounts, Refusal
from simulator.accounts.exchange import Exchange
from simulator.folders import classes
from topology import http


@cache
def exchanges() -> Mapping[str, Exchange]:
    """Return one instance of every exchange whose keys are known here, by name."""
    found = classes(simulator.accounts.exchanges, Exchange)  # type: ignore[type-abstract]  # it is asked for what derives from it
    return MappingProxyType({name: one() for name, one in found.items()})


def add_routes(router: web.UrlDispatcher, accounts: Accounts, exchange: Exchange) -> None:
    """Let an exchange's REST host answer."""

    async def answer(request: web.Request) -> web.Response:
        try:
            key = await exchange.signed(accounts, request)
        except Refusal as refusal:
            return exchange.refusal(refusal)
        return web.json_response(exchange.told(key))

    router.add_route(exchange.method, exchange.path, answer)


def app(accounts: Accounts) -> web.Application:
    """Return a server that speaks for every exchange: none of their paths is another's."""
    made = http.application(http.VENUE)
    for exchange in exchanges().values():
        add_routes(made.router, accounts, exchange)
    return made
