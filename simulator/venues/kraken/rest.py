"""Kraken's public REST paths on loopback.

Source: docs.kraken.com, exchange/api-reference/spot-rest (Trades, Time, SystemStatus, AssetPairs). Errors come with
status 200, in the `error` list.
"""

from __future__ import annotations

import time

from aiohttp import web

from simulator.instruments import Instrument
from simulator.market import Trade
from simulator.surroundings import Surroundings
from simulator.venues.kraken.frames import order_type, timestamp

LARGEST_COUNT = 1000
OLD_ASSETS = {"BTC": "XBT", "DOGE": "XDG"}
X_ASSETS = frozenset({"XBT", "XDG", "ETH", "LTC", "XRP"})
"""Assets whose old REST names begin with X."""


def alternate_name(instrument: Instrument) -> str:
    """Return the pair's short REST name: `XBTUSD`."""
    return OLD_ASSETS.get(instrument.base, instrument.base) + instrument.quote


def pair_name(instrument: Instrument) -> str:
    """Return the pair's full REST name: `XXBTZUSD`, but `SOLUSD`."""
    base = OLD_ASSETS.get(instrument.base, instrument.base)
    return f"X{base}Z{instrument.quote}" if base in X_ASSETS else alternate_name(instrument)


class KrakenRest:
    """Serves history and reference data."""

    def __init__(self, venue: str, surroundings: Surroundings) -> None:
        self._venue = venue
        self._truth = surroundings.truth
        self._instruments = [listing.instrument for listing in surroundings.listings(venue).values()]
        self._by_name = {
            name: each
            for each in self._instruments
            for name in (pair_name(each), alternate_name(each), each.symbol, each.base + each.quote)
        }

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        router.add_get("/0/public/Time", self._time)
        router.add_get("/0/public/SystemStatus", self._system_status)
        router.add_get("/0/public/AssetPairs", self._asset_pairs)
        router.add_get("/0/public/Trades", self._trades)

    async def _time(self, _request: web.Request) -> web.Response:
        seconds = self._truth.market.time_us // 1_000_000
        written = time.strftime("%a, %d %b %y %H:%M:%S +0000", time.gmtime(seconds))
        return answer(f'{{"unixtime":{seconds},"rfc1123":"{written}"}}')

    async def _system_status(self, _request: web.Request) -> web.Response:
        return answer(f'{{"status":"online","timestamp":"{timestamp(self._truth.market.time_us)}"}}')

    async def _asset_pairs(self, request: web.Request) -> web.Response:
        wanted = self._instruments
        if "pair" in request.query:
            names = request.query["pair"].split(",")
            if any(name not in self._by_name for name in names):
                return failure("EQuery:Unknown asset pair")
            wanted = [self._by_name[name] for name in names]
        return answer("{" + ",".join(asset_pair(each) for each in wanted) + "}")

    async def _trades(self, request: web.Request) -> web.Response:
        instrument = self._by_name.get(request.query.get("pair", ""))
        if instrument is None:
            return failure("EQuery:Unknown asset pair")
        since, count = request.query.get("since"), request.query.get("count", str(LARGEST_COUNT))
        if (since is not None and not since.isdigit()) or not count.isdigit() or int(count) == 0:
            return failure("EGeneral:Invalid arguments")
        tape = self._truth.tape(self._venue, instrument.symbol)
        from_id = None if since is None else tape.first_id_after(nanoseconds(int(since)))
        trades = tape.trades(from_id, min(int(count), LARGEST_COUNT))
        rows = ",".join(trade_row(instrument, trade) for trade in trades)
        last = trades[-1].time_ns if trades else since or 0
        return answer(f'{{"{pair_name(instrument)}":[{rows}],"last":"{last}"}}')


def nanoseconds(since: int) -> int:
    """`since` is either the nanoseconds of a `last`, or whole seconds."""
    return since if since > 10**15 else since * 10**9


def trade_row(instrument: Instrument, trade: Trade) -> str:
    """`[price, volume, time, side, order type, misc, trade id]`, the time in seconds with nine decimals."""
    side = "b" if trade.taker_buys else "s"
    seconds, rest = divmod(trade.time_ns, 1_000_000_000)
    return (
        f'["{instrument.price_writer()(trade.price)}","{instrument.size_writer()(trade.size)}",'
        f'{seconds}.{rest:09d},"{side}","{order_type(trade.trade_id)[0]}","",{trade.trade_id}]'
    )


def asset_pair(instrument: Instrument) -> str:
    """One entry of AssetPairs, with its name."""
    base = OLD_ASSETS.get(instrument.base, instrument.base)
    return (
        f'"{pair_name(instrument)}":{{"altname":"{alternate_name(instrument)}","wsname":"{base}/{instrument.quote}",'
        f'"aclass_base":"currency","base":"{base}","aclass_quote":"currency","quote":"Z{instrument.quote}",'
        f'"pair_decimals":{instrument.price_decimals},"cost_decimals":5,"lot_decimals":{instrument.size_decimals},'
        f'"lot_multiplier":1,"ordermin":"{instrument.size_writer()(1)}","costmin":"0.5",'
        f'"tick_size":"{instrument.price_writer()(1)}","status":"online"}}'
    )


def answer(result: str) -> web.Response:
    """Return a good answer."""
    return web.Response(text=f'{{"error":[],"result":{result}}}', content_type="application/json")


def failure(text: str) -> web.Response:
    """Return an error, with status 200."""
    return web.json_response({"error": [text]})
