"""Hyperliquid's answers to requests for information, the same over REST (`POST /info`) and on the socket (`post`).

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint with its pages `perpetuals` and `spot`. A body
that is not understood has status 422 and plain text; a coin that is not listed is null, with status 200 for a book and 500 for all else, as
the live ones answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.candles import candles, interval_us
from simulator.market import Listing
from simulator.surroundings import Surroundings
from simulator.venues.hyperliquid.contexts import rate
from simulator.venues.hyperliquid.frames import Writer, milliseconds, plain, trade_id
from simulator.venues.hyperliquid.instruments import USDC, index_of

NOT_UNDERSTOOD = "Failed to deserialize the JSON body into the target type"
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d")
"""Weeks and months are refused here."""
MOST_CANDLES, MOST_FUNDINGS, MOST_TRADES = 5000, 500, 30
HOUR = 3_600_000
"""Milliseconds."""


class NotUnderstoodError(Exception):
    """The body asks for nothing that there is."""


class NoSuchCoinError(Exception):
    """It asks for a coin that is not listed, or has no such thing."""


class Info:
    """Answers what is asked of the market."""

    def __init__(self, venue: str, surroundings: Surroundings) -> None:
        self._venue = venue
        self._truth = surroundings.truth
        self._market = surroundings.truth.market
        self._listings = list(surroundings.listings(venue).values())
        self._by_coin = {listing.instrument.wire_symbol: listing for listing in self._listings}
        self._answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "allPerpMetas": lambda _body: [self._meta()],
            "meta": lambda _body: self._meta(),
            "spotMeta": lambda _body: self._spot_meta(),
            "exchangeStatus": lambda _body: {"time": self._now(), "specialStatuses": None},
            "l2Book": self._book,
            "recentTrades": self._trades,
            "fundingHistory": self._fundings,
            "candleSnapshot": self._candles,
        }

    def answer(self, body: object) -> Any:
        """Return the answer to a body.

        Raises:
            NotUnderstoodError: it is no request that there is.
            NoSuchCoinError: there is no such coin.
        """
        kind = body.get("type") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(kind, str) or kind not in self._answers:
            raise NotUnderstoodError
        return self._answers[kind](body)

    def perpetuals(self) -> list[Listing]:
        """Return the perpetuals in the order of the universe."""
        return [listing for listing in self._listings if listing.instrument.kind == "perpetual"]

    def last_trades(self, listing: Listing) -> list[Any]:
        """Return the newest trades, oldest first."""
        return self._truth.tape(self._venue, listing.instrument.symbol).trades(limit=MOST_TRADES)

    def _now(self) -> int:
        return milliseconds(self._market.time_us)

    def _meta(self) -> dict[str, Any]:
        universe = [
            {"szDecimals": one.instrument.size_decimals, "name": one.instrument.wire_symbol, "maxLeverage": 40, "marginTableId": 56}
            for one in self.perpetuals()
        ]
        tiers = [{"lowerBound": "0.0", "maxLeverage": 40}]
        return {"universe": universe, "marginTables": [[56, {"description": "", "marginTiers": tiers}]], "collateralToken": 0}

    def _spot_meta(self) -> dict[str, Any]:
        pairs = [listing.instrument for listing in self._listings if listing.instrument.kind == "spot"]
        tokens = [token(USDC, 8, 0), *(token(pair.base, pair.size_decimals, index_of(pair.base)) for pair in pairs)]
        universe = [
            {"tokens": [index_of(pair.base), 0], "name": pair.wire_symbol, "index": index_of(pair.base), "isCanonical": False}
            for pair in pairs
        ]
        return {"tokens": tokens, "universe": universe}

    def _listing(self, coin: object) -> Listing:
        if not isinstance(coin, str):
            raise NotUnderstoodError
        if coin not in self._by_coin:
            raise NoSuchCoinError
        return self._by_coin[coin]

    def _book(self, body: dict[str, Any]) -> Any:
        try:
            listing = self._listing(body.get("coin"))
        except NoSuchCoinError:
            return None
        return Writer(listing.instrument).whole_book(listing.book, self._market.time_us)

    def _trades(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        listing = self._listing(body.get("coin"))
        writer = Writer(listing.instrument)
        return [
            {
                "coin": writer.coin,
                "side": "B" if trade.taker_buys else "A",
                "px": writer.price(trade.price),
                "sz": writer.size(trade.size),
                "time": trade.time_ns // 1_000_000,
                "hash": f"0x{trade.time_ns:064x}",
                "tid": trade_id(trade),
            }
            for trade in reversed(self.last_trades(listing))
        ]

    def _fundings(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what was charged: some milliseconds after each full hour, before the market began too."""
        listing = self._listing(body.get("coin"))
        start, end = self._times(body)
        if listing.instrument.kind != "perpetual":
            raise NoSuchCoinError
        hours = range(-(-start // HOUR), min(end, self._now()) // HOUR + 1)
        rows = [(hour, hour * HOUR + hour % 60) for hour in hours[:MOST_FUNDINGS]]
        coin = listing.instrument.wire_symbol
        return [{"coin": coin, "fundingRate": rate(hour), "premium": f"-0.0001{hour % 1000:03d}", "time": time} for hour, time in rows]

    def _candles(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        asked = body.get("req")
        if not isinstance(asked, dict) or asked.get("interval") not in INTERVALS:
            raise NotUnderstoodError
        listing = self._listing(asked.get("coin"))
        start, end = self._times(asked)
        instrument, interval = listing.instrument, asked["interval"]
        width = interval_us(interval) // 1000
        tape = self._truth.tape(self._venue, instrument.symbol)
        found = candles(instrument, tape.trades(tape.first_id_after((start - start % width) * 1_000_000 - 1)), interval)
        rows = [
            {
                "t": candle.open_time // 1000,
                "T": candle.open_time // 1000 + width - 1,
                "s": instrument.wire_symbol,
                "i": interval,
                "o": plain(f"{candle.open:f}"),
                "c": plain(f"{candle.close:f}"),
                "h": plain(f"{candle.high:f}"),
                "l": plain(f"{candle.low:f}"),
                "v": plain(f"{candle.volume:f}"),
                "n": candle.trades,
            }
            for candle in found
            if candle.open_time // 1000 <= end
        ]
        return rows[-MOST_CANDLES:]

    def _times(self, body: dict[str, Any]) -> tuple[int, int]:
        start, end = body.get("startTime"), body.get("endTime", self._now())
        if type(start) is not int or type(end) is not int or not 0 <= start < 2**53:
            raise NotUnderstoodError
        return start, end


def token(name: str, decimals: int, index: int) -> dict[str, Any]:
    """Return one entry of the list of tokens."""
    return {"name": name, "szDecimals": decimals, "weiDecimals": 8, "index": index, "tokenId": f"0x{index:032x}", "isCanonical": index == 0}
