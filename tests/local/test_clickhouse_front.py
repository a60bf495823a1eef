"""Whoever speaks to the embedded ClickHouse must know its password, and reaches nothing but its tables with it."""

import base64
import gzip
import secrets
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from local.clickhouse.permission import ENGINES
from local.clickhouse.server import ClickHouse
from local.clickhouse.sql import LONGEST
from local.watchdog import Watchdog
from tests.local.conftest import Address, call, make_clickhouse
from tests.sinks.stages import eventually
from tests.topology.http.raw import connect
from topology.http import CLICKHOUSE

READER = {"X-ClickHouse-User": "reader"}
DEFAULT: dict[str, str] = {}
SECRET = "the secret"


def basic(text: bytes) -> dict[str, str]:
    """Return a header of Basic authentication."""
    return {"Authorization": f"Basic {base64.b64encode(text).decode()}"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-ClickHouse-Key": "wrong"},
        {"X-ClickHouse-Key": ""},
        {"X-ClickHouse-User": "reader"},
        {"X-ClickHouse-User": "stranger", "X-ClickHouse-Key": "x"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic /w=="},
        {"Authorization": "Basic"},
        {"Authorization": "Bearer x"},
        basic(b"default:"),
        basic(b"default:\xff"),
        basic(b"reader:wrong"),
    ],
)
def test_without_the_password_nothing_is_answered(clickhouse: Address, headers: dict[str, str]) -> None:
    """No password, a wrong one, and what is none: refused by ClickHouse's own code, for each user, asked by GET and by POST."""
    stranger = str(clickhouse)
    for body, query in ((b"SELECT 1", {}), (None, {"query": "SELECT 1"}), (b"x" * 100_000, {})):
        reply = call(stranger, body, headers, **query)
        assert (reply.status, reply.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
        assert clickhouse.password.encode() not in reply.body
    assert call(stranger).body == b"Ok.\n"


@pytest.mark.parametrize("user", ["default", "reader"])
def test_the_password_is_taken_in_every_form(clickhouse: Address, user: str) -> None:
    """By ClickHouse's headers, by Basic authentication, and in the address's parameters."""
    stranger, key = str(clickhouse), clickhouse.password
    assert call(stranger, b"SELECT 1", {"X-ClickHouse-User": user, "X-ClickHouse-Key": key}).body == b"1\n"
    assert call(stranger, b"SELECT 1", basic(f"{user}:{key}".encode())).body == b"1\n"
    assert call(stranger, b"SELECT 1", user=user, password=key).body == b"1\n"


def test_each_run_has_a_password_of_its_own(tmp_path: Path, watchdog: Watchdog) -> None:
    """It is in a file that is its owner's alone, and the one of an earlier run opens nothing."""
    made = [make_clickhouse(tmp_path, watchdog) for _ in range(2)]
    found = []
    for server in made:
        server.start()
        found.append(server.password_file.read_text().strip())
        assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
        assert call(server.address, b"SELECT 1", {"X-ClickHouse-Key": found[-1]}).body == b"1\n"
        assert len(found) == 1 or call(server.address, b"SELECT 1", {"X-ClickHouse-Key": found[0]}).status == 403
        server.stop()
    assert len(set(found)) == 2
    assert min(map(len, found)) >= 32


EVASIONS = [
    "SELECT * FROM file('PATH', 'LineAsString')",
    "SELECT file('PATH')",
    "SELECT FILE('PATH')",
    "SELECT `file`('PATH')",
    "SELECT `fi\\x6ce`('PATH')",
    "SELECT file /* a */ -- b\n ('PATH')",
    "SELECT file\u00a0('PATH')",
    "SELECT \u201cfile\u201d('PATH')",
    "SELECT $a$x$a$, file('PATH')",
    "FROM file('PATH', 'LineAsString') SELECT *",
    "(SELECT file('PATH'))",
    "SELECT * APPLY(file) FROM (SELECT 'PATH' AS a)",
    "SELECT * APPLY file FROM (SELECT 'PATH' AS a)",
    "SELECT COLUMNS('a') APPLY (x -> file(x)) FROM (SELECT 'PATH' AS a)",
    "SELECT arrayMap(x -> file(x), ['PATH'])",
    "SELECT arrayMap(file, ['PATH'])",
    "SELECT 1 WHERE file('PATH') != ''",
    "SELECT 1 IN (SELECT * FROM file('PATH', 'LineAsString'))",
    "SELECT * FROM view(SELECT * FROM file('PATH', 'LineAsString'))",
    "SELECT * FROM viewExplain('', '', (SELECT file('PATH')))",
    "SELECT * FROM viewIfPermitted(SELECT file('PATH') AS a ELSE null('a String'))",
    "WITH x AS (SELECT file('PATH') AS a) SELECT a FROM x",
    "SELECT * FROM loop(file('PATH', 'LineAsString')) LIMIT 1",
    "SELECT * FROM {table:Identifier}",
    "SELECT * FROM `PATH`",
    "SELECT * FROM 'PATH'",
    "SELECT * FROM default.`PATH`",
    "SELECT * FROM merge('default', 'PATH')",
    "SELECT * FROM format(Values, 'a String', '(file(\\'PATH\\'))')",
    "SELECT * FROM format(MySQLDump, 'a String', 'INSERT INTO t VALUES (file(\\'PATH\\'));')",
    "SELECT * FROM eval('SELECT file(\\'PATH\\')') SETTINGS allow_experimental_eval_table_function = 1",
    "SELECT 1 AS a SETTINGS additional_result_filter = 'throwIf(file(\\'PATH\\') != \\'\\')'",
    "SELECT id FROM trades SETTINGS additional_table_filters = {'trades': 'file(\\'PATH\\') != \\'\\''}",
    "SELECT 1 FORMAT Protobuf SETTINGS format_schema = 'PATH:x'",
    "SELECT 1 FORMAT Template SETTINGS format_template_row = 'PATH'",
    "SELECT 1 SETTINGS dialect = 'kusto'",
    "SELECT 1 INTO OUTFILE 'PATH.out'",
    "SELECT 1 INTO/**/OUTFILE 'PATH.out' TRUNCATE",
    "SHOW TABLES INTO OUTFILE 'PATH.out'",
    "SELECT 1; SELECT file('PATH')",
    "SELECT 1;\nCREATE DATABASE elsewhere",
    "EXPLAIN SELECT * FROM file('PATH', 'LineAsString')",
    "EXPLAIN AST SELECT 1; SELECT file('PATH')",
    "DESCRIBE file('PATH')",
    "SELECT * FROM fileCluster('default', 'PATH', 'LineAsString')",
    "SELECT * FROM cluster('default', view(SELECT file('PATH')))",
    "SELECT * FROM filesystem('PATH')",
    "SELECT * FROM sqlite('PATH', 't')",
    "SELECT * FROM python('x')",
    "SELECT * FROM executable('x', 'TSV', 'a String')",
    "SELECT catboostEvaluate('PATH', 1)",
    "SELECT hasColumnInTable('127.0.0.1:9', 'a', 'b', 'c', 'd', 'e')",
    "SELECT reverseDNSQuery('127.0.0.1')",
    "SET ROLE writer",
    "SET DEFAULT ROLE reader TO default",
    "EXECUTE AS default SELECT 1",
    "SET format_schema = 'PATH:x'",
    "SET dialect = 'prql'",
    "SYSTEM FLUSH LOGS",
    "GRANT READ ON FILE TO default",
]
WRITING = [
    "INSERT INTO FUNCTION file('PATH.out', 'CSV', 'a String') SELECT 'x'",
    "INSERT INTO FUNCTION file('PATH.out', 'CSV', 'a String') VALUES ('x')",
    "INSERT INTO FUNCTION url('http://127.0.0.1:9/', 'CSV', 'a String') SELECT 'x'",
    "INSERT INTO trades (side) SELECT file('PATH')",
    "INSERT INTO trades (side) WITH file('PATH') AS a SELECT a",
    "INSERT INTO trades (side) FROM INFILE 'PATH' FORMAT LineAsString",
    "INSERT INTO trades (side) VALUES (file('PATH'))",
    "INSERT INTO trades (side) VALUES (substring(file('PATH'), 1))",
    "CREATE TABLE elsewhere (a String) ENGINE = File(CSV, 'PATH')",
    "CREATE TABLE elsewhere (a String) ENGINE = URL('http://127.0.0.1:9/', CSV)",
    "CREATE TABLE elsewhere AS file('PATH', 'LineAsString')",
    "CREATE TABLE elsewhere ENGINE = Memory AS SELECT file('PATH') AS a",
    "CREATE TABLE elsewhere (a String DEFAULT file('PATH')) ENGINE = Memory",
    "CREATE TABLE elsewhere (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = 'PATH')",
    "CREATE TABLE elsewhere (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = web, endpoint = 'http://127.0.0.1:9/')",
    "ALTER TABLE trades ADD COLUMN a String DEFAULT file('PATH')",
    "ALTER TABLE trades UPDATE side = file('PATH') WHERE 1",
    "CREATE VIEW elsewhere AS SELECT file('PATH')",
    "CREATE VIEW elsewhere DEFINER = default SQL SECURITY DEFINER AS SELECT * FROM file('PATH', 'LineAsString')",
    "CREATE DATABASE elsewhere ENGINE = Filesystem('PATH')",
    "CREATE DATABASE elsewhere ENGINE = SQLite('PATH')",
    "CREATE DICTIONARY elsewhere (a UInt64, b String) PRIMARY KEY a SOURCE(FILE(path 'PATH' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE FUNCTION elsewhere AS (x) -> file(x)",
    "CREATE NAMED COLLECTION elsewhere AS a = 1",
    "CREATE USER elsewhere",
    "ATTACH TABLE elsewhere FROM '/etc' (a UInt8) ENGINE = MergeTree ORDER BY a",
    "BACKUP TABLE trades TO File('PATH.out')",
]


@pytest.mark.parametrize(
    ("headers", "sql"), [(who, sql) for who in (DEFAULT, READER) for sql in EVASIONS] + [(DEFAULT, sql) for sql in WRITING]
)
def test_nobody_reaches_files_programs_or_servers(
    clickhouse: Address, client: Any, tmp_path: Path, headers: dict[str, str], sql: str
) -> None:
    """However it is written, and whoever says it with the password: it is an error, nothing of the file is told, and nothing is made."""
    secret = tmp_path / "secret.csv"
    secret.write_text(SECRET)
    asked = sql.replace("PATH", str(secret)).encode()
    for session in ({}, {"session_id": f"evading {sorted(headers)}"}):
        reply = call(clickhouse, asked, headers, param_table=str(secret), wait_end_of_query=1, **session)
        assert reply.status >= 400, reply.body
        assert SECRET.encode() not in reply.body
    assert not Path(f"{secret}.out").exists()
    assert client.command("SELECT count() FROM trades") == 0
    assert client.command("SELECT count() FROM system.tables WHERE name = 'elsewhere'") == 0
    assert client.command("SELECT count() FROM system.databases WHERE name = 'elsewhere'") == 0


INSIDE = frozenset({
    "numbers", "numbers_mt", "zeros", "zeros_mt", "generateSeries", "generate_series", "primes", "values", "SQLStandardValues", "null",
    "view", "viewExplain", "viewIfPermitted", "merge", "input", "format", "loop", "arrowstream", "generateRandom", "fuzzJSON", "fuzzQuery",
    "mergeTreeIndex", "mergeTreeProjection", "mergeTreeTextIndex", "mergeTreeAnalyzeIndexes", "mergeTreeAnalyzeIndexesUUID",
    "mergeTreeCodecBlockCounts",
})  # fmt: skip
"""Table functions that reach nothing outside. One that a later engine brings is refused until it is looked at."""


def test_every_table_function_that_reaches_out_is_closed(clickhouse: Address, client: Any) -> None:
    """Whatever the engine has, beside what is known to stay inside, is open to nobody."""
    names = [name for (name,) in client.query("SELECT name FROM system.table_functions").result_rows if name not in INSIDE]
    assert len(names) > 50
    for name in names:
        reply = call(clickhouse, f"SELECT * FROM {name}('a', 'b', 'c')".encode(), wait_end_of_query=1)
        assert reply.headers["X-ClickHouse-Exception-Code"] == "164", (name, reply.body)


def test_no_table_engine_reaches_out(clickhouse: Address, client: Any) -> None:
    """Whatever the engine has, beside what keeps its data in its own folder, is open to nobody, in whatever way it is written."""
    names = {name for (name,) in client.query("SELECT name FROM system.table_engines").result_rows} - ENGINES
    assert {"File", "URL", "S3", "MySQL", "Executable", "ExecutablePool", "Distributed"} <= names
    for name in names:
        for sql in (f"ENGINE = {name}('a', 'b')", f"ENGINE={name}", f"engine /* */ = `{name}`('a')"):
            reply = call(clickhouse, f"CREATE TABLE elsewhere (a UInt8) {sql}".encode())
            assert reply.headers["X-ClickHouse-Exception-Code"] in {"164", "62"}, (name, reply.body)
    assert client.command("SELECT count() FROM system.tables WHERE name = 'elsewhere'") == 0


def test_two_statements_are_told_plainly(clickhouse: Address) -> None:
    """Two statements, or none, are an error that says so."""
    assert b"one statement at a time" in call(clickhouse, b"SELECT 1; SELECT 2").body
    assert b"Empty query" in call(clickhouse, b"-- nothing").body
    assert call(clickhouse, b"SELECT 1; -- and no more").body == b"1\n"


def test_text_in_values_is_data(client: Any) -> None:
    """Literals are stored; an expression, which could call anything, is refused."""
    client.command("INSERT INTO trades VALUES (1, 'file(\\'/etc/passwd\\')', 1.5)")
    assert client.query("SELECT id, side FROM trades").result_rows == [(1, "file('/etc/passwd')")]
    with pytest.raises(DatabaseError, match="Interpreting expressions is disabled"):
        client.command("INSERT INTO trades VALUES (1 + 1, upper('a'), 1)")


@pytest.mark.parametrize("user", ["default", "reader"])
@pytest.mark.parametrize(
    ("wait", "sql"),
    [
        (0, "SELECT sum(sipHash64(number, 'MARK')) FROM numbers(1000000000000)"),
        (1, "SELECT sum(sipHash64(number, 'MARK')) FROM numbers(1000000000000)"),
        (0, "SELECT number, 'MARK' FROM numbers(1000000000000) WHERE number < 1000000 OR sipHash64(number) = 1"),
    ],
    ids=["before its first piece", "told at its end", "between two pieces"],
)
def test_a_query_ends_with_its_client(clickhouse: Address, client: Any, user: str, wait: int, sql: str) -> None:
    """Where the client has gone, its query is cancelled, wherever it stood."""
    mark = secrets.token_hex(8)
    asked = sql.replace("MARK", mark)
    running = "SELECT count() FROM system.processes WHERE query LIKE {mark:String} AND query NOT LIKE '%processes%'"

    def count() -> int:
        return int(client.command(running, parameters={"mark": f"%{mark}%"}))

    with closing(connect(clickhouse.removeprefix("http://"))) as gone:
        gone.sendall(
            f"POST /?wait_end_of_query={wait} HTTP/1.1\r\nHost: localhost\r\nX-ClickHouse-User: {user}\r\n"
            f"X-ClickHouse-Key: {clickhouse.password}\r\nContent-Length: {len(asked)}\r\n\r\n{asked}".encode()
        )
        eventually(lambda: count() == 1, "the query to run")
    eventually(lambda: count() == 0, "the query to be cancelled")


@pytest.mark.parametrize("encoding", ["gzip"])
def test_a_body_may_not_expand_without_bound(clickhouse: Address, encoding: str) -> None:
    """A small body that would expand to more than a plain one may have is refused, and the server goes on."""
    bomb = gzip.compress(b" " * (CLICKHOUSE.body_bytes + 1), 1)
    reply = call(clickhouse, bomb, {"Content-Encoding": encoding})
    assert reply.status == 413
    assert b"expands to more than" in reply.body
    assert call(clickhouse, b"SELECT 1").body == b"1\n"


@pytest.mark.parametrize(
    "text",
    [
        b"/*" * (LONGEST // 2),
        b"$a" * (LONGEST // 2),
        b" ".join(b"$t%d$" % number for number in range(30_000)),
        "\u201c".encode() * (LONGEST // 3),
        b"SELECT '" + b"\\'" * (LONGEST // 2),
        b"'" * (LONGEST + 1),
        b"SELECT " + b"(" * 20_000 + b"1" + b")" * 20_000,
        b"a" * (2 * LONGEST),
        b" " * (2 * LONGEST) + b"SELECT",
    ],
)
def test_a_statement_of_any_shape_is_answered(clickhouse: Address, text: bytes) -> None:
    """Quotes, comments and heredocs that are left open by the ten thousand are an error, and soon: each byte is read a few times."""
    reply = call(clickhouse, text)
    assert reply.status >= 400
    assert reply.headers["X-ClickHouse-Exception-Code"] in {"62", "306", "167"}, reply.body[:300]


@pytest.fixture
def server(tmp_path: Path, watchdog: Watchdog) -> Iterator[ClickHouse]:
    server = make_clickhouse(tmp_path, watchdog)
    server.start()
    yield server
    server.stop()


def test_its_folder_is_its_owners(server: ClickHouse, tmp_path: Path) -> None:
    """Every file and folder that engine and front have made is closed to others."""
    password = server.password_file.read_text().strip()
    assert call(server.address, b"CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", {"X-ClickHouse-Key": password}).status == 200
    for path in (tmp_path / "clickhouse").rglob("*"):
        assert path.is_symlink() or not stat.S_IMODE(path.stat().st_mode) & 0o077, path
