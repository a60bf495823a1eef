-- One row an event; an event delivered twice is one row. No partitions: there are few rows, and both deliveries must meet.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns}
)
ENGINE = ReplacingMergeTree
ORDER BY (credential, audit_id)
TTL occurred_at + INTERVAL {ttl} DAY
SETTINGS non_replicated_deduplication_window = 1000
