"""Book deltas → the best levels of each book, verified, and a gap where one breaks."""

from topology.flow import Stage

STAGE = Stage("rebuild_books", reads=("book_delta",), writes=("book_snapshot", "gap", "dead_letter"), background=True)
