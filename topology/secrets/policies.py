"""Who may do what at the Vault: one least-privilege policy for each stage that reads secrets, as text in Vault's language (HCL).

A producer reads its own exchange's credentials and nothing else; every stage reads the passwords of the servers it connects to
and may write the audit of nobody: that is Kafka's. Nobody but an operator writes a secret; a stage that validates keeps its result.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from topology.secrets.credential import FOLDER
from topology.secrets.settings import Secrets

SERVERS = ("kafka", "registry", "clickhouse")
"""Secrets that stages fetch by `vault:kafka#password` and the like: one path for each server."""
PREFIX = "tidewire-"
EVENTS = "sys/events/subscribe/kv-v2/data-write"
"""Where a Vault that tells of new versions tells it: paths and never a value."""


@dataclass(frozen=True, slots=True)
class Role:
    """An AppRole and its policy, both by this name."""

    name: str
    exchange: str = ""
    """The exchange whose credentials it reads; empty: none."""
    servers: tuple[str, ...] = SERVERS
    spills: bool = False
    """Whether it encrypts files on disk; only where there is an exchange."""


def roles(venues: Iterable[str], stages: Iterable[str]) -> list[Role]:
    """Return a role for each venue's producer and one for each other stage."""
    producers = [Role(f"{PREFIX}producers-{venue}", venue, ("kafka", "registry"), spills=True) for venue in venues]
    others = [
        Role(f"{PREFIX}{stage.replace('_', '-')}", servers=SERVERS if stage == "clickhouse" else ("kafka", "registry")) for stage in stages
    ]
    return [*producers, *others]


def spill_key(secrets: Secrets, exchange: str) -> str:
    """Return the name of the transit key for the files that an exchange's producer keeps on disk."""
    return f"{secrets.transit_key}-{exchange}"


def policy(role: Role, secrets: Secrets) -> str:
    """Return a role's policy."""
    mount = secrets.mount
    rules: dict[str, Mapping[str, object]] = {}
    if role.exchange:
        rules[f"{mount}/data/{FOLDER}/{role.exchange}/*"] = {"capabilities": ["read"]}
        rules[f"{mount}/metadata/{FOLDER}/{role.exchange}/*"] = {"capabilities": ["read", "patch"]}
        rules[EVENTS] = {"capabilities": ["read"]}
    for server in role.servers:
        rules[f"{mount}/data/{server}"] = {"capabilities": ["read"]}
        rules[f"{mount}/metadata/{server}"] = {"capabilities": ["read"]}
    if role.spills:
        key = spill_key(secrets, role.exchange)
        for act in (f"datakey/plaintext/{key}", f"decrypt/{key}", f"rewrap/{key}"):
            rules[f"{secrets.transit_mount}/{act}"] = {"capabilities": ["update"]}
    # Its own next secret_id, and only wrapped: without a wrapping time-to-live Vault refuses.
    rules[f"auth/{secrets.approle_mount}/role/{role.name}/secret-id"] = {
        "capabilities": ["update"], "min_wrapping_ttl": "1s", "max_wrapping_ttl": "168h",
    }  # fmt: skip
    return "".join(_rule(path, rule) for path, rule in rules.items())


def _rule(path: str, rule: Mapping[str, object]) -> str:
    lines = [f"  {name} = {_value(value)}\n" for name, value in rule.items()]
    return f'path "{path}" {{\n{"".join(lines)}}}\n'


def _value(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(f'"{one}"' for one in value) + "]"
    return f'"{value}"'
