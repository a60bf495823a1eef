"""What Binance's futures say of periods: `/futures/data/…` on loopback.

Sources, under https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/: Open-Interest-Statistics,
Long-Short-Ratio, Top-Long-Short-Account-Ratio, Top-Trader-Long-Short-Ratio, Taker-BuySell-Volume, and the same of COIN-M, which asks by
pair. Only periods of five minutes are known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from simulator.market import Market
from simulator.venues.binance.replies import failure, reply
from simulator.venues.binance_futures.figures import Figures, shares
from simulator.venues.binance_futures.instruments import pair

LARGEST = 500


class FuturesData:
    """Serves open interest, ratios and takers' volumes of the last periods."""

    def __init__(self, market: Market, figures: Mapping[str, Figures], *, inverse: bool) -> None:
        self._market = market
        self._inverse = inverse
        self._figures = {pair(one.instrument) if inverse else one.instrument.wire_symbol: one for one in figures.values()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        takers = "takerBuySellVol" if self._inverse else "takerlongshortRatio"
        rows: dict[str, Callable[[Figures, int], dict[str, Any]]] = {
            "openInterestHist": self._interest,
            "globalLongShortAccountRatio": self._accounts,
            "topLongShortAccountRatio": self._accounts,
            "topLongShortPositionRatio": self._positions,
            takers: self._takers,
        }
        for name, row in rows.items():
            router.add_get(f"/futures/data/{name}", self._handler(row))

    def _handler(self, row: Callable[[Figures, int], dict[str, Any]]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            figures = self._figures.get(request.query.get("pair" if self._inverse else "symbol", ""))
            limit = request.query.get("limit", "30")
            if figures is None:
                return failure(-1121, "Invalid symbol.")
            if request.query.get("period") != "5m" or not limit.isdigit():
                return failure(-1130, "Data sent for parameter 'period' is not valid.")
            times = figures.periods(self._market.time_us, min(int(limit), LARGEST))
            kind = {"contractType": request.query["contractType"]} if "contractType" in request.query else {}
            return reply([self._named(figures) | row(figures, time) | kind | {"timestamp": time} for time in times])

        return handle

    def _named(self, figures: Figures) -> dict[str, Any]:
        return {"pair": pair(figures.instrument)} if self._inverse else {"symbol": figures.instrument.wire_symbol}

    def _interest(self, figures: Figures, _time: int) -> dict[str, Any]:
        return {"sumOpenInterest": figures.interest(), "sumOpenInterestValue": figures.value()}

    def _accounts(self, _figures: Figures, time: int) -> dict[str, Any]:
        longs, shorts, ratio = shares(time)
        return {"longAccount": longs, "shortAccount": shorts, "longShortRatio": ratio}

    def _positions(self, figures: Figures, time: int) -> dict[str, Any]:
        said = self._accounts(figures, time)
        return {name.replace("Account", "Position") if self._inverse else name: text for name, text in said.items()}

    def _takers(self, figures: Figures, time: int) -> dict[str, Any]:
        bought, sold = figures.size(1_000 + time // 300_000 % 700), figures.size(1_000)
        if self._inverse:
            return {"takerBuyVol": bought, "takerSellVol": sold, "takerBuyVolValue": "1.0", "takerSellVolValue": "1.0"}
        return {"buySellRatio": f"{float(bought) / float(sold):.4f}", "buyVol": bought, "sellVol": sold}
