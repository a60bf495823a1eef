"""Answers in the form that was asked for: whole numbers, exact decimals, nothing cut."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from console.commands.consume import as_json
from console.commands.show import answer
from schemas.catalogue import event
from topology.clickhouse import shown, words

COLUMNS = ("name", "price", "at", "raw", "many")
ROW = ("a", Decimal("1.500000000000000000"), datetime(2026, 1, 2, tzinfo=UTC), b"\xff", [Decimal(2), None])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.500000000000000000"), "1.5"),
        (Decimal("100.000000000000000000"), "100"),
        (Decimal("0E-18"), "0"),
        (Decimal("0.000000000000000001"), "0.000000000000000001"),
        (Decimal("12345678901234567890.123456789012345678"), "12345678901234567890.123456789012345678"),
        (Decimal("1E+3"), "1000"),
        (None, ""),
        (b"text", "text"),
        (7, "7"),
    ],
)
def test_values_are_exact(value: object, text: str) -> None:
    """Zeros that say nothing are left out, and never a digit that says something; there are no exponents."""
    assert shown(value) == text


def test_json_keeps_what_text_would_lose(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers stay numbers, decimals and times are text, null is null, lists are lists."""
    answer(("count", *COLUMNS), [(3, *ROW), (None, *ROW)], as_json=True)
    first, second = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first["count"] == 3
    assert second["count"] is None
    assert (first["price"], first["many"]) == ("1.5", ["2", None])
    assert first["at"].startswith("2026-01-02 00:00:00")


def test_csv_quotes_what_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    """A comma in a text is no new column; a line of names comes first, also without a row."""
    answer(("a", "b"), [("x,y", None)], as_json=False, as_csv=True)
    assert capsys.readouterr().out == 'a,b\n"x,y",\n'
    answer(("a", "b"), [], as_json=False, as_csv=True)
    assert capsys.readouterr().out == "a,b\n"


def test_a_table_is_as_wide_as_it_needs_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    """On a narrow terminal a line is longer rather than a number shorter; what looks like markup is text."""
    answer(("wide", "tag"), [("9" * 300, "[red]x[/]")], as_json=False)
    out = capsys.readouterr().out
    assert "9" * 300 in out
    assert "[red]x[/]" in out


def test_bytes_in_json_are_text_or_base64() -> None:
    """A frame is readable where it is text; what is none comes back bit for bit."""
    assert as_json(b'{"e":"trade"}') == '{"e":"trade"}'
    assert as_json(b"\xff\x00") == {"base64": "/wA="}
    assert as_json([Decimal("1.10"), 2, None]) == ["1.1", 2, None]


def test_clickhouse_is_quoted_without_what_its_client_adds() -> None:
    """What the client puts around the server's words is taken off; the rest stays, within a bound."""
    raw = "Received ClickHouse exception, code: 47, server response: Code: 47. DB::Exception: Unknown (for url http://127.0.0.1:8123)"
    assert words(Exception(raw)) == "ClickHouse: Code: 47. DB::Exception: Unknown"
    assert len(words(Exception("x" * 10_000))) == 2_000


def test_tables_are_named_like_topics() -> None:
    """A table has its topic's name; raw frames of all venues are one table."""
    assert event("book_delta").table == "book_deltas"
    assert event("frame").table == "frames"
