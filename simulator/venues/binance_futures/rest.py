"""Public REST paths of Binance's futures on loopback, of one market.

Sources: the pages under https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/ and those of COIN-M;
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code. What is of periods stands in data.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from aiohttp import web

from simulator.candles import candles, interval_us
from simulator.instruments import Instrument
from simulator.market import Listing
from simulator.surroundings import Surroundings
from simulator.truth import Tape
from simulator.venues.binance.replies import asked, failure, reply
from simulator.venues.binance_futures.data import FuturesData
from simulator.venues.binance_futures.figures import Figures
from simulator.venues.binance_futures.frames import Writer, milliseconds
from simulator.venues.binance_futures.instruments import pair

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
INTERVALS = frozenset({"1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d"})
NEVER = 4_133_404_800_000
LISTED = 1_569_398_400_000
_EIGHT = Decimal("1E-8")
_ROUNDED = Context(prec=60, rounding=ROUND_HALF_EVEN)


class FuturesRest:
    """Serves books, aggregate trades, klines, lists and figures."""

    def __init__(self, venue: str, surroundings: Surroundings, writers: Mapping[str, Writer], figures: Mapping[str, Figures]) -> None:
        self._venue = venue
        self._truth = surroundings.truth
        self._market = surroundings.truth.market
        self._desk = surroundings.desk
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in surroundings.listings(venue).values()}
        self._writers = writers
        self._figures = figures
        self._inverse = venue.endswith("coinm")
        self._data = FuturesData(self._market, figures, inverse=self._inverse)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        paths: dict[str, Handler] = {
            "ping": self._ping,
            "time": self._time,
            "exchangeInfo": self._exchange_info,
            "fundingInfo": self._funding_info,
            "depth": self._depth,
            "aggTrades": self._trades,
            "klines": self._klines,
            "openInterest": self._interest,
            "premiumIndex": self._premium,
            "fundingRate": self._charged,
        }
        for name, handler in paths.items():
            router.add_get(f"{'/dapi' if self._inverse else '/fapi'}/v1/{name}", handler)
        if not self._inverse:
            router.add_get("/fapi/v1/insuranceBalance", self._insurance)
        self._data.add_routes(router)

    def _now(self) -> int:
        return milliseconds(self._market.time_us)

    async def _ping(self, _request: web.Request) -> web.Response:
        return reply({})

    async def _time(self, _request: web.Request) -> web.Response:
        return reply({"serverTime": self._now()})

    async def _exchange_info(self, _request: web.Request) -> web.Response:
        symbols = [contract(listing.instrument) for listing in self._by_wire.values()]
        return reply({"timezone": "UTC", "serverTime": self._now(), "rateLimits": [], "exchangeFilters": [], "symbols": symbols})

    async def _funding_info(self, _request: web.Request) -> web.Response:
        adjusted = [figures for figures in self._figures.values() if figures.hours != 8]
        return reply(
            [
                {
                    "symbol": figures.instrument.wire_symbol,
                    "adjustedFundingRateCap": "0.02000000",
                    "adjustedFundingRateFloor": "-0.02000000",
                    "fundingIntervalHours": figures.hours,
                    "disclaimer": False,
                    "updateTime": LISTED,
                }
                for figures in adjusted
            ]
        )

    async def _depth(self, request: web.Request) -> web.Response:
        wanted = asked(request, self._by_wire, 500, 1000)
        if isinstance(wanted, web.Response):
            return wanted
        listing, limit = wanted
        symbol, book = listing.instrument.symbol, listing.book
        writer = self._writers[symbol]
        giant = self._desk.take(self._venue, "giant", symbol, "snapshot", self._market.time_us)
        extra = [(writer.far_price + place, 1) for place in range(0 if giant is None else giant.levels)]
        return reply(writer.snapshot(book.update_id, (book.bids.top(limit), [*book.asks.top(limit), *extra]), self._market.time_us))

    async def _trades(self, request: web.Request) -> web.Response:
        wanted = asked(request, self._by_wire, 500, 1000)
        if isinstance(wanted, web.Response):
            return wanted
        listing, limit = wanted
        from_id = request.query.get("fromId")
        if from_id is not None and not from_id.isdigit():
            return failure(-1100, "Illegal characters found in parameter 'fromId'; legal range is '^[0-9]{1,20}$'.")
        writer = self._writers[listing.instrument.symbol]
        found = self._tape(listing).trades(None if from_id is None else int(from_id), limit)
        rows = [f"{{{writer.aggregate(trade, milliseconds(trade.time_ns // 1000))}}}" for trade in found]
        return reply(f"[{','.join(rows)}]")

    async def _klines(self, request: web.Request) -> web.Response:
        wanted = asked(request, self._by_wire, 500, 1500)
        if isinstance(wanted, web.Response):
            return wanted
        listing, limit = wanted
        interval = request.query.get("interval", "")
        if interval not in INTERVALS:
            return failure(-1120, "Invalid interval.")
        return reply(klines(listing.instrument, self._tape(listing), interval, limit, self._market.time_us))

    async def _interest(self, request: web.Request) -> web.Response:
        wanted = asked(request, self._by_wire, 1, 1)
        if isinstance(wanted, web.Response):
            return wanted
        figures = self._figures[wanted[0].instrument.symbol]
        more = {"pair": pair(figures.instrument), "contractType": "PERPETUAL"} if self._inverse else {}
        return reply({"symbol": figures.instrument.wire_symbol, "openInterest": figures.interest(), "time": self._now()} | more)

    async def _premium(self, request: web.Request) -> web.Response:
        if "symbol" not in request.query:
            return reply([self._premium_of(figures) for figures in self._figures.values()])
        wanted = asked(request, self._by_wire, 1, 1)
        if isinstance(wanted, web.Response):
            return wanted
        one = self._premium_of(self._figures[wanted[0].instrument.symbol])
        return reply([one | {"pair": pair(wanted[0].instrument)}] if self._inverse else one)

    def _premium_of(self, figures: Figures) -> dict[str, Any]:
        return {
            "symbol": figures.instrument.wire_symbol,
            "markPrice": figures.mark(),
            "indexPrice": figures.index(),
            "estimatedSettlePrice": figures.index(),
            "lastFundingRate": figures.rate(),
            "interestRate": "0.00010000",
            "nextFundingTime": figures.next_funding(self._market.time_us),
            "time": self._now(),
        }

    async def _charged(self, request: web.Request) -> web.Response:
        wanted = asked(request, self._by_wire, 100, 1000)
        if isinstance(wanted, web.Response):
            return wanted
        listing, limit = wanted
        figures = self._figures[listing.instrument.symbol]
        rows = [
            {"symbol": figures.instrument.wire_symbol, "fundingRate": rate, "fundingTime": time, "markPrice": "", "rateType": "Regular"}
            for time, rate in figures.charged(self._market.time_us, limit)
        ]
        return reply(rows)

    async def _insurance(self, _request: web.Request) -> web.Response:
        hour = self._now() // 3_600_000 * 3_600_000
        balances = [{"asset": "USDT", "marginBalance": "793930579.315848", "updateTime": hour}]
        return reply([{"symbols": list(self._by_wire), "assets": balances}])

    def _tape(self, listing: Listing) -> Tape:
        return self._truth.tape(self._venue, listing.instrument.symbol)


def klines(instrument: Instrument, tape: Tape, interval: str, limit: int, now_us: int) -> list[list[Any]]:
    """Return the rows of the last `limit` intervals in which something traded up to now (microseconds), the oldest first.

    The volume counts what sizes count; the other amount is in quote currency, or in base currency where these are contracts.
    """
    width = interval_us(interval)
    since_us = now_us - now_us % width - (limit - 1) * width
    rows: list[list[Any]] = []
    for candle in candles(instrument, tape.trades(tape.first_id_after(since_us * 1000 - 1)), interval):
        taken = candle.taker_buy_volume
        volume, other = candle.volume, candle.quote_volume
        if instrument.contract_size is not None:
            volume, other = candle.quote_volume / instrument.contract_size, candle.volume
        numbers = [f"{number:f}" for number in (candle.open, candle.high, candle.low, candle.close, volume)]
        end = milliseconds(candle.open_time + width) - 1
        amounts = [f"{number.quantize(_EIGHT, context=_ROUNDED):f}" for number in (other, taken)]
        rows.append([milliseconds(candle.open_time), *numbers, end, amounts[0], candle.trades, amounts[1], amounts[1], "0"])
    return rows


def contract(instrument: Instrument) -> dict[str, Any]:
    """Return one entry of `exchangeInfo`."""
    price, size = instrument.price_writer(), instrument.size_writer()
    inverse = instrument.contract_size is not None
    own = {"contractStatus": "TRADING", "contractSize": int(instrument.contract_size or 0)} if inverse else {"status": "TRADING"}
    smallest = [] if inverse else [{"filterType": "MIN_NOTIONAL", "notional": "5"}]
    return own | {
        "symbol": instrument.wire_symbol,
        "pair": pair(instrument),
        "contractType": "PERPETUAL",
        "deliveryDate": NEVER,
        "onboardDate": LISTED,
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.settle,
        "pricePrecision": instrument.price_decimals,
        "quantityPrecision": instrument.size_decimals,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": price(1), "maxPrice": price(10**9), "tickSize": price(1)},
            {"filterType": "LOT_SIZE", "minQty": size(1), "maxQty": size(10**9), "stepSize": size(1)},
            *smallest,
        ],
    }
