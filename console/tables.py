"""Tables of what is there, in Markdown, for README.md."""

from collections.abc import Mapping

from dialects.contract import Dialect


def venue_table(dialects: Mapping[str, Dialect]) -> str:
    """Return a row for each venue: what it is asked for, what that becomes, and which symbols are asked for if none is named.

    Channels that are not asked for by default stand apart: those that must be named, and those that need a key.
    """
    lines = ["| venue | channels | if named | with a key | events | symbols, if none is named |", "|---|---|---|---|---|---|"]
    for venue, spoken in dialects.items():
        private = [name for name, channel in spoken.channels.items() if channel.private]
        named = [name for name, channel in spoken.channels.items() if not channel.by_default and name not in private]
        public = [name for name in spoken.channels if name not in private + named]
        made = dict.fromkeys(event for channel in spoken.channels.values() for event in channel.events)
        cells = (venue, *(", ".join(names) for names in (public, named, private, made, spoken.default_symbols)))
        lines.append("|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|")
    return "\n".join(lines) + "\n"
