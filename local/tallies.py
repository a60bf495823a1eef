"""What the metrics of the stages say: totals that outlive restarts, rates over the last seconds, quantiles. Pure."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Gauge
from prometheus_client.parser import text_string_to_metric_families

from topology import metrics
from topology.losses import venue_of

RATE_SECONDS = 5.0
LATENCY_SECONDS = 15.0
GAUGES = frozenset(family.name for one in vars(metrics).values() if isinstance(one, Gauge) for family in one.describe())

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its labels, sorted."""
Samples = dict[Key, float]


def parse(text: str) -> Samples:
    """Return our own samples of a Prometheus page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        if family.name.startswith("tidewire_")
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def those_of(samples: Mapping[Key, float], stage: str, venue: str) -> Samples:
    """Return the samples of one of several that share a process: what is neither another stage's nor, where it is of a venue, another's.

    A venue's own are those that say its venue, or its raw topic; its stage may be said as all producers are called together.
    """
    stages = {stage, stage.removesuffix(f"-{venue}")}
    return {
        (name, pairs): value
        for (name, pairs), value in samples.items()
        if (labels := dict(pairs)).get("stage", stage) in stages
        and (not venue or (labels.get("venue") or venue_of(labels.get("topic", "")) or venue) == venue)
    }


def matching(samples: Mapping[Key, float], name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
    """Yield labels and value of each sample of a name that has these labels."""
    for (own, pairs), value in samples.items():
        found = dict(pairs)
        if own == name and all(found.get(label) == wanted for label, wanted in labels.items()):
            yield found, value


def total(samples: Mapping[Key, float], name: str, **labels: str) -> int:
    """Return the sum of the samples of a name that have these labels."""
    return int(sum(value for _, value in matching(samples, name, **labels)))


def by_label(samples: Mapping[Key, float], name: str, label: str) -> dict[str, int]:
    """Return the samples of a name summed by one of their labels."""
    found: dict[str, int] = {}
    for labels, value in matching(samples, name):
        found[labels.get(label, "")] = found.get(labels.get(label, ""), 0) + int(value)
    return found


def positions(samples: Mapping[Key, float], name: str) -> dict[tuple[str, int], int]:
    """Return the samples of a name by their topic and partition."""
    return {(labels["topic"], int(labels["partition"])): int(value) for labels, value in matching(samples, name)}


def added(many: Iterable[Mapping[Key, float]]) -> Samples:
    """Return samples summed key by key."""
    result: Samples = {}
    for samples in many:
        for key, value in samples.items():
            result[key] = result.get(key, 0.0) + value
    return result


def quantile(samples: Mapping[Key, float], name: str, share: float, before: Mapping[Key, float] | None = None) -> float | None:
    """Return a quantile of a histogram (or of what it grew by since `before`), linear inside a bucket; None where it counts nothing.

    A value above the last finite bound is given as that bound.
    """
    counts: dict[float, float] = {}
    for labels, value in matching(samples, f"{name}_bucket"):
        earlier = (before or {}).get((f"{name}_bucket", tuple(sorted(labels.items()))), 0.0)
        bound = float(labels["le"])
        counts[bound] = counts.get(bound, 0.0) + value - earlier
    everything = counts.get(math.inf, 0.0)
    if everything <= 0:
        return None
    wanted, low, below = share * everything, 0.0, 0.0
    for bound in sorted(counts):
        if counts[bound] >= wanted and counts[bound] > below:
            return low if bound == math.inf else low + (bound - low) * (wanted - below) / (counts[bound] - below)
        low, below = (low if bound == math.inf else bound), counts[bound]
    return low


@dataclass(slots=True)
class Tally:
    """The samples of one stage over all the processes it has been. Times in seconds, monotonic."""

    processes: dict[int, Samples] = field(default_factory=dict)
    history: deque[tuple[float, Samples]] = field(default_factory=deque)

    def take(self, pid: int, samples: Samples, time: float) -> None:
        """Note a page of a process."""
        self.processes[pid] = samples
        self.history.append((time, self.all))
        while len(self.history) > 1 and self.history[1][0] <= time - LATENCY_SECONDS:
            self.history.popleft()

    @property
    def all(self) -> Samples:
        """Every count since the first process began; a gauge is the newest process's."""
        newest = next(reversed(self.processes), None)
        return added(
            samples if pid == newest else {key: value for key, value in samples.items() if key[0] not in GAUGES}
            for pid, samples in self.processes.items()
        )

    def rate(self, name: str, **labels: str) -> float:
        """Return how fast a counter has grown in the last seconds; per second."""
        if len(self.history) < 2:
            return 0.0
        end, newest = self.history[-1]
        begin, oldest = next(((at, one) for at, one in self.history if at >= end - RATE_SECONDS - 0.5), self.history[0])
        if end <= begin:
            return 0.0
        return max(0.0, (total(newest, name, **labels) - total(oldest, name, **labels)) / (end - begin))

    def recent(self, name: str, share: float) -> float | None:
        """Return a quantile of a histogram over the last seconds; of all time where nothing is recent."""
        if not self.history:
            return None
        newest = self.history[-1][1]
        return quantile(newest, name, share, self.history[0][1]) if len(self.history) > 1 else quantile(newest, name, share)
