"""An insert that the engine refuses after it has read the data is an error to whoever sent it, and leaves nothing."""

from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # it has no stubs
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

BROKEN = 469


@pytest.mark.parametrize("form", ["Values", "CSV", "ArrowStream"])
def test_a_broken_constraint_is_told(client: Any, form: str) -> None:
    """No row is counted as written that the table does not take; the next insert goes in."""

    def insert(number: int) -> None:
        sink = pa.BufferOutputStream()
        table = pa.table({"id": pa.array([1, number], pa.uint64())})
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        data = {"Values": f"(1), ({number})".encode(), "CSV": f"1\n{number}\n".encode(), "ArrowStream": sink.getvalue().to_pybytes()}
        client.raw_insert("modest", insert_block=data[form], fmt=form)

    client.command("CREATE OR REPLACE TABLE modest (id UInt64, CONSTRAINT small CHECK id < 100) ENGINE = MergeTree ORDER BY id")
    with pytest.raises(DatabaseError, match="small") as refused:
        insert(100)
    assert refused.value.code == BROKEN
    assert client.query("SELECT count() FROM modest").result_rows == [(0,)]
    insert(99)
    assert client.query("SELECT id FROM modest ORDER BY id").result_rows == [(1,), (99,)]
