"""Raw frames of every venue → trades, book deltas, quotes, instruments."""

from topology.flow import Stage

STAGE = Stage("normalise", reads=("frame",), writes=("trade", "book_delta", "quote", "instrument", "dead_letter"))
