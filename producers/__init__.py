"""Outside → raw topics, and the events of what was heard: one producer a venue, and back again for what a gap says is missing."""

from dialects.catalogue import all_dialects
from topology.flow import Stage

YIELDED = sorted({name for dialect in all_dialects().values() for name in dialect.events()})
STAGE = Stage(
    "producers",
    reads=("gap",),
    writes=("frame", *YIELDED, "gap", "dead_letter", "credential_audit"),
    outside="exchanges",
    group="tidewire-backfill-{venue}",
    per_venue=True,
    shares="tidewire-producers-{venue}",
)
