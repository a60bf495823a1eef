-- One row a trade, whoever delivered it and how often (live, twice over two connections, by REST after a gap).
-- The earliest delivery wins: it alone has the true latency, and which one wins does not depend on the order of inserts.
-- A product of two Decimal(38, 18) by `*` is garbage without an error: quote_amount is made in 76 digits, and null where it has
-- more than 38 of them.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns},
    `earliest` UInt64 MATERIALIZED 18446744073709551615 - toUnixTimestamp64Micro(received_at)
        COMMENT 'Grows as received_at shrinks: of two deliveries of one trade the earlier is kept.' CODEC(Delta(8), ZSTD(3)),
    `base_amount` Nullable(Decimal(38, 18)) ALIAS if(size_unit = 'base', size, size_base)
        COMMENT 'Amount in base currency, of every trade whose size or contract size says it; else null.',
    `quote_amount` Nullable(Decimal(38, 18)) ALIAS if(size_unit = 'base',
        if(abs(multiplyDecimal(price, size, 18)) < toDecimal256('100000000000000000000', 18),
            accurateCastOrNull(multiplyDecimal(price, size, 18), 'Decimal(38, 18)'), NULL),
        size_quote)
        COMMENT 'Amount in quote currency: price times size, cut at the 18th digit, or what the contract size says; else null.',
    INDEX received received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(earliest)
PARTITION BY {partition}(event_time)
ORDER BY (venue, symbol, event_time, trade_id)
TTL ifNull(event_time, received_at) + INTERVAL {ttl} DAY
SETTINGS allow_nullable_key = 1, non_replicated_deduplication_window = 1000
