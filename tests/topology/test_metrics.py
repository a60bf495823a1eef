"""The metrics are a closed list, each with its meaning; what reads them adds them up right."""

import math
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from local.tallies import GAUGES, Tally, by_label, matching, parse, quantile, total
from topology import metrics

ROOT = Path(__file__).parents[2]
ALL = {name: one for name, one in vars(metrics).items() if isinstance(one, MetricWrapperBase)}
NAMES = {one._name for one in ALL.values()}


def test_each_metric_is_named_and_told() -> None:
    """Each is ours by its name and says its meaning in a sentence; times are in seconds, sizes in bytes."""
    assert len(ALL) > 10
    for one in ALL.values():
        assert re.fullmatch(r"tidewire_[a-z_]+", one._name)
        assert re.match(r"[A-Z].*\.$", one._documentation)
        if isinstance(one, Histogram):
            assert one._name.endswith("_seconds")
        assert one._labelnames


def test_no_metric_is_made_elsewhere() -> None:
    """The list is closed: no other module of a stage makes one, and the registry of a process holds no other of ours."""
    making = re.compile(r"\b(Counter|Gauge|Histogram|Summary)\(\s*[\"']")
    makers = [
        path
        for room in ("topology", "producers", "processors", "sinks")
        for path in (ROOT / room).rglob("*.py")
        if making.search(path.read_text())
    ]
    assert makers == [ROOT / "topology" / "metrics.py"]
    registered = {family.name for family in REGISTRY.collect() if family.name.startswith("tidewire_")}
    assert registered == NAMES


def test_each_metric_is_used() -> None:
    """A metric nobody counts would read as a zero that means nothing."""
    rooms = [path.read_text() for room in ("topology", "producers", "processors", "sinks") for path in (ROOT / room).rglob("*.py")]
    text = "\n".join(one for one in rooms if "Every metric there is" not in one)
    unused = [name for name in ALL if not re.search(rf"\bmetrics\.{name}\b|import .*\b{name}\b|^    {name},$", text, re.MULTILINE)]
    assert unused == []


def test_those_that_go_down_are_known_as_gauges() -> None:
    """The totals that outlive restarts are of counters; of a gauge only the newest process counts."""
    assert {one._name for one in ALL.values() if isinstance(one, Gauge)} == GAUGES
    assert all(isinstance(one, Counter | Gauge | Histogram) for one in ALL.values())


PAGE = """
# TYPE tidewire_events_in counter
tidewire_events_in_total{stage="a",topic="x"} 5.0
tidewire_events_in_total{stage="a",topic="y"} 2.0
tidewire_events_in_created{stage="a",topic="x"} 1.7e+09
# TYPE tidewire_connections gauge
tidewire_connections{venue="v"} 3.0
# TYPE python_info gauge
python_info{version="3"} 1.0
"""


def test_a_page_is_read_without_what_is_not_ours() -> None:
    """Other libraries' samples and creation times are left out; sums are over labels."""
    found = parse(PAGE)
    assert {name for name, _ in found} == {"tidewire_events_in_total", "tidewire_connections"}
    assert total(found, "tidewire_events_in_total") == 7
    assert total(found, "tidewire_events_in_total", topic="y") == 2
    assert by_label(found, "tidewire_events_in_total", "topic") == {"x": 5, "y": 2}
    assert list(matching(found, "tidewire_connections", venue="other")) == []


def counted(value: float) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return a counter and a gauge at a value."""
    return {("tidewire_events_in_total", ()): value, ("tidewire_connections", ()): value}


def test_totals_outlive_a_restart() -> None:
    """What a process counted before it died is not forgotten; its connections are gone with it."""
    tally = Tally()
    tally.take(1, counted(10), 0.0)
    tally.take(2, counted(3), 1.0)
    assert tally.all == {("tidewire_events_in_total", ()): 13, ("tidewire_connections", ()): 3}


def test_a_rate_is_of_the_last_seconds() -> None:
    """A rate is growth over time, of five seconds; there is none from one reading, and a restart is not negative."""
    tally = Tally()
    assert tally.rate("tidewire_events_in_total") == 0
    tally.take(1, counted(0), 0.0)
    assert tally.rate("tidewire_events_in_total") == 0
    for second in range(1, 21):
        tally.take(1, counted(100 if second < 15 else 100 + 10 * (second - 14)), float(second))
    assert tally.rate("tidewire_events_in_total") == pytest.approx(10)
    tally.take(2, counted(0), 21.0)
    assert tally.rate("tidewire_events_in_total") >= 0


def buckets(*counts: float) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return a histogram with bounds 1, 2 and infinity, cumulative."""
    return {("h_bucket", (("le", bound),)): value for bound, value in zip(("1.0", "2.0", "+Inf"), counts, strict=True)}


def test_quantiles_are_linear_inside_a_bucket() -> None:
    """The bucket that holds the share is cut in proportion; above the last bound nothing is known but that bound."""
    assert quantile(buckets(10, 20, 20), "h", 0.5) == 1
    assert quantile(buckets(10, 20, 20), "h", 0.75) == 1.5
    assert quantile(buckets(0, 0, 4), "h", 0.5) == 2
    assert quantile(buckets(0, 0, 0), "h", 0.5) is None
    assert quantile({}, "h", 0.5) is None


def test_a_quantile_can_be_of_what_came_since() -> None:
    """Latency now is that of the last seconds, not of the whole run."""
    assert quantile(buckets(100, 110, 110), "h", 0.5, buckets(100, 100, 100)) == 1.5
    assert quantile(buckets(100, 100, 100), "h", 0.5, buckets(100, 100, 100)) is None
    tally = Tally()
    assert tally.recent("h", 0.5) is None
    tally.take(1, buckets(100, 100, 100), 0.0)
    assert tally.recent("h", 0.5) == 0.5
    tally.take(1, buckets(100, 110, 110), 1.0)
    assert tally.recent("h", 0.5) == 1.5
    assert not math.isnan(tally.recent("h", 0.99) or 0)
