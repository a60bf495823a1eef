-- The ledger of holes: one row a gap, in its last state. No time of a gap is part of its identity (they change with its
-- state), and the ledger is short: so one partition, in which every state of a gap meets the others.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns},
    INDEX seen detected_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (venue, symbol, channel, gap_id)
TTL detected_at + INTERVAL {ttl} DAY
SETTINGS non_replicated_deduplication_window = 1000
