"""The page of benchmarks says what was measured."""

import json

from bench.__main__ import CLOSING, OPENING, PAGE, RESULTS, table


def test_the_page_shows_the_results_on_record() -> None:
    """BENCHMARKS.md holds the table of bench/results.json; `make bench` writes both."""
    shown = PAGE.read_text().partition(OPENING)[2].partition(CLOSING)[0]

    assert shown.strip() == table(json.loads(RESULTS.read_text())).strip()
