"""Every setting, in one frozen tree: environment (TIDEWIRE_KAFKA__BROKERS=…), then tidewire.toml, then the defaults here.

An unknown key is refused, so a misspelt setting is an error at start and not a silent default.
"""

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from topology.errors import Fatal
from topology.folders import cache_folder, placed, state_folder
from topology.secrets.references import with_secrets
from topology.secrets.settings import Secrets
from topology.service_links import is_service_link
from topology.setting_values import TomlFile, placed_somewhere, sane, shallow
from topology.urls import WEB, bare

PREFIX = "TIDEWIRE_"
NO_SETTINGS = ("TIDEWIRE_MAVEN_URL", "TIDEWIRE_RECORDINGS", "TIDEWIRE_SECRETS_KEY", "TIDEWIRE_TEST_")
"""Variables (or beginnings of some) that others read: where downloads and test data come from, the local store's key, servers of tests."""
MEANINGS = {
    "extra_forbidden": "there is no such setting",
    "tuple_type": 'this takes a list, in the environment as JSON: ["…"]',
    "dict_type": 'this takes a table, in the environment as JSON: {"…": …}',
    "model_type": 'this takes a table, in the environment as JSON: {"…": …}',
}
"""What is wrong, in words that say what to write instead, where pydantic's do not."""
RENAMED = {
    "processors.patience_ms": "processors.background_gather_ms",
    "producer.broker_patience": "producer.spill_after_seconds",
}
"""Settings that were called otherwise before: the old name is refused as any unknown one is, with the new one beside it."""


class Group(BaseModel):
    """A branch of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    _sane = field_validator("*")(sane)
    _placed_somewhere = field_validator("*", mode="before")(placed_somewhere)


class Kafka(Group):
    """The broker."""

    brokers: Annotated[str, bare("they go into kafka.sasl_username and kafka.sasl_password")] = Field(
        "", description="host:port,host:port of the brokers; empty: the embedded broker."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "", description="How to log in where the protocol is SASL_…: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    sasl_username: str = Field("", description="SASL user.")
    sasl_password: SecretStr = Field(SecretStr(""), description="SASL password.")
    ssl_ca: str = Field("", description="PEM file with the CA that signed the brokers' certificates; empty: the system's.")
    ssl_certificate: str = Field("", description="PEM file with this client's certificate and its chain, where brokers ask for one (mTLS).")
    ssl_key: str = Field("", description="PEM file with that certificate's private key.")
    ssl_key_password: SecretStr = Field(SecretStr(""), description="Password of that key; empty: it has none.")
    client_id: str = Field("", description="Name of this process in the brokers' logs, metrics and quotas; empty: tidewire-STAGE.")
    client_rack: str = Field("", description="Rack (zone) of this process, so that it reads from a replica there; empty: from leaders.")
    manage_topics: Literal["create", "verify", "off"] = Field(
        "create",
        description="What a stage does with the topics that it reads and writes: create (and mend their configuration), verify that they "
        "are there, or off; with the latter two somebody else makes them (`tidewire topics --create`), and stages need no right to.",
    )
    replication_factor: int = Field(1, ge=1, le=32_767, description="Replicas of each topic created.")
    min_insync_replicas: int = Field(
        0, ge=0, le=32_767, description="How many of them must have a record before it is acknowledged; 0: most, where there are several."
    )
    partitions: int = Field(
        0, ge=0, le=100_000, description="Partitions of each topic created; 0: 1 for the embedded broker, else as its schema says."
    )
    message_max_bytes: int = Field(16_000_000, ge=1_000_000, le=1_000_000_000, description="Largest message; a full book can exceed 5 MB.")
    linger_ms: float = Field(
        5, ge=0, le=900_000, description="How long a producer waits to fill a batch; milliseconds, of which the last costs CPU."
    )
    compression: Literal["none", "lz4", "zstd", "snappy", "gzip"] = Field(
        "lz4", description="Compression of what we publish: none, lz4, zstd, snappy, gzip."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuse what would be ignored, or could not log in: half a login must not become none."""
        sasl, encrypted = self.security_protocol.startswith("SASL_"), self.security_protocol.endswith("SSL")
        wrong = [
            (bool(self.sasl_mechanism) and not sasl, "sasl_mechanism is for security_protocol SASL_SSL or SASL_PLAINTEXT"),
            (sasl and not self.sasl_mechanism, f"security_protocol {self.security_protocol} needs sasl_mechanism"),
            (
                sasl and not (self.sasl_username and self.sasl_password.get_secret_value()),
                f"security_protocol {self.security_protocol} needs sasl_username and sasl_password",
            ),
            (not encrypted and bool(self.ssl_ca or self.ssl_certificate or self.ssl_key), "ssl_… is for security_protocol SSL or SASL_SSL"),
            (bool(self.ssl_certificate) != bool(self.ssl_key), "ssl_certificate and ssl_key go together"),
            (self.min_insync_replicas > self.replication_factor, "min_insync_replicas is more than replication_factor"),
        ]
        if found := [words for is_wrong, words in wrong if is_wrong]:
            raise ValueError("; ".join(found))
        return self


class Registry(Group):
    """The schema registry (Confluent's API)."""

    url: Annotated[str, bare("they go into registry.user and registry.password", schemes=WEB)] = Field(
        "", description="Base address of the registry's Confluent API; empty: the embedded one."
    )
    user: str = Field("", description="Basic-auth user.")
    password: SecretStr = Field(SecretStr(""), description="Basic-auth password.")
    ssl_ca: str = Field("", description="PEM file with the CA that signed the registry's certificate; empty: the system's.")
    schemas: Literal["register", "lookup"] = Field(
        "register",
        description="What a stage does with a schema that is not there: register it, or lookup, which never writes (then somebody else "
        "registers them: `tidewire topics --create`). One that is there is only looked up.",
    )


class ClickHouse(Group):
    """The ClickHouse server."""

    url: Annotated[str, bare("they go into clickhouse.user and clickhouse.password", schemes=WEB)] = Field(
        "", description="http(s)://host:port of ClickHouse's HTTP interface; empty: the embedded engine."
    )
    database: str = Field("tidewire", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Database of our tables.")
    user: str = Field("default", description="User.")
    password: SecretStr = Field(SecretStr(""), description="Password.")
    password_file: str = Field(
        "", description="File with the password, read at each connection; empty: `password`. The embedded engine's is filled in."
    )
    ssl_ca: str = Field("", description="PEM file with the CA that signed the server's certificate; empty: the system's.")
    cluster: str = Field("", description="Cluster name for ON CLUSTER and replicated engines; empty: one server.")
    partition_by: Literal["month", "week", "day"] = Field("month", description="Span of one partition of a table.")
    ttl_days: dict[str, int] = Field(
        default_factory=lambda: {"frame": 3},
        description="Days an event's rows are kept, by event name; an event left out is kept for ever.",
    )


class Sink(Group):
    """How Kafka's messages become inserts."""

    flush_rows: int = Field(100_000, ge=1, description="Rows that make a flush.")
    flush_bytes: int = Field(
        64_000_000, ge=1_000, description="Bytes that make a flush: of memory, about 400 more a message than its value has."
    )
    gather_ms: int = Field(100, ge=0, le=300_000, description="A fetch waits this long for more; milliseconds.")
    flush_seconds: float = Field(0.5, gt=0, description="Longest time a row waits for a flush; seconds. Longer: fewer, larger inserts.")
    skip: tuple[str, ...] = Field((), description="Events that are not written to ClickHouse (frame, quote …).")
    reject_share: float = Field(0.5, gt=0, le=1, description="Share of refused rows, of the last 1,000 or more, at which the sink stops.")


VenueAddress = Annotated[str, bare("an exchange's key is stored by `tidewire secrets put`", query=True, schemes=("wss", "ws", *WEB))]


class Venue(Group):
    """One venue's subscriptions."""

    symbols: tuple[str, ...] = Field((), description="Symbols in the venue's own spelling; empty: the dialect's default ones.")
    channels: tuple[str, ...] = Field((), description="Channels (trade, book, quote …); empty: the dialect's default ones.")
    websocket: VenueAddress = Field("", description="Websocket base address; empty: the venue's own.")
    authenticated: VenueAddress = Field(
        "", description="Websocket base address of channels that need a credential; empty: the venue's own."
    )
    rest: VenueAddress = Field("", description="REST base address; empty: the venue's own.")
    credential: Literal["", "testnet", "mainnet"] = Field(
        "", description="Which stored credential the venue's authenticated channels use (`tidewire secrets put`); empty: they are left out."
    )
    origin: Literal["live", "simulated"] = Field("live", description="What every event says of its origin.")


class Producer(Group):
    """The websocket feeds."""

    backoff_first: float = Field(0.5, gt=0, description="First wait before connecting again; seconds; doubles with jitter.")
    backoff_most: float = Field(30, gt=0, description="Longest wait before connecting again; seconds.")
    confirm_seconds: float = Field(10, gt=0, description="A subscription not confirmed within this is asked again; seconds.")
    rotate_before: float = Field(600, ge=0, description="Open the next connection this long before the venue's limit ends one; seconds.")
    lifetime_seconds: float = Field(0, ge=0, description="Rotate connections after this time; 0: the venue's limit less rotate_before.")
    silence_seconds: dict[str, float] = Field(default_factory=dict, description="Longest quiet time by channel; overrides the dialect's.")
    spill_bytes: int = Field(2_000_000_000, ge=0, description="Most bytes of frames kept on disk while the broker is away, per producer.")
    spill_when_full: Literal["drop", "stop"] = Field(
        "drop", description="At that bound: drop new frames and say so (a gap), or stop the producer."
    )
    spill_sealed: bool = Field(
        False, description="Encrypt those files, under a key of the Vault or the local store (`tidewire secrets init` makes it)."
    )
    spill_after_seconds: float = Field(
        2.0, gt=0, description="Frames go to disk when the broker has acknowledged none for this long; seconds."
    )
    backfill: bool = Field(True, description="Ask the venue's REST API for missing trades and book snapshots.")
    direct_events: bool = Field(
        True,
        description="Publish the events of a connection's frames as soon as Kafka has these; else normalise makes them all, later.",
    )
    direct_linger_ms: float = Field(1, ge=0, le=900_000, description="How long its frame and such an event wait for a fuller batch; ms.")
    shared: bool = Field(False, description="Share symbols with all producers of a venue that are set so and have the same `venues`.")
    session_timeout: float = Field(6.0, gt=0, le=1_800, description="A producer that shares and was killed is missed after this; seconds.")
    processes: int = Field(
        0,
        ge=0,
        description="Processes over which `tidewire up` shares out the venues; 0: one for each four cores; never more than venues.",
    )


class Processors(Group):
    """The Faust stages."""

    checkpoint_seconds: float = Field(1.0, gt=0, description="State is written and offsets acknowledged this often; seconds.")
    reject_share: float = Field(0.5, gt=0, le=1, description="Share of refused frames, of the last 1,000 or more, at which a stage stops.")
    session_timeout: float = Field(6.0, gt=0, le=1_800, description="A worker that was killed is missed after this; seconds.")
    gather_ms: int = Field(
        25,
        ge=0,
        description="How long a fetch of normalise waits for a fuller batch where producers publish no events themselves "
        "(producer.direct_events), ms; 0: not at all.",
    )
    background_gather_ms: int = Field(
        500, ge=0, description="The same for all that works in the background (candles, gaps, books): larger batches cost less CPU."
    )
    stall_seconds: float = Field(60.0, gt=0, description="A stage that has commits to make and makes none for so long ends, to start over.")
    processes: int = Field(0, ge=0, description="The same for candles, gaps and books; 0: one for each two cores.")
    data_dir: str = Field("", description="Where Faust keeps its files; empty: under state_dir.")


class Candles(Group):
    """Candle building."""

    grace_seconds: float = Field(2.0, ge=0, description="How far the watermark must pass a candle's end before it is final.")
    idle_seconds: float = Field(5.0, ge=0.001, description="A candle whose market went quiet is final this long after its end and grace.")
    provisional_seconds: float = Field(1.0, ge=0.001, description="How often an open candle is published.")
    skew_seconds: float = Field(
        5.0,
        ge=0,
        description="How far a trade's time may be ahead of its arrival; one that is further makes no candle final before its time.",
    )
    ids_seconds: float = Field(
        1800.0,
        ge=0.001,
        description="How long, in event time, trade ids that are no numbers are remembered; an older trade is not counted.",
    )


class Gaps(Group):
    """Gap detection."""

    reorder_seconds: float = Field(1.0, ge=0, description="How long a missing sequence may still arrive before it is a gap.")


class Books(Group):
    """Book rebuilding."""

    depth: int = Field(20, ge=1, description="Levels per side in a book_snapshot.")
    every_seconds: float = Field(1.0, ge=0.001, description="How often each book is published.")
    checkpoint_seconds: float = Field(
        10.0,
        gt=0,
        description="Books are written and offsets acknowledged this often, unless processors.checkpoint_seconds is longer; seconds.",
    )


class Health(Group):
    """Health and metrics of each stage over HTTP."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(0, ge=0, le=65535, description="Port of /health, /ready and /metrics; 0: any free one, written under state_dir.")
    hang_seconds: float = Field(
        30.0, ge=2, description="A stage whose loop has not turned for so long is not alive: /health is 503; seconds."
    )
    restart_seconds: float = Field(
        60.0,
        ge=0,
        description="`tidewire up` ends a stage and starts it again whose /health was red, or gave no answer, for so long at every look; "
        "0: never; seconds.",
    )


class Http(Group):
    """Every HTTP port of ours: health pages, the embedded ClickHouse, the simulator."""

    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Names that a request's Host may have beside those of loopback and the address it came in at: of a service, a proxy.",
    )


class Log(Group):
    """Logs."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level written.")
    format: Literal["text", "json"] = Field("text", description="Lines for people or for machines.")


class Environment(EnvSettingsSource):
    """The variables with our prefix, all of them: one that names no setting is handed on, so that the tree refuses it.

    Those that Kubernetes sets for Services whose names begin like ours are nobody's settings (service_links.py).
    """

    def __call__(self) -> dict[str, Any]:
        """Return the settings that the environment gives, and what it gives that is none."""
        links = {name for name in os.environ if name.startswith(PREFIX) and is_service_link(name, os.environ)}
        self.env_vars = {name: value for name, value in self.env_vars.items() if name.upper() not in links}
        found = super().__call__()
        ours = [
            name
            for name in os.environ
            if name.upper().startswith(PREFIX) and not name.upper().startswith(NO_SETTINGS) and name not in links
        ]
        keys = {name: name[len(PREFIX) :].lower() for name in ours}
        unknown = {name: key for name, key in keys.items() if key.partition("__")[0] not in self.settings_cls.model_fields}
        return found | {key.replace("__", "."): os.environ[name] for name, key in unknown.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return what JSON says; what is no JSON, or is nested too deep, is left as it is, and refused by the setting's own name."""
        try:
            return shallow(super().decode_complex_value(field_name, field, value))
        except (ValueError, RecursionError):
            return value


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        toml_file="tidewire.toml",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    stop_seconds: float = Field(
        25.0,
        gt=0,
        description="A stage that is asked to stop has ended within this, whatever it waits for; seconds. Less than whoever stops it "
        "gives it: Kubernetes gives 30.",
    )
    state_dir: Path = Field(default_factory=state_folder, description="Everything kept between runs: broker, tables, spill files.")
    cache_dir: Path = Field(default_factory=cache_folder, description="Downloads, kept between checkouts.")
    kafka: Kafka = Field(Kafka(), description="The broker.")
    registry: Registry = Field(Registry(), description="The schema registry.")
    clickhouse: ClickHouse = Field(ClickHouse(), description="ClickHouse.")
    sink: Sink = Field(Sink(), description="The ClickHouse sink.")
    venues: dict[str, Venue] = Field(default_factory=dict, description="Subscriptions by venue; empty: every dialect with its defaults.")
    producer: Producer = Field(Producer(), description="The websocket feeds.")
    processors: Processors = Field(Processors(), description="The Faust stages.")
    candles: Candles = Field(Candles(), description="Candle building.")
    gaps: Gaps = Field(Gaps(), description="Gap detection.")
    books: Books = Field(Books(), description="Book rebuilding.")
    secrets: Secrets = Field(default_factory=Secrets, description="Where secrets are kept.")
    health: Health = Field(Health(), description="Health endpoints.")
    http: Http = Field(Http(), description="Every HTTP port of ours.")
    log: Log = Field(Log(), description="Logs.")

    _sane = field_validator("*")(sane)
    _placed_somewhere = field_validator("*", mode="before")(placed_somewhere)
    _references = model_validator(mode="before")(with_secrets)
    _folders = model_validator(mode="before")(placed)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours refuses what it does not know
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - secrets do not live in .env files here
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then tidewire.toml in the working directory."""
        return (init_settings, Environment(settings_cls), TomlFile(settings_cls))


def load() -> Settings:
    """Return the settings; Fatal names each key that is wrong and what was wrong with it."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  {_wrong('.'.join(map(str, one['loc'])), one['type'], one['msg'])}" for one in error.errors()]
        raise Fatal("settings are wrong (environment TIDEWIRE_… or tidewire.toml):\n" + "\n".join(lines)) from error


def _wrong(name: str, kind: str, message: str) -> str:
    """Return what is wrong with a setting; `kind` and `message` as pydantic has them."""
    new = f", it is called {RENAMED[name]} now" if name in RENAMED else ""
    return f"{name}: {MEANINGS.get(kind, message.removeprefix('Value error, '))}{new}"


@cache
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return load()
