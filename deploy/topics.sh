#!/usr/bin/env bash
# Makes Weir's topics with the settings they need. Run again, it changes nothing.
# Usage: topics.sh /path/to/kafka-topics.sh BROKERS
set -euo pipefail
kafka_topics=$1
brokers=$2

# With three brokers or more: 3, and add min.insync.replicas=2 below, so that no acknowledged fact depends on one disk.
replication=1

topic() { # name, partitions, settings…
    local name=$1 partitions=$2
    shift 2
    "$kafka_topics" --bootstrap-server "$brokers" --create --if-not-exists \
        --topic "$name" --partitions "$partitions" --replication-factor "$replication" "${@/#/--config=}"
}

# The journal is the truth: nothing in it expires or is compacted away.
# cleanup.policy=delete with retention.ms=-1 keeps every record; CreateTime lets tools find a day.
# Usage: as many partitions as aggregators may ever share the work; the number is fixed once there are records.
topic weir.usage.v1 12 cleanup.policy=delete retention.ms=-1 retention.bytes=-1 message.timestamp.type=CreateTime compression.type=producer
# Quota: as many partitions as quota nodes may ever share the pools.
topic weir.quota.v1 12 cleanup.policy=delete retention.ms=-1 retention.bytes=-1 message.timestamp.type=CreateTime compression.type=producer
# Dead letters wait for a person: 90 days.
topic weir.deadletter.v1 1 cleanup.policy=delete retention.ms=7776000000 compression.type=producer
