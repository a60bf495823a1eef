"""What a program was seen to do at a job, and the table of it in BENCHMARKS.md."""

from typing import TypedDict

from bench.result import Result


class Measured(TypedDict):
    """A line of the table of peers; None is what was not measured. `missing` says why there is nothing at all."""

    job: str
    program: str
    core: float | None
    wall: float | None
    p50_ms: float | None
    p99_ms: float | None
    megabytes: float | None
    lines: int | None
    lost: int | None
    doubled: int | None
    missing: str


def nothing(job: str, program: str, why: str) -> Measured:
    """Return the line of a program that can't be had, or did not do it."""
    return Measured(
        job=job, program=program, core=None, wall=None, p50_ms=None, p99_ms=None, megabytes=None, lines=None, lost=None, doubled=None,
        missing=why,
    )  # fmt: skip


HEAD = (
    "| job | program | events per core-second | wall rate | p50 ms | p99 ms | MB | lines | lost | doubled |",
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
)


def table(results: list[Result]) -> str:
    """Return the results that are of peers as their table; a program that can't be had says why in its line."""
    rows = []
    for one in sorted((one["measured"] for one in results if "measured" in one), key=_order):
        if one["missing"]:
            rows.append(f"| {one['job']} | {one['program']} | {_one_line(one['missing'])} | | | | | | | |")
            continue
        figures = (one[name] for name in ("core", "wall", "p50_ms", "p99_ms", "megabytes", "lines", "lost", "doubled"))
        rows.append(f"| {one['job']} | {one['program']} | {' | '.join('' if value is None else f'{value:,.0f}' for value in figures)} |")
    return "\n".join((*HEAD, *rows)) + "\n"


def _order(one: Measured) -> tuple[int, float, str]:
    from bench.peers.catalogue import JOBS

    return JOBS.index(one["job"]), -(one["core"] or 0.0), one["program"]


def _one_line(words: str) -> str:
    return " ".join(words.replace("|", "/").split())
