-- One row an interval: the last that the venue said of it. Read it with FINAL.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns}
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY {partition}(open_time)
ORDER BY (venue, symbol, interval, open_time)
TTL open_time + INTERVAL {ttl} DAY
SETTINGS non_replicated_deduplication_window = 1000
