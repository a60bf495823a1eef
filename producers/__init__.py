"""Outside → raw topics: one producer a venue, and back again for what a gap says is missing."""

from topology.flow import Stage

STAGE = Stage(
    "producers",
    reads=("gap",),
    writes=("frame", "gap", "dead_letter", "credential_audit"),
    outside="exchanges",
    group="tidewire-backfill-{venue}",
    per_venue=True,
)
