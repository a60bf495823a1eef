"""Which peers there are, what each does, and what it is installed from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
OURS = "tidewire"
JOBS = ("normalise", "candles", "sink", "parse")
"""Raw frames → trades; trades → one-minute candles; trades → rows of ClickHouse; a frame of memory → a trade of memory."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program beside ours; `package` is the line of its requirements that names its version, `python` what it runs on."""

    name: str
    title: str
    package: str
    jobs: tuple[str, ...]
    python: str = "3.11"
    command: tuple[str, ...] = ("{job}.py",)
    prepare: tuple[str, ...] = ()
    """Run once before its first start."""
    fast: tuple[str, ...] = ()
    """Jobs for which it needs a backlog as long as ours, to be measured at all."""
    cannot: Mapping[str, str] = field(default_factory=dict)
    """Why there is no way for it to do a job, by job."""

    @property
    def folder(self) -> Path:
        """Where its programs are."""
        return HERE / self.name

    @property
    def requirements(self) -> Path:
        """The file that pins all that its environment holds."""
        return self.folder / "requirements.txt"

    @property
    def version(self) -> str:
        """Its version, as pinned."""
        found = re.search(rf"^{re.escape(self.package)}==(\S+)$", self.requirements.read_text(), re.MULTILINE)
        if found is None:
            raise LookupError(f"{self.requirements} does not pin {self.package}")
        return found[1]

    @property
    def jars(self) -> Path | None:
        """The file that pins what it needs of Maven Central, where it needs any."""
        path = self.folder / "jars.lock.json"
        return path if path.exists() else None

    def program(self, job: str) -> Path:
        """Return the file that does a job."""
        return self.folder / f"{job}.py"


KAFKA_JOBS = ("normalise", "candles", "sink")
PEERS = (
    Peer("faust", "stock Faust", "faust-streaming", KAFKA_JOBS, command=("{job}.py", "worker", "--loglevel=warn", "--without-web")),
    Peer("quix", "Quix Streams", "quixstreams", KAFKA_JOBS),
    Peer(
        "bytewax",
        "Bytewax",
        "bytewax",
        KAFKA_JOBS,
        command=("-m", "bytewax.run", "{job}:flow", "-r", "{state}", "-s", "5", "-b", "0"),
        prepare=("-m", "bytewax.recovery", "{state}", "1"),
    ),
    Peer(
        "flink",
        "PyFlink",
        "apache-flink",
        ("normalise", "candles"),
        fast=("candles",),
        cannot={"sink": "it has no ClickHouse sink for Python (its JDBC connector knows no such dialect)"},
    ),
    Peer(
        "cryptofeed",
        "cryptofeed",
        "cryptofeed",
        ("parse",),
        python="3.13",
        cannot=dict.fromkeys(KAFKA_JOBS, "it reads exchanges, not Kafka: see `parse`"),
    ),
)
FIGURES = tuple(f"peer_{name}_{job}" for job in JOBS for name in (OURS, *(one.name for one in PEERS if job in {*one.jobs, *one.cannot})))


def cells(figure: str = "") -> dict[str, tuple[Peer, ...]]:
    """Return the peers to measure at each job: all, or those of one figure (none for a figure of ours: we stand beside each)."""
    found = {
        job: tuple(one for one in PEERS if f"peer_{one.name}_{job}" in FIGURES and figure in {"", f"peer_{one.name}_{job}"}) for job in JOBS
    }
    return {job: peers for job, peers in found.items() if peers or figure in {"", f"peer_{OURS}_{job}"}}


def lines_of(text: str) -> int:
    """Return how many lines of a program are code: neither blank nor a comment."""
    return sum(1 for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))
