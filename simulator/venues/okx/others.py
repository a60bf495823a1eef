"""The channels of OKX beside trades, books and quotes: what is pushed when, to whom.

Source: https://www.okx.com/docs-v5/en/#public-data-websocket: each page says how often. Here what may come at once comes with the next
window of the books, and options, liquidations and funds are of the market as far as it has any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from simulator.market import Listing, Step
from simulator.venues.okx.frames import Fields
from simulator.venues.okx.instruments import product
from simulator.venues.okx.summaries import FAMILIES, Summary, fund, option
from simulator.wire import Connection

if TYPE_CHECKING:
    from simulator.venues.okx.venue import Okx

EVERY_US = {
    "index-tickers": (100_000, 60_000_000),
    "mark-price": (200_000, 10_000_000),
    "estimated-price": (200_000, 200_000),
    "open-interest": (3_000_000, 3_000_000),
    "funding-rate": (60_000_000, 60_000_000),
}
"""Channel of an instrument → the least time between two messages, and after which the same is said again."""
OPTIONS_US, FUNDS_US = 10_000_000, 60_000_000
BEYOND = 5
"""Ticks from the last price of a sweep to where the position was bankrupt."""


class Others:
    """What the venue says beside its market data."""

    def __init__(self, venue: Okx) -> None:
        self._venue = venue
        self._summaries = {symbol: Summary(listing) for symbol, listing in venue.listings.items()}
        self._by_wire = {one.instrument.wire_symbol: one for one in self._summaries.values()}
        self._told: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        """(channel, symbol) → when it was told last, and what."""
        self._liquidated: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._told_at: dict[str, int] = defaultdict(int)

    def is_known(self, argument: dict[str, str]) -> bool:
        """Whether there is such a channel of all."""
        match argument:
            case {"channel": "liquidation-orders" | "adl-warning", "instType": "SWAP" | "FUTURES" | "OPTION"}:
                return True
            case {"channel": "opt-summary", "instFamily": family}:
                return family in FAMILIES
            case {"channel": "status"}:
                return True
        return False

    def note(self, step: Step) -> None:
        """Take the trades of a step; an order that ran through several levels of a contract was a liquidation."""
        instrument = step.listing.instrument
        self._summaries[instrument.symbol].note(step)
        if instrument.kind == "spot" or len(step.trades) < 2:
            return
        last, writer = step.trades[-1], self._venue.writer(instrument.symbol)
        price = max(1, last.price + (BEYOND if last.taker_buys else -BEYOND))
        detail = {
            "side": "buy" if last.taker_buys else "sell",
            "posSide": "short" if last.taker_buys else "long",
            "bkPx": writer.price(price),
            "sz": writer.size(sum(trade.size for trade in step.trades)),
            "bkLoss": "0",
            "ccy": "",
        }
        self._liquidated[instrument.symbol].append(detail)

    def push(self, time_us: int) -> None:
        """Send what is due."""
        for channel in EVERY_US:
            for symbol, summary in self._summaries.items():
                self._push(channel, symbol, summary, time_us)
        self._push_liquidations(time_us)
        if time_us - self._told_at["opt-summary"] >= OPTIONS_US:
            self._told_at["opt-summary"] = time_us
            for family in FAMILIES:
                self._deliver({"channel": "opt-summary", "instFamily": family}, time_us, self._options(family))
        if time_us - self._told_at["adl-warning"] >= FUNDS_US:
            self._told_at["adl-warning"] = time_us
            for kind in ("SWAP", "FUTURES"):
                self._deliver({"channel": "adl-warning", "instType": kind}, time_us, self._funds(kind))

    def say_first(self, connection: Connection, argument: dict[str, str]) -> None:
        """Send what a channel begins with."""
        channel, time_us = argument["channel"], self._venue.market.time_us
        if channel in EVERY_US:
            summary = self._by_wire[argument["instId"]]
            fields = summary.fields(channel, time_us)
            self._deliver(argument, time_us, [lambda ms: fields | {"ts": str(ms)}], [connection])
        elif channel == "opt-summary":
            self._deliver(argument, time_us, self._options(argument["instFamily"]), [connection])
        elif channel == "adl-warning":
            self._deliver(argument, time_us, self._funds(argument["instType"]), [connection])
        elif channel == "status":
            self._deliver(argument, time_us, [self._maintenance], [connection])

    def _push(self, channel: str, symbol: str, summary: Summary, time_us: int) -> None:
        instrument = summary.instrument
        argument = {"channel": channel, "instId": instrument.wire_symbol}
        if channel == "estimated-price":
            argument["instType"] = product(instrument)
        if self._venue.subscribers(_stream(argument)) is None:
            return
        least, most = EVERY_US[channel]
        at, before = self._told.get((channel, symbol), (0, {}))
        if time_us - at < least:
            return
        fields = summary.fields(channel, time_us)
        if fields != before or time_us - at >= most:
            self._told[channel, symbol] = time_us, fields
            self._deliver(argument, time_us, [lambda ms: fields | {"ts": str(ms)}])

    def _push_liquidations(self, time_us: int) -> None:
        for symbol, details in self._liquidated.items():
            instrument = self._venue.listings[symbol].instrument
            argument = {"channel": "liquidation-orders", "instType": product(instrument)}
            self._deliver(argument, time_us, [_liquidation(self._venue.listings[symbol], tuple(details))])
        self._liquidated.clear()

    def _options(self, family: str) -> list[Fields]:
        moves = sum(summary.trades for summary in self._summaries.values())
        rows = [option(family, call, moves) for call in (True, False)]
        return [lambda ms, row=row: row | {"ts": str(ms)} for row in rows]  # type: ignore[misc]

    def _funds(self, kind: str) -> list[Fields]:
        found = [one for one in self._summaries.values() if product(one.instrument) == kind]
        rows = [fund(one.instrument, one.trades) for one in found]
        return [lambda ms, row=row: row | {"ts": str(ms)} for row in rows]  # type: ignore[misc]

    def _maintenance(self, ms: int) -> dict[str, Any]:
        begun = self._venue.market.settings.start_us // 1000 - 7_200_000
        return {
            "begin": str(begun),
            "end": str(begun + 600_000),
            "href": "",
            "preOpenBegin": "",
            "scheDesc": "",
            "serviceType": "5",
            "state": "completed",
            "system": "unified",
            "maintType": "1",
            "env": "1",
            "title": "Maintenance before the market began",
            "ts": str(ms),
        }

    def _deliver(self, argument: dict[str, str], time_us: int, rows: Sequence[Fields], to: list[Connection] | None = None) -> None:
        hearers = to or self._venue.subscribers(_stream(argument))
        if hearers is not None and rows:
            symbol = self._by_wire[argument["instId"]].instrument.symbol if "instId" in argument else next(iter(self._summaries))
            channel = argument["channel"]
            rest = {name: value for name, value in argument.items() if name != "channel"}
            self._venue.deliver(self._venue.writer(symbol).rows(channel, rest, time_us, rows), hearers)


def _stream(argument: dict[str, str]) -> str:
    return " ".join([argument["channel"], *(argument[name] for name in ("instType", "instFamily", "instId") if name in argument)])


def _liquidation(listing: Listing, details: Sequence[dict[str, Any]]) -> Fields:
    instrument = listing.instrument
    family = f"{instrument.base}-{instrument.quote}"

    def row(ms: int) -> dict[str, Any]:
        told = [detail | {"ts": str(ms)} for detail in details]
        return {
            "details": told,
            "instFamily": family,
            "instId": instrument.wire_symbol,
            "instType": product(instrument),
            "uly": family,
        }

    return row
