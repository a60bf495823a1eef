"""The flow as a picture in README.md."""

from collections.abc import Iterable

from schemas.catalogue import events
from topology.flow import Stage


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
