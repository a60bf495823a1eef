from hypothesis import given
from hypothesis import strategies as some

from dialects import notices
from producers.frames import Frames, connection_id
from schemas.catalogue import event
from schemas.codec import Codec

CODEC = Codec(event("frame"), 7)


def frames_into(sent: list[tuple[bytes, bytes]], *, takes: bool = True) -> Frames:
    """Return the frames of one connection that go into a list."""

    def put(key: bytes, value: bytes, _frame: object = None) -> bool:
        if takes:
            sent.append((key, value))
        return takes

    return Frames(CODEC, "binance", "live", "rest", "binance-1-a", put)


@given(some.lists(some.tuples(some.binary(max_size=300), some.integers(0, 2**62)), max_size=20))
def test_the_fast_way_writes_what_the_codec_writes(messages: list[tuple[bytes, int]]) -> None:
    """Every frame is byte for byte what the general encoder writes for the same record."""
    sent: list[tuple[bytes, bytes]] = []
    frames = frames_into(sent)
    for payload, received_at in messages:
        frames.message(payload, received_at)
    for number, ((payload, received_at), (key, value)) in enumerate(zip(messages, sent, strict=True), 1):
        record = {
            "venue": "binance",
            "origin": "live",
            "connection_id": "binance-1-a",
            "connection_sequence": number,
            "received_at": received_at,
            "kind": "message",
            "request": None,
            "payload": payload,
        }
        assert value == CODEC.encode(record)
        assert key == event("frame").topic.key_of(record)


def test_messages_replies_and_notices_share_one_counter() -> None:
    """Whatever is published on a connection takes the next number; a reply has its request and its own origin."""
    sent: list[tuple[bytes, bytes]] = []
    frames = frames_into(sent)
    frames.notice("connected", 1)
    frames.message(b"m", 2)
    frames.reply(b"r", "GET /x", 3)
    frames.notice("closed", 4, reason="done")
    records = [CODEC.decode(value) for _, value in sent]
    assert [record["connection_sequence"] for record in records] == [1, 2, 3, 4]
    assert [record["kind"] for record in records] == ["notice", "message", "reply", "notice"]
    assert (records[2]["request"], records[2]["origin"]) == ("GET /x", "rest")
    assert notices.decode(records[3]["payload"])["reason"] == "done"


def test_nothing_follows_closed() -> None:
    """A reply or notice that comes too late is not published."""
    sent: list[tuple[bytes, bytes]] = []
    frames = frames_into(sent)
    frames.notice("closed", 1)
    frames.reply(b"late", "GET /x", 2)
    frames.notice("silent", 3)
    assert len(sent) == 1


def test_frames_given_up_keep_their_numbers_and_are_told() -> None:
    """The counter jumps by what was dropped, and the first frame that fits again follows a notice of the count."""
    sent: list[tuple[bytes, bytes]] = []
    room = True

    def put(key: bytes, value: bytes, _frame: object = None) -> bool:
        if room:
            sent.append((key, value))
        return room

    frames = Frames(CODEC, "binance", "live", "rest", "binance-1-a", put)
    frames.message(b"", 1)
    room = False
    frames.message(b"", 2)
    frames.message(b"", 3)
    room = True
    frames.message(b"", 4)
    records = [CODEC.decode(value) for _, value in sent]
    assert [(record["connection_sequence"], record["kind"]) for record in records] == [(1, "message"), (4, "notice"), (5, "message")]
    assert notices.decode(records[1]["payload"])["count"] == 2


def test_connection_ids_name_venue_and_start() -> None:
    """An id says whose it is and when it began, and sorts by time."""
    assert connection_id("kraken", 1_795_261_980_123_456, "9f86d081") == "kraken-20261121T115300.123456-9f86d081"
