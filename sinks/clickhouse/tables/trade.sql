-- One row a trade, whoever delivered it and how often (live, twice over two connections, by REST after a gap).
-- The earliest delivery wins: it alone has the true latency, and which one wins does not depend on the order of inserts.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns},
    `earliest` UInt64 MATERIALIZED 18446744073709551615 - toUnixTimestamp64Micro(received_at)
        COMMENT 'Grows as received_at shrinks: of two deliveries of one trade the earlier is kept.' CODEC(Delta(8), ZSTD(3)),
    INDEX received received_at TYPE minmax GRANULARITY 1
)
ENGINE = {replicated}ReplacingMergeTree(earliest)
PARTITION BY {partition}(event_time)
ORDER BY (venue, symbol, event_time, trade_id)
TTL ifNull(event_time, received_at) + INTERVAL {ttl} DAY
SETTINGS allow_nullable_key = 1, non_replicated_deduplication_window = 1000
