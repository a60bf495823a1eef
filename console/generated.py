"""The parts of README.md and of the compose files that follow from the code: `python -m console.generated` writes them (`make generate`).

A part stands between two lines: one that says "NAME: made by `make generate`", and one that says "/NAME".
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from console import compose
from console.drawing import mermaid
from console.tables import venue_table
from dialects.catalogue import all_dialects
from topology.flow import stages

ROOT = Path(__file__).parents[1]
MADE_BY = "made by `make generate`"


def flow() -> str:
    """Return the picture of the flow."""
    return f"```mermaid\n{mermaid(stages().values())}\n```\n"


def venues() -> str:
    """Return the table of the venues."""
    return venue_table(all_dialects())


def services() -> str:
    """Return a service for each stage."""
    return compose.services(stages().values(), all_dialects())


def clustered() -> str:
    """Return what those services have on a cluster."""
    return compose.clustered(stages().values(), all_dialects())


def volumes() -> str:
    """Return the volumes of those services."""
    return compose.volumes(stages().values(), all_dialects())


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "README.md": {"flow": flow, "venues": venues},
    "docker-compose.yml": {"services": services, "volumes": volumes},
    "docker-compose.cluster.yml": {"clustered": clustered},
}
"""File → the parts it must hold, each with what it should say: whole lines."""


def renewed(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """Return a file's text with each part written anew; ValueError where the lines around one are missing or there twice."""
    for name, made in parts.items():
        lines = re.compile(rf"^(.*\b{name}: {MADE_BY}.*\n)(?s:.*?)^(.*/{name}\b.*)$", re.MULTILINE)
        (before, *rest), body = lines.split(text), made()
        if len(rest) != 3:
            raise ValueError(f"there must be one line with the marker `{name}: {MADE_BY}`, and after it one with `/{name}`")
        begin, end, after = rest
        text = f"{before}{begin}{body}{end}{after}"
    return text


def main() -> None:
    """Write what has changed, and say so."""
    for name, parts in PARTS.items():
        path = ROOT / name
        text = path.read_text()
        if (new := renewed(text, parts)) != text:
            path.write_text(new)
            sys.stdout.write(f"{name}: {', '.join(parts)} written anew\n")


if __name__ == "__main__":
    main()
