"""What a candle sums: base and quote amounts of each trade, of contracts and inverse contracts too; and which trades it leaves out."""

from decimal import Decimal
from typing import Any

import pytest

from processors.build_candles.builder import Builder
from processors.build_candles.intervals import NAMES
from processors.build_candles.settings import Settings
from schemas import decimals
from schemas.block_reader import Block
from schemas.catalogue import event
from schemas.codec import Codec
from tests.processors.build_candles.tape import SECOND, START, UNKNOWN, Print, block, blocks, newest, read, writer_of

MOST = "99999999999999999999.999999999999999999"
"""The greatest decimal(38,18)."""
LEAST = "0.000000000000000001"
both_ways = pytest.mark.parametrize("parameters", [Settings(smallest=1), Settings(smallest=10**9)], ids=["columns", "rows"])


def second(prints: list[Print], parameters: Settings) -> dict[str, Any]:
    """Return the candle of the first second, its decimals as Decimal, or as plain text where that says more."""
    made = Builder(writer_of, parameters).apply(block(prints), START).candles
    return read(next(one for key, one in newest(made).items() if key[2:] == ("1s", START)))


def published(candles: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the candles of one symbol that stay, by interval and opening."""
    return {(interval, at): one for (_, _, interval, at), one in newest(candles).items()}


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


@both_ways
@pytest.mark.parametrize(
    ("prints", "volume", "quote_volume"),
    [
        ([Print(number, number, "1", "99999999999999999999") for number in range(4)], "399999999999999999996", "399999999999999999996"),
        ([Print(1, 0, "99999999999", "20000000000")], "20000000000", "1999999999980000000000"),
        ([Print(1, 0, "10000000001", "10000000000")], "10000000000", "100000000010000000000"),
        ([Print(1, 0, "10000000000", "10000000000")], "10000000000", "100000000000000000000"),
        ([Print(1, 0, "1", MOST)], MOST, MOST),
        ([Print(1, 0, "1", MOST), Print(2, 1, "1", LEAST)], "100000000000000000000", "100000000000000000000"),
        ([Print(1, 0, MOST, MOST)], MOST, "9999999999999999999999999999999999999800.000000000000000000"),
        (
            [Print(1, 0, "1", "85070591730234615865.843651857942052864"), Print(2, 1, "1", "85070591730234615865.843651857942052864")],
            "170141183460469231731.687303715884105728",
            "170141183460469231731.687303715884105728",
        ),
    ],
    ids=["volume", "quote", "just past", "at the end", "38 digits", "one more", "the most", "17 bytes"],
)
def test_sums_of_more_than_38_digits_are_exact(parameters: Settings, prints: list[Print], volume: str, quote_volume: str) -> None:
    """Sums are decimals of 76 digits: past 1e20 and past 128 bits they are published as they are, and nothing is told."""
    builder = Builder(writer_of, parameters)
    built = builder.apply(block(prints), START)
    assert built.uncounted == []
    candles = newest(built.candles + builder.tick(START + SECOND))
    assert {key[2] for key in candles} == set(NAMES)
    codec = Codec(event("candle"), 7)
    for made in candles.values():
        candle = codec.decode(codec.encode(made))
        assert codec.encode_block({name: [value] for name, value in made.items()}, 1) == [codec.encode(made)]
        assert (candle["volume"], candle["quote_volume"], candle["taker_buy_volume"]) == (
            *map(Decimal, (volume, quote_volume)),
            Decimal(volume),
        )


@both_ways
@pytest.mark.parametrize("more", [inverse(2, MOST, "1", LEAST), inverse(2, "1", "-5", "-20")], ids=["vwap", "below zero"])
def test_a_candle_is_published_while_it_fits(parameters: Settings, more: Print) -> None:
    """The first trade alone fits; that the second does not is told once, in one block or two, and what was said before stays."""
    prints = [inverse(1, "1000", "2000", "0.5"), more]
    for apart in (False, True):
        builder = Builder(writer_of, parameters)
        made = [builder.apply(part, START) for part in blocks(prints, [1] if apart else [])]
        assert [(one.offset, one.intervals) for built in made for one in built.uncounted] == [(1, NAMES)]
        candles = [one for built in made for one in built.candles] + builder.tick(START + SECOND)
        assert {one["trades"] for one in published(candles).values()} == ({1} if apart else set())
        again = builder.apply(block([inverse(3, "1", "-1", "-1")], 2), START + SECOND)
        assert again.uncounted == []


@both_ways
def test_a_candle_that_fits_after_all_is_published(parameters: Settings) -> None:
    """The second trade's amounts have no quotient that a decimal holds; the candle's have."""
    for apart in (False, True):
        builder = Builder(writer_of, parameters)
        parts = blocks([inverse(1, "1000", "1", "0.5"), inverse(2, "1000", MOST, LEAST)], [1] if apart else [])
        made = [builder.apply(part, START) for part in parts]
        assert [one for built in made for one in built.uncounted] == []
        candles = [one for built in made for one in built.candles] + builder.tick(START + SECOND)
        assert {one["trades"] for one in published(candles).values()} == {2}


@both_ways
def test_a_quotient_of_more_than_38_digits_is_not_published(parameters: Settings) -> None:
    """A thousand dollars for the least amount of coins there is have an average price that no decimal holds."""
    builder = Builder(writer_of, parameters)
    made = builder.apply(block([inverse(1, "1000", MOST, "0.000000000000000001")]), START)
    assert (made.candles, [one.offset for one in made.uncounted]) == ([], [0])


@both_ways
def test_a_volume_below_zero_is_told_in_true_words(parameters: Settings) -> None:
    """An inverse contract at a negative price moves less than nothing: no candle says so, and the reason does."""
    made = Builder(writer_of, parameters).apply(block([inverse(1, "100", "-5", "-20")]), START)
    assert (made.candles, [one.offset for one in made.uncounted]) == ([], [0])
    assert "below zero" in made.uncounted[0].reason


@both_ways
def test_a_late_trade_that_makes_a_candle_unfit_is_told(parameters: Settings) -> None:
    """The final candle stays as it was published without it; the longer ones, which are open yet, are told too."""
    builder = Builder(writer_of, parameters)
    made = builder.apply(block([inverse(1, "1", "1", "0.1"), inverse(10 * SECOND, "1", "1", "0.1")]), START)
    late = builder.apply(block([inverse(2, MOST, "2", LEAST), inverse(3, MOST, "1", LEAST)], 2), START + 11 * SECOND)
    assert [(one.offset, one.intervals) for one in late.uncounted] == [(2, NAMES)]
    second = published(made.candles + late.candles)["1s", START]
    assert (second["state"], second["trades"], second["version"]) == ("final", 1, 3)


@both_ways
def test_what_is_unfit_outlives_a_restart(parameters: Settings) -> None:
    """The state holds sums whole: restored, nothing is told again nor published, and what nearly fills a candle is weighed at once."""
    for dollars, coins, told in ((MOST, LEAST, []), ("99999999999999999998", "1", [(1, NAMES)])):
        builder, restored = Builder(writer_of, parameters), Builder(writer_of, parameters)
        builder.apply(block([inverse(1, dollars, "1", coins)]), START)
        restored.restore({key: value for key, value in builder.changes() if value is not None})
        made = restored.apply(block([inverse(2, MOST, "1", coins if coins == LEAST else "0.1")], 1), START)
        assert [(one.offset, one.intervals) for one in made.uncounted] == told
        assert made.candles + restored.tick(START + SECOND) == []


@both_ways
@pytest.mark.parametrize("field", ["price", "size"])
def test_a_trade_of_more_than_38_digits_is_rejected(parameters: Settings, field: str) -> None:
    """No schema's decimal holds such a number, though its bytes may: that message is told, and the trades around it are counted."""
    whole = block([Print(number, number) for number in range(1, 4)])
    trades = Codec(event("trade"), 3, numbers=bytes)
    values = list(whole.values)
    values[1] = trades.encode(trades.decode(values[1]) | {field: decimals.to_bytes(10**38)})
    built = Builder(writer_of, parameters).apply(Block(values, whole.offsets), START)
    assert [one.offset for one in built.rejected] == [1]
    assert newest(built.candles)["binance", "BTCUSDT", "1s", START]["trades"] == 2
