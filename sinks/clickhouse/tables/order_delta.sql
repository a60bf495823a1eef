-- One row a change of an order, however many connections heard it, and one set of resting orders a connection (snapshot_of).
-- The earliest delivery wins: see trade.sql. No partitions: an order may have rested for years when a snapshot names it, so days of
-- event_time would be more partitions than one insert may touch; and received_at is not part of the identity. For the same reason
-- rows are kept by when they reached us.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns},
    `earliest` UInt64 MATERIALIZED 18446744073709551615 - toUnixTimestamp64Micro(received_at)
        COMMENT 'Grows as received_at shrinks: of two deliveries of one change the earlier is kept.' CODEC(Delta(8), ZSTD(3)),
    INDEX received received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(earliest)
ORDER BY (venue, symbol, event_time, order_id, action, snapshot_of)
TTL received_at + INTERVAL {ttl} DAY
SETTINGS allow_nullable_key = 1, non_replicated_deduplication_window = 1000
