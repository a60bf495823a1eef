"""GENERATED from avro/*.avsc by schemas/generate.py: what an event is in Python. Do not edit; run `make generate`."""

from decimal import Decimal
from typing import Literal, TypedDict

Number = Decimal | bytes
"""A decimal(38,18), a sum's (76,18): a Decimal, or its unscaled big-endian bytes (schemas.decimals), which is what the wire holds."""


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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
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
    """Length: 1s, 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M. Aligned to UTC as Binance's klines: weeks open on Monday, months on the first, three days are counted from 1970-01-02."""
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
    """Sum of the amounts of base currency, exact; a decimal(76,18), for sums of decimal(38,18) pass 38 digits. A trade whose amounts are unknown adds nothing, and makes completeness unknown."""
    quote_volume: Number
    """Sum of the amounts of quote currency (price times size where sizes are of base), rounded half even once at 18 decimals; a decimal(76,18)."""
    trades: int
    """Number of trades."""
    taker_buy_volume: Number
    """Sum of the amounts of base currency whose taker bought, exact; a decimal(76,18)."""
    vwap: Number
    """quote_volume over volume, half even at 18 decimals; quote currency. A candle of which it has more than 38 digits is not published: a dead letter says so, once."""
    first_trade_id: str
    """Id of the trade that gave the open."""
    last_trade_id: str
    """Id of the trade that gave the close."""
    state: Literal["provisional", "final", "revised"]
    """provisional: still open; final: the venue's watermark has passed, or its clock while it is quiet; revised: a trade came after final."""
    revision: int
    """How many of its trades came after it was final by the watermark; 0 at first."""
    completeness: Literal["complete", "incomplete", "unknown", "partial"]
    """Of the interval, from its open to its close. complete: a trade before the interval and one at or after its end are known, and every id between; incomplete: trades are missing (missing_trades says how many); partial: only a part was seen (covered_from, covered_to); unknown: ids prove nothing, or amounts are unknown. It may change after final, with a higher version."""
    missing_trades: int | None
    """Trades known to be missing; count. Those missing between the last trade of one candle and the first of the next are counted in both; null where unknown."""
    covered_from: int | None
    """Where partial, or incomplete with an end not seen: from here on the interval was seen; microseconds since 1970 UTC."""
    covered_to: int | None
    """As covered_from: up to here (exclusive) it was seen. That is the time of its last trade until a trade at or after close_time is known, in an open candle as in a final one; microseconds since 1970 UTC."""
    version: int
    """Twice the offset in the trades topic of the trade that last moved this candle, its state or its completeness, plus one where it is not provisional; the highest version is the truth."""


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
    """Who refused it (normalise, producers-kraken, clickhouse …)."""
    topic: str
    """Topic it was read from."""
    partition: int
    """Its partition; -1 where Kafka never took it."""
    offset: int
    """Its offset; where Kafka never took it below zero, and no other's."""
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


class FrameRun(TypedDict):
    """Frames of one connection, each the next after the one before: what whoever looks for gaps must know of them, without their bytes."""

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
    first_sequence: int
    """connection_sequence of the first frame; that of the run is the last's."""
    first_received_at: int
    """When the first frame reached us; that of the run is when the last did; microseconds since 1970 UTC."""
    first_number: int | None
    """The venue's own number of the first message, of a counter that spans the connection: by one more with each; null where the messages have none."""
    notice: bytes | None
    """The payload of a frame of kind notice, which is a run by itself."""


class FundingRate(TypedDict):
    """What longs pay shorts of a perpetual, as said or as charged."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    rate: Number
    """Fraction of the position's value per interval; above zero longs pay."""
    rate_kind: Literal["predicted", "settled", "running", "unknown"]
    """predicted: may still change; settled: was charged; running: accrues continuously."""
    interval_s: int | None
    """Seconds the rate is for; null where the venue does not say."""
    applies_from: int | None
    """Begin of the interval; microseconds since 1970 UTC."""
    settles_at: int | None
    """When this rate is or was charged; microseconds since 1970 UTC."""
    next_settles_at: int | None
    """When the one after it is charged; microseconds since 1970 UTC."""
    rate_absolute: Number | None
    """Money per contract unit; quote currency."""
    cap: Number | None
    """Highest rate; fraction per interval."""
    floor: Number | None
    """Lowest rate; fraction per interval."""
    premium: Number | None
    """Premium part; fraction."""
    interest_rate: Number | None
    """Interest part; fraction."""
    model: Literal["discrete", "continuous", "unknown"]
    """Charged at instants, or all the time."""
    special: bool
    """True where it makes up for a dividend or the like."""
    raw_field: str
    """The venue's field that the rate was read from."""


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
    """Which stream: trade, book, quote …; frame (our own counter; symbol is then empty); topic (records of a topic; topic, partition and offsets are in gap_id)."""
    from_sequence: int | None
    """First sequence missing, inclusive; null where the stream has none, or nobody knows which are missing (of a venue_reset: what the old count had left)."""
    to_sequence: int | None
    """Last sequence missing, inclusive; null where from_sequence is."""
    from_time: int | None
    """Time of the last event before the hole; microseconds since 1970 UTC."""
    to_time: int | None
    """Time of the first event after the hole; null while it lasts."""
    cause: Literal["ours", "wire", "venue_reset", "reconnect", "silence", "unknown", "retention", "topic_reset", "fault", "snapshot", "corrupt"]
    """ours: our own counter jumped; wire: the venue's did; venue_reset: it began again; reconnect: we were away; silence: it said nothing; retention: a topic's records were deleted before they were read; topic_reset: a topic was truncated or made anew; fault: our own code failed on what came; snapshot: a book's snapshot does not join its deltas, or it has more levels than are kept; corrupt: a topic's records are damaged on the broker's disk."""
    detected_at: int
    """received_at of the event that showed the gap; microseconds since 1970 UTC."""
    state: Literal["open", "filling", "filled", "unfillable", "closed"]
    """open, filling (a repair is under way), filled, unfillable (nobody can give it back), or closed (it is over, and what was missed stays missing). Every gap ends in one of the last three."""
    repair: str | None
    """How it was repaired or why it can't be."""
    connection_id: str | None
    """The connection on which it was seen."""
    version: int
    """Grows with each state of one gap; the highest is the truth; microseconds since 1970 UTC."""


class Instrument(TypedDict):
    """What a venue says of one instrument: what it is, its sizes and limits, and whether it trades."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
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
    canonical_name: str | None
    """The same at every venue: BTC-USDT, BTC-USD-PERP, BTC-USD-20261225, BTC-USD-20261225-100000-C; null where the venue gives no parts to make it of."""
    kind: Literal["spot", "perpetual", "future", "option", "combo", "index", "unknown"]
    """What is traded."""
    settle: str | None
    """Currency in which it is settled."""
    underlying: str | None
    """What it derives from, the venue's spelling."""
    margin_type: Literal["linear", "inverse", "quanto", "none", "unknown"]
    """linear: margin and profit in quote currency; inverse: in base; quanto: in another; none: spot."""
    contract_size: Number | None
    """Amount of one contract, in contract_size_unit; null where the venue counts no contracts or does not say."""
    contract_size_unit: Literal["base", "quote", "usd", "unknown"]
    """Unit of contract_size."""
    tick_size: Number | None
    """Smallest step of a price; quote currency."""
    tick_band_prices: list[Number]
    """Where the tick depends on the price: above each of these prices; quote currency."""
    tick_band_sizes: list[Number]
    """The tick above each price of tick_band_prices; quote currency."""
    lot_size: Number | None
    """Smallest step of a size; the venue's unit."""
    min_size: Number | None
    """Smallest order; the venue's unit."""
    max_size: Number | None
    """Largest order; the venue's unit."""
    min_notional: Number | None
    """Smallest value of an order; the venue's unit."""
    expiry_time: int | None
    """When it expires; microseconds since 1970 UTC."""
    list_time: int | None
    """When it was or will be listed; microseconds since 1970 UTC."""
    delist_time: int | None
    """When it was or will be taken off; microseconds since 1970 UTC."""
    strike: Number | None
    """An option's strike; quote currency."""
    option_type: Literal["call", "put", "none", "unknown"]
    """Of an option; none for all others."""
    exercise_style: Literal["european", "american", "none", "unknown"]
    """Of an option; none for all others."""
    funding_interval_s: int | None
    """Seconds between two fundings of a perpetual."""
    funding_rate_cap: Number | None
    """Highest funding rate; fraction per interval."""
    funding_rate_floor: Number | None
    """Lowest funding rate; fraction per interval."""
    trading_status: Literal["trading", "pre_open", "auction", "post_only", "reduce_only", "suspended", "settling", "delivered", "delisted", "unknown"]
    """The venue's status in common words; status has its own."""
    asset_class: Literal["crypto", "equity", "commodity", "forex", "bond", "event", "unknown"]
    """What the underlying is."""
    upcoming_parameters: list[str]
    """Parameters that the venue says will change."""
    upcoming_values: list[str]
    """The new value of each, the venue's text."""
    upcoming_times: list[str]
    """When each changes, the venue's text."""
    is_full_listing: bool
    """True where it came in a complete list: what is not in the same frame is not listed."""


class InsuranceFund(TypedDict):
    """What a venue has set aside, in one asset of one pool, for losses beyond a position's margin."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    pool: str
    """The pool, the venue's spelling; where it has no name, the first of its symbols."""
    symbols: list[str]
    """Instruments that the pool stands for, the venue's spelling; empty: all. symbol is empty unless the pool is of one."""
    asset: str
    """Currency of the balance, the venue's spelling."""
    balance: Number
    """What the pool holds of the asset; may be below zero."""
    change: Number | None
    """By how much it has changed, where the venue says; in the asset."""
    reason: Literal["liquidation_deposit", "bankruptcy_loss", "other", "unknown"]
    """Why it changed."""
    value_usd: Number | None
    """The balance in US dollars, where the venue says."""
    shared: bool | None
    """Whether several instruments share the pool; null where the venue does not say."""


class Liquidation(TypedDict):
    """A position that the venue closed by force."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    liquidated_side: Literal["long", "short", "unknown"]
    """Whose position was closed."""
    order_side: Literal["buy", "sell", "unknown"]
    """Side of the order that closed it: sell closes a long."""
    price: Number
    """In the meaning of price_kind; quote currency."""
    price_kind: Literal["average_fill", "bankruptcy", "order", "trade", "unknown"]
    """What the price is."""
    size_native: Number
    """As the venue says it."""
    size_base: Number | None
    """In base currency; null until it is known what a contract holds."""
    size_quote: Number | None
    """In quote currency; null until it is known."""
    trade_id: str | None
    """The trade it happened in, where the venue says."""
    bankruptcy_loss: Number | None
    """Loss beyond the margin; settlement currency."""
    completeness: Literal["sampled", "complete", "partial", "unknown"]
    """sampled: the venue leaves some out by rule; complete: all; partial: some kinds only."""
    source: Literal["order_stream", "trade_flag", "unknown"]
    """A stream of its own, or a mark on trades."""


class LongShortRatio(TypedDict):
    """How many of whom are long and short at a venue, or how much takers bought and sold, in one period. Only what the venue says: null is not said."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    population: Literal["all", "top", "unknown"]
    """Of whom: all traders, or the venue's top traders, by its own rule."""
    basis: Literal["accounts", "positions", "taker_volume", "margin_loans", "unknown"]
    """What is counted."""
    long: Number | None
    """Share of the longs; fraction of 1."""
    short: Number | None
    """Share of the shorts; fraction of 1."""
    ratio: Number | None
    """Long by short, or bought by sold, as the venue rounds it."""
    buy_volume: Number | None
    """What takers bought; in the unit of volume_unit."""
    sell_volume: Number | None
    """What takers sold; in the unit of volume_unit."""
    volume_unit: Literal["base", "quote", "contract", "unknown"]
    """What the volumes count: base currency, quote currency, contracts, or unknown."""
    period_s: int | None
    """Seconds of the period that event_time names."""
    scope: Literal["symbol", "pair", "currency", "unknown"]
    """What symbol names: one instrument, all of a pair, or all of a currency."""


class MarkPrice(TypedDict):
    """The price by which a venue values positions, and what it is made of. Only what the frame says: null is not said."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    mark_price: Number | None
    """Mark price; quote currency."""
    mark_price_average: Number | None
    """Its average, where the venue gives one; quote currency."""
    index_price: Number | None
    """Price of the index behind it; quote currency."""
    index_name: str | None
    """The index, the venue's spelling."""
    estimated_settlement_price: Number | None
    """Estimated price of the next settlement or delivery; quote currency."""
    last_price: Number | None
    """Last traded price; quote currency."""


class OpenInterest(TypedDict):
    """Contracts that are open at a venue."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    oi_native: Number
    """As the venue says it, in oi_native_unit."""
    oi_native_unit: Literal["contract", "base", "usd", "quote", "unknown"]
    """Unit of oi_native."""
    oi_base: Number | None
    """One side, in base currency; null until it is known what a contract holds."""
    oi_quote: Number | None
    """One side's value, in quote currency (USD); null where not known."""
    sides: Literal["single", "both", "unknown"]
    """What the venue counts: one side of each contract, or both."""
    period_s: int | None
    """Seconds of a bucket of history; null where it is live."""


class OptionSummary(TypedDict):
    """What a venue says of one option: volatilities, greeks by one convention, prices. Only what the frame says: null is not said."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    underlying: str | None
    """What it derives from, the venue's spelling."""
    underlying_price: Number | None
    """Price of underlying_kind by which the option is valued; quote currency."""
    underlying_kind: Literal["index", "future", "forward", "synthetic", "unknown"]
    """What underlying_price is a price of."""
    strike: Number | None
    """The strike; quote currency."""
    expiry_time: int | None
    """When it expires; microseconds since 1970 UTC."""
    option_type: Literal["call", "put", "unknown"]
    """Call or put."""
    bid_price: Number | None
    """Best bid; in price_unit."""
    bid_size: Number | None
    """Size at the best bid; the venue's unit."""
    bid_iv: Number | None
    """Implied volatility of the best bid; fraction of 1 a year."""
    ask_price: Number | None
    """Best ask; in price_unit."""
    ask_size: Number | None
    """Size at the best ask; the venue's unit."""
    ask_iv: Number | None
    """Implied volatility of the best ask; fraction of 1 a year."""
    last_price: Number | None
    """Last traded price; in price_unit."""
    mark_price: Number | None
    """Mark price; in price_unit."""
    mark_iv: Number | None
    """Implied volatility of the mark price; fraction of 1 a year."""
    price_unit: Literal["base", "quote", "usd", "unknown"]
    """Currency of the option's own prices."""
    delta: Number | None
    """Change of the price for one unit of the underlying's; by greeks_convention."""
    gamma: Number | None
    """Change of delta for one unit of the underlying's price; by greeks_convention."""
    vega: Number | None
    """Change of the price with the volatility, in the venue's step; by greeks_convention."""
    theta: Number | None
    """Change of the price with time, in theta_unit; by greeks_convention."""
    rho: Number | None
    """Change of the price with the interest rate, in the venue's step; by greeks_convention."""
    greeks_convention: Literal["black_scholes", "price_adjusted", "unknown"]
    """black_scholes: of a price in quote currency; price_adjusted: of one in the base currency. A venue that says both has a row of each."""
    theta_unit: Literal["per_day", "per_year", "unknown"]
    """The time that theta is for."""
    open_interest: Number | None
    """What is open; the venue's unit."""
    volume_24h: Number | None
    """Amount traded in the last 24 hours; the venue's unit."""
    risk_free_rate: Number | None
    """Interest rate of the model; fraction of 1 a year."""


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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    trade_id: str
    """The venue's id of the trade, as text; unique per venue and symbol."""
    sequence: int | None
    """The trade id as a number where the venue counts trades of a symbol by one; null where ids prove nothing."""
    price: Number
    """Price per unit of base; quote currency."""
    size: Number
    """Amount traded, as the venue says it; in the unit of size_unit."""
    side: Literal["buy", "sell", "unknown"]
    """The taker's side."""
    replayed: bool
    """True when the venue sent it as history (at subscription), not as it happened."""
    size_unit: Literal["base", "quote", "contract", "unknown"]
    """What size counts: base currency, quote currency (contracts of one unit of it), contracts, or unknown."""
    size_base: Number | None
    """The size in base currency where size_unit is not base and the contract size is known; else null. ClickHouse's column base_amount has it for all."""
    size_quote: Number | None
    """The size in quote currency where size_unit is not base and the contract size is known; else null. ClickHouse's column quote_amount has it for all."""
    trade_kind: Literal["normal", "block", "rfq", "combo_leg", "rpi", "liquidation", "adl", "insurance", "termination", "auction"]
    """normal; block, rfq and combo_leg were agreed outside the order book and enter no candle; rpi: against retail price improvement; the others say why it happened."""
    block_id: str | None
    """The venue's id of the block this trade is part of."""
    mark_price: Number | None
    """The venue's mark price at the trade; quote currency."""
    index_price: Number | None
    """The venue's index price at the trade; quote currency."""
    implied_volatility: Number | None
    """Of an option's trade, as a fraction (0.5 is 50 %)."""
    size_excluding_rpi: Number | None
    """What of the size was not traded against retail price improvement orders, which others do not see in the book; in the unit of size_unit; null where the venue does not say."""


class VenueCandle(TypedDict):
    """What a venue itself says of one interval, as far as it has come; to be set beside our candle of the interval, and part of none. The newest version replaces all before."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    interval: str
    """Length, by the names of our candles: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M."""
    open_time: int
    """Start of the interval, inclusive; microseconds since 1970 UTC."""
    close_time: int
    """End of the interval, exclusive; microseconds since 1970 UTC."""
    open: Number
    """First price, by the venue's own rule: that of the first trade, or the close of the interval before; quote currency."""
    high: Number
    """Highest price; quote currency."""
    low: Number
    """Lowest price; quote currency."""
    close: Number
    """Last price, so far where it is not closed; quote currency."""
    volume: Number
    """Amount traded, as the venue says it; in the unit of volume_unit."""
    volume_unit: Literal["base", "quote", "contract", "unknown"]
    """What volume counts: base currency, quote currency (contracts of one unit of it), contracts, or unknown."""
    base_volume: Number | None
    """Amount traded in base currency, where the venue gives it; else null."""
    quote_volume: Number | None
    """Amount traded in quote currency, where the venue gives it; else null."""
    trades: int | None
    """Number of trades, where the venue gives it; else null."""
    closed: bool
    """Whether the interval was over when the venue said this: by its own word, else by its own clock."""
    version: int
    """received_at of the frame, in microseconds: of two words on one interval the later is the truth."""


class VenueStatus(TypedDict):
    """What a venue says of itself: maintenance, halts, what is degraded. symbol is empty unless one is meant."""

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
    venue_lost: int
    """Messages of this connection known to be lost on the wire, by a counter of the venue's that spans the connection; count."""
    event_time: int | None
    """The venue's own time of the event; null when it gives none; microseconds since 1970 UTC."""
    scope: Literal["venue", "product", "symbol", "connection", "unknown"]
    """What it speaks of."""
    products: list[str]
    """Products meant, the venue's spelling; empty: all."""
    state: Literal["scheduled", "ongoing", "pre_open", "completed", "cancelled", "online", "degraded", "locked", "halted", "unknown"]
    """What is the matter."""
    begins_at: int | None
    """When it begins; microseconds since 1970 UTC."""
    ends_at: int | None
    """When it ends; microseconds since 1970 UTC."""
    preopen_at: int | None
    """When orders are taken again but not matched; microseconds since 1970 UTC."""
    kind: Literal["planned", "temporary", "incident", "unknown"]
    """Why."""
    title: str | None
    """The venue's words."""
    url: str | None
    """Where it says more."""
    venue_id: str | None
    """The venue's id of the notice."""
    announced_lead_s: int | None
    """Seconds between the notice and its begin."""
