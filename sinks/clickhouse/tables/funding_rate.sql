-- One row each time a venue gave a funding rate; of several with the same settles_at and rate_kind the latest is its last word. received_at belongs to the frame the identity names: see book_delta.sql.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns},
    INDEX happened event_time TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY {partition}(received_at)
ORDER BY (venue, symbol, received_at, connection_id, connection_sequence, frame_index)
TTL received_at + INTERVAL {ttl} DAY
SETTINGS non_replicated_deduplication_window = 1000
