"""How answers are shown: a table for people, JSON lines or CSV for programs."""

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from topology.clickhouse import shown
from topology.terminal import printable


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table as wide as it needs to be: a number cut by an ellipsis would be a wrong number."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        drawn.add_column(Text(printable(column)), no_wrap=True)
    for row in rows:
        drawn.add_row(*(Text(printable(_text(value))) for value in row))
    console = Console()
    Console(width=max(console.width, console.measure(drawn, options=console.options.update(width=10_000)).maximum)).print(drawn)


def json_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print an object a line; decimals, times and what is no finite number as text (JSON has no NaN), maps as objects."""
    for row in rows:
        print(printable(_json({name: _plain(value) for name, value in zip(columns, row, strict=True)})))


def comma_separated(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print CSV with a line of names: to a program or a file each value as it is, to a terminal without what that would obey."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(value) for value in row] for row in rows)
    print(printable(text.getvalue(), lines=True) if sys.stdout.isatty() else text.getvalue(), end="")


def _text(value: Any) -> str:
    """Return a value in a cell: lists and maps as JSON."""
    return _json(_plain(value)) if isinstance(value, (list, tuple, dict)) else shown(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {shown(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else shown(value)


def answer(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, as_json: bool, as_csv: bool = False) -> None:
    """Print an answer in the form that was asked for."""
    if as_json:
        json_lines(columns, rows)
    elif as_csv:
        comma_separated(columns, rows)
    else:
        table(columns, rows)
