"""The cache of pinned artifacts, filled from a repository on loopback."""

import hashlib
import io
import multiprocessing
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest

from local.artifacts import KAFKA, REGISTRY, Artifact, Lock
from local.downloads import default_cache_dir, ensure
from local.maven import pom
from topology.errors import Fatal


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word, and counts."""

    served: list[str]

    def __init__(self, *arguments: object, served: list[str], directory: str) -> None:
        self.served = served
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type] # what http.server hands over

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Count, then serve."""
        self.served.append(self.path)
        super().do_GET()


class Repository:
    """A Maven repository on loopback."""

    def __init__(self, folder: Path, url: str, served: list[str]) -> None:
        self.folder = folder
        self.url = url
        self.served = served

    def put(self, artifact: str, content: bytes, kind: str = "jar") -> Artifact:
        """Publish a file, and pin it."""
        entry = Artifact("org.example", artifact, "1.0", hashlib.sha256(content).hexdigest(), type=kind)
        path = self.folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return entry


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "repository"
    folder.mkdir()
    served: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, served=served, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Repository(folder, f"http://127.0.0.1:{server.server_port}", served)
    server.shutdown()
    thread.join()
    server.server_close()


def ignore(_: str) -> None:
    """Progress is not looked at."""


def test_artifacts_are_fetched_once_and_kept(repository: Repository, tmp_path: Path) -> None:
    """The second call asks the repository for nothing."""
    lock = Lock("set", tuple(repository.put(f"a{number}", b"x" * number) for number in range(20)))
    said: list[str] = []
    folder = ensure(lock, tmp_path / "cache", said.append, repository.url)
    assert {path.name for path in folder.glob("*.jar")} == {one.file_name for one in lock.artifacts}
    assert said == ["fetching set (20 files)", "fetched set"]
    repository.served.clear()
    assert ensure(lock, tmp_path / "cache", ignore, repository.url) == folder
    assert repository.served == []


@pytest.mark.parametrize("has_filters", [True, False])
def test_an_archive_is_unpacked(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_filters: bool) -> None:
    """Of a tar.gz its content is kept, not itself; by Python 3.11.0 to 3.11.3 too, which know no filters."""
    if not has_filters:
        unpack = tarfile.TarFile.extractall
        monkeypatch.delattr(tarfile, "data_filter")
        monkeypatch.setattr(tarfile.TarFile, "extractall", lambda self, path=".", members=None: unpack(self, path, members))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo("lib/x.jar")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"jar"))
    lock = Lock("set", (repository.put("a", file.getvalue(), "tar.gz"),))
    folder = ensure(lock, tmp_path / "cache", ignore, repository.url)
    assert (folder / "lib" / "x.jar").read_bytes() == b"jar"
    assert not list(folder.glob("*.tar.gz"))


def test_damage_in_the_cache_is_repaired(repository: Repository, tmp_path: Path) -> None:
    """A file cut short or lost is fetched again."""
    lock = Lock("set", (repository.put("a", b"aaaa"), repository.put("b", b"bbbb")))
    folder = ensure(lock, tmp_path / "cache", ignore, repository.url)
    (folder / "a-1.0.jar").write_bytes(b"aa")
    (folder / "b-1.0.jar").unlink()
    ensure(lock, tmp_path / "cache", ignore, repository.url)
    assert [(folder / f"{name}-1.0.jar").read_bytes() for name in "ab"] == [b"aaaa", b"bbbb"]


def test_a_run_that_broke_off_is_finished(repository: Repository, tmp_path: Path) -> None:
    """What was whole is kept, what was half is fetched again."""
    lock = Lock("set", (repository.put("a", b"aaaa"), repository.put("b", b"bbbb")))
    part = tmp_path / "cache" / "set.part"
    part.mkdir(parents=True)
    (part / "a-1.0.jar").write_bytes(b"aaaa")
    (part / "b-1.0.jar").write_bytes(b"bb")
    folder = ensure(lock, tmp_path / "cache", ignore, repository.url)
    assert (folder / "b-1.0.jar").read_bytes() == b"bbbb"
    assert repository.served == ["/org/example/b/1.0/b-1.0.jar"]


def test_another_file_than_the_pinned_one_is_refused(repository: Repository, tmp_path: Path) -> None:
    """The sha256 decides; nothing reaches the cache."""
    artifact = repository.put("a", b"good")
    (repository.folder / artifact.path).write_bytes(b"evil")
    with pytest.raises(Fatal, match=r"a-1\.0\.jar is not the file that was pinned"):
        ensure(Lock("set", (artifact,)), tmp_path / "cache", ignore, repository.url)
    assert not (tmp_path / "cache" / "set").exists()
    (repository.folder / artifact.path).write_bytes(b"good")
    ensure(Lock("set", (artifact,)), tmp_path / "cache", ignore, repository.url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense"])
def test_an_unreachable_repository_names_the_setting(tmp_path: Path, url: str) -> None:
    """The error says what to change."""
    with pytest.raises(Fatal, match="TIDEWIRE_MAVEN_URL"):
        ensure(Lock("set", (Artifact("g", "a", "1", "0"),)), tmp_path, ignore, url)


def test_without_maven_and_url_the_error_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare machine that can't reach Maven Central is told its two ways out."""
    monkeypatch.setattr("local.maven.maven_central", lambda: "http://127.0.0.1:1/closed")
    monkeypatch.delenv("TIDEWIRE_MAVEN_URL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Fatal, match=r"(?s)mvn.*TIDEWIRE_MAVEN_URL"):
        ensure(Lock("set", (Artifact("g", "a", "1", "0"),)), tmp_path, ignore)


def test_a_failing_maven_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maven's own reason is in the error; the program here stands for a Maven that cannot reach its repository."""
    monkeypatch.setattr("local.maven.maven_central", lambda: "http://127.0.0.1:1/closed")
    program = tmp_path / "mvn"
    program.write_text("#!/bin/sh\necho '[ERROR] no route'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.delenv("TIDEWIRE_MAVEN_URL", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Fatal, match="no route"):
        ensure(Lock("set", (Artifact("g", "a", "1", "0"),)), tmp_path / "cache", ignore)


def test_two_processes_share_one_download(repository: Repository, tmp_path: Path) -> None:
    """The second waits for the first, and each file is asked for once."""
    lock = Lock("set", tuple(repository.put(f"a{number}", b"x" * 100_000) for number in range(10)))
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=ensure, args=(lock, tmp_path / "cache", ignore, repository.url)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(repository.served) == sorted(f"/{one.path}" for one in lock.artifacts)


def test_the_locks_pin_every_artifact_and_maven_is_told_all() -> None:
    """Each has a version and a sha256, none is named twice, and the project for Maven names each by its coordinates."""
    for lock in (KAFKA, REGISTRY):
        assert len({one.file_name for one in lock.artifacts}) == len(lock.artifacts)
        assert all(len(one.sha256) == 64 and one.version for one in lock.artifacts)
        items = ElementTree.fromstring(pom(lock.artifacts)).iter("{http://maven.apache.org/POM/4.0.0}artifactItem")
        assert [[child.text or "" for child in item] for item in items] == [
            [one.group, one.artifact, one.version, one.type, one.classifier] for one in lock.artifacts
        ]


def test_the_cache_is_outside_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME decides, else ~/.cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "tidewire"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "tidewire"
