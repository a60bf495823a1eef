"""Known values planted as secrets, and every place where one may have leaked to: files, topics, tables, processes, pages."""

import base64
import contextlib
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.health_pages import page, pages_of
from tests.pipeline.harness import Pipeline
from tests.topics import records

CHUNK = 1 << 24


def spellings(mark: str) -> list[bytes]:
    """Return how a mark may be written: as it is, escaped for an address, and within a text in base64, wherever it begins there."""
    plain = mark.encode()
    found = [plain, urllib.parse.quote(mark, safe="").encode()]
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + plain)
        found.append(coded[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6])  # only what depends on nothing around it
    return sorted(set(found))


class Search:
    """Look for marks that every planted secret holds. `found`: lines for people, which name the place and the mark."""

    def __init__(self, marks: Iterable[str]) -> None:
        self._needles = [needle for mark in marks for needle in spellings(mark)]
        self._any = re.compile(b"|".join(map(re.escape, self._needles)))
        self.found: list[str] = []
        self.searched = 0
        """Bytes looked through."""

    def look(self, data: bytes, place: str) -> None:
        """Look through some bytes."""
        self.searched += len(data)
        if (held := self._any.search(data)) is not None:
            self.found.append(f"{place} holds {held[0]!r}")

    def files(self, folder: Path) -> None:
        """Look through every file below a folder; one that a server takes away meanwhile is gone."""
        for path in sorted(Path(above) / name for above, _, names in os.walk(folder) for name in names):
            if path.is_file():
                with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                    tail = b""
                    while data := file.read(CHUNK):
                        self.look(tail + data, str(path))
                        tail = data[-200:]

    def topics(self, brokers: str) -> None:
        """Look through every message of every topic, keys and headers too: the broker's own files are compressed."""
        for topic, partition, data in messages(brokers):
            self.look(data, f"topic {topic}, partition {partition}")

    def tables(self, pipeline: Pipeline) -> None:
        """Look through every row of every table: ClickHouse's own files are compressed."""
        needles = ", ".join(f"unhex('{needle.hex()}')" for needle in self._needles)
        for (table,) in pipeline.query("SELECT name FROM system.tables WHERE database = 'tidewire'"):
            where = f"multiSearchAny(formatRow('RowBinary', *), [{needles}])"
            if pipeline.query(f"SELECT count() FROM {table} WHERE {where}")[0][0]:
                self.found.append(f"table {table} holds a mark")

    def processes(self, pipeline: Pipeline) -> None:
        """Look through the command line and the environment of every stage and server, and at what each stage's pages show."""
        pids = [process.pid for process in pipeline.processes.values() if process.poll() is None]
        pids += [part.child.pid for part in pipeline.stack.parts.values()]
        for pid in pids:
            for name in ("cmdline", "environ"):
                self.look(Path(f"/proc/{pid}/{name}").read_bytes(), f"{name} of process {pid}")
        for pid, url in pages_of(pipeline.directory / "state").items():
            for name in ("health", "ready", "metrics"):
                self.look(page(f"{url}/{name}")[1].encode(), f"{name} of process {pid}")


def messages(brokers: str) -> Iterator[tuple[str, int, bytes]]:
    """Yield each message of each topic, from the first to the last there is now: topic, partition, bytes."""
    for one in records(brokers):
        yield one.topic(), one.partition(), b"\0".join((one.key() or b"", one.value() or b"", repr(one.headers()).encode()))
