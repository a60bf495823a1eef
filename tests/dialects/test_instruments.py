"""One name for one instrument at every venue."""

import pytest

from dialects.instruments import canonical_name

CHRISTMAS = 1_798_185_600_000_000
"""2026-12-25 08:00 UTC, in microseconds."""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("BTC-USDT", canonical_name("spot", "BTC", "USDT")),
        ("BTC-USD", canonical_name("spot", "XBT", "usd")),
        ("BTC-USD-PERP", canonical_name("perpetual", "BTC", "USD")),
        ("BTC-USD-20261225", canonical_name("future", "BTC", "USD", expiry_time=CHRISTMAS)),
        ("BTC-USD-20261225-9000-C", canonical_name("option", "BTC", "USD", expiry_time=CHRISTMAS, strike="9000.0", option_type="call")),
        ("XRP-USD-20261225-0.5-P", canonical_name("option", "XRP", "USD", expiry_time=CHRISTMAS, strike="0.50", option_type="put")),
        (None, canonical_name("spot", None, "USDT")),
        (None, canonical_name("future", "BTC", "USD")),
        (None, canonical_name("option", "BTC", "USD", expiry_time=CHRISTMAS)),
        (None, canonical_name("unknown", "BTC", "USD")),
    ],
)
def test_a_name_is_made_of_its_parts(name: str | None, found: str | None) -> None:
    """Pair, kind, day of expiry in UTC, strike by value, call or put; no name where a part is missing."""
    assert found == name
