"""Real replies and frames of Hyperliquid, from the folder that TIDEWIRE_RECORDINGS names: none is refused, and their numbers agree.

Replies to requests that nobody here makes have the form of what is pushed: a book, and contexts beside their universe.
"""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from dialects.contract import DecodedEvent, Frame, decoded_events
from dialects.hyperliquid.dialect import Hyperliquid
from dialects.memory import Memory
from schemas.decimals import encode, from_bytes
from schemas.errors import InvalidDatum
from tests.dialects.recorded import FULL, needs_full

pytestmark = needs_full
SPOKEN = Hyperliquid()
REST = FULL / "hyperliquid"
CAPTURED = FULL / "nautilus" / "captured" / "hyperliquid"
EXAMPLES = FULL / "nautilus" / "examples" / "hyperliquid"


def read(payload: bytes, request: dict[str, Any] | None = None, memory: Memory | None = None) -> list[DecodedEvent]:
    """Return the events of a frame, or of the reply to a request; received long after all of them."""
    asked = None if request is None else f"POST /info {orjson.dumps(request).decode()}"
    kind = "message" if request is None else "reply"
    frame = Frame("hyperliquid", "archive", "c-1", 1, 1_800_000_000_000_000, kind, asked, payload)
    return list(SPOKEN.read(frame, Memory() if memory is None else memory))


def pushed(channel: str, data: Any) -> bytes:
    """Return a frame of a channel."""
    return orjson.dumps({"channel": channel, "data": data})


def universe(metas: Any, memory: Memory) -> None:
    """Let the venue answer with universes on the socket."""
    payload = pushed("post", {"id": 1, "response": {"type": "info", "payload": {"type": "allPerpMetas", "data": metas}}})
    assert read(payload, memory=memory) == []


def cassette(name: str) -> list[Any]:
    """Return the bodies that a cassette of the venue's own Python library holds, in order."""
    text = (REST / f"sdk_cassette_test_{name}.yaml").read_text()
    return [orjson.loads(re.sub(r"\n\s+", " ", body).replace("''", "'")) for body in re.findall(r"string: '(.*?)'\n", text, re.DOTALL)]


def frames() -> list[bytes]:
    """Return the frames of 2026 from the test network."""
    lines = [orjson.loads(line) for line in (FULL / "live_frames_2026" / "frames.jsonl").read_text().splitlines()]
    return [line["raw"].encode() for line in lines if line["venue"].startswith("hyperliquid")]


def test_trades_of_2026() -> None:
    """Ten trades, the newest first: each is known by its id, and several of one block share their time."""
    rows = orjson.loads((REST / "recentTrades.json").read_bytes())
    made = read((REST / "recentTrades.json").read_bytes(), {"type": "recentTrades", "coin": "BTC"})
    assert len(made) == len(rows) == 10
    assert len({one.fields["trade_id"] for one in made}) == 10
    assert [one.fields["event_time"] for one in made] == sorted((row["time"] * 1000 for row in rows), reverse=True)
    assert [(one.fields["price"], one.fields["size"]) for one in made] == [(encode(row["px"]), encode(row["sz"])) for row in rows]


@pytest.mark.parametrize("path", [REST / "l2Book.json", CAPTURED / "http_l2_book_btc.json"], ids=lambda path: Path(path).stem)
def test_books(path: Path) -> None:
    """Of 2026 and of 2025: best first on both sides, never crossed, no level without a size, and no more than twenty."""
    (made,) = read(pushed("l2Book", orjson.loads(path.read_bytes())))
    assert_book(made)


def assert_book(made: DecodedEvent) -> None:
    """Hold that a book's sides are in order and apart."""
    bids, asks = ([from_bytes(price) for price in made.fields[f"{side}_prices"]] for side in ("bid", "ask"))
    assert all(before > after for before, after in pairwise(bids))
    assert all(before < after for before, after in pairwise(asks))
    assert bids[0] < asks[0]
    assert 0 < len(bids) <= made.fields["depth"]
    assert all(from_bytes(size) > 0 for side in ("bid", "ask") for size in made.fields[f"{side}_sizes"])


def test_candles_of_two_days() -> None:
    """Forty-nine hours without a hole, each closed, each with the trades that it says."""
    made = read((REST / "candleSnapshot.json").read_bytes(), {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1h"}})
    assert len(made) == 49
    assert all(one.fields["closed"] and one.fields["trades"] for one in made)
    assert all(before.fields["close_time"] == after.fields["open_time"] for before, after in pairwise(made))


def test_fundings_of_a_week() -> None:
    """168 hours, none missing; each some milliseconds after its full hour, as it was sent."""
    made = read((REST / "fundingHistory.json").read_bytes(), {"type": "fundingHistory", "coin": "BTC"})
    times = [one.fields["settles_at"] for one in made]
    assert len(times) == 168
    assert len({time // 3_600_000_000 for time in times}) == 168
    assert all(time % 3_600_000_000 < 1_000_000 for time in times)
    assert any(time % 3_600_000_000 for time in times)


def test_contexts_and_coins_of_the_first_dex() -> None:
    """233 coins: each has a context in its place, those that are no longer traded have nothing open, and prices are near the oracle's."""
    memory = Memory()
    meta, contexts = orjson.loads((REST / "metaAndAssetCtxs.json").read_bytes())
    universe([meta], memory)
    made = read(pushed("allDexsAssetCtxs", {"ctxs": [["", contexts]]}), memory=memory)
    assert Counter(one.event for one in made) == dict.fromkeys(("mark_price", "funding_rate", "open_interest"), 233)
    listed = read(orjson.dumps([meta]), {"type": "allPerpMetas"})
    delisted = {one.fields["symbol"] for one in listed if one.fields["trading_status"] == "delisted"}
    assert len(listed) == 233
    assert len(delisted) > 40
    for one in made:
        if one.event == "open_interest" and one.fields["symbol"] in delisted:
            assert one.fields["oi_base"] == encode("0")
        if one.event == "mark_price" and one.fields["symbol"] not in delisted:
            mark, oracle = from_bytes(one.fields["mark_price"]), from_bytes(one.fields["index_price"])
            assert abs(mark - oracle) < oracle // 10


def test_prices_of_the_market_are_multiples_of_their_ticks() -> None:
    """The price of the day before of each coin that trades, and each level of a book, is a multiple of the tick at that price."""
    meta, contexts = orjson.loads((REST / "metaAndAssetCtxs.json").read_bytes())
    listed = read(orjson.dumps([meta]), {"type": "allPerpMetas"})
    tried = 0
    (book,) = read(pushed("l2Book", orjson.loads((REST / "l2Book.json").read_bytes())))
    prices = {one.fields["symbol"]: [encode(context["prevDayPx"])] for one, context in zip(listed, contexts, strict=True)}
    prices["BTC"] += book.fields["bid_prices"] + book.fields["ask_prices"]
    for one in listed:
        bands = list(zip(one.fields["tick_band_prices"], one.fields["tick_band_sizes"], strict=True))
        for price in map(from_bytes, prices[one.fields["symbol"]]):
            tick = max([one.fields["tick_size"], *(size for above, size in bands if price > from_bytes(above))], key=from_bytes)
            if one.fields["trading_status"] == "trading":
                assert price % from_bytes(tick) == 0, one.fields["symbol"]
                tried += 1
    assert tried > 200


def test_contexts_of_all_dexes() -> None:
    """One message of nine DEXes and 412 contexts: read by their places, each with its three events; the universes are not recorded."""
    payload = (CAPTURED / "ws_all_dexs_asset_ctxs.json").read_bytes()
    dexes = orjson.loads(payload)["data"]["ctxs"]
    memory = Memory()
    names = [[{"name": f"{dex}:C{place}" if dex else f"C{place}"} for place in range(len(contexts))] for dex, contexts in dexes]
    universe([{"universe": some} for some in names], memory)
    made = read(orjson.dumps(orjson.loads(payload)), memory=memory)
    assert Counter(one.event for one in made) == dict.fromkeys(("mark_price", "funding_rate", "open_interest"), 412)
    assert {one.fields["symbol"].partition(":")[0] for one in made if ":" in one.fields["symbol"]} == {dex for dex, _ in dexes} - {""}
    assert SPOKEN.session().hear(payload).stream == ("all_tickers", "")


def test_universes_of_several_dexes() -> None:
    """Three DEXes with three collaterals, and a universe with nulls where there is nothing to say."""
    made = read((CAPTURED / "http_all_perp_metas_non_usdc_collateral.json").read_bytes(), {"type": "allPerpMetas"})
    assert [one.fields["canonical_name"] for one in made] == ["BTC-USD-PERP", "US500-USD-PERP", "BTC-USD-PERP"]
    assert [one.fields["settle"] for one in made] == ["USDC", None, None]
    memory = Memory()
    assert read((EXAMPLES / "http_spot_meta_non_usdc_collateral.json").read_bytes(), {"type": "spotMeta"}, memory) == []
    made = read((CAPTURED / "http_all_perp_metas_non_usdc_collateral.json").read_bytes(), {"type": "allPerpMetas"}, memory)
    assert [one.fields["settle"] for one in made] == ["USDC", "USDH", "USDE"]
    sample = orjson.loads((CAPTURED / "http_meta_perp_sample.json").read_bytes())
    assert [one.fields["trading_status"] for one in read(orjson.dumps([sample]), {"type": "allPerpMetas"})] == ["trading"] * 3


def test_frames_of_the_test_network() -> None:
    """A fast book, a best quote 201 ms after it, trades that came again at subscription, a pong: read alike as blocks, and heard."""
    made = [read(payload) for payload in frames()]
    assert [[one.event for one in some] for some in made] == [["book_delta"], ["quote"], ["trade", "trade"], []]
    ((book,), (quote,), _, _) = made
    assert_book(book)
    assert book.fields["depth"] == 5
    assert quote.fields["bid_price"] == book.fields["bid_prices"][1], "the best bid has gone between the two"
    assert quote.fields["bid_size"] == book.fields["bid_sizes"][1]
    assert (quote.fields["ask_price"], quote.fields["ask_size"]) == (book.fields["ask_prices"][0], book.fields["ask_sizes"][0])
    for payload, some in zip(frames(), made, strict=True):
        shape = SPOKEN.shape(payload)
        assert (shape is not None) == bool(some)
        if shape is not None:
            assert decoded_events(shape, shape.decode(payload, Memory())) == some
            stream = SPOKEN.session().hear(payload).stream
            assert stream is not None
            assert stream.symbol == some[0].fields["symbol"]


def test_what_the_venues_own_library_recorded_in_2023() -> None:
    """Universes, candles, two months of fundings and a book: the same forms three years earlier."""
    universe_of_2023, candles = cassette("get_candles_snapshot")
    coin, interval = candles[0]["s"], candles[0]["i"]
    made = read(orjson.dumps(candles), {"type": "candleSnapshot", "req": {"coin": coin, "interval": interval}})
    assert len(made) == len(candles) > 20
    _, fundings = cassette("get_funding_historyNone")
    assert len(read(orjson.dumps(fundings), {"type": "fundingHistory", "coin": "BTC"})) == len(fundings) > 400
    _, book = cassette("get_l2_snapshot")
    assert_book(read(pushed("l2Book", book))[0])
    assert len(read(orjson.dumps([universe_of_2023]), {"type": "allPerpMetas"})) == len(universe_of_2023["universe"]) > 20


def test_examples_of_another_program_have_the_forms_that_are_read() -> None:
    """Written by hand, so no word of the venue's: books, trades and fundings of the same forms, of which none is refused."""
    for name in ("http_l2_book_snapshot", "ws_book_data"):
        assert_book(read(pushed("l2Book", orjson.loads((EXAMPLES / f"{name}.json").read_bytes())))[0])
    assert len(read((EXAMPLES / "http_recent_trades_btc.json").read_bytes(), {"type": "recentTrades", "coin": "BTC"})) == 3
    assert len(read((EXAMPLES / "http_funding_history.json").read_bytes(), {"type": "fundingHistory", "coin": "BTC"})) == 3


def test_mids_are_not_subscribed() -> None:
    """The middle of all books, which each book and quote says better: no channel of ours, and refused where it comes."""
    with pytest.raises(InvalidDatum, match="unknown channel 'allMids'"):
        read((EXAMPLES / "ws_allmids.json").read_bytes())
    mids = [orjson.loads((REST / "allMids.json").read_bytes()), *cassette("get_all_mids")]
    assert all("BTC" in some for some in mids)
