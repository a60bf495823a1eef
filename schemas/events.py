"""GENERATED from avro/*.avsc by schemas/generate.py: what an event is in Python. Do not edit; run `make generate`."""

from decimal import Decimal
from typing import Literal, TypedDict

Number = Decimal | bytes
"""A decimal(38,18): a Decimal, or its unscaled big-endian bytes (schemas.decimals), which is what the wire holds."""


class BookDelta(TypedDict):
    """A change of a venue's order book, or its whole state when is_snapshot."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    symbol: str
    """The instrument in the venue's own spelling (BTCUSDT, BTC/USD)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    connection_id: str
    """The connection the frame came on: venue, start time and a random part; unique for ever."""
    connection_sequence: int
    """Our own count of frames on that connection, from 1, by one; with connection_id it names the frame. A jump is our loss."""
    received_at: int
    """When the frame reached us, first statement on receipt; microseconds since 1970 UTC."""
    frame_index: int
    """Place of this event among those made from its frame, from 0."""
    frames_lost: int
    """Frames of this connection known to be lost between our socket and here, up to this one; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    bid_prices: list[Number]
    """Bid prices, in the order the venue or the book gives them; quote currency."""
    bid_sizes: list[Number]
    """Size at each bid price, absolute; 0 removes the level; base currency."""
    ask_prices: list[Number]
    """Ask prices; quote currency."""
    ask_sizes: list[Number]
    """Size at each ask price, absolute; 0 removes the level; base currency."""
    is_snapshot: bool
    """True: forget the book and take these levels; false: change the levels named."""
    depth: int
    """Levels per side the venue keeps in this stream; 0 when it is not limited."""
    first_sequence: int | None
    """First update id covered, where the venue numbers updates."""
    last_sequence: int | None
    """Last update id covered."""
    previous_sequence: int | None
    """Last update id of the message before, where the venue says it."""
    checksum: int | None
    """The venue's CRC32 of its book after this change; null where it sends none."""
    price_scale: int | None
    """Decimals of a price as the venue writes it; its checksum is made from that text."""
    size_scale: int | None
    """Decimals of a size as the venue writes it."""


class BookSnapshot(TypedDict):
    """The best levels of a book we rebuilt from its deltas."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    symbol: str
    """The instrument in the venue's own spelling (BTCUSDT, BTC/USD)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    connection_id: str
    """The connection the frame came on: venue, start time and a random part; unique for ever."""
    connection_sequence: int
    """Our own count of frames on that connection, from 1, by one; with connection_id it names the frame. A jump is our loss."""
    received_at: int
    """When the frame reached us, first statement on receipt; microseconds since 1970 UTC."""
    frame_index: int
    """Place of this event among those made from its frame, from 0."""
    frames_lost: int
    """Frames of this connection known to be lost between our socket and here, up to this one; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    bid_prices: list[Number]
    """Bid prices, in the order the venue or the book gives them; quote currency."""
    bid_sizes: list[Number]
    """Size at each bid price, absolute; 0 removes the level; base currency."""
    ask_prices: list[Number]
    """Ask prices; quote currency."""
    ask_sizes: list[Number]
    """Size at each ask price, absolute; 0 removes the level; base currency."""
    depth: int
    """Most levels per side in this event."""
    last_sequence: int | None
    """Update id of the last change applied."""
    verified: Literal["checksum", "sequence", "unverified"]
    """What proves the book right: the venue's checksum, an unbroken sequence, or nothing the venue sends."""


class Candle(TypedDict):
    """What traded in one interval, on event time; absolute, so the newest version of a candle replaces all before."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    symbol: str
    """The instrument in the venue's own spelling (BTCUSDT, BTC/USD)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    interval: str
    """Length: 1s, 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M."""
    open_time: int
    """Start of the interval, inclusive; microseconds since 1970 UTC."""
    close_time: int
    """End of the interval, exclusive; microseconds since 1970 UTC."""
    open: Number
    """Price of the first trade by event time, then id; quote currency."""
    high: Number
    """Highest price; quote currency."""
    low: Number
    """Lowest price; quote currency."""
    close: Number
    """Price of the last trade by event time, then id; quote currency."""
    volume: Number
    """Sum of sizes; base currency."""
    quote_volume: Number
    """Sum of price times size, rounded half even once at 18 decimals; quote currency."""
    trades: int
    """Number of trades."""
    taker_buy_volume: Number
    """Sum of sizes whose taker bought; base currency."""
    vwap: Number
    """quote_volume over volume, half even at 18 decimals; quote currency."""
    first_trade_id: str
    """Id of the trade that gave the open."""
    last_trade_id: str
    """Id of the trade that gave the close."""
    state: Literal["provisional", "final", "revised"]
    """provisional: still open; final: the watermark has passed; revised: a trade came after final."""
    revision: int
    """How often it has changed after it was final; 0 at first."""
    completeness: Literal["complete", "incomplete", "unknown"]
    """complete: ids prove no trade is missing between first and last; incomplete: some are; unknown: ids prove nothing."""
    missing_trades: int | None
    """Trades known to be missing between first and last; count."""
    version: int
    """Offset in the trades topic of the trade that last moved this candle or its state; the highest version is the truth."""


class CredentialAudit(TypedDict):
    """Somebody did something with a secret, or was refused; never its value."""

    audit_id: str
    """Unique for ever; an event published twice is one row by it."""
    credential: str
    """Path of the secret (credentials/kraken/mainnet, kafka)."""
    action: Literal["read", "write", "validate", "rotate", "revoke", "refuse", "other"]
    """read, write, validate (the exchange was asked), rotate (a new version went live), revoke, refuse (a version was not taken up)."""
    secret_version: int | None
    """Version of the secret; null where it is not known."""
    actor: str
    """Who: a stage, or a user of this machine."""
    host: str
    """Machine it was done on."""
    provider: str
    """Where the secret is kept: vault or local."""
    success: bool
    """Whether it was done."""
    error: str | None
    """Why not, in words."""
    occurred_at: int
    """When; microseconds since 1970 UTC."""


class DeadLetter(TypedDict):
    """One message nobody could use, with its bytes and the reason."""

    stage: str
    """Who refused it (normalise, sinks.clickhouse …)."""
    topic: str
    """Topic it was read from."""
    partition: int
    """Its partition."""
    offset: int
    """Its offset."""
    reason: str
    """Why, in words; the cure where there is one."""
    key: bytes | None
    """Its key."""
    payload: bytes | None
    """Its bytes as read; null for a null value."""
    failed_at: int
    """When it was refused; microseconds since 1970 UTC."""


class Frame(TypedDict):
    """One message from outside, verbatim, before anybody has read it."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    connection_id: str
    """The connection the frame came on: venue, start time and a random part; unique for ever."""
    connection_sequence: int
    """Our own count of frames on that connection, from 1, by one; with connection_id it names the frame. A jump is our loss."""
    received_at: int
    """When the frame reached us, first statement on receipt; microseconds since 1970 UTC."""
    kind: Literal["message", "reply", "notice"]
    """message: pushed by the venue; reply: its answer to a request of ours; notice: our own remark on the connection (JSON)."""
    request: str | None
    """What a reply answers: HTTP method, path and query; null otherwise."""
    payload: bytes
    """The bytes as they came."""


class Gap(TypedDict):
    """Something is missing, or was: the ledger of every hole, its cause, and how it was closed."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    symbol: str
    """The instrument in the venue's own spelling (BTCUSDT, BTC/USD)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    gap_id: str
    """Same for every state of one gap: made of venue, symbol, channel and where it begins."""
    channel: str
    """Which stream: trade, book, quote, or frame (our own counter; symbol is then empty)."""
    from_sequence: int | None
    """First sequence missing, inclusive; null where the stream has none."""
    to_sequence: int | None
    """Last sequence missing, inclusive."""
    from_time: int | None
    """Time of the last event before the hole; microseconds since 1970 UTC."""
    to_time: int | None
    """Time of the first event after the hole; null while it lasts."""
    cause: Literal["ours", "wire", "venue_reset", "reconnect", "silence", "unknown"]
    """ours: our own counter jumped; wire: the venue's did; venue_reset: it began again; reconnect: we were away; silence: it said nothing."""
    detected_at: int
    """received_at of the event that showed the gap; microseconds since 1970 UTC."""
    state: Literal["open", "filling", "filled", "unfillable"]
    """open, filling (a repair is under way), filled, or unfillable (nobody can give it back)."""
    repair: str | None
    """How it was repaired or why it can't be."""
    connection_id: str | None
    """The connection on which it was seen."""
    version: int
    """Grows with each state of one gap; the highest is the truth; microseconds since 1970 UTC."""


class Instrument(TypedDict):
    """What a venue says of one instrument: its precisions and whether it trades."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    symbol: str
    """The instrument in the venue's own spelling (BTCUSDT, BTC/USD)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    connection_id: str
    """The connection the frame came on: venue, start time and a random part; unique for ever."""
    connection_sequence: int
    """Our own count of frames on that connection, from 1, by one; with connection_id it names the frame. A jump is our loss."""
    received_at: int
    """When the frame reached us, first statement on receipt; microseconds since 1970 UTC."""
    frame_index: int
    """Place of this event among those made from its frame, from 0."""
    frames_lost: int
    """Frames of this connection known to be lost between our socket and here, up to this one; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    base: str | None
    """Base currency, the venue's spelling."""
    quote: str | None
    """Quote currency, the venue's spelling."""
    price_scale: int | None
    """Decimals of a price."""
    size_scale: int | None
    """Decimals of a size."""
    status: str | None
    """Trading status in the venue's words."""


class OrderDelta(TypedDict):
    """A change of one order resting in a venue's book, or the order as it rested when a subscription began."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    symbol: str
    """The instrument in the venue's own spelling (BTCUSDT, BTC/USD)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    connection_id: str
    """The connection the frame came on: venue, start time and a random part; unique for ever."""
    connection_sequence: int
    """Our own count of frames on that connection, from 1, by one; with connection_id it names the frame. A jump is our loss."""
    received_at: int
    """When the frame reached us, first statement on receipt; microseconds since 1970 UTC."""
    frame_index: int
    """Place of this event among those made from its frame, from 0."""
    frames_lost: int
    """Frames of this connection known to be lost between our socket and here, up to this one; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    side: Literal["bid", "ask", "unknown"]
    """The side of the book the order rests on."""
    action: Literal["add", "modify", "delete", "snapshot", "unknown"]
    """add, modify, delete: what happened to it; snapshot: it rested when the subscription began. event_time is when the order was last placed or changed."""
    order_id: str
    """The venue's id of the order."""
    price: Number
    """Limit price; quote currency."""
    size: Number
    """What remains of it in the book, 0 when deleted; base currency."""
    depth: int
    """Price levels per side the venue keeps in this stream; orders beyond them are dropped without a word; 0 when it is not limited."""
    checksum: int | None
    """The venue's CRC32 of its book after the whole message this came in, the same on each event of it; verified by nobody here yet. Null where it sends none."""
    snapshot_of: str
    """The connection_id a snapshot came on, so that each connection has a set of its own; empty for changes, which are the same on every connection."""


class Quote(TypedDict):
    """Best bid and ask as the venue reports them."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    symbol: str
    """The instrument in the venue's own spelling (BTCUSDT, BTC/USD)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    connection_id: str
    """The connection the frame came on: venue, start time and a random part; unique for ever."""
    connection_sequence: int
    """Our own count of frames on that connection, from 1, by one; with connection_id it names the frame. A jump is our loss."""
    received_at: int
    """When the frame reached us, first statement on receipt; microseconds since 1970 UTC."""
    frame_index: int
    """Place of this event among those made from its frame, from 0."""
    frames_lost: int
    """Frames of this connection known to be lost between our socket and here, up to this one; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    sequence: int | None
    """The venue's update id; null where it gives none."""
    bid_price: Number | None
    """Best bid; null when there is none; quote currency."""
    bid_size: Number | None
    """Size at the best bid; base currency."""
    ask_price: Number | None
    """Best ask; null when there is none; quote currency."""
    ask_size: Number | None
    """Size at the best ask; base currency."""


class Trade(TypedDict):
    """One execution on a venue, as the venue reports it."""

    venue: str
    """Who spoke: the dialect's id, lower case (binance, kraken)."""
    symbol: str
    """The instrument in the venue's own spelling (BTCUSDT, BTC/USD)."""
    origin: Literal["live", "rest", "archive", "simulated"]
    """How it reached us: live socket, REST reply, archive file, or the simulator (never a real market)."""
    connection_id: str
    """The connection the frame came on: venue, start time and a random part; unique for ever."""
    connection_sequence: int
    """Our own count of frames on that connection, from 1, by one; with connection_id it names the frame. A jump is our loss."""
    received_at: int
    """When the frame reached us, first statement on receipt; microseconds since 1970 UTC."""
    frame_index: int
    """Place of this event among those made from its frame, from 0."""
    frames_lost: int
    """Frames of this connection known to be lost between our socket and here, up to this one; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    trade_id: str
    """The venue's id of the trade, as text; unique per venue and symbol."""
    sequence: int | None
    """The trade id as a number where the venue counts trades of a symbol by one; null where ids prove nothing."""
    price: Number
    """Price per unit of base; quote currency."""
    size: Number
    """Amount traded; base currency."""
    side: Literal["buy", "sell", "unknown"]
    """The taker's side."""
    replayed: bool
    """True when the venue sent it as history (at subscription), not as it happened."""
