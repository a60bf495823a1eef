"""One process owns the database; it may be killed, and it may be busy."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.clickhouse.server import ClickHouse
from local.watchdog import Watchdog
from tests.local.conftest import address_of, call, make_clickhouse


@pytest.fixture
def server(tmp_path: Path, watchdog: Watchdog) -> Iterator[ClickHouse]:
    server = make_clickhouse(tmp_path, watchdog)
    server.start()
    assert call(address_of(server), b"CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").status == 200
    yield server
    server.stop()


def test_acknowledged_batches_survive_kill_9(server: ClickHouse) -> None:
    """What was answered with 200 is there after a restart, once, and no batch is there in part."""
    batch = 1000
    acknowledged = []
    enough = threading.Event()

    def insert() -> None:
        for number in range(10_000):
            rows = b"".join(b"%d\n" % (number * batch + row) for row in range(batch))
            try:
                reply = call(address_of(server), rows, query="INSERT INTO t FORMAT TSV")
            except OSError:
                return
            if reply.status == 200:
                acknowledged.append(number)
            if len(acknowledged) == 20:
                enough.set()

    with ThreadPoolExecutor(1) as pool:
        inserting = pool.submit(insert)
        assert enough.wait(60)
        server.kill()
        inserting.result(60)
    server.start()
    answer = call(address_of(server), f"SELECT intDiv(a, {batch}) AS n, count(), uniqExact(a) FROM t GROUP BY n".encode()).body
    found = {int(line.split(b"\t")[0]): line.split(b"\t")[1:] for line in answer.splitlines()}
    assert set(acknowledged) <= set(found)
    assert all(counts == [b"1000", b"1000"] for counts in found.values())


def test_a_second_process_on_the_folder_is_refused(server: ClickHouse, tmp_path: Path) -> None:
    """It ends at once and says where to go instead; the first goes on."""
    second = subprocess.run(
        [
            sys.executable,
            "-m",
            "local.clickhouse.http",
            "--path",
            str(tmp_path / "clickhouse" / "data"),
            "--port",
            "0",
            "--password-file",
            str(server.password_file),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode != 0
    assert "is open in another process" in second.stderr
    assert call(address_of(server), b"SELECT 1").body == b"1\n"


def test_queries_are_answered_while_a_long_statement_runs(server: ClickHouse) -> None:
    """The engine works outside the interpreter's lock."""
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(
            call, address_of(server),
            b"INSERT INTO t SELECT number + sleepEachRow(0.01) FROM numbers(200) SETTINGS max_block_size = 1",
        )  # fmt: skip
        assert call(address_of(server), b"SELECT 1").body == b"1\n"
        assert not long.done()
        assert long.result().status == 200


def test_sigterm_ends_in_order_and_sweeps_at_the_next_start(server: ClickHouse, tmp_path: Path) -> None:
    """The process ends with code 0, and leftovers of its temporary folder are gone when it is back."""
    assert server.child.stop() == 0
    leftover = tmp_path / "clickhouse" / "data.tmp" / "leftover.native"
    leftover.write_bytes(b"x")
    server.start()
    assert leftover.parent.is_dir()
    assert not leftover.exists()


def test_sigterm_ends_even_a_statement_without_end(server: ClickHouse) -> None:
    """A statement that does not end is given a grace, and then the process leaves without it."""
    with ThreadPoolExecutor(1) as pool:
        # One thread does as well, and leaves the other processors to other tests.
        sql = b"SELECT count() FROM numbers(1000000000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS max_threads = 1"
        endless = pool.submit(call, address_of(server), sql)
        while b"sipHash64" not in call(address_of(server), b"SELECT query FROM system.processes FORMAT TSV").body:
            assert not endless.done()
        server.child.stop(grace=25)
        with pytest.raises(OSError, match=r"."):
            endless.result(30)
    assert not server.child.is_running
