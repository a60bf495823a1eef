"""Raw frames of every venue → the events its dialect yields: trades, book and order deltas, quotes, instruments; and which frames came."""

from dialects.catalogue import all_dialects
from topology.flow import Stage

YIELDED = sorted({name for dialect in all_dialects().values() for name in dialect.events()})
STAGE = Stage("normalise", reads=("frame",), writes=(*YIELDED, "frame_run", "gap", "dead_letter"))
