"""The page of benchmarks says what was measured; programs beside ours are pinned, on their own, and named where they can't be had."""

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.__main__ import CLOSING, OPENING, PAGE, PEERS_CLOSING, PEERS_OPENING, RESULTS, chosen, table
from bench.peers import catalogue, environment, measured
from bench.peers.catalogue import FIGURES, JOBS, PEERS, Peer, cells, lines_of
from bench.peers.environment import NotToBeHad
from bench.peers.measured import Measured
from bench.processes import used
from bench.result import Result, result
from local import watchdog
from local.artifacts import read_lock
from tests.test_layout import ROOMS

PROGRAMS = [peer.program(job) for peer in PEERS for job in peer.jobs]


def line(job: str, program: str, core: float) -> Result:
    """Return the result of a program as the comparison makes it."""
    found = Measured(
        job=job,
        program=program,
        core=core,
        wall=900.0,
        p50_ms=1.6,
        p99_ms=None,
        megabytes=99.0,
        lines=40,
        lost=0,
        doubled=1_200,
        missing="",
    )
    return Result(**result("peer_x", 1.0, "rows", "how", program, core), measured=found)


def shown(opening: str, closing: str) -> str:
    """Return what stands between two marks of BENCHMARKS.md."""
    return PAGE.read_text().partition(opening)[2].partition(closing)[0].strip()


def test_the_page_shows_the_results_on_record() -> None:
    """BENCHMARKS.md holds the table of bench/results.json; `make bench` writes both."""
    assert shown(OPENING, CLOSING) == table(json.loads(RESULTS.read_text())).strip()


def test_the_page_shows_the_peers_on_record() -> None:
    """The programs beside ours have a table of their own in BENCHMARKS.md, made of the same file."""
    assert shown(PEERS_OPENING, PEERS_CLOSING) == measured.table(json.loads(RESULTS.read_text())).strip()


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_is_pinned_to_exact_versions(peer: Peer) -> None:
    """All that a peer's environment holds is named with one version and no address; the peer itself is among it."""
    lines = peer.requirements.read_text().splitlines()
    assert [one for one in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+-]+", one)] == []
    assert f"{peer.package}=={peer.version}" in lines


def test_what_a_peer_needs_of_maven_is_pinned_by_its_hash() -> None:
    """Each file that pins jars names a version and a sha256 for each."""
    locks = [read_lock(peer.jars) for peer in PEERS if peer.jars]
    assert all(re.fullmatch(r"[0-9a-f]{64}", one.sha256) and one.version for lock in locks for one in lock.artifacts)
    assert len(locks) == 1


def test_each_peer_does_each_job_or_says_why_not() -> None:
    """Those that read Kafka have a program or a reason for each of the three jobs on it; every program named is there."""
    for peer in PEERS:
        assert {*peer.jobs, *peer.cannot} >= {"normalise", "candles", "sink"}
        assert not set(peer.jobs) & set(peer.cannot)
    assert [program for program in PROGRAMS if not program.exists()] == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: f"{program.parent.name}/{program.stem}")
def test_a_peer_runs_without_tidewire(program: Path) -> None:
    """A program beside ours imports nothing of ours: it runs in an environment where we are not."""
    nodes = list(ast.walk(ast.parse(program.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} & set(ROOMS) == set()


def test_one_figure_measures_one_peer_beside_ours() -> None:
    """A figure's name chooses its peer at its job; the whole benchmark all of them; a figure of ours only us."""
    assert {job: [peer.name for peer in peers] for job, peers in cells("peer_quix_normalise").items()} == {"normalise": ["quix"]}
    assert cells("peer_tidewire_candles") == {"candles": ()}
    assert list(cells()) == list(JOBS)
    assert sum(len(peers) for peers in cells().values()) + len(JOBS) == len(FIGURES)
    assert chosen("peers") == chosen("peer_quix_normalise") == ["peers"]


def test_the_table_of_peers_is_by_job_and_rate() -> None:
    """Within a job the fastest is first; what was not measured stays empty; figures that are no peers' stay out."""
    lines = measured.table([line("sink", "Slow", 10), line("normalise", "Any", 5), line("sink", "Fast", 4_000), result("x", 1, "s", "")])
    rows = lines.splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["normalise", "sink", "sink"]
    assert rows[1] == "| sink | Fast | 4,000 | 900 | 2 |  | 99 | 40 | 0 | 1,200 |"
    assert "Fast" not in table([line("sink", "Fast", 4_000)])


def test_the_table_says_why_a_peer_is_missing() -> None:
    """A program that can't be had has a line that says why, in one line, whatever words the reason has."""
    missing = Result(**result("peer_y", 1.0, "rows", "how"), measured=measured.nothing("sink", "Gone 1.0", "not to be had here: a|b\nc"))
    (row,) = measured.table([missing]).splitlines()[2:]
    assert row == "| sink | Gone 1.0 | not to be had here: a/b c | | | | | | | |"
    assert row.count("|") == measured.HEAD[0].count("|")


def test_a_peer_without_its_python_is_not_to_be_had() -> None:
    """Where no interpreter of the version is there, or only a stand-in that does not run, the reason names the version."""
    odd = replace(PEERS[0], python="3.99")
    with pytest.raises(NotToBeHad, match=r"needs Python 3\.99"):
        environment.python_of(odd, [sys.executable, "/nowhere/python3.99", "/bin/false"])
    right = replace(PEERS[0], python="{}.{}".format(*sys.version_info[:2]))
    assert environment.python_of(right, ["/bin/false", sys.executable]) == sys.executable


def test_a_package_that_is_not_to_be_had_is_named() -> None:
    """The installer's last words are the reason, so that nobody has to guess."""
    with pytest.raises(NotToBeHad, match="no version of quixstreams"):
        environment._run([sys.executable, "-c", "raise SystemExit('no version of quixstreams')"])
    with pytest.raises(NotToBeHad, match="uv failed"):
        environment._run(["/nowhere/uv"])


def test_other_requirements_are_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment is never changed: what it is made from is in its name, which is outside the checkout."""
    monkeypatch.setattr(catalogue, "HERE", tmp_path)
    peer = PEERS[0]
    peer.folder.mkdir()
    peer.requirements.write_text("a==1\n")
    first = environment.place(peer, tmp_path / "cache")
    peer.requirements.write_text("a==2\n")
    assert first != environment.place(peer, tmp_path / "cache") != environment.place(replace(peer, python="3.1"), tmp_path / "cache")
    assert first.parent == tmp_path / "cache" / "peers"


def test_lines_of_code_are_neither_blank_nor_comments() -> None:
    """What a reader skips is not counted."""
    assert lines_of('# why\n\n"""What."""\nx = 1  # so\n    # then\n') == 2


def test_processes_are_named_by_what_they_are() -> None:
    """A figure's words name no folder of the machine that it was measured on: a file that Python runs goes by its name."""
    command = [sys.executable, "-I", "-S", str(Path(watchdog.__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE):
        found = used(os.getpid())
    assert "watchdog.py" in found
    assert not [name for name in found if "/" in name]
