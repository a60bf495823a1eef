"""What OKX says of contracts beside trades and books: mark price, index, funding, open interest, options and funds.

Source: https://www.okx.com/docs-v5/en/#public-data-websocket. What no order book tells is made of the market's own numbers, so that the
same market says the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.instruments import Instrument, decimal_writer
from simulator.market import Listing, Step
from simulator.venues.okx.frames import milliseconds
from simulator.venues.okx.instruments import product, underlying

FUNDING_US = 8 * 3600 * 1_000_000
FIRST_INTEREST = 1_000_000
"""Lots of open interest at first."""
TRADES_PER_RATE = 40
"""Trades after which the predicted funding rate moves on."""
FAMILIES = ("BTC-USD", "ETH-USD")
FUND = Decimal("280784384.9564228289548144")


class Summary:
    """One instrument's state beside its book."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self.instrument: Instrument = listing.instrument
        self._size = self.instrument.size_writer()
        self._fine = decimal_writer(self.instrument.price_decimals + 1)
        self._interest = FIRST_INTEREST
        self.trades = 0

    def note(self, step: Step) -> None:
        """Take the trades of a step."""
        for trade in step.trades:
            self.trades += 1
            opens = trade.trade_id % 2 == 0 or trade.size >= self._interest
            self._interest += trade.size if opens else -trade.size

    def fields(self, channel: str, time_us: int) -> dict[str, Any]:
        """Return the fields of a channel's row, without its time."""
        match channel:
            case "index-tickers":
                return {"instId": self.instrument.wire_symbol, "idxPx": self._middle(self.trades % 7 - 3)}
            case "mark-price":
                return self._head() | {"markPx": self._middle(0)}
            case "estimated-price":
                return self._head() | {"settlePx": self._middle(self.trades % 5), "settleType": "delivery"}
            case "open-interest":
                return self._open_interest()
        return self._funding(time_us)

    def _head(self) -> dict[str, Any]:
        return {"instType": product(self.instrument), "instId": self.instrument.wire_symbol}

    def _middle(self, beside: int) -> str:
        bid, _, ask, _ = self._listing.book.quote()
        return self._fine((bid + ask) * 5 + beside)

    def _open_interest(self) -> dict[str, Any]:
        base, quote = self.instrument.amounts(self._listing.book.bids.best(), self._interest)
        return self._head() | {"oi": self._size(self._interest), "oiCcy": f"{base:.12f}", "oiUsd": f"{quote:.8f}"}

    def _funding(self, time_us: int) -> dict[str, Any]:
        following = (time_us // FUNDING_US + 1) * FUNDING_US
        return self._head() | {
            "formulaType": "withRate",
            "fundingRate": f"0.{100 + self.trades // TRADES_PER_RATE % 9:06d}",
            "fundingTime": str(milliseconds(following)),
            "nextFundingTime": str(milliseconds(following + FUNDING_US)),
            "nextFundingRate": "",
            "minFundingRate": "-0.00375",
            "maxFundingRate": "0.00375",
            "interestRate": "0.0001",
            "impactValue": "20000",
            "premium": "-0.00002",
            "method": "current_period",
            "settState": "settled",
            "settFundingRate": "0.0001",
        }


def option(family: str, call: bool, moves: int) -> dict[str, Any]:
    """Return one option's row of `opt-summary`."""
    sign = "" if call else "-"
    return {
        "instType": "OPTION",
        "instId": f"{family}-270326-70000-{'C' if call else 'P'}",
        "uly": family,
        "delta": f"{sign}0.43",
        "gamma": "1.9361957091",
        "vega": "0.0003",
        "theta": "-0.0001",
        "lever": "8.4",
        "markVol": f"0.4{moves % 1000:03d}",
        "bidVol": "0.39",
        "askVol": "0.52",
        "realVol": "",
        "deltaBS": f"{sign}0.51",
        "gammaBS": "0.000010566021840868419",
        "thetaBS": "-42.781700558164324",
        "vegaBS": "255.23304261163938",
        "fwdPx": "64300.1528693463",
        "volLv": "0.41",
    }


def fund(instrument: Instrument, moves: int) -> dict[str, Any]:
    """Return one family's row of `adl-warning`."""
    return {
        "instType": product(instrument),
        "instFamily": underlying(instrument),
        "ccy": instrument.settle,
        "state": "normal",
        "bal": f"{FUND + moves:f}",
        "adlBal": "0",
        "adlRecBal": "8000.0",
        "adlType": "",
        "maxBal": "",
        "maxBalTs": "",
    }
