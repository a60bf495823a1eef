"""The stages as services of docker-compose.yml: one container for each that runs, and one for each venue where a stage is per venue.

What they have in common (`x-stage`) and the servers are written in that file by hand; what a cluster changes, in
docker-compose.cluster.yml.
"""

from collections.abc import Iterable

from topology.flow import Stage

SERVERS = frozenset({"kafka", "registry", "clickhouse", "vault"})
"""Services of the file that are no stages: a stage so called is named after its room as well."""


def _runs(stages: Iterable[Stage], venues: Iterable[str]) -> list[tuple[Stage, str]]:
    """Return each stage that runs with its venue, or with none."""
    known = list(venues)
    return [(stage, venue) for stage in stages if stage.runs for venue in (known if stage.per_venue else [""])]


def service_name(stage: Stage, venue: str) -> str:
    """Return the name of a stage's service: `producers-kraken`, `normalise`, `clickhouse-sink`."""
    if venue:
        return f"{stage.name}-{venue}"
    return f"{stage.name}-{stage.package.partition('.')[0].removesuffix('s')}" if stage.name in SERVERS else stage.name


def services(stages: Iterable[Stage], venues: Iterable[str]) -> str:
    """Return the services, as they stand under `services:`.

    A stage per venue has a volume: a producer's frames are kept there while the broker is away.
    """
    found = []
    for stage, venue in _runs(stages, venues):
        role = (f"{stage.name}_{venue}" if venue else stage.name).upper()
        lines = [
            f"  {service_name(stage, venue)}:",
            "    <<: *stage",
            "    environment:",
            "      <<: *environment",
            f"      TIDEWIRE_SECRETS__ROLE_ID: ${{{role}_ROLE_ID:-}}",
            f"    command: [run, {', '.join(filter(None, (stage.name, venue)))}]",
        ]
        if venue:
            lines.append(f'    volumes: ["{service_name(stage, venue)}:/state"]')
        found.append("\n".join(lines) + "\n")
    return "\n".join(found)


def clustered(stages: Iterable[Stage], venues: Iterable[str]) -> str:
    """Return what docker-compose.cluster.yml adds to each of those services: servers, and two workers but of producers."""
    return "".join(f"  {service_name(stage, venue)}: {{<<: *{'stage' if venue else 'worker'}}}\n" for stage, venue in _runs(stages, venues))


def volumes(stages: Iterable[Stage], venues: Iterable[str]) -> str:
    """Return the volumes of those services, as they stand under `volumes:`."""
    return "".join(f"  {service_name(stage, venue)}:\n" for stage, venue in _runs(stages, venues) if venue)
