-- One row a change of a book. received_at belongs to the frame that connection_id and connection_sequence name, so it adds
-- nothing to the identity and puts rows in the order a replay reads them. A frame read again gives the same row or, after a
-- mended dialect, a better one: of equal keys the last insert is kept.
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
