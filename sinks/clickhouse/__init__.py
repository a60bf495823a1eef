"""Every topic that is stored → its table in ClickHouse."""

from schemas.catalogue import stored_events
from topology.flow import Stage

STAGE = Stage("clickhouse", reads=tuple(stored_events()), writes=("dead_letter", "gap"), outside="ClickHouse", group="sinks.clickhouse")
