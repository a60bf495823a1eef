"""The flow as a picture: `python -m console.drawing` draws it into README.md between two markers (`make generate`)."""

import sys
from collections.abc import Iterable
from pathlib import Path

from schemas.catalogue import events
from topology.flow import Stage, stages

BEGIN, END = "<!-- flow: made by `make generate` -->", "<!-- /flow -->"


def mermaid(found: Iterable[Stage]) -> str:
    """Return the flow as a mermaid diagram: stages as boxes, topics as rounded ones, the outside as circles."""
    declared = list(found)
    lines = ["flowchart LR"]
    lines += [f'    {stage.name}["{stage.package}"]' for stage in declared]
    lines += [f'    topic_{name}(["{one.topic.name}"])' for name, one in events().items()]
    for stage in declared:
        if stage.outside:
            place = f"outside_{stage.name}"
            lines.append(f'    {place}(("{stage.outside}"))')
            lines.append(f"    {place} <--> {stage.name}" if stage.per_venue else f"    {stage.name} --> {place}")
        lines += [f"    topic_{name} --> {stage.name}" for name in stage.reads]
        lines += [f"    {stage.name} --> topic_{name}" for name in stage.writes if name != "dead_letter"]
    refusing = [stage.name for stage in declared if "dead_letter" in stage.writes]
    if refusing:
        lines.append(f"    {' & '.join(refusing)} -.-> topic_dead_letter")
    return "\n".join(lines)


def drawn(readme: str) -> str:
    """Return a README's text with the drawing between its markers replaced; ValueError where a marker is missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md must hold the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n```mermaid\n{mermaid(stages().values())}\n```\n{END}{after}"


if __name__ == "__main__":
    readme = Path(__file__).parents[1] / "README.md"
    text = readme.read_text()
    if text != drawn(text):
        readme.write_text(drawn(text))
        sys.stdout.write("README.md: the flow was drawn anew\n")
