"""One run in one JSON document, and whether all was well."""

from typing import Any

from topology.monitor import Reading
from topology.supervisor import Supervisor


def milliseconds(seconds: float | None) -> float | None:
    """Return a latency for people; null stays null."""
    return None if seconds is None else round(seconds * 1_000, 3)


def summary(supervisor: Supervisor, reading: Reading, rows: dict[str, int], gaps: dict[str, int], seconds: float) -> dict[str, Any]:
    """Return what a run did. `reading` was taken while the stages still answered, `rows` and `gaps` after the last insert."""
    stages = {
        one.name: {
            "events_in": one.read,
            "events_out": one.written,
            "dead_letters": one.refused,
            "lag": one.lag,
            "restarts": one.restarts,
            "latency_p50_ms": milliseconds(one.whole_p50),
            "latency_p99_ms": milliseconds(one.whole_p99),
        }
        for one in reading.stages.values()
    }
    venues = {
        one.name: {
            "frames": one.frames,
            "reconnects": one.reconnects,
            "silences": one.silences,
            "dropped_frames": one.dropped,
            "open_gaps": gaps.get(one.name, 0),
        }
        for one in reading.venues.values()
    }
    problems = found_wrong(supervisor, reading, rows, gaps)
    return {
        "ok": not problems,
        "origin": supervisor.market.origin,
        "seconds": round(seconds, 1),
        "venues": venues,
        "stages": stages,
        "rows": rows,
        "gaps": {"open": sum(gaps.values())},
        "dead_letters": sum(one.refused for one in reading.stages.values()),
        "problems": problems,
    }


def found_wrong(supervisor: Supervisor, reading: Reading, rows: dict[str, int], gaps: dict[str, int]) -> list[str]:
    """Return what kept a run from being well, in words."""
    wrong = list(supervisor.troubles)
    for stage in reading.stages.values():
        if supervisor.declared[stage.name].per_venue:
            if not stage.written:
                wrong.append(f"{stage.name} published nothing")
        elif not stage.read:
            wrong.append(f"{stage.name} read nothing")
        if stage.refused:
            wrong.append(f"{stage.name} refused {stage.refused} messages: `tidewire consume dead_letters` shows them")
        if stage.lag:
            wrong.append(f"{stage.name} had {stage.lag} messages left to read")
    wrong += [f"{venue.name}: {venue.dropped} frames were dropped" for venue in reading.venues.values() if venue.dropped]
    wrong += [f"{venue}: {count} gaps are open" for venue, count in gaps.items() if count]
    if any(stage.name == "clickhouse" for stage in supervisor.declared.values()) and not rows.get("frames"):
        wrong.append("no frame reached ClickHouse")
    return wrong
