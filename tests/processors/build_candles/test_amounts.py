"""What a candle sums: base and quote amounts of each trade, of contracts and inverse contracts too; and which trades it leaves out."""

from decimal import Decimal
from typing import Any

import pytest

from processors.build_candles.builder import Builder
from processors.build_candles.settings import Settings
from tests.processors.build_candles.tape import SECOND, START, UNKNOWN, Print, block, newest, read, writer_of

both_ways = pytest.mark.parametrize("parameters", [Settings(smallest=1), Settings(smallest=10**9)], ids=["columns", "rows"])


def second(prints: list[Print], parameters: Settings) -> dict[str, Any]:
    """Return the candle of the first second, its decimals as Decimal, or as plain text where that says more."""
    made = Builder(writer_of, parameters).apply(block(prints), START).candles
    return read(next(one for key, one in newest(made).items() if key[2:] == ("1s", START)))


def inverse(number: int, dollars: str, price: str, coins: str | None, side: str = "buy") -> Print:
    """Return a trade of BTCUSD, an inverse contract of one dollar."""
    return Print(number, number, price, dollars, side, symbol="BTCUSD", unit="quote", base=coins, quote=dollars)


@both_ways
def test_an_inverse_contract_sums_coins_and_dollars(parameters: Settings) -> None:
    """6,500 USD at 65,000 are 0.1 BTC, 6,400 at 64,000 are 0.1, 3,250 at 65,000 are 0.05: 0.25 BTC for 16,150 USD, on average 64,600."""
    prints = [
        inverse(1, "6500", "65000", "0.1"),
        inverse(2, "6400", "64000", "0.1", "sell"),
        inverse(3, "3250", "65000", "0.05"),
    ]
    candle = second(prints, parameters)
    assert candle["volume"] == Decimal("0.25")
    assert candle["quote_volume"] == Decimal(16150)
    assert candle["taker_buy_volume"] == Decimal("0.15")
    assert candle["vwap"] == Decimal(64600)
    assert (candle["open"], candle["high"], candle["low"], candle["close"]) == (65000, 65000, 64000, 65000)
    assert (candle["trades"], candle["completeness"]) == (3, "partial")


@both_ways
def test_contracts_of_a_size_in_base_sum_what_the_trades_say(parameters: Settings) -> None:
    """Two and three contracts of 0.01 BTC at 60,000 and 61,000 are 0.05 BTC for 3,030 USDT; a trade in BTC counts by its size."""
    prints = [
        Print(1, 1, "60000", "2", "sell", unit="contract", base="0.02", quote="1200"),
        Print(2, 2, "61000", "3", "buy", unit="contract", base="0.03", quote="1830"),
        Print(3, 3, "60000", "0.5", "buy"),
    ]
    candle = second(prints, parameters)
    assert [candle[name] for name in ("volume", "quote_volume", "taker_buy_volume")] == [Decimal("0.55"), Decimal(33030), Decimal("0.53")]


@both_ways
def test_amounts_that_nobody_knows_are_not_guessed(parameters: Settings) -> None:
    """A contract whose size is not known counts among the trades and for the prices; sums leave it out, and completeness is unknown."""
    prints = [
        Print(1, 1, "100", "1"),
        Print(2, 2, "105", "7", unit="contract"),
        Print(3, 3, "95", "7", unit="quote", quote="7"),
        Print(4, 4, "101", "1"),
    ]
    candle = second(prints, parameters)
    assert [candle[name] for name in ("trades", "high", "low", "volume", "quote_volume")] == [4, 105, 95, 2, 201]
    assert {name: candle[name] for name in UNKNOWN} == UNKNOWN


@both_ways
@pytest.mark.parametrize("kind", ["block", "rfq", "combo_leg"])
def test_trades_agreed_outside_the_book_enter_no_candle(parameters: Settings, kind: str) -> None:
    """A block trade moves neither price nor sum, nor makes a candle; its number is seen, so nothing is missing where it stands."""
    prints = [
        Print(1, -SECOND, "100", "1"),
        Print(2, 0, "100", "1"),
        Print(3, 1, "1", "1000000", kind=kind),
        Print(4, 2, "100", "1"),
        Print(5, SECOND, "500", "9", kind=kind),
        Print(6, 2 * SECOND, "100", "1"),
    ]
    candle = second(prints, parameters)
    assert [candle[name] for name in ("trades", "low", "volume", "completeness")] == [2, 100, 2, "complete"]
    made = Builder(writer_of, parameters).apply(block(prints), START).candles
    assert ("binance", "BTCUSDT", "1s", START + SECOND) not in newest(made)


@both_ways
@pytest.mark.parametrize("kind", ["rpi", "liquidation", "adl", "insurance", "termination", "auction"])
def test_trades_of_the_book_count_whatever_their_reason(parameters: Settings, kind: str) -> None:
    """Liquidations and the like are trades of the book: they count as any other."""
    assert second([Print(1, 0, "100", "1"), Print(2, 1, "90", "2", kind=kind)], parameters)["volume"] == 3


@both_ways
def test_a_block_trade_proves_no_end(parameters: Settings) -> None:
    """A block trade within the interval is no trade behind its end: what follows it may be missing, until the next number comes."""
    prints = [Print(1, -SECOND), Print(2, 0), Print(3, 1, kind="block"), Print(9, 5 * SECOND, symbol="ETHUSDT")]
    assert second(prints, parameters)["completeness"] == "partial"
    assert second([*prints, Print(4, 5 * SECOND)], parameters)["completeness"] == "complete"
    assert second([*prints, Print(5, 5 * SECOND)], parameters)["missing_trades"] == 1
