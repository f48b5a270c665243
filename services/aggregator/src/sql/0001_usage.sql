-- One row for each usage event: one upstream attempt. Never changed; (journal_topic, journal_partition, journal_offset)
-- is unique. DateTime64(9) is the journal's own precision; `ended` is the event's own time and decides its period.
CREATE TABLE IF NOT EXISTS usage_events (
    node LowCardinality(String),
    event_id UUID,
    request_id UUID,
    attempt_id UUID,
    attempt_number UInt32,
    team LowCardinality(String),
    service LowCardinality(String),
    caller_key LowCardinality(String),
    pool LowCardinality(String),
    upstream LowCardinality(String),
    deployment LowCardinality(String),
    model LowCardinality(String),
    operation LowCardinality(String),
    streamed Bool,
    started DateTime64(9, 'UTC'),
    ended DateTime64(9, 'UTC'),
    first_byte_us Nullable(UInt64),
    upstream_status Nullable(UInt16),
    outcome LowCardinality(String),
    input_tokens UInt64,
    input_cached_tokens UInt64,
    input_audio_tokens UInt64,
    output_tokens UInt64,
    output_reasoning_tokens UInt64,
    output_audio_tokens UInt64,
    usage_source LowCardinality(String),
    total_low_tokens UInt64,
    total_high_tokens UInt64,
    hold_id UUID,
    held_tokens UInt64,
    traceparent String,
    journal_topic LowCardinality(String),
    journal_partition UInt32,
    journal_offset UInt64,
    -- With `ended` it says how late an event came. Not part of any sum.
    ingested_at DateTime64(3, 'UTC'),
    INDEX request_id_bloom request_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX journal_offset_range journal_offset TYPE minmax GRANULARITY 1,
    PROJECTION high_water (
        SELECT journal_topic, journal_partition, max(journal_offset) GROUP BY journal_topic, journal_partition
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ended)
ORDER BY (team, service, ended, node, event_id)
-- Without a window a retried insert counts twice. It counts part-blocks: one insert over two months is two.
-- An offset is committed after the insert, so the insert must be on disk by then.
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- How often a service was refused at a limit within a short span.
CREATE TABLE IF NOT EXISTS refusals (
    node LowCardinality(String),
    event_id UUID,
    team LowCardinality(String),
    service LowCardinality(String),
    pool LowCardinality(String),
    model LowCardinality(String),
    limit_name LowCardinality(String),
    requests UInt64,
    tokens UInt64,
    started DateTime64(9, 'UTC'),
    ended DateTime64(9, 'UTC'),
    journal_topic LowCardinality(String),
    journal_partition UInt32,
    journal_offset UInt64,
    ingested_at DateTime64(3, 'UTC'),
    INDEX journal_offset_range journal_offset TYPE minmax GRANULARITY 1,
    PROJECTION high_water (
        SELECT journal_topic, journal_partition, max(journal_offset) GROUP BY journal_topic, journal_partition
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ended)
ORDER BY (team, service, ended, node, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Prices as they were set and removed. Of several rows for the same model and instant the one that was decided last
-- counts. A pico-unit is 10^-12 of the currency, for one token.
CREATE TABLE IF NOT EXISTS prices (
    model LowCardinality(String),
    valid_from DateTime64(9, 'UTC'),
    removed Bool,
    currency LowCardinality(String),
    input_pico UInt64,
    input_cached_pico UInt64,
    output_pico UInt64,
    decided_at DateTime64(9, 'UTC'),
    journal_topic LowCardinality(String),
    journal_partition UInt32,
    journal_offset UInt64,
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (model, valid_from)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
