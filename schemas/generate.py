"""Write what follows from avro/*.avsc: the Python types (events.py) and the history of schemas (history/).

`make generate` runs it; a test fails when a generated file is stale. History only grows: each change of a schema adds a file,
and every new version must be readable with all those before (BACKWARD_TRANSITIVE, checked against the registry in a test).
"""

import sys
from pathlib import Path
from typing import Any

from schemas.catalogue import Event, events

HERE = Path(__file__).parent
EVENTS = HERE / "events.py"
HISTORY = HERE / "history"
PRIMITIVES = {
    "string": "str",
    "long": "int",
    "int": "int",
    "boolean": "bool",
    "bytes": "bytes",
    "null": "None",
    "double": "float",
}
HEAD = '''"""GENERATED from avro/*.avsc by schemas/generate.py: what an event is in Python. Do not edit; run `make generate`."""

from decimal import Decimal
from typing import Literal, TypedDict

Number = Decimal | bytes
"""A decimal(38,18), a sum's (76,18): a Decimal, or its unscaled big-endian bytes (schemas.decimals), which is what the wire holds."""
'''


def python_type(kind: Any) -> str:
    """Return the Python annotation of an Avro type."""
    if isinstance(kind, list):
        return " | ".join(python_type(one) for one in sorted(kind, key=lambda one: one == "null"))
    if isinstance(kind, str):
        return PRIMITIVES.get(kind, kind)
    if kind.get("logicalType") == "decimal":
        return "Number"
    if kind["type"] == "array":
        return f"list[{python_type(kind['items'])}]"
    if kind["type"] == "enum":
        return "Literal[" + ", ".join(f'"{symbol}"' for symbol in kind["symbols"]) + "]"
    return PRIMITIVES[kind["type"]]


def _class(event: Event) -> str:
    lines = [f"\n\nclass {event.schema['name']}(TypedDict):", f'    """{event.schema["doc"]}"""', ""]
    for field in event.fields:
        lines += [f"    {field['name']}: {python_type(field['type'])}", f'    """{field["doc"]}"""']
    return "\n".join(lines) + "\n"


def render() -> str:
    """Return the text of events.py."""
    return HEAD + "".join(_class(event) for event in events().values())


def history(event: Event) -> list[Path]:
    """Return the committed versions of an event's schema, oldest first."""
    return sorted((HISTORY / event.name).glob("*.avsc"), key=lambda path: int(path.stem))


def main() -> None:
    """Write events.py, and a new history file for each schema that differs from its newest version."""
    EVENTS.write_text(render())
    for event in events().values():
        versions = history(event)
        if not versions or versions[-1].read_text() != event.schema_text + "\n":
            path = HISTORY / event.name / f"{len(versions) + 1}.avsc"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(event.schema_text + "\n")
            sys.stdout.write(f"{event.name}: version {len(versions) + 1}\n")


if __name__ == "__main__":
    main()
