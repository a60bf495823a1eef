"""Random valid records of any event, from its Avro schema."""

from typing import Any

from hypothesis import strategies as st

from schemas import decimals
from schemas.catalogue import Event

LATEST = 7_258_118_400_000_000
"""2200-01-01: within what DateTime64(6), Python and Arrow all name; microseconds since 1970 UTC."""

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of what a field of an Avro type holds: times as microseconds, decimals as unscaled bytes."""
    if isinstance(kind, list):
        return st.one_of(*(st.none() if one == "null" else values(one) for one in kind))
    if isinstance(kind, str):
        kind = {"type": kind}
    match kind:
        case {"logicalType": "timestamp-micros"}:
            return st.integers(0, LATEST)
        case {"logicalType": "decimal"}:
            return st.integers(-decimals.LARGEST, decimals.LARGEST).map(decimals.to_bytes)
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case {"type": "array", "items": items}:
            return st.lists(values(items), max_size=5)
        case {"type": "string"}:
            return _TEXT
        case {"type": "bytes"}:
            return st.binary(max_size=50)
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "int"}:
            return st.integers(-(2**31), 2**31 - 1)
        case {"type": "long"}:
            return st.integers(-(2**63), 2**63 - 1)
    raise AssertionError(f"no strategy for {kind}")


def records(event: Event) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of an event's records, as its codec encodes them."""
    return st.fixed_dictionaries({field["name"]: values(field["type"]) for field in event.fields})
