"""One run in one JSON document, and whether all was well."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from local.readings import Reading, VenueReading
from local.supervisor import Supervisor
from schemas.catalogue import event

MOST_NAMED = 5
"""Streams of one venue that are named where it refused them; of more, only how many."""


def milliseconds(seconds: float | None) -> float | None:
    """Return a latency for people; null stays null."""
    return None if seconds is None else round(seconds * 1_000, 3)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind, read after its last stage had stopped."""

    topics: Mapping[str, int]
    """Messages published during the run, by topic."""
    rows: Mapping[str, int]
    """Rows inserted during the run, by table; each version of a row is one."""
    rows_of_all_runs: Mapping[str, int]
    """Rows that each table holds, each identity once, those of earlier runs included."""
    open_gaps: Mapping[str, int]
    """By venue, those of earlier runs included."""


def summary(supervisor: Supervisor, reading: Reading, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Return what a run did; only what its name says is of all runs. The counts of `reading` were taken just before each stage stopped.

    A producer delivers its last frames after that, so what it wrote is counted in its topic.
    """
    for venue in reading.venues.values():
        venue.frames = outcome.topics.get(event("frame").topic.of(venue.name), venue.frames)
    for name, stage in reading.stages.items():
        venue_name = name.removeprefix(f"{supervisor.declared[name].name}-")
        if supervisor.declared[name].per_venue and venue_name in reading.venues:
            stage.written = reading.venues[venue_name].frames
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
            "refused_streams": list(one.refused),
            "open_gaps": outcome.open_gaps.get(one.name, 0),
        }
        for one in reading.venues.values()
    }
    problems = found_wrong(supervisor, reading, outcome)
    return {
        "ok": not problems,
        "origin": supervisor.market.origin,
        "seconds": round(seconds, 1),
        "venues": venues,
        "stages": stages,
        "topics": dict(outcome.topics),
        "rows": dict(outcome.rows),
        "rows_of_all_runs": dict(outcome.rows_of_all_runs),
        "gaps": {"published": outcome.topics.get("gaps", 0), "open": sum(outcome.open_gaps.values())},
        "dead_letters": sum(one.refused for one in reading.stages.values()),
        "faults": [asdict(one) for one in reading.faults],
        "problems": problems,
    }


def refusal(venue: VenueReading) -> str:
    """Return what a venue has refused in words: a symbol that it does not have, most often."""
    more = f" and {len(venue.refused) - MOST_NAMED} more" if len(venue.refused) > MOST_NAMED else ""
    return f"{venue.name} refused {', '.join(venue.refused[:MOST_NAMED])}{more}: its log says why"


def faults_found(reading: Reading) -> list[str]:
    """Return each fault of our own during a run in words: a bug to be mended, though all else went on."""
    return [f"a fault of our own: {one}" for one in reading.faults]


def found_wrong(supervisor: Supervisor, reading: Reading, outcome: Outcome) -> list[str]:
    """Return what kept a run from being well, in words."""
    wrong = [*supervisor.troubles, *faults_found(reading)]
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
    wrong += [refusal(venue) for venue in reading.venues.values() if venue.refused]
    wrong += [f"{venue.name}: {venue.dropped} frames were dropped" for venue in reading.venues.values() if venue.dropped]
    wrong += [f"{venue}: {count} gaps are open" for venue, count in outcome.open_gaps.items() if count]
    if any(stage.name == "clickhouse" for stage in supervisor.declared.values()) and not outcome.rows.get("frames"):
        wrong.append("no frame reached ClickHouse")
    return wrong
