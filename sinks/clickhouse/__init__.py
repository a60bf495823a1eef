"""Every topic → its table in ClickHouse."""

from schemas.catalogue import events
from topology.flow import Stage

STAGE = Stage("clickhouse", reads=tuple(events()), writes=("dead_letter", "gap"), outside="ClickHouse", group="sinks.clickhouse")
