"""The HTTP front of the embedded ClickHouse, as clickhouse-connect and plain HTTP see it."""

import gzip
import io
from decimal import Decimal
from typing import Any

import clickhouse_connect
import fastavro
import lz4.frame  # type: ignore[import-untyped] # it has no stubs
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped] # it has no stubs
import pytest
from backports import zstd
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.local.conftest import Address, call, connected

SCHEMA = {
    "type": "record",
    "name": "Trade",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "side", "type": "string"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18}},
    ],
}
PRICE = Decimal("97000.123456789012345678")
ROWS = 1000


def rows() -> list[dict[str, Any]]:
    return [{"id": number, "side": "buy\n\x00", "price": PRICE} for number in range(ROWS)]


def arrow() -> pa.Table:
    return pa.table({
        "id": pa.array(range(ROWS), pa.uint64()),
        "side": pa.array(["buy\n\x00"] * ROWS),
        "price": pa.array([PRICE] * ROWS, pa.decimal128(38, 18)),
    })  # fmt: skip


def avro() -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, SCHEMA, rows())
    return file.getvalue()


def arrow_stream() -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, arrow().schema) as writer:
        writer.write_table(arrow())
    return file.getvalue()


def stored(client: Any) -> list[Any]:
    return list(client.query("SELECT count(), uniqExact(id), any(side), min(price), max(price) FROM trades").result_rows)


EXPECTED = [(ROWS, ROWS, "buy\n\x00", PRICE, PRICE)]


@pytest.mark.parametrize("kind", ["rows", "columns", "arrow", "polars", "Avro", "ArrowStream", "Native"])
def test_every_kind_of_insert_stores_every_row_exactly(client: Any, kind: str) -> None:
    """Rows, columns, Arrow, polars and raw blocks all arrive whole, with their decimals, and the summary counts them."""
    table = rows()
    if kind == "rows":
        summary = client.insert("trades", [list(row.values()) for row in table], column_names=["id", "side", "price"])
    elif kind == "columns":
        columns = [[row[name] for row in table] for name in ("id", "side", "price")]
        summary = client.insert("trades", columns, column_names=["id", "side", "price"], column_oriented=True)
    elif kind == "arrow":
        summary = client.insert_arrow("trades", arrow())
    elif kind == "polars":
        summary = client.insert_df_arrow("trades", pl.DataFrame(pl.from_arrow(arrow())))
    elif kind == "Native":
        client.insert_arrow("trades", arrow())
        block = client.raw_query("SELECT * FROM trades", fmt="Native")
        client.command("TRUNCATE TABLE trades")
        summary = client.raw_insert("trades", ["id", "side", "price"], block, fmt="Native")
    else:
        summary = client.raw_insert("trades", insert_block=avro() if kind == "Avro" else arrow_stream(), fmt=kind)
    assert summary.written_rows == ROWS
    assert stored(client) == EXPECTED


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip"])
def test_compressed_raw_inserts_arrive_whole(client: Any, compression: str) -> None:
    """A raw insert may be compressed by the caller."""
    compress = {"lz4": lz4.frame.compress, "zstd": zstd.compress, "gzip": gzip.compress}[compression]
    client.raw_insert("trades", insert_block=compress(avro()), fmt="Avro", compression=compression)
    assert stored(client) == EXPECTED


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_several_frames_in_one_body_are_all_stored(clickhouse: Address, client: Any, compression: str) -> None:
    """A one-shot decoder would store the first 65,536 of 100,000 rows, and answer 200."""
    compress = {"lz4": lz4.frame.compress, "zstd": zstd.compress}[compression]
    halves = [b"".join(b"%d\tbuy\t1.5\n" % number for number in half) for half in (range(65_536), range(65_536, 100_000))]
    reply = call(
        clickhouse, b"".join(map(compress, halves)), {"Content-Encoding": compression},
        query="INSERT INTO trades FORMAT TSV",
    )  # fmt: skip
    assert (reply.status, reply.summary["written_rows"]) == (200, "100000")
    assert client.command("SELECT uniqExact(id) FROM trades") == 100_000


@pytest.mark.parametrize("compress", [True, "lz4", "zstd", "gzip", False])
def test_a_client_reads_back_what_it_wrote_with_any_compression(clickhouse: Address, client: Any, compress: bool | str) -> None:
    """Requests and answers of several blocks, compressed as the client prefers."""
    count = 200_000
    with connected(clickhouse, compress=compress) as other:
        ids = list(range(count))
        other.insert("trades", [ids, ["sell"] * count, [1] * count], column_names=["id", "side", "price"], column_oriented=True)
        with other.query_column_block_stream("SELECT id FROM trades ORDER BY id") as stream:
            assert [number for block in stream for number in block[0]] == ids
        assert other.query("SELECT id FROM trades ORDER BY id").result_columns == [ids]


async def test_the_async_client_inserts_and_queries(clickhouse: Address, client: Any) -> None:
    """The same protocol, spoken by aiohttp."""
    host, port = clickhouse.removeprefix("http://").split(":")
    other = await clickhouse_connect.get_async_client(host=host, port=int(port), password=clickhouse.password)
    summary = await other.insert("trades", [[1, "buy", 2]], column_names=["id", "side", "price"])
    found = await other.query("SELECT id FROM trades WHERE side = {side:String}", parameters={"side": "buy"})
    await other.close()
    assert (summary.written_rows, list(found.result_rows)) == (1, [(1,)])


def test_parameters_are_values_and_never_sql(client: Any) -> None:
    """Quotes, backslashes, lists, names and nulls pass through as parameters."""
    sql = "SELECT {a:String}, {b:Array(String)}, {c:Nullable(UInt8)}, count() FROM {d:Identifier}"
    values = {"a": "it's \\ \t\n '; DROP", "b": ["x'", "y"], "c": None, "d": "trades"}
    assert client.query(sql, parameters=values).result_rows == [(values["a"], values["b"], None, 0)]


def test_parameters_may_come_in_a_form(clickhouse: Address) -> None:
    """clickhouse-connect sends long parameters as multipart/form-data."""
    with connected(clickhouse, form_encode_query_params=True) as other:
        text = "line\r\nline\n" * 1000
        assert other.query("SELECT {a:String}", parameters={"a": text}).result_rows == [(text,)]


def test_its_tables_merge_seldom(client: Any) -> None:
    """The engine runs with the settings of clickhouse.xml: with its defaults, merging small inserts takes half of its time."""
    sql = "SELECT name, value FROM system.merge_tree_settings WHERE changed"
    assert dict(client.query(sql).result_rows) == {"merge_selector_base": "20", "auto_statistics_types": ""}


def test_settings_hold_for_their_request_alone(client: Any) -> None:
    """A setting given with one query is gone for the next."""
    sql = "SELECT getSetting('max_threads')"
    assert client.query(sql, settings={"max_threads": 3}).result_rows == [(3,)]
    assert client.query(sql).result_rows != [(3,)]


def test_a_session_keeps_what_is_set_used_and_temporary(clickhouse: Address, client: Any) -> None:
    """SET, USE and temporary tables last for the session, a request's own settings do not, others see none of it."""
    client.command("SET max_threads = 5")
    client.command("CREATE TEMPORARY TABLE mine (a UInt8)")
    client.insert("mine", [[7]], column_names=["a"])
    client.command("USE system")
    sql = "SELECT getSetting('max_threads'), a, currentDatabase() FROM mine"
    assert client.query(sql, settings={"max_threads": 2}).result_rows == [(2, 7, "system")]
    assert client.query(sql).result_rows == [(5, 7, "system")]
    assert call(clickhouse, b"SELECT currentDatabase()").body == b"default\n"
    assert call(clickhouse, b"SELECT * FROM mine").status == 404


def test_a_session_that_must_exist_is_missed(clickhouse: Address) -> None:
    """session_check=1 is an error for an unknown session."""
    reply = call(clickhouse, b"SELECT 1", session_id="nobody", session_check=1)
    assert (reply.status, reply.headers["X-ClickHouse-Exception-Code"]) == (404, "372")


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        (b"SELECT * FROM nowhere", 404, "60"),
        (b"SELEC 1", 400, "62"),
        (b"SELECT throwIf(1)", 500, "395"),
        (b"SELECT 1 INTO OUTFILE '/tmp/never'", 501, "48"),
        (b"", 400, "62"),
    ],
)
def test_errors_come_with_status_code_and_text(clickhouse: Address, sql: bytes, status: int, code: str) -> None:
    """As ClickHouse answers: HTTP status, X-ClickHouse-Exception-Code, `Code: N. DB::Exception: …`."""
    reply = call(clickhouse, sql, wait_end_of_query=1)
    assert (reply.status, reply.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert reply.body.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_a_failed_insert_stores_nothing_and_says_so(client: Any) -> None:
    """Avro that breaks off is refused with an error."""
    with pytest.raises(DatabaseError, match="avro"):
        client.raw_insert("trades", insert_block=avro()[:-100], fmt="Avro")
    assert client.command("SELECT count() FROM trades") == 0


def test_an_error_underway_reaches_the_client(client: Any) -> None:
    """A query that fails after its first blocks were sent ends in an error, never in a short answer."""
    with (
        pytest.raises(StreamFailureError, match="FUNCTION_THROW_IF"),
        client.query_row_block_stream(
            "SELECT throwIf(number = 900000) FROM numbers(1000000)", settings={"max_block_size": 10000, "max_threads": 1}
        ) as stream,
    ):
        for _ in stream:
            pass


def test_an_empty_answer_names_its_columns(client: Any) -> None:
    """No rows, but the columns and their types."""
    found = client.query("SELECT id, price FROM trades WHERE id = 5")
    assert (found.column_names, found.row_count) == (("id", "price"), 0)
    assert client.query_arrow("SELECT id, price FROM trades").schema.names == ["id", "price"]


def test_get_may_read_and_not_write(clickhouse: Address, client: Any) -> None:
    """ClickHouse lets GET change nothing."""
    assert call(clickhouse, query="SELECT 1", default_format="CSV").body == b"1\n"
    reply = call(clickhouse, query="INSERT INTO trades VALUES (1, 'buy', 1)")
    assert reply.headers["X-ClickHouse-Exception-Code"] == "164"
    assert client.command("SELECT count() FROM trades") == 0


def test_headers_tell_format_query_and_rows(clickhouse: Address, client: Any) -> None:
    """X-ClickHouse-Format, -Query-Id, -Summary, as clients read them."""
    reply = call(clickhouse, b"SELECT 1 FORMAT JSONEachRow", query_id="mine", wait_end_of_query=1)
    assert (reply.headers["X-ClickHouse-Format"], reply.headers["X-ClickHouse-Query-Id"]) == ("JSONEachRow", "mine")
    assert reply.summary["result_rows"] == "1"
    written = call(clickhouse, b"INSERT INTO trades VALUES (1, 'buy', 1), (2, 'sell', 2)")
    assert (written.headers["X-ClickHouse-Format"], written.summary["written_rows"]) == (None, "2")


def test_ping_and_the_bare_address_answer(clickhouse: Address) -> None:
    """What load balancers and clients ask first."""
    assert call(clickhouse).body == b"Ok.\n"
    assert call(f"{clickhouse}/ping").body == b"Ok.\n"


def test_rows_after_a_query_in_the_url_are_its_data(clickhouse: Address, client: Any) -> None:
    """The statement in the URL and the data in the body, as curl does it."""
    assert call(clickhouse, b"1,buy,1\n2,buy,2\n", query="INSERT INTO trades FORMAT CSV").status == 200
    assert call(clickhouse, b"(3, 'buy', 3)", query="INSERT INTO trades VALUES").status == 200
    assert client.command("SELECT sum(id) FROM trades") == 6


def test_native_block_compression_is_refused_in_words(clickhouse: Address) -> None:
    """A JDBC driver is told which of its settings to change."""
    reply = call(clickhouse, b"SELECT 1", compress=1)
    assert (reply.status, b"compress=0" in reply.body) == (501, True)
