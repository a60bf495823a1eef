-- One row a frame, verbatim: what everything else can be rebuilt from. received_at was written with the frame, once, so it
-- adds nothing to the identity.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns}
)
ENGINE = ReplacingMergeTree
PARTITION BY {partition}(received_at)
ORDER BY (venue, received_at, connection_id, connection_sequence)
TTL received_at + INTERVAL {ttl} DAY
SETTINGS non_replicated_deduplication_window = 1000
