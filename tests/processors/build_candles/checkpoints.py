"""What a checkpoint keeps of a builder of candles, and the builder that begins from it."""

from collections.abc import Iterable

from processors.build_candles.builder import Builder
from processors.build_candles.settings import Settings
from tests.processors.build_candles.tape import writer_of


def keep(changes: Iterable[tuple[str, bytes | None]], entries: dict[str, bytes]) -> None:
    """Write what changed into the entries of the state; None deletes one."""
    for key, value in changes:
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value


def restarted(builder: Builder, entries: dict[str, bytes], parameters: Settings) -> Builder:
    """Write down what changed, and return the builder of the next process: it knows what was written down."""
    keep(builder.changes(), entries)
    again = Builder(writer_of, parameters)
    again.restore(entries)
    return again
