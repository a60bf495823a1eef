"""Real sessions of Bybit, from the folder that TIDEWIRE_RECORDINGS names: what the venue promises of its numbers holds in what is read."""

import zipfile
from collections import Counter, defaultdict
from itertools import pairwise

import orjson
import pytest

from dialects.bybit.dialect import Bybit, BybitInverse, BybitLinear, BybitSpot
from dialects.continuity import Finding, Place, Step
from dialects.contract import DecodedEvent, Frame, decoded_events
from dialects.judge import judge
from dialects.memory import Memory
from schemas.decimals import encode, from_bytes
from schemas.errors import InvalidDatum
from tests.dialects.recorded import FULL, full_cryptofeed, needs_full
from tests.dialects.test_full_recordings import Book

pytestmark = needs_full
SPOT, LINEAR, INVERSE = BybitSpot(), BybitLinear(), BybitInverse()


def read(spoken: Bybit, payloads: list[str]) -> tuple[list[DecodedEvent], Counter[str]]:
    """Return the events in a session, and how often each reason refused a frame."""
    made: list[DecodedEvent] = []
    refused: Counter[str] = Counter()
    memory = Memory()
    for place, payload in enumerate(payloads, 1):
        frame = Frame(spoken.venue, "archive", "c-1", place, place, "message", None, payload.encode())
        try:
            made += spoken.read(frame, memory)
        except InvalidDatum as error:
            refused[" ".join(str(error).split()[1:3])] += 1
    return made, refused


def pushed(name: str) -> list[str]:
    """Return what came on the socket in a session."""
    return [text for _, address, text in full_cryptofeed(name) if address is None]


@pytest.mark.parametrize(("spoken", "name", "symbols"), [(LINEAR, "BYBIT.ws.1.0.zst", 4), (SPOT, "BYBIT.ws.2.0.zst", 6)])
def test_best_quotes_of_2025(spoken: Bybit, name: str, symbols: int) -> None:
    """Level 1: nothing is refused, each frame but the answers is one quote, ids never fall, and what is pushed again is alike."""
    payloads = pushed(name)
    made, refused = read(spoken, payloads)
    answers = [text for text in payloads if '"op":"subscribe"' in text]
    assert not refused
    assert len(answers) == symbols
    assert len(made) == len(payloads) - symbols > 100
    by_symbol: dict[str, list[DecodedEvent]] = defaultdict(list)
    for one in made:
        assert one.event == "quote"
        assert from_bytes(one.fields["bid_price"]) < from_bytes(one.fields["ask_price"])
        by_symbol[one.fields["symbol"]].append(one)
    assert len(by_symbol) == symbols
    again = 0
    for quotes in by_symbol.values():
        for before, after in pairwise(quotes):
            assert after.fields["sequence"] >= before.fields["sequence"]
            assert after.fields["event_time"] >= before.fields["event_time"]
            if after.fields["sequence"] == before.fields["sequence"]:
                again += 1
                assert {**after.fields, "event_time": 0} == {**before.fields, "event_time": 0}
    assert again


@pytest.mark.parametrize(("spoken", "name"), [(LINEAR, "BYBIT.ws.1.0.zst"), (SPOT, "BYBIT.ws.2.0.zst")])
def test_frames_of_2025_are_heard_and_read_as_blocks(spoken: Bybit, name: str) -> None:
    """Every real data frame has a shape that reads what `read` does, and the feed hears the symbol that is read in it."""
    session = spoken.session()
    for text in pushed(name):
        payload = text.encode()
        frame = Frame(spoken.venue, "archive", "c-1", 1, 1, "message", None, payload)
        made = list(spoken.read(frame, Memory()))
        shape = spoken.shape(payload)
        assert (shape is not None) == bool(made)
        if shape is not None:
            assert decoded_events(shape, shape.decode(payload, Memory())) == made
            stream = session.hear(payload).stream
            assert stream is not None
            assert stream == ("quote", made[0].fields["symbol"])


def test_a_book_of_500_levels() -> None:
    """An archived book of 500 levels: update ids follow one another, by the judge, and applied it never crosses and keeps its depth."""
    with zipfile.ZipFile(FULL / "bybit_archive" / "bybit_xrpusdt-ob500.data.zip") as archive:
        (name,) = archive.namelist()
        payloads = archive.read(name).decode().splitlines()
    made, refused = read(LINEAR, payloads)
    assert not refused
    assert len(made) == len(payloads) == 50
    place: Place | None = None
    book = Book(500)
    for count, one in enumerate(made):
        fields = one.fields
        assert (one.event, fields["symbol"], fields["depth"], fields["is_snapshot"]) == ("book_delta", "XRPUSDT", 500, count == 0)
        time, last = fields["event_time"], fields["last_sequence"]
        verdict = judge(
            LINEAR.channels["book"].continuity,
            place,
            Step(fields["first_sequence"], last, "c-1", time + 9, time, is_snapshot=fields["is_snapshot"]),
        )
        assert verdict.finding is Finding.NEXT
        place = verdict.place
        book.apply(fields)
        assert book.bids[-1][0] < -book.asks[-1][0]
        assert len(book.bids) == len(book.asks) == 500


def test_live_frames_of_2026() -> None:
    """Liquidations are of the side that their authors measured; tickers that change the best quote alone make no event."""
    lines = [orjson.loads(line) for line in (FULL / "live_frames_2026" / "frames.jsonl").read_text().splitlines()]
    bybit = [line for line in lines if line["venue"] == "bybit"]
    seen: Counter[str] = Counter()
    for line in bybit:
        made, refused = read(LINEAR, [line["raw"]])
        assert not refused
        seen[line["channel"]] += 1
        if line["channel"] != "allLiquidation":
            assert made == []
            continue
        expected = line["expected"]
        sides = [expected["liquidated_position"]] if "liquidated_position" in expected else [row[0] for row in expected["rows"]]
        assert [one.fields["liquidated_side"] for one in made] == sides
        rows = orjson.loads(line["raw"])["data"]
        assert [(one.fields["price"], one.fields["size_native"]) for one in made] == [(encode(row["p"]), encode(row["v"])) for row in rows]
    assert seen == {"allLiquidation": 4, "tickers delta": 2}


@pytest.mark.parametrize(("spoken", "name"), [(LINEAR, "BYBIT.ws.25.0.zst"), (INVERSE, "BYBIT.ws.26.0.zst")])
def test_the_forms_of_2021_are_another_language(spoken: Bybit, name: str) -> None:
    """Sessions before v5 are refused frame by frame, topics unknown and answers without an `op`: nothing of them is made up."""
    payloads = pushed(name)
    made, refused = read(spoken, payloads)
    assert made == []
    assert sum(refused.values()) == len(payloads)
    assert set(refused) == {"unknown topic", "neither a"}


def test_what_other_programs_test_with() -> None:
    """Each of the messages that another program tests its readers of Bybit with, of 2021 and 2022, is refused with a reason."""
    lines = [orjson.loads(line) for line in (FULL / "crypto-msg-parser" / "raw_and_expected.jsonl").read_text().splitlines()]
    payloads = [line["raw"] for line in lines if line["exchange"] == "bybit"]
    for spoken in (SPOT, LINEAR, INVERSE):
        made, refused = read(spoken, payloads)
        assert made == []
        assert sum(refused.values()) == len(payloads) > 20
