"""The user `reader` may read tables and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import Address, call, connected

REFUSED = {"48", "60", "62", "164", "497"}
"""Not for a server, no such table, not one statement, read-only, no grant: ClickHouse's codes."""
READER = {"X-ClickHouse-User": "reader"}


def test_a_reader_reads_tables(clickhouse: Address, client: Any) -> None:
    """The ordinary client works for it: queries, parameters, descriptions."""
    client.insert("trades", [[1, "buy", 2]], column_names=["id", "side", "price"])
    with connected(clickhouse, username="reader") as reader:
        assert reader.query("SELECT id FROM trades WHERE id = {a:UInt8}", parameters={"a": 1}).result_rows == [(1,)]
        assert reader.command("SELECT format('{}-{}', 'a', 'b')") == "a-b"
        assert ("trades",) in reader.query("SHOW TABLES").result_rows


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO trades VALUES (1, 'buy', 1)",
        "CREATE TABLE other (a UInt8) ENGINE = Memory",
        "DROP TABLE trades",
        "ALTER TABLE trades DELETE WHERE 1",
        "KILL QUERY WHERE 1",
        "SYSTEM FLUSH LOGS",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
    ],
)
def test_a_reader_cannot_write(clickhouse: Address, client: Any, sql: str) -> None:
    """Whatever changes data, tables, settings or other users' queries is READONLY."""
    for session in ({}, {"session_id": "reader's"}):
        reply = call(clickhouse, sql.encode(), READER, wait_end_of_query=1, **session)
        assert reply.headers["X-ClickHouse-Exception-Code"] == "164", reply.body
    assert client.command("SELECT count() FROM trades") == 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT file('PATH')",
        "SELECT `file`('PATH')",
        "SELECT \"file\" /* */ ('PATH')",
        "SELECT * FROM file('PATH', 'LineAsString')",
        "DESCRIBE file('PATH')",
        "SELECT * FROM eval('SELECT file(\\'PATH\\')')",
        "SELECT * FROM sqlite('PATH', 't')",
        "SELECT * FROM filesystem('PATH')",
        "SELECT * FROM `PATH`",
        "SELECT * FROM 'PATH'",
        "SELECT * FROM {table:Identifier}",
        "SELECT * FROM url('file://PATH', 'CSV', 'a String')",
        "SELECT * FROM s3('http://127.0.0.1:9/bucket/PATH')",
        "SELECT * FROM view(SELECT file('PATH'))",
        "WITH (SELECT file('PATH')) AS x SELECT x",
        "EXPLAIN SELECT file('PATH')",
        "SELECT 1 AS x$$, file('PATH') AS y$$",
        "SELECT \u2018 ' \u2019, file('PATH'), \u2018 ' \u2019",
        "SELECT \u201cfile\u201d('PATH')",
        "SELECT `fi\\x6ce`('PATH')",
        "SELECT 1 FORMAT CSV; SELECT file('PATH')",
        "SELECT 1 INTO OUTFILE 'PATH.out'",
    ],
)
def test_a_reader_cannot_reach_files_or_servers(clickhouse: Address, tmp_path: Path, sql: str) -> None:
    """No function, table function, path as a table, or OUTFILE opens the machine to it."""
    secret = tmp_path / "secret.csv"
    secret.write_text("the secret")
    reply = call(clickhouse, sql.replace("PATH", str(secret)).encode(), READER, param_table=str(secret), wait_end_of_query=1)
    assert reply.status >= 400
    assert reply.headers["X-ClickHouse-Exception-Code"] in REFUSED, reply.body
    assert b"the secret" not in reply.body
    assert not Path(f"{secret}.out").exists()


def test_readonly_may_be_asked_for(clickhouse: Address, client: Any) -> None:
    """Any user may bind its own request by readonly=1."""
    reply = call(clickhouse, b"INSERT INTO trades VALUES (1, 'buy', 1)", readonly=1)
    assert reply.headers["X-ClickHouse-Exception-Code"] == "164"
    assert json.loads(call(clickhouse, b"SELECT 1 AS a FORMAT JSON", readonly=1).body)["data"] == [{"a": 1}]


def test_an_unknown_user_is_turned_away(clickhouse: Address) -> None:
    """There are default and reader, and nobody else."""
    reply = call(clickhouse, b"SELECT 1", {"X-ClickHouse-User": "stranger"})
    assert (reply.status, reply.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
