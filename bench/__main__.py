"""`make bench`: run the benchmarks, print a table, write bench/results.json and the table of BENCHMARKS.md.

`make bench ONLY=name` runs those whose file or figure is named so.
"""

import argparse
import importlib
import json
import pkgutil
from pathlib import Path

from rich.console import Console
from rich.table import Table

import bench
from bench.peers.measured import table as peers_table
from bench.result import Result

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent.parent / "BENCHMARKS.md"
OPENING, CLOSING = "<!-- results: made by `make bench` -->", "<!-- /results -->"
PEERS_OPENING, PEERS_CLOSING = "<!-- peers: made by `make bench ONLY=peers` -->", "<!-- /peers -->"


def chosen(only: str) -> list[str]:
    """Return the benchmark modules (those with FIGURES and run) that a name asks for; all for an empty name."""
    modules = []
    for found in pkgutil.iter_modules(bench.__path__):
        module = importlib.import_module(f"bench.{found.name}") if not found.name.startswith("_") else None
        figures = getattr(module, "FIGURES", ())
        if figures and (not only or only == found.name or only in figures):
            modules.append(found.name)
    return modules


def main() -> int:
    """Run what was asked for; results of other benchmarks are kept as they were."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default="", help="a benchmark's file or one of its figures; empty: all")
    only = parser.parse_args().only
    console = Console()
    names = chosen(only)
    if not names:
        console.print(f"no benchmark is called {only!r}")
        return 2
    fresh: list[Result] = []
    for name in names:
        console.print(f"[bold]{name}[/] …")
        module = importlib.import_module(f"bench.{name}")
        one = getattr(module, "run_one", None)
        fresh += one(console.print, only) if one and only in module.FIGURES else module.run(console.print)
        _write(fresh)
    shown = Table("figure", "value", "unit", "peer", "peer's", "ratio")
    for one in fresh:
        peer_value = "" if one["peer_value"] is None else f"{one['peer_value']:,}"
        shown.add_row(one["name"], f"{one['value']:,}", one["unit"], one["peer"], peer_value, str(one["ratio"] or ""))
    console.print(shown)
    return 0


def _write(fresh: list[Result]) -> None:
    kept: list[Result] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    names = {one["name"] for one in fresh}
    lines = sorted([one for one in kept if one["name"] not in names] + fresh, key=lambda one: one["name"])
    RESULTS.write_text(json.dumps(lines, indent=1) + "\n")
    page = _placed(PAGE.read_text(), OPENING, table(lines), CLOSING)
    PAGE.write_text(_placed(page, PEERS_OPENING, peers_table(lines), PEERS_CLOSING))


def _placed(page: str, opening: str, shown: str, closing: str) -> str:
    before, _, rest = page.partition(opening)
    return f"{before}{opening}\n{shown}{closing}{rest.partition(closing)[2]}"


def table(results: list[Result]) -> str:
    """Return results as the table of BENCHMARKS.md; those of bench/peers have a table of their own."""
    rows = ["| figure | value | unit | peer | peer's | ratio |", "|---|---:|---|---|---:|---:|"]
    for one in results:
        if "measured" in one:
            continue
        peers = "" if one["peer_value"] is None else f"{one['peer_value']:,}"
        rows.append(f"| {one['name']} | {one['value']:,} | {one['unit']} | {one['peer']} | {peers} | {one['ratio'] or ''} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
