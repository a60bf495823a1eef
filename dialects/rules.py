"""The rule of continuity of each venue's channels, as its own pages state it. A dialect names its rules from here; `judge` applies them.

Where a rule has exceptions they are its fields (dialects/continuity.py says what each means).
"""

from dialects.continuity import Kind, Rule

EVENT_TIME = 1_000
"""Trades carry their own time, the same on every connection; REST rounds it to milliseconds. Microseconds."""

TRADES_COUNTED = Rule(
    Kind.COUNTED,
    "https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#trade-streams; "
    "https://docs.kraken.com/api/docs/websocket-v2/trade (trade_id is sequential per book); "
    "https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#matches-channel",
    later=EVENT_TIME,
)
"""Binance spot `t`, aggregate trades `a`, Kraken v2 `trade_id`, Coinbase `trade_id`: by one per symbol, so a jump is a hole.

Of Binance's futures aggregates it is `a` that counts: `f` and `l` skip the insurance fund's and ADL trades.
"""

FRAMES = Rule(Kind.COUNTED)
"""Our own count of a connection's frames (schemas/avro/headers/provenance.avsc)."""

BINANCE_SPOT_BOOK = Rule(
    Kind.RANGES,
    "https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#how-to-manage-a-local-order-book-correctly",
    snapshot="rest",
)
"""`U`..`u`: the next begins at most one after the last; `u` <= lastUpdateId is within the snapshot, a snapshot that ends before `U` - 1 is
asked for again. Ids are the venue's, but two connections may cut the same updates differently, so they overlap."""

BINANCE_FUTURES_BOOK = Rule(
    Kind.LINKED,
    "https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly",
    snapshot="rest",
    drops_equal=False,
)
"""`pu` is the `u` before; dropped is only `u` < lastUpdateId, the first has `U` <= lastUpdateId <= `u` or,
seen live, `pu` == lastUpdateId. COIN-M and options alike."""

KRAKEN_BOOK = Rule(Kind.CHECKSUM, "https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2.md")
"""No ids: a book goes on from its connection's snapshot. The checksum covers ten levels of each side, so what was lost on the
connection breaks a book even where its checksum is right."""

COINBASE_FULL = Rule(Kind.RANGES, "https://docs.cdp.coinbase.com/exchange/websocket-feed/overview.md", snapshot="rest")
"""Coinbase Exchange `full`: `sequence` by one per product; queued messages above the REST book's sequence are replayed on it."""

COINBASE_ADVANCED = Rule(Kind.CONNECTION, "https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview")
"""`sequence_num` counts all messages of a connection, across channels, and begins anew with each connection."""

COINBASE_LEVEL2 = Rule(Kind.DELIVERED, "https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#level2-channel")
"""No ids: the venue guarantees delivery, so a book goes on from its connection's snapshot as long as no frame of that was lost."""

BYBIT_BOOK = Rule(Kind.RANGES, "https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook", restart_id=1)
"""`u` by one per topic (the zh-TW page: "normally consecutive"); u = 1 is the snapshot after a restart and replaces what was."""

BYBIT_BOOK_LEVEL_1 = Rule(Kind.WHOLE, "https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook")
"""Level 1 is snapshots alone, pushed again with the same `u` after three seconds without change."""

BYBIT_FULL_BOOK = Rule(Kind.RANGES, "https://bybit-exchange.github.io/docs/v5/websocket/public/full-ob", snapshot="rest", restart_id=1)
"""`orderbook.full`: deltas alone, `u` by one; the snapshot is asked for over REST."""

OKX_BOOK = Rule(
    Kind.LINKED,
    "https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel",
    snapshot_previous=-1,
)
"""`prevSeqId` is the `seqId` before. A snapshot's is -1; an empty message with prevSeqId == seqId comes after a minute without change;
after maintenance one message has seqId < prevSeqId, and the chain goes on from there. All of these are linked."""

OKX_TRADES = Rule(Kind.COUNTED, "https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-all-trades-channel", later=EVENT_TIME)
"""`trades-all`: `tradeId` by one for each instrument. (`trades` sums up `count` of them under the id of the last.)"""

OKX_BOOK_5 = Rule(Kind.WHOLE, "https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel")
"""`books5` and `bbo-tbt`: each message is the whole."""

DERIBIT_BOOK = Rule(Kind.LINKED, "https://docs.deribit.com/#book-instrument_name-interval")
"""`prev_change_id` is the `change_id` before; the first message is a snapshot without it."""

HYPERLIQUID_BOOK = Rule(Kind.WHOLE, "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions")
"""`l2Book`: each message is the whole book."""
