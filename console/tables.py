"""Tables of what is there, in Markdown, for README.md."""

from collections.abc import Mapping

from dialects.contract import Dialect


def venue_table(dialects: Mapping[str, Dialect]) -> str:
    """Return a row for each venue: what it is asked for, what that becomes, and which symbols are asked for if none is named."""
    lines = ["| venue | channels | with a key | events | symbols, if none is named |", "|---|---|---|---|---|"]
    for venue, spoken in dialects.items():
        private = [name for name, channel in spoken.channels.items() if channel.private]
        public = [name for name in spoken.channels if name not in private]
        made = dict.fromkeys(event for channel in spoken.channels.values() for event in channel.events)
        cells = (venue, ", ".join(public), ", ".join(private), ", ".join(made), ", ".join(spoken.default_symbols))
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"
