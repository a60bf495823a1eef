-- One row a message nobody could use. Read and refused again, it has another failed_at: so one partition, in which both meet, and
-- the first stays, so that a group read again from the beginning leaves the table as it was.
CREATE TABLE IF NOT EXISTS {table}{on_cluster}
(
{columns},
    `earliest` UInt64 MATERIALIZED 18446744073709551615 - toUnixTimestamp64Micro(failed_at)
        COMMENT 'Grows as failed_at shrinks: of two refusals of one message the earlier is kept.' CODEC(Delta(8), ZSTD(3))
)
ENGINE = ReplacingMergeTree(earliest)
ORDER BY (topic, partition, offset, stage)
TTL failed_at + INTERVAL {ttl} DAY
SETTINGS non_replicated_deduplication_window = 1000
