-- What a venue said of an instrument, each time it said it; few rows, so one partition.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns}
)
ENGINE = ReplacingMergeTree
ORDER BY (venue, symbol, received_at, connection_id, connection_sequence)
TTL received_at + INTERVAL {ttl} DAY
SETTINGS non_replicated_deduplication_window = 1000
