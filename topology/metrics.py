"""Every metric there is, each with its meaning: a closed list. Counters end in _total, times are in seconds."""

from prometheus_client import Counter, Gauge, Histogram

LATENCY = (0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

events_in = Counter("tidewire_events_in", "Messages a stage has read, by topic.", ["stage", "topic"])
events_out = Counter(
    "tidewire_events_out", "Messages a stage has published, or rows it has inserted, by topic or table.", ["stage", "topic"]
)
position = Gauge(
    "tidewire_position",
    "Offset after the last message a processor has read and worked on, by topic and partition; it is acknowledged at the next checkpoint.",
    ["stage", "topic", "partition"],
)
dead_letters = Counter("tidewire_dead_letters", "Messages a stage has refused, by the topic they came from.", ["stage", "topic"])
faults = Counter("tidewire_faults", "Messages on which our own code failed; all else went on. Alert on any.", ["stage", "venue", "event"])
control_frames = Counter("tidewire_control_frames", "Frames that hold no event (acknowledgements, heartbeats).", ["venue"])
skewed_trades = Counter(
    "tidewire_skewed_trades", "Trades whose time is ahead of their arrival by more than candles.skew_seconds.", ["venue"]
)
latency = Histogram("tidewire_latency_seconds", "From a frame's receipt to the end of this stage's work on it.", ["stage"], buckets=LATENCY)
connections = Gauge("tidewire_connections", "Open websocket connections.", ["venue"])
reconnects = Counter("tidewire_reconnects", "Connections that ended other than by our wish.", ["venue"])
refused_streams = Counter(
    "tidewire_refused_streams", "Times a venue refused a stream; its words are in the log. Alert on any.", ["venue", "channel", "symbol"]
)
rotations = Counter("tidewire_rotations", "Connections replaced before the venue's limit, the new one open first.", ["venue"])
silences = Counter("tidewire_silences", "Streams found silent by their watchdog.", ["venue", "channel"])
spilled_bytes = Gauge("tidewire_spilled_bytes", "Bytes of frames on disk, waiting for the broker.", ["venue"])
dropped_frames = Counter("tidewire_dropped_frames", "Frames given up at the spill bound; each is a gap.", ["venue"])
open_gaps = Gauge("tidewire_open_gaps", "Gaps this worker holds open.", ["venue", "channel"])
insert_seconds = Histogram("tidewire_insert_seconds", "Time of one ClickHouse insert.", ["table"], buckets=LATENCY)
retries = Counter("tidewire_retries", "Waits before trying the same again, by what was tried.", ["stage", "what"])
secret_version = Gauge("tidewire_secret_version", "Version of a secret in use.", ["credential"])
secret_rotations = Counter("tidewire_secret_rotations", "New versions of a secret taken up while running.", ["credential"])
secret_refusals = Counter(
    "tidewire_secret_refusals", "Versions of a secret that were not taken up; the old one stays. Alert on any.", ["credential"]
)
secret_failures = Counter("tidewire_secret_failures", "Looks for a new version that the store did not answer.", ["credential"])
