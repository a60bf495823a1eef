"""Every program at every job, one after another on the same servers, into results."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from bench.peers import parse
from bench.peers.catalogue import HERE, OURS, Peer, lines_of
from bench.peers.environment import NotToBeHad, installed
from bench.peers.job import STAGES, Job
from bench.peers.measured import Measured, nothing
from bench.peers.outlets import Failed
from bench.peers.process_tree import ProcessTree
from bench.peers.trial import Sizes, backlog, killed, latency
from bench.result import Result, result
from bench.stage_rate import Bench, fresh
from local.artifacts import read_lock
from local.downloads import default_cache_dir, ensure
from topology.errors import Fatal

ROOT = HERE.parent.parent
UNITS = {"normalise": "frames", "candles": "trades", "sink": "rows", "parse": "frames"}
SIZES = {"normalise": Sizes(60_000, 40_000), "candles": Sizes(60_000, 40_000), "sink": Sizes(200_000, 60_000)}
LONG = {"normalise": Sizes(600_000, 400_000), "candles": Sizes(1_000_000, 400_000), "sink": Sizes(1_500_000, 400_000)}
"""Of programs that are fast: what is under way when their first output is seen has been paid for, and must be little beside the rest."""
Progress = Callable[[str], None]


def compare(cells: Mapping[str, Sequence[Peer]], progress: Progress) -> list[Result]:
    """Measure ours and the given peers at each job."""
    results: list[Result] = []
    for job, peers in cells.items():
        measured = parse.measure(peers, progress) if job == "parse" else _on_kafka(job, peers, progress)
        results += _results(job, peers, measured)
    return results


def _on_kafka(job: str, peers: Iterable[Peer], progress: Progress) -> list[Measured]:
    with fresh() as bench:
        progress(f"{job}: Tidewire")
        ours = _measured(bench, job, None, Path(sys.executable))
        return [ours, *(_peer(bench, job, one, progress) for one in peers)]


def _peer(bench: Bench, job: str, peer: Peer, progress: Progress) -> Measured:
    title = f"{peer.title} {peer.version}"
    if job in peer.cannot:
        return nothing(job, title, peer.cannot[job])
    try:
        python = installed(peer, progress)
        progress(f"{job}: {title}")
        return _measured(bench, job, peer, python)
    except (NotToBeHad, Failed) as error:
        why = f"not to be had here: {error}" if isinstance(error, NotToBeHad) else f"it did not do it here: {error}"
        progress(f"{title}: {why}")
        return nothing(job, title, why)


def _measured(bench: Bench, job: str, peer: Peer | None, python: Path) -> Measured:
    name = peer.name if peer else OURS
    sizes = (SIZES if peer and job not in peer.fast else LONG)[job]
    work = Job(bench, job, name, ours=peer is None)
    state = bench.directory / f"{name}-{job}"
    state.mkdir()
    start = _starter(work, peer, python, state)
    program, speed = backlog(work, sizes.backlog, start)
    try:
        waits = latency(work) if job != "candles" else None
        program, tally = killed(work, sizes.killed, program, start)
    finally:
        program.stop()
    return Measured(
        job=job, program=f"{peer.title} {peer.version}" if peer else "Tidewire",
        core=round(speed.core), wall=round(speed.wall), megabytes=round(speed.megabytes),
        p50_ms=None if waits is None else round(waits[0], 1), p99_ms=None if waits is None else round(waits[1], 1),
        lines=lines_of(peer.program(job).read_text()) if peer else None,
        lost=tally.lost, doubled=tally.doubled, missing="",
    )  # fmt: skip


def _starter(work: Job, peer: Peer | None, python: Path, state: Path) -> Callable[[], ProcessTree]:
    if peer is None:
        command, environment = [str(python), "-m", STAGES[work.name]], dict(work.bench.environment)
        return lambda: ProcessTree(command, ROOT, environment, state / "log")
    command = [str(python), *(part.format(job=work.name, state=state) for part in peer.command)]
    told = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEWIRE_", "VIRTUAL_ENV", "PYTHONPATH"))}
    environment = told | work.environment(state) | jars(peer)
    if peer.prepare:
        ProcessTree([str(python), *(part.format(state=state) for part in peer.prepare)], state, environment, state / "log").wait()
    return lambda: ProcessTree(command, peer.folder, environment, state / "log")


def jars(peer: Peer) -> dict[str, str]:
    """Return how a peer is told of what it needs of Maven Central; NotToBeHad where it can't be fetched."""
    if peer.jars is None:
        return {}
    try:
        folder = ensure(read_lock(peer.jars), default_cache_dir(), lambda _: None)
    except Fatal as error:
        raise NotToBeHad(f"its connectors can't be fetched: {error}") from error
    return {"JARS": ";".join(path.as_uri() for path in sorted(folder.glob("*.jar")))}


def _results(job: str, peers: Sequence[Peer], measured: Sequence[Measured]) -> list[Result]:
    """Put ours beside each: `value` is ours, `peer_value` the peer's."""
    ours = measured[0]
    core = ours["core"] or 0.0
    unit = f"{UNITS[job]} per core-second"
    how = "see the table of peers"
    if job in LONG:
        how += f"; a backlog of {LONG[job].backlog:,}, of {SIZES[job].backlog:,} for peers that are slow"
    found = [Result(**result(f"peer_{OURS}_{job}", core, unit, how), measured=ours)]
    for peer, one in zip(peers, measured[1:], strict=True):
        said = one["missing"] or how
        found.append(Result(**result(f"peer_{peer.name}_{job}", core, unit, said, one["program"], one["core"]), measured=one))
    return found
