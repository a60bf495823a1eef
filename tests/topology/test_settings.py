"""Settings come from the environment, then tidewire.toml, then defaults; what is wrong is refused by its own name."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from topology.errors import Fatal
from topology.settings import RENAMED, Kafka, Settings, load


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Begin with no variable of ours and no file; return the working directory."""
    for name in [name for name in os.environ if name.startswith("TIDEWIRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting of a tree, leaves and branches, by its path."""
    for name, field in model.model_fields.items():
        yield f"{path}{name}", field
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for kind in inner:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from fields(kind, f"{path}{name}.")


def test_every_setting_is_described() -> None:
    """Each setting of the tree, a venue's included, has a sentence that says what it is."""
    found = dict(fields(Settings))
    assert {"kafka.brokers", "venues.symbols", "producer.spill_bytes", "log.format"} <= found.keys()
    for path, field in found.items():
        assert field.description, path
        assert field.description.rstrip().endswith("."), path


def test_the_defaults_are_whole() -> None:
    """Nothing must be set: without a variable or a file, every setting has a value."""
    found = load()
    assert found.kafka.brokers == ""
    assert found.kafka.compression == "lz4"
    assert found.state_dir == Path.home() / ".local" / "state" / "tidewire"
    assert found == Settings()


def test_the_tree_is_frozen() -> None:
    """No part of the program changes a setting, on the trunk or on a branch."""
    found = load()
    with pytest.raises(ValidationError, match="frozen"):
        found.state_dir = Path("/elsewhere")  # type: ignore[misc]  # this is what must fail
    with pytest.raises(ValidationError, match="frozen"):
        found.kafka.brokers = "elsewhere:1"  # type: ignore[misc]  # the same


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, nothing_set: Path) -> None:
    """A variable is taken rather than the file's value, the file's rather than the default; branches are joined key by key."""
    (nothing_set / "tidewire.toml").write_text('[kafka]\nbrokers = "file:1"\nlinger_ms = 9\n')
    monkeypatch.setenv("TIDEWIRE_KAFKA__BROKERS", "environment:1")
    kafka = load().kafka
    assert (kafka.brokers, kafka.linger_ms, kafka.compression) == ("environment:1", 9, "lz4")


def test_venues_can_be_set_one_by_one_or_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is given as JSON, and one of its values under its own name; lists are JSON."""
    monkeypatch.setenv("TIDEWIRE_VENUES", '{"kraken": {"symbols": ["BTC/USD"]}}')
    monkeypatch.setenv("TIDEWIRE_VENUES__KRAKEN__ORIGIN", "simulated")
    monkeypatch.setenv("TIDEWIRE_SINK__SKIP", '["frame"]')
    found = load()
    assert found.venues["kraken"].symbols == ("BTC/USD",)
    assert found.venues["kraken"].origin == "simulated"
    assert found.sink.skip == ("frame",)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TIDEWIRE_KAFKA__BROKER", "a:1", "kafka.broker: there is no such setting"),
        ("TIDEWIRE_KAFA__BROKERS", "a:1", "kafa.brokers: there is no such setting"),
        ("TIDEWIRE_STATE_FOLDER", "/tmp", "state_folder: there is no such setting"),
        ("tidewire_brokers", "a:1", "brokers: there is no such setting"),
        ("TIDEWIRE_VENUES__KRAKEN__SYMBOL", "a", "venues.kraken.symbol: there is no such setting"),
        ("TIDEWIRE_PROCESSORS__PATIENCE_MS", "5", "no such setting, it is called processors.background_gather_ms now"),
        ("TIDEWIRE_PRODUCER__BROKER_PATIENCE", "5", "no such setting, it is called producer.spill_after_seconds now"),
        ("TIDEWIRE_KAFKA__PARTITIONS", "many", "kafka.partitions: Input should be a valid integer"),
        ("TIDEWIRE_HEALTH__PORT", "70000", "health.port: Input should be less than or equal to 65535"),
        ("TIDEWIRE_LOG__LEVEL", "loud", "log.level: Input should be 'debug', 'info', 'warning' or 'error'"),
        ("TIDEWIRE_SINK__SKIP", "frame", "sink.skip: this takes a list, in the environment as JSON"),
        ("TIDEWIRE_VENUES", "{kraken", "venues: this takes a table, in the environment as JSON"),
        ("TIDEWIRE_VENUES__KRAKEN", "BTC/USD", "venues.kraken: this takes a table, in the environment as JSON"),
        ("TIDEWIRE_CLICKHOUSE__DATABASE", "a; DROP", "clickhouse.database: String should match pattern"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    """A misspelt or impossible setting is Fatal, and the message names it: nothing falls back to a default silently."""
    monkeypatch.setenv(name, value)
    with pytest.raises(Fatal) as caught:
        load()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('state_folder = "x"', "state_folder: there is no such setting"),
        ("[kafka]\nbroker = 1", "kafka.broker: there is no such setting"),
        ("[processors]\npatience_ms = 1", "there is no such setting, it is called processors.background_gather_ms now"),
        ("[sink]\nflush_rows = 0", "sink.flush_rows: Input should be greater than or equal to 1"),
        ("[kafka", "tidewire.toml"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(nothing_set: Path, text: str, words: str) -> None:
    """What is wrong in tidewire.toml is Fatal and named, bad TOML included."""
    (nothing_set / "tidewire.toml").write_text(text)
    with pytest.raises(Fatal) as caught:
        load()
    assert words in str(caught.value)


def test_everything_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mistakes are two lines of one message."""
    monkeypatch.setenv("TIDEWIRE_KAFKA__BROKER", "a:1")
    monkeypatch.setenv("TIDEWIRE_LOG__LEVEL", "loud")
    with pytest.raises(Fatal, match=r"(?s)kafka\.broker: .*log\.level: "):
        load()


def test_variables_that_are_no_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others read under our prefix (where downloads come from, servers for tests) is no misspelt setting."""
    monkeypatch.setenv("TIDEWIRE_MAVEN_URL", "x")
    monkeypatch.setenv("TIDEWIRE_TEST_KAFKA", "x")
    assert load() == Settings()


def test_what_was_renamed_is_there_by_its_new_name_alone() -> None:
    """An old name that is refused points to a setting that there is."""
    found = dict(fields(Settings)).keys()
    assert set(RENAMED.values()) <= found
    assert not set(RENAMED) & found


ADDRESSES = {
    "TIDEWIRE_KAFKA__BROKERS": "kafka.sasl_password",
    "TIDEWIRE_REGISTRY__URL": "registry.password",
    "TIDEWIRE_CLICKHOUSE__URL": "clickhouse.password",
    "TIDEWIRE_SECRETS__ADDRESS": "secrets.token",
    "VAULT_ADDR": "secrets.token",
    "TIDEWIRE_VENUES__KRAKEN__REST": "tidewire secrets put",
    "TIDEWIRE_VENUES__KRAKEN__WEBSOCKET": "tidewire secrets put",
    "TIDEWIRE_VENUES__KRAKEN__AUTHENTICATED": "tidewire secrets put",
}
"""Every setting that is an address, and where a password belongs instead."""


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("address", ["http://us:swordfish@host:1", "http://us:sword/fish?@host:1", "swordfish@host:1,host:2"])
def test_a_password_in_an_address_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    """Addresses are printed and logged: the refusal names the address's setting and the password's, and shows nothing of it."""
    monkeypatch.setenv(name, address)
    with pytest.raises(Fatal) as caught:
        load()
    told = f"{caught.value!s} {caught.value!r}"
    assert ADDRESSES[name] in told
    assert "fish" not in told


@pytest.mark.parametrize("name", ["TIDEWIRE_REGISTRY__URL", "TIDEWIRE_CLICKHOUSE__URL", "VAULT_ADDR"])
def test_parameters_of_an_address_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """They were never used, and the commonest is a password."""
    monkeypatch.setenv(name, "http://host:1/?password=swordfish")
    with pytest.raises(Fatal, match="parameters") as caught:
        load()
    assert "swordfish" not in str(caught.value)


def test_every_address_is_checked() -> None:
    """A setting that is added and holds an address is among those that are tried."""
    named = {
        f"TIDEWIRE_{path.upper().replace('VENUES.', 'VENUES.KRAKEN.').replace('.', '__')}"
        for path, field in fields(Settings)
        if field.annotation is str and any(word in (field.description or "") for word in ("host:port", "Base address", "base address"))
    }
    assert len(named) > 5
    assert named <= set(ADDRESSES)


def test_secrets_show_nowhere() -> None:
    """Each password is a secret: neither repr nor str nor the dumped tree shows it."""
    found = Settings(kafka=Kafka(sasl_password=SecretStr("swordfish")))
    passwords = [path for path, field in fields(Settings) if ("password" in path or "token" in path) and not path.endswith("_file")]
    assert passwords
    assert all(dict(fields(Settings))[path].annotation is SecretStr for path in passwords)
    for shown in (repr(found), str(found), str(found.model_dump()), found.model_dump_json(), repr(found.kafka)):
        assert "swordfish" not in shown
    assert found.kafka.sasl_password.get_secret_value() == "swordfish"


PATHS = [path for path, field in fields(Settings) if field.annotation is Path]


@pytest.mark.parametrize("given", ["", "  "], ids=["empty", "spaces"])
@pytest.mark.parametrize("path", PATHS)
def test_an_empty_path_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, path: str, given: str) -> None:
    """A variable that is set to nothing is not the current folder, whichever path it is for."""
    assert {"state_dir", "cache_dir", "secrets.folder", "secrets.key_file", "secrets.audit_queue"} <= set(PATHS)
    monkeypatch.setenv("TIDEWIRE_" + path.upper().replace(".", "__"), given)
    with pytest.raises(Fatal, match=f"{path}: an empty text names no place"):
        load()


def test_an_empty_path_of_the_file_is_refused_by_name(nothing_set: Path) -> None:
    """What tidewire.toml says is held to the same."""
    (nothing_set / "tidewire.toml").write_text('state_dir = ""\n')
    with pytest.raises(Fatal, match="state_dir: an empty text names no place"):
        load()
