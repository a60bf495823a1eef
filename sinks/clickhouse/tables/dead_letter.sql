-- One row a message nobody could use, with the newest reason. A message refused again has another failed_at: so one partition,
-- in which both meet.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns}
)
ENGINE = {replicated}ReplacingMergeTree(failed_at)
ORDER BY (topic, partition, offset, stage)
TTL failed_at + INTERVAL {ttl} DAY
SETTINGS non_replicated_deduplication_window = 1000
