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
        case {"logicalType": "decimal", "precision": precision}:
            return integers(precision).map(decimals.to_bytes)
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


def integers(precision: int) -> st.SearchStrategy[int]:
    """Return a strategy of unscaled decimals: any of a precision, and those at the ends of what 38 digits and 16 bytes hold."""
    ends = [sign * (end + step) for end in (10**38, 2**127, 10**precision) for step in (-1, 0, 1) for sign in (1, -1)]
    return st.one_of(st.sampled_from([end for end in ends if abs(end) < 10**precision]), st.integers(1 - 10**precision, 10**precision - 1))


def records(event: Event) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of an event's records, as its codec encodes them."""
    return st.fixed_dictionaries({field["name"]: values(field["type"]) for field in event.fields})
