"""Find the rows which are to blame for a refused block, and put the rest in."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from topology.errors import Fatal, Reject

Row = TypeVar("Row")


def insert_all(rows: Sequence[Row], insert: Callable[[Sequence[Row]], None], most: int) -> list[tuple[Row, str]]:
    """Insert rows by halves until every row is in or has been refused alone; return the refused with the reason.

    `insert` takes some rows and raises Reject where it takes none of them; what else it raises comes through. One bad row in n costs
    about 2·log2(n) inserts. More than `most` refused rows are Fatal: so many are the fault of a schema or a table, not of rows.
    """
    refused: list[tuple[Row, str]] = []
    waiting = [rows]
    while waiting:
        block = waiting.pop()
        try:
            insert(block)
        except Reject as error:
            if len(block) == 1:
                refused.append((block[0], str(error)))
                if len(refused) > most:
                    raise Fatal(f"more than {most} of {len(rows)} rows refused at once, the last: {error}") from error
            else:
                middle = len(block) // 2
                waiting += [block[middle:], block[:middle]]
    return refused
