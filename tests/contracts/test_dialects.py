"""What every dialect promises, tried on each of them with its recordings: a new dialect needs a recording, not a test."""

import copy
from functools import cache
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.catalogue import all_dialects, dialect
from dialects.contract import Dialect, Endpoints, Frame, Stream
from schemas.catalogue import event, events
from schemas.codec import Codec
from schemas.decimals import from_bytes, unscaled
from schemas.errors import InvalidDatum
from tests.dialects.recorded import excerpts, read_excerpt

DIALECTS = list(all_dialects().values())
RECORDINGS = [(one, path) for one in DIALECTS for path in excerpts(one.venue)]
CODECS = {name: Codec(one, 1) for name, one in events().items()}
LOCAL = Endpoints("ws://127.0.0.1:1", "http://127.0.0.1:1", "ws://127.0.0.1:2")
TOKEN = "a-token-of-the-venue"
each_dialect = pytest.mark.parametrize("spoken", DIALECTS, ids=lambda one: one.venue)
each_recording = pytest.mark.parametrize(("spoken", "path"), RECORDINGS, ids=[path.stem for _, path in RECORDINGS])


def streams_of(spoken: Dialect) -> list[Stream]:
    """Return a stream of each channel for each default symbol; one for a channel that speaks of all symbols."""
    return [
        stream
        for channel in spoken.channels
        for stream in ([Stream(channel, "")] if channel == "instrument" else [Stream(channel, one) for one in spoken.default_symbols])
    ]


def test_there_are_dialects_and_a_wrong_name_lists_them() -> None:
    """A venue nobody speaks is a KeyError that names those there are."""
    with pytest.raises(KeyError, match="binance, kraken"):
        dialect("mtgox")
    assert dialect("kraken") is all_dialects()["kraken"]


@each_dialect
def test_has_a_recording_and_known_events(spoken: Dialect) -> None:
    """Each dialect has a recording, and each channel yields events that schemas/avro knows."""
    assert excerpts(spoken.venue)
    assert {name for names in spoken.channels.values() for name in names} <= set(events())
    assert spoken.default_symbols


@each_dialect
def test_limits_are_of_its_channels(spoken: Dialect) -> None:
    """Limits are positive, silence is limited for channels it has, and production is reached under TLS."""
    limits = spoken.limits
    assert limits.streams_per_connection > 0
    assert limits.messages_per_second > 0
    assert limits.silence.keys() <= spoken.channels.keys()
    assert all(seconds > 0 for seconds in limits.silence.values())
    assert spoken.authenticated_channels <= spoken.channels.keys()
    assert spoken.production.websocket.startswith("wss://")
    assert spoken.production.authenticated.startswith("wss://") == bool(spoken.authenticated_channels)
    assert spoken.production.rest.startswith("https://")


@each_dialect
def test_asks_for_each_stream_once(spoken: Dialect) -> None:
    """Subscribing and unsubscribing name each stream once, in JSON whose request ids count up from the first."""
    private = [stream for stream in streams_of(spoken) if stream.channel in spoken.authenticated_channels]
    public = [stream for stream in streams_of(spoken) if stream.channel not in spoken.authenticated_channels]
    for streams, address in ((public, LOCAL.websocket), (private, LOCAL.authenticated)):
        assert not streams or spoken.url(LOCAL, streams).startswith(address)
        for messages in (spoken.subscribe(streams, 41, TOKEN), spoken.unsubscribe(streams, 41, TOKEN)):
            assert sorted(stream for message in messages for stream in message.streams) == sorted(streams)
            for request_id, message in enumerate(messages, 41):
                assert request_id in orjson.loads(message.message).values()
    assert spoken.subscribe([], 1) == []


@each_dialect
def test_a_token_goes_where_it_is_needed_alone(spoken: Dialect) -> None:
    """Each message for authenticated channels carries the token, no other does, and what is printed of a message never shows it."""
    for ask in (spoken.subscribe, spoken.unsubscribe):
        for message in ask(streams_of(spoken), 1, TOKEN):
            needed = any(stream.channel in spoken.authenticated_channels for stream in message.streams)
            assert (TOKEN.encode() in message.message) == needed
            assert TOKEN not in f"{message} {message!r}"


@each_dialect
def test_requests_are_paths_with_a_weight(spoken: Dialect) -> None:
    """REST requests are paths on the venue's REST address, and weigh something; resumable trades have one."""
    requests = [spoken.snapshot_request(stream) for stream in streams_of(spoken)]
    requests.append(spoken.trades_request(spoken.default_symbols[0], 17, 1_700_000_000_000_000))
    assert not spoken.resumable_trades or requests[-1] is not None
    for request in requests:
        if request is not None:
            assert request.path.startswith("/")
            assert request.weight > 0
            assert request.text == f"{request.method} {request.path}"


@each_recording
def test_reads_its_recordings(spoken: Dialect, path: Path) -> None:
    """Each recorded frame becomes records that fit their schemas byte for byte, numbered within the frame, naming it."""
    memory: dict[str, object] = {}
    made_of: list[str] = []
    for frame, refused in read_excerpt(path):
        before = copy.deepcopy(memory)
        if refused:
            with pytest.raises(InvalidDatum, match=refused):
                list(spoken.read(frame, memory))
            continue
        made = list(spoken.read(frame, memory))
        assert made == list(spoken.read(frame, before)), "the same frame and memory give the same events"
        assert orjson.loads(orjson.dumps(memory)) == memory, "memory outlives a restart as JSON"
        made_of += [one.event for one in made]
        for index, (name, record) in enumerate(made):
            assert record["frame_index"] == index
            assert named(record) == (frame.venue, frame.origin, frame.connection_id, frame.connection_sequence, frame.received_at)
            assert record.keys() == {field["name"] for field in event(name).fields}
            decoded = CODECS[name].decode(CODECS[name].encode(record))
            assert plain(decoded) == plain(record)
    assert made_of
    assert set(made_of) <= {name for names in spoken.channels.values() for name in names}


@each_recording
def test_hears_who_speaks(spoken: Dialect, path: Path) -> None:
    """The feed hears the same channel and symbol in a pushed frame as the normaliser reads in it."""
    memory: dict[str, object] = {}
    for frame, refused in read_excerpt(path):
        if refused or frame.kind != "message":
            continue
        heard = spoken.hear(frame.payload, {})
        for name, record in list(spoken.read(frame, memory))[:1]:
            assert heard.stream is not None
            assert name in spoken.channels[heard.stream.channel]
            assert heard.stream.symbol == ("" if name == "instrument" else record["symbol"])


@each_dialect
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_survives_any_bytes(spoken: Dialect, data: st.DataObject) -> None:
    """Whatever bytes come, reading raises nothing but InvalidDatum, and hearing raises nothing."""
    payload = data.draw(st.one_of(st.binary(), json_documents(), damaged(spoken)))
    request = data.draw(st.sampled_from(requests_of(spoken)))
    refuses_or_reads(spoken, Frame(spoken.venue, "live", "x-1", 1, 1, "reply" if request else "message", request, payload))
    spoken.hear(payload, {1: (Stream("trade", "X"),)})


@each_dialect
@pytest.mark.parametrize("payload", [b"[" * 200_000, b'{"a":' * 200_000, b'{"a":1' + b"0" * 5000 + b"}", b'{"s":"\\ud800"}', b""])
def test_survives_what_breaks_parsers(spoken: Dialect, payload: bytes) -> None:
    """Deep nesting, numbers of thousands of digits, half a surrogate pair and nothing at all are refused like the rest."""
    for request in requests_of(spoken):
        refuses_or_reads(spoken, Frame(spoken.venue, "live", "x-1", 1, 1, "reply" if request else "message", request, payload))
    spoken.hear(payload, {})


def refuses_or_reads(spoken: Dialect, frame: Frame) -> None:
    """Read a frame: either InvalidDatum with a reason, or records that can be encoded."""
    try:
        made = list(spoken.read(frame, {}))
    except InvalidDatum as refused:
        made, reason = [], str(refused)
    else:
        reason = "read"
    assert reason
    for name, record in made:
        CODECS[name].encode(record)


def requests_of(spoken: Dialect) -> list[str | None]:
    """Return None, for a pushed frame, and every kind of request whose reply could be read, and one nobody makes."""
    symbol = spoken.default_symbols[0]
    asked = [spoken.snapshot_request(Stream("book", symbol)), spoken.trades_request(symbol, 1, 1)]
    return [None, "GET /nobody/asked", *(request.text for request in asked if request)]


@cache
def json_documents() -> st.SearchStrategy[bytes]:
    """Return JSON of any shape, with keys that mean something to some venue."""
    keys = st.sampled_from(["e", "E", "s", "stream", "data", "channel", "type", "symbol", "id", "result", "error", "method", "code"])
    words = st.sampled_from(["trade", "book", "depthUpdate", "bookTicker", "ticker", "instrument", "snapshot", "subscribe", "x@trade"])
    leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text(), words)
    inner = st.recursive(leaves, lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(keys, part, max_size=5)), max_leaves=12)
    return st.dictionaries(keys, inner, max_size=6).map(orjson.dumps)


@cache
def damaged(spoken: Dialect) -> st.SearchStrategy[bytes]:
    """Return recorded frames of the venue, cut short or with one byte changed."""
    payloads = [frame.payload for path in excerpts(spoken.venue) for frame, _ in read_excerpt(path)[:40]]

    @st.composite
    def draw_one(draw: st.DrawFn) -> bytes:
        payload = draw(st.sampled_from(payloads))
        place = draw(st.integers(0, len(payload) - 1))
        return payload[:place] if draw(st.booleans()) else payload[:place] + draw(st.binary(max_size=3)) + payload[place + 1 :]

    return draw_one()


def named(record: dict[str, object]) -> tuple[object, ...]:
    """Return the fields which name the frame a record is made of."""
    return tuple(record[field] for field in ("venue", "origin", "connection_id", "connection_sequence", "received_at"))


def plain(record: dict[str, object]) -> dict[str, object]:
    """Return a record with its numbers as counts of 10⁻¹⁸, whether bytes or Decimal."""

    def count(value: object) -> object:
        if isinstance(value, bytes):
            return from_bytes(value)
        if isinstance(value, list):
            return [count(one) for one in value]
        return value if value is None or isinstance(value, (str, int)) else unscaled(f"{value:f}")

    return {field: count(value) for field, value in record.items()}


@each_recording
def test_a_shape_says_what_reading_does(spoken: Dialect, path: Path) -> None:
    """Frames of one shape, decoded one by one and turned into columns together, are the events that `read` makes of each."""
    alike: dict[str, list[Frame]] = {}
    for frame, refused in read_excerpt(path):
        shape = spoken.shape(frame.payload) if frame.kind == "message" and not refused else None
        if shape is not None:
            alike.setdefault(shape.event, []).append(frame)
    for frames in alike.values():
        shape = spoken.shape(frames[0].payload)
        assert shape is not None
        columns = shape.columns([shape.decode(frame.payload) for frame in frames])
        for row, frame in enumerate(frames):
            ((name, record),) = spoken.read(frame, {})
            assert name == shape.event
            assert record == record | {key: column[row] if isinstance(column, list) else column for key, column in columns.items()}


@each_dialect
@given(payload=st.binary() | st.text().map(str.encode))
def test_a_shape_is_looked_for_in_any_bytes(spoken: Dialect, payload: bytes) -> None:
    """Looking for a frame's shape never raises."""
    spoken.shape(payload)
