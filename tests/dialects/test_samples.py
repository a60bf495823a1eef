"""The sample frames hold together as a venue's do: whoever learns a venue from them learns nothing wrong."""

from collections import defaultdict

import pytest

from dialects.catalogue import all_dialects, dialect
from dialects.memory import Memory
from dialects.stream import Stream
from tests.dialects.recorded import EXCERPTS, excerpts, read_excerpt, venue_of
from tests.dialects.test_full_recordings import Book

SAMPLES = sorted(EXCERPTS.glob("*.jsonl"))


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_each_is_a_venues_by_its_first_line(path: object) -> None:
    """Each file is of a venue that is spoken and is named after it; a venue whose name begins alike has none of another's."""
    (found,) = [one for one in SAMPLES if one == path]
    venue = venue_of(found)
    assert venue in all_dialects()
    assert found.stem == venue or found.stem.startswith(f"{venue}_")
    assert found in excerpts(venue)
    assert excerpts(f"{venue}_futures") == excerpts(venue[:-1]) == []


@pytest.mark.parametrize("venue", all_dialects())
def test_each_channel_of_the_socket_has_a_sample(venue: str) -> None:
    """For each event of a channel that is pushed there is a frame, and a frame that must be refused."""
    spoken, made, refused = dialect(venue), set[str](), 0
    for path in excerpts(venue):
        memory = Memory()
        for frame, reason in read_excerpt(path):
            refused += reason is not None
            made |= set() if reason else {one.event for one in spoken.read(frame, memory)}
    assert made >= {name for channel in spoken.channels.values() if not channel.every for name in channel.events}
    assert refused


def test_binance_ids_follow_one_another() -> None:
    """Trades count by one, depth updates join, and each depth reply lies within what was pushed, so that it can be joined to it."""
    trades: dict[str, list[int]] = defaultdict(list)
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    replies: dict[str, int] = {}
    for frame, reason in read_excerpt(EXCERPTS / "binance.jsonl"):
        for name, fields in [] if reason or b"aggTrade" in frame.payload else dialect("binance").read(frame, Memory()):
            if name == "trade":
                trades[fields["symbol"]].append(fields["sequence"])
            elif name == "book_delta" and fields["is_snapshot"]:
                replies[fields["symbol"]] = fields["last_sequence"]
            elif name == "book_delta":
                ranges[fields["symbol"]].append((fields["first_sequence"], fields["last_sequence"]))
    assert len(trades) == len(ranges) == len(replies) == 2
    assert all(ids == list(range(ids[0], ids[0] + len(ids))) for ids in trades.values())
    for symbol, found in ranges.items():
        ids = [number for first, last in found for number in range(first, last + 1)]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert found[0][0] - 1 <= replies[symbol] <= found[-1][1]


def test_kraken_checksums_are_right() -> None:
    """Each book frame, snapshots too, leaves its book with the checksum it carries; prices of two pairs at their own precision."""
    books: dict[str, Book] = defaultdict(lambda: Book(100))
    memory, verified = Memory(), 0
    for frame, reason in read_excerpt(EXCERPTS / "kraken.jsonl"):
        for name, fields in [] if reason else dialect("kraken").read(frame, memory):
            if name == "book_delta":
                book = books[fields["symbol"]]
                book.apply(fields)
                assert book.checksum(fields["price_scale"], fields["size_scale"]) == fields["checksum"]
                verified += 1
    assert set(books) == {"BTC/USD", "ADA/USD"}
    assert verified > 10


def test_a_frame_that_is_no_text_is_kept_byte_for_byte() -> None:
    """What `record` writes as base64 is read back as the bytes that came, and the feed takes it for nobody's."""
    (payload,) = [frame.payload for frame, _ in read_excerpt(EXCERPTS / "binance.jsonl") if b"\xff" in frame.payload]
    assert payload == b'{"stream":"btcusdt@trade","data":{"s":"\xff\xfe"}}'
    assert dialect("binance").session().hear(b"\xff\xfe").stream is None
    assert Stream("trade", "BTCUSDT") == dialect("binance").session().hear(payload).stream
