"""Which peers there are, what each does, and what it is installed from."""

import re
from dataclasses import dataclass
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

    def program(self, job: str) -> Path:
        """Return the file that does a job."""
        return self.folder / f"{job}.py"


KAFKA_JOBS = ("normalise", "candles", "sink")
PEERS = (
    Peer("faust", "stock Faust", "faust-streaming", KAFKA_JOBS, command=("{job}.py", "worker", "--loglevel=warn")),
    Peer("quix", "Quix Streams", "quixstreams", KAFKA_JOBS),
    Peer(
        "bytewax",
        "Bytewax",
        "bytewax",
        KAFKA_JOBS,
        command=("-m", "bytewax.run", "{job}:flow", "-r", "{state}", "-s", "5", "-b", "0"),
        prepare=("-m", "bytewax.recovery", "{state}", "1"),
    ),
    Peer("cryptofeed", "cryptofeed", "cryptofeed", ("parse",), python="3.13"),
)
FIGURES = tuple(f"peer_{name}_{job}" for job in JOBS for name in (OURS, *(one.name for one in PEERS if job in one.jobs)))


def cells(figure: str = "") -> dict[str, tuple[Peer, ...]]:
    """Return the peers to measure at each job: all, or those of one figure (none for a figure of ours: we stand beside each)."""
    found = {job: tuple(one for one in PEERS if job in one.jobs and figure in {"", f"peer_{one.name}_{job}"}) for job in JOBS}
    return {job: peers for job, peers in found.items() if peers or figure in {"", f"peer_{OURS}_{job}"}}


def lines_of(text: str) -> int:
    """Return how many lines of a program are code: neither blank nor a comment."""
    return sum(1 for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))
