"""How long a venue asks to be left alone, by HTTP's header `Retry-After` (RFC 9110, 10.2.3), and the most it gets. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 3 * 86_400.0
"""The most that any venue gets: Binance's bans last up to three days (rest-api.md, "IP Limits"), and no venue documents longer ones.

What asks for more says nothing that could be meant, and must not end all requests to the venue.
"""
LIMITED_SECONDS = 60.0
"""How long nobody asks where the venue says that it was too often, and not for how long."""


def patience(headers: Mapping[str, str]) -> tuple[str, float]:
    """Return what a reply asks for, in words, and the seconds that it gets. Never raises. `headers` by any case."""
    asked = seconds_asked(headers)
    if asked is None:
        return "it does not say for how long", LIMITED_SECONDS
    if asked > LONGEST_SECONDS:
        return f"it asks for more than {LONGEST_SECONDS:.0f} s, the longest ban there is, and gets those", LONGEST_SECONDS
    return f"it asks for {asked:.0f} s", asked


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a reply asks for, without bound; None where it does not say. Never raises. `headers` by any case.

    A date counts from that of the reply itself (`Date`): no clock of ours is asked. One that is past asks for nothing.
    """
    said = {name.lower(): text.strip() for name, text in headers.items()}
    after = said.get("retry-after", "")
    if after.isascii() and after.replace(".", "", 1).isdecimal():
        return float(after)
    until, at = _moment(after), _moment(said.get("date", ""))
    return None if until is None or at is None else max(0.0, (until - at).total_seconds())


def _moment(text: str) -> datetime | None:
    """Return what a date says; RFC 9110, 5.6.7: each of its forms is in GMT, whether it says so or not."""
    try:
        said = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return said if said.tzinfo else said.replace(tzinfo=UTC)
