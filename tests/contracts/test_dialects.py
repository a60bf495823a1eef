"""What every dialect promises, tried on each of them with its recordings: a new dialect needs a recording, not a test."""

import copy
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects, dialect
from dialects.contract import UNREADABLE, DecodedEvent, Dialect, Endpoints, Fields, Frame, Request, Shape, decoded_events
from dialects.memory import MERGED, Memory
from dialects.routes import apart
from dialects.session import Session
from dialects.stream import Stream
from schemas.catalogue import event, events
from schemas.codec import Codec
from schemas.decimals import from_bytes, unscaled
from schemas.errors import InvalidDatum
from tests.dialects.recorded import excerpts, read_excerpt, whole
from tests.examples import examples

DIALECTS = list(all_dialects().values())
RECORDINGS = [(one, path) for one in DIALECTS for path in excerpts(one.venue)]
CODECS = {name: Codec(one, 1) for name, one in events().items()}
LOCAL = Endpoints("ws://127.0.0.1:1", "http://127.0.0.1:1", "ws://127.0.0.1:2")
TOKEN = "a-token-of-the-venue"
HEADER = {"venue", "origin", "connection_id", "connection_sequence", "received_at", "frame_index", "frames_lost", "venue_lost"}
each_dialect = pytest.mark.parametrize("spoken", DIALECTS, ids=lambda one: one.venue)
each_recording = pytest.mark.parametrize(("spoken", "path"), RECORDINGS, ids=[path.stem for _, path in RECORDINGS])


def streams_of(spoken: Dialect) -> list[Stream]:
    """Return a stream of each channel for each default symbol that has it; one for a channel that speaks of all."""
    return [
        stream
        for name, channel in spoken.channels.items()
        for symbol in (spoken.default_symbols if channel.scope == "symbol" else ("",))
        if spoken.has(stream := Stream(name, symbol))
    ]


def test_there_are_dialects_and_a_wrong_name_lists_them() -> None:
    """A venue nobody speaks is a KeyError that names those there are."""
    with pytest.raises(KeyError, match=", ".join(all_dialects())):
        dialect("mtgox")
    assert dialect("kraken") is all_dialects()["kraken"]


@each_dialect
def test_has_a_recording_and_known_events(spoken: Dialect) -> None:
    """Each dialect has a recording, and each channel yields events that schemas/avro knows."""
    assert excerpts(spoken.venue)
    assert spoken.events() <= set(events())
    assert all(channel.events for channel in spoken.channels.values())
    assert spoken.default_symbols


@each_dialect
def test_limits_are_of_its_channels(spoken: Dialect) -> None:
    """Limits are positive, silence is limited for channels it has, and production is reached under TLS."""
    limits = spoken.limits
    assert limits.streams_per_connection > 0
    assert limits.messages_per_second > 0
    assert all(channel.silence is None or channel.silence > 0 for channel in spoken.channels.values())
    assert spoken.production.websocket.startswith("wss://")
    assert spoken.production.authenticated.startswith("wss://") == any(channel.private for channel in spoken.channels.values())
    assert spoken.production.rest.startswith("https://")


@each_dialect
def test_asks_for_each_stream_once(spoken: Dialect) -> None:
    """Asking and giving up name each pushed stream once, and no message is sent twice on one session."""
    pushed = [stream for stream in streams_of(spoken) if not spoken.channels[stream.channel].every]
    private = [stream for stream in pushed if spoken.channels[stream.channel].private]
    public = [stream for stream in pushed if not spoken.channels[stream.channel].private]
    for streams, address in ((public, LOCAL.websocket), (private, LOCAL.authenticated)):
        assert all(spoken.url(LOCAL, some).startswith(address) for some in apart(spoken, streams))
        session = spoken.session()
        asked, given_up = session.ask(streams, TOKEN), session.give_up(streams, TOKEN)
        for messages in (asked, given_up):
            assert sorted(stream for message in messages for stream in message.streams) == sorted(streams)
        sent = [message.message for message in asked + given_up]
        assert len(set(sent)) == len(sent)
    assert spoken.session().ask([]) == []
    with pytest.raises(KeyError):
        spoken.session().ask([Stream("astrology", spoken.default_symbols[0])])


@each_dialect
def test_a_token_goes_where_it_is_needed_alone(spoken: Dialect) -> None:
    """Each message for authenticated channels carries the token, no other does, and what is printed of a message never shows it."""
    session = spoken.session()
    for ask in (session.ask, session.give_up):
        for message in ask([stream for stream in streams_of(spoken) if not spoken.channels[stream.channel].every], TOKEN):
            needed = spoken.is_private(message.streams)
            assert (TOKEN.encode() in message.message) == needed
            assert TOKEN not in f"{message} {message!r}"


@each_dialect
def test_requests_are_paths_with_a_weight(spoken: Dialect) -> None:
    """REST requests are paths on the venue's REST address, and weigh something; resumable trades have one."""
    requests = [spoken.snapshot_request(stream) for stream in streams_of(spoken)]
    by_rest = [spoken.channels[stream.channel].snapshot == "rest" for stream in streams_of(spoken)]
    assert [request is not None for request in requests] == by_rest
    requests += [poll.request for poll in spoken.polls([one for one in streams_of(spoken) if spoken.channels[one.channel].every])]
    requests += spoken.references(streams_of(spoken))
    requests.append(spoken.trades_request(spoken.default_symbols[0], 17, 1_700_000_000_000_000))
    assert not spoken.resumable_trades or requests[-1] is not None
    for request in requests:
        if request is not None:
            assert request.path.startswith("/")
            assert request.weight > 0
            assert request.text.startswith(f"{request.method} {request.path}")


@each_recording
def test_reads_its_recordings(spoken: Dialect, path: Path) -> None:
    """Each recorded frame becomes events whose own fields fit their schemas byte for byte, and no field is the header's."""
    memory = Memory()
    names: list[str] = []
    for frame, refused in read_excerpt(path):
        before = copy.deepcopy(memory)
        if refused:
            with pytest.raises(InvalidDatum, match=refused):
                list(spoken.read(frame, memory))
            continue
        made = list(spoken.read(frame, memory))
        assert made == list(spoken.read(frame, before)), "the same frame and memory give the same events"
        assert orjson.loads(orjson.dumps(memory)) == memory, "memory outlives a restart as JSON"
        names += [one.event for one in made]
        for name, fields in made:
            assert fields.keys() <= {field["name"] for field in event(name).fields} - HEADER
            record = whole(name, fields)
            decoded = CODECS[name].decode(CODECS[name].encode(record))
            assert plain(decoded) == plain(record)
    assert names
    assert set(names) <= spoken.events()


@each_recording
def test_hears_who_speaks(spoken: Dialect, path: Path) -> None:
    """The feed hears the same channel and symbol in a pushed frame as the normaliser reads in it."""
    memory, session = Memory(), spoken.session()
    for frame, refused in read_excerpt(path):
        if refused or frame.kind != "message":
            continue
        heard = session.hear(frame.payload)
        for name, record in list(spoken.read(frame, memory))[:1]:
            assert heard.stream is not None
            assert name in spoken.channels[heard.stream.channel].events
            assert heard.stream.symbol == (record["symbol"] if spoken.channels[heard.stream.channel].scope == "symbol" else "")


@each_dialect
def test_what_follows_a_refused_request_ends(spoken: Dialect) -> None:
    """What is asked for whatever was answered to the request before is a request of its own each time, and has a last."""
    polled = spoken.polls([one for one in streams_of(spoken) if spoken.channels[one.channel].every])
    for first in [spoken.listing_request(), *(poll.request for poll in polled)]:
        chain: list[Request] = []
        request = first
        while request is not None:
            assert request not in chain
            chain.append(request)
            request = spoken.next_page(request, b"")


@each_recording
def test_an_answer_of_another_symbol_is_refused(spoken: Dialect, path: Path) -> None:
    """A reply that names a symbol names the one that was asked for: of another nothing is told, and nothing is remembered."""
    memory = Memory()
    for frame, refused in read_excerpt(path):
        before = copy.deepcopy(memory)
        made = [] if refused else list(spoken.read(frame, memory))
        for asked_for, told in symbols_named(frame, {one.fields["symbol"] for one in made}):
            foreign = frame._replace(payload=frame.payload.replace(told, told.replace(asked_for, b"QQQ")))
            remembered = copy.deepcopy(before)
            with pytest.raises(UNREADABLE) as wrong:
                list(spoken.read(foreign, remembered))
            assert not getattr(wrong.value, "events", ())
            assert remembered == before


def symbols_named(frame: Frame, symbols: set[str]) -> list[tuple[bytes, bytes]]:
    """Return the symbols that a request names and its reply too, as the reply has them between quotes or as one of its keys."""
    words = set(re.split(r"[^\w@:/-]+", unquote(frame.request or ""))) | set(unquote((frame.request or "").partition("?")[0]).split("/"))
    asked_for = {word for word in words if any(symbol == word or symbol.startswith(f"{word}_") for symbol in symbols)}
    named = [(word.encode(), f'"{word}"'.encode()) for word in asked_for]
    named += [(b"XBT", b'"XXBTZUSD"')] if "BTC/USD" in asked_for else []
    return [(word, told) for word, told in named if told in frame.payload]


def test_every_venue_that_names_symbols_in_replies_was_tried() -> None:
    """The recordings hold a reply for each kind of request that repeats a symbol, so that the promise above is not empty."""
    tried = {
        re.split(r"[?{]", frame.request or "")[0].strip()
        for spoken, path in RECORDINGS
        for frame, refused in read_excerpt(path)
        if not refused and symbols_named(frame, {one.fields["symbol"] for one in read_alone(spoken, frame)})
    }
    assert tried >= {
        "GET /0/public/Trades",
        "GET /api/v3/brokerage/market/products/BTC-USD/ticker",
        "GET /api/v5/market/history-trades",
        "GET /api/v5/public/instruments",
        "GET /dapi/v1/fundingRate",
        "GET /dapi/v1/openInterest",
        "GET /dapi/v1/premiumIndex",
        "GET /fapi/v1/fundingRate",
        "GET /fapi/v1/openInterest",
        "GET /fapi/v1/premiumIndex",
        "GET /futures/data/globalLongShortAccountRatio",
        "GET /futures/data/openInterestHist",
        "GET /v5/market/kline",
        "GET /v5/market/recent-trade",
        "POST /info",
    }


def read_alone(spoken: Dialect, frame: Frame) -> list[DecodedEvent]:
    """Return the events of a reply to a connection that has told nothing yet; none of a pushed frame."""
    return list(spoken.read(frame, Memory())) if frame.request else []


@each_dialect
@examples(100)
@given(data=st.data())
def test_survives_any_bytes(spoken: Dialect, data: st.DataObject) -> None:
    """Whatever bytes come, reading raises nothing but InvalidDatum, and hearing raises nothing."""
    payload = data.draw(st.one_of(st.binary(), json_documents(), damaged(spoken)))
    request = data.draw(st.sampled_from(requests_of(spoken)))
    refuses_or_reads(spoken, Frame(spoken.venue, "live", "x-1", 1, 1, "reply" if request else "message", request, payload))
    asked(spoken).hear(payload)
    spoken.shape(payload)
    assert all(name.startswith(MERGED) for name in spoken.may_have_changed(payload) or ())
    spoken.connection_sequence(payload)
    spoken.refusal(200, {}, payload)
    if (listing := spoken.listing_request()) is not None:
        spoken.next_page(listing, payload)


@each_dialect
@pytest.mark.parametrize("payload", [b"[" * 200_000, b'{"a":' * 200_000, b'{"a":1' + b"0" * 5000 + b"}", b'{"s":"\\ud800"}', b""])
def test_survives_what_breaks_parsers(spoken: Dialect, payload: bytes) -> None:
    """Deep nesting, numbers of thousands of digits, half a surrogate pair and nothing at all are refused like the rest."""
    for request in requests_of(spoken):
        refuses_or_reads(spoken, Frame(spoken.venue, "live", "x-1", 1, 1, "reply" if request else "message", request, payload))
    asked(spoken).hear(payload)
    spoken.refusal(200, {}, payload)
    spoken.shape(payload)
    spoken.connection_sequence(payload)
    spoken.may_have_changed(payload)
    if (listing := spoken.listing_request()) is not None:
        spoken.next_page(listing, payload)


def asked(spoken: Dialect) -> Session:
    """Return a session that has asked for something of every channel."""
    session = spoken.session()
    session.ask([stream for stream in streams_of(spoken) if not spoken.channels[stream.channel].every])
    return session


def refuses_or_reads(spoken: Dialect, frame: Frame) -> None:
    """Read a frame: either InvalidDatum with a reason, or records that can be encoded."""
    try:
        made = list(spoken.read(frame, Memory()))
    except InvalidDatum as refused:
        made, reason = [], str(refused)
    else:
        reason = "read"
    assert reason
    for name, record in made:
        CODECS[name].encode(whole(name, record))


def requests_of(spoken: Dialect) -> list[str | None]:
    """Return None, for a pushed frame, and every kind of request whose reply could be read, and one nobody makes."""
    symbol = spoken.default_symbols[0]
    asked = [spoken.snapshot_request(Stream("book", symbol)), spoken.trades_request(symbol, 1, 1)]
    polled = spoken.polls([one for one in streams_of(spoken) if spoken.channels[one.channel].every])
    texts = [request.text for request in [*asked, *spoken.references(streams_of(spoken))] if request] + [
        poll.request.text for poll in polled
    ]
    return [None, "GET /nobody/asked", *dict.fromkeys(texts)]


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
    memory, apart = Memory(), Memory()
    rows: dict[Shape, list[object]] = {}
    expected: dict[Shape, list[Fields]] = {}
    for frame, refused in read_excerpt(path):
        if refused:
            continue
        shape = spoken.shape(frame.payload) if frame.kind == "message" else None
        made = list(spoken.read(frame, memory))
        if shape is None:
            list(spoken.read(frame, apart))
            continue
        assert {name for name, _ in made} <= {shape.event}
        rows.setdefault(shape, []).extend(shape.decode(frame.payload, apart))
        expected.setdefault(shape, []).extend(fields for _, fields in made)
    for shape, found in rows.items():
        assert [fields for _, fields in decoded_events(shape, found)] == expected[shape]
    assert memory == apart


@each_recording
def test_a_frame_of_a_shape_changes_nothing_remembered(spoken: Dialect, path: Path) -> None:
    """What is read as a block is no part of what is merged: refused, it is said to have changed nothing."""
    memory = Memory()
    for frame, refused in read_excerpt(path):
        shaped = frame.kind == "message" and spoken.shape(frame.payload) is not None
        memory.changed.clear()
        if not refused:
            list(spoken.read(frame, memory))
        assert not (shaped and memory.changed)
        assert not (shaped and spoken.may_have_changed(frame.payload) != ())


@each_recording
def test_a_refused_frame_is_of_what_reading_it_changes(spoken: Dialect, path: Path) -> None:
    """What a frame may have changed, where nobody can read it, has in it all that reading it does change of what is merged."""
    memory = Memory()
    for frame, refused in read_excerpt(path):
        if refused or frame.kind != "message":
            continue
        memory.changed.clear()
        list(spoken.read(frame, memory))
        names = spoken.may_have_changed(frame.payload)
        assert names is None or {name for name in memory.changed if name.startswith(MERGED)} <= set(names)


@each_dialect
def test_frequent_frames_have_a_shape(spoken: Dialect) -> None:
    """Most recorded frames that become trades, changes of books or quotes are read as blocks."""
    shaped = plain_read = 0
    for path in excerpts(spoken.venue):
        memory = Memory()
        for frame, refused in read_excerpt(path):
            if refused or frame.kind != "message":
                continue
            if any(made.event in {"trade", "book_delta", "quote"} for made in spoken.read(frame, memory)):
                shaped += spoken.shape(frame.payload) is not None
                plain_read += spoken.shape(frame.payload) is None
    assert shaped > plain_read


@each_dialect
@given(payload=st.binary() | st.text().map(str.encode))
def test_a_shape_is_looked_for_in_any_bytes(spoken: Dialect, payload: bytes) -> None:
    """Looking for a frame's shape never raises."""
    spoken.shape(payload)
