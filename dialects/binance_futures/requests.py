"""What Binance's futures are asked over REST, and the weight of each request.

Sources: the pages under https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/ and
…/coin-margined-futures/market-data/rest-api/ ("Request Weight", "IP Rate Limit").

What has a limit of its own weighs what keeps it within: 1000 requests in five minutes for `/futures/data/…`, 500 in five minutes for
`fundingRate` and `fundingInfo` together, where all else may weigh 2400 a minute.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs, quote, urlsplit

from dialects.binance_futures.klines import klines_request
from dialects.binance_futures.market import Market, is_perpetual, pair_of
from dialects.binance_futures.ratios import ACCOUNTS, TAKERS_COINM, TAKERS_USDM, TOP_ACCOUNTS, TOP_POSITIONS
from dialects.contract import Request
from dialects.stream import Stream

PAST_INTEREST = "/futures/data/openInterestHist"
FUNDING_WEIGHT = 24
DATA_WEIGHT = 12
DEPTH_LIMIT, DEPTH_WEIGHT = 1000, 20
TRADES_LIMIT, TRADES_WEIGHT = 1000, 20
PERIOD = "5m"
"""The shortest that there is."""
PERIODS = 3
"""Periods of a reply: the newest, which may still change, and two before it, so that a round may fail."""
CHARGED = 4
"""Fundings of a reply: the last three, so that rounds may fail, and the one by which the interval of the first of them is measured."""


def exchange_info(market: Market) -> Request:
    """Return the request for all that is listed."""
    return Request("GET", f"{market.api}/exchangeInfo")


def funding_info(market: Market) -> Request:
    """Return the request for intervals and limits of funding."""
    return Request("GET", f"{market.api}/fundingInfo", FUNDING_WEIGHT)


def depth(market: Market, symbol: str) -> Request:
    """Return the request for a book's best levels, as many as the venue gives."""
    return Request("GET", f"{market.api}/depth?symbol={quote(symbol)}&limit={DEPTH_LIMIT}", DEPTH_WEIGHT)


def trades(market: Market, symbol: str, from_id: int) -> Request:
    """Return the request for aggregate trades from an id on; the venue has those of the last 48 hours alone."""
    return Request("GET", f"{market.api}/aggTrades?symbol={quote(symbol)}&fromId={from_id}&limit={TRADES_LIMIT}", TRADES_WEIGHT)


def polled(market: Market, stream: Stream) -> list[Request]:
    """Return what is asked again and again for a stream: nothing where the venue has none of it for the symbol."""
    symbol = quote(stream.symbol)
    match stream.channel:
        case "instrument":
            return [funding_info(market)]
        case "insurance_fund":
            return [Request("GET", f"{market.api}/insuranceBalance")]
        case "open_interest":
            return [Request("GET", f"{market.api}/openInterest?symbol={symbol}")]
        case "premium_index":
            return [Request("GET", f"{market.api}/premiumIndex?symbol={symbol}", 1 if market.unit == "base" else 10)]
        case "kline":
            return [klines_request(market, stream.symbol)]
        case "funding" if is_perpetual(stream.symbol, market):
            return [Request("GET", f"{market.api}/fundingRate?symbol={symbol}&limit={CHARGED}", FUNDING_WEIGHT)]
        case "open_interest_history" if market.unit == "base":
            return [_data(PAST_INTEREST, f"symbol={symbol}")]
        case "open_interest_history" if is_perpetual(stream.symbol, market):
            return [_data(PAST_INTEREST, f"pair={quote(pair_of(stream.symbol))}&contractType=PERPETUAL")]
        case "long_short_ratio" if market.unit == "base":
            return [_data(path, f"symbol={symbol}") for path in (ACCOUNTS, TOP_ACCOUNTS, TOP_POSITIONS, TAKERS_USDM)]
        case "long_short_ratio":
            pair = f"pair={quote(pair_of(stream.symbol))}"
            return [
                *(_data(path, pair) for path in (ACCOUNTS, TOP_ACCOUNTS, TOP_POSITIONS)),
                _data(TAKERS_COINM, f"{pair}&contractType=ALL"),
            ]
        case _:
            return []


def together(market: Market, streams: Sequence[Stream]) -> list[tuple[Request, tuple[Stream, ...]]]:
    """Return the requests for polled streams, each once, with the streams that it is for: ratios of COIN-M are of a pair."""
    found: dict[Request, list[Stream]] = {}
    for stream in streams:
        for request in polled(market, stream):
            found.setdefault(request, []).append(stream)
    return [(request, tuple(some)) for request, some in found.items()]


def asked(text: str) -> tuple[str, dict[str, str]]:
    """Return path and query of a request; ValueError where it is none."""
    parts = urlsplit(text)
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}


def _data(path: str, query: str) -> Request:
    return Request("GET", f"{path}?{query}&period={PERIOD}&limit={PERIODS}", DATA_WEIGHT)
