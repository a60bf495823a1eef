"""A number comes out of ClickHouse as it went into the frame, however many digits it has."""

from decimal import Decimal

import pytest

from tests.pipeline.harness import Pipeline
from tests.pipeline.raw import Raw, binance_trade, frame, kraken_trade

pytestmark = pytest.mark.asyncio(loop_scope="session")

NUMBERS = (
    "0.123456789012345678",  # 18 decimals
    "0.000000000000000001",
    "123456789.012345",  # 15 significant digits, which a double just holds
    "98765432109876.5",
    "9007199254740993",  # the first whole number a double does not hold
    "0.1",
    "12345678901234567890.123456789012345678",  # all 38 digits of the column
)
TIME = 1_700_000_000_000_000
WRITTEN = "2023-11-14T22:13:20.000000Z"


@pytest.mark.parametrize("venue", ["binance", "kraken"])
async def test_numbers_come_out_as_they_went_in(fed_by_hand: Pipeline, venue: str) -> None:
    """Prices and sizes of trades, quotes, books and candles are the text of the frame; no float was in between."""
    symbols = {f"EXACT{place}": number for place, number in enumerate(NUMBERS)}
    texts: list[str] = []
    for symbol, number in symbols.items():
        if venue == "binance":
            texts.append(binance_trade(symbol, 1, number, "0.000000000000000001", TIME))
            quote = f'{{"u":1,"s":"{symbol}","b":"{number}","B":"{number}","a":"{number}","A":"{number}"}}'
            texts.append(f'{{"stream":"{symbol.lower()}@bookTicker","data":{quote}}}')
            levels = f'"b":[["{number}","{number}"]],"a":[["{number}","{number}"]]'
            depth = f'{{"e":"depthUpdate","E":{TIME},"s":"{symbol}","U":1,"u":1,{levels}}}'
            texts.append(f'{{"stream":"{symbol.lower()}@depth@100ms","data":{depth}}}')
        else:
            texts.append(kraken_trade(symbol, 1, number, "0.000000000000000001", WRITTEN))
            level = f'[{{"price":{number},"qty":{number}}}]'
            book = f'"bids":{level},"asks":{level},"checksum":0,"timestamp":"{WRITTEN}"'
            texts.append(f'{{"channel":"book","type":"update","data":[{{"symbol":"{symbol}",{book}}}]}}')
            sides = f'"bid":{number},"bid_qty":{number},"ask":{number},"ask_qty":{number}'
            rest = f'"last":{number},"volume":1,"vwap":1,"low":1,"high":1,"change":0,"change_pct":0,"timestamp":"{WRITTEN}"'
            texts.append(f'{{"channel":"ticker","type":"update","data":[{{"symbol":"{symbol}",{sides},{rest}}}]}}')
    Raw(fed_by_hand).frames(frame(venue, f"{venue}-exact", place, text, TIME + place) for place, text in enumerate(texts, 1))

    def found(sql: str) -> dict[str, tuple[Decimal, ...]]:
        rows = fed_by_hand.query(f"{sql} FINAL WHERE venue = '{venue}' AND symbol LIKE 'EXACT%'")
        return {symbol: tuple(map(Decimal, numbers)) for symbol, *numbers in rows}

    def times(count: int) -> dict[str, tuple[Decimal, ...]]:
        return {symbol: (Decimal(number),) * count for symbol, number in symbols.items()}

    one = "toString({0}_prices[1]), toString({0}_sizes[1])"
    await fed_by_hand.until(lambda: found("SELECT symbol, toString(price) FROM trades") == times(1), "the trades are exact")
    quoted = "SELECT symbol, toString(bid_price), toString(bid_size), toString(ask_price), toString(ask_size) FROM quotes"
    await fed_by_hand.until(lambda: found(quoted) == times(4), "the quotes are exact")
    level = f"SELECT symbol, {one.format('bid')}, {one.format('ask')} FROM book_deltas"
    await fed_by_hand.until(lambda: found(level) == times(4), "the books are exact")
    candle = "SELECT symbol, toString(open), toString(high), toString(low), toString(close) FROM candles"
    await fed_by_hand.until(lambda: found(candle) == times(4), "the candles are exact")
    assert set(fed_by_hand.query(f"SELECT DISTINCT toString(size) FROM trades FINAL WHERE venue = '{venue}' AND symbol LIKE 'EXACT%'")) == {
        ("0.000000000000000001",)
    }


async def test_sums_past_38_digits_come_out_exactly(fed_by_hand: Pipeline) -> None:
    """Trades that each fit a decimal(38,18) may have sums that do not: the candle holds them, and nothing of it is a dead letter."""
    trades = [("HUGEUSDT", number, "1", "99999999999999999999") for number in range(1, 5)]
    trades += [("MIDUSDT", 1, "99999999999", "20000000000"), ("MID2USDT", 1, "10000000001", "10000000000")]
    texts = [binance_trade(*trade, TIME) for trade in trades]
    Raw(fed_by_hand).frames(frame("binance", "binance-sums", place, text, TIME + place) for place, text in enumerate(texts, 1))
    symbols = "symbol IN ('HUGEUSDT', 'MIDUSDT', 'MID2USDT')"
    asked = f"SELECT symbol, toString(volume), toString(quote_volume), trades FROM candles FINAL WHERE {symbols} AND interval = '1d'"

    def found() -> set[tuple[str, Decimal, Decimal, int]]:
        return {(name, Decimal(volume), Decimal(quote), int(count)) for name, volume, quote, count in fed_by_hand.query(asked)}

    wanted = {
        ("HUGEUSDT", Decimal(399999999999999999996), Decimal(399999999999999999996), 4),
        ("MIDUSDT", Decimal(20_000_000_000), Decimal(1999999999980000000000), 1),
        ("MID2USDT", Decimal(10_000_000_000), Decimal(100000000010000000000), 1),
    }
    await fed_by_hand.until(lambda: found() == wanted, "the sums are exact")
    refused = fed_by_hand.query("SELECT reason FROM dead_letters WHERE stage = 'build_candles'")  # of other tests too
    assert [reason for (reason,) in refused if any(name in reason for name, *_ in wanted)] == []
