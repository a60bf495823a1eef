"""`vault:path#field` in settings: fetched from either provider, in one place, for any setting."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from tests.topology.secrets.secrets_made import AUTHOR
from topology.errors import Fatal
from topology.secrets.errors import Malformed, Missing, Unavailable
from topology.secrets.local import LocalStore
from topology.secrets.opening import open_store, provider
from topology.secrets.references import resolved
from topology.secrets.settings import Secrets
from topology.secrets.vault import VaultStore
from topology.settings import Kafka, Settings


@pytest.fixture
def local(local_store: LocalStore, tmp_path: Path) -> Secrets:
    """Keep a password in the local store; its settings."""
    local_store.put("kafka", {"password": "canary-password", "port": 9_092, "hosts": ["a"]}, 0, AUTHOR)
    return Secrets(folder=tmp_path / "secrets", key_file=tmp_path / "key", audit_queue=tmp_path / "audit.jsonl", address="")


def test_any_setting_may_be_a_reference(local: Secrets) -> None:
    """A password, a text and a number come from the store; the password stays hidden."""
    made = Settings.model_validate(
        {
            "secrets": local,
            "kafka": {"sasl_password": "vault:kafka#password", "brokers": "vault:kafka#port"},
            "producer": {"backoff_most": "vault:kafka#port"},
        }
    )
    assert made.kafka.sasl_password.get_secret_value() == "canary-password"
    assert made.kafka.brokers == "9092"
    assert made.producer.backoff_most == 9_092
    assert "canary" not in repr(made)


def test_references_from_the_environment(local: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable may be a reference; the settings say by other variables where the store is."""
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    monkeypatch.setenv("TIDEWIRE_SECRETS__FOLDER", str(local.folder))
    monkeypatch.setenv("TIDEWIRE_SECRETS__KEY_FILE", str(local.key_file))
    monkeypatch.setenv("TIDEWIRE_SECRETS__AUDIT_QUEUE", str(local.audit_queue))
    monkeypatch.setenv("TIDEWIRE_KAFKA__SASL_PASSWORD", "vault:kafka#password")
    assert Settings().kafka.sasl_password.get_secret_value() == "canary-password"
    assert local.audit_queue.read_text().count('"action": "read"') == 1


def test_references_from_a_vault(vault_store: VaultStore, mounted: Secrets, tmp_path: Path) -> None:
    """The same form reads a Vault where an address is set."""
    vault_store.put("clickhouse", {"password": "canary-two"}, 0, AUTHOR)
    secrets = mounted.model_copy(update={"audit_queue": tmp_path / "audit.jsonl"})
    made = Settings.model_validate({"secrets": secrets, "clickhouse": {"password": "vault:clickhouse#password"}})
    assert made.clickhouse.password.get_secret_value() == "canary-two"


@pytest.mark.parametrize(
    ("reference", "error", "words"),
    [
        ("vault:kafka", Fatal, r"kafka\.sasl_password .* is no reference: write vault:path#field"),
        ("vault:#password", Fatal, "is no reference"),
        ("vault:nowhere#password", Missing, r"there is no nowhere .*secrets list"),
        ("vault:kafka#user", Malformed, r"kafka has no field 'user': it has hosts, password, port"),
        ("vault:kafka#hosts", Malformed, "field 'hosts' is no text"),
        ("vault:../key#password", Fatal, "no path of a secret"),
    ],
)
def test_wrong_references_are_told(local: Secrets, reference: str, error: type[Exception], words: str) -> None:
    """What is wrong with a reference is told by path and field, and no value is."""
    with pytest.raises(error, match=words) as told:
        Settings.model_validate({"secrets": local, "kafka": {"sasl_password": reference}})
    assert "canary" not in str(told.value)


def test_the_branch_secrets_holds_no_reference(local: Secrets) -> None:
    """Where secrets are fetched can't itself be fetched."""
    with pytest.raises(Fatal, match=r"secrets\.token can't be a reference"):
        resolved({"secrets": {"token": "vault:a#b"}}, lambda: lambda _path, _field: SecretStr(""))
    with pytest.raises(Fatal, match=r"secrets\.token can't be a reference"):
        Settings.model_validate({"secrets": local.model_copy(update={"token": SecretStr("vault:a#b")}).model_dump()})


def test_nothing_is_opened_without_a_reference() -> None:
    """Settings that name no secret need no key and no Vault."""
    assert resolved({"kafka": {"brokers": "x"}}, lambda: pytest.fail("opened")) == {"kafka": {"brokers": "x"}}


def test_the_local_store_is_never_chosen_silently(tmp_path: Path) -> None:
    """With a Vault's address the Vault is meant, whether it answers or not; local beside it must be said by name."""
    assert provider(Secrets(address="")) == "local"
    assert provider(Secrets(address="http://127.0.0.1:9")) == "vault"
    assert provider(Secrets(address="http://127.0.0.1:9", provider="local")) == "local"
    with pytest.raises(Fatal, match=r"secrets\.address"):
        provider(Secrets(address="", provider="vault"))
    away = Secrets(address="http://127.0.0.1:9", token=SecretStr("x"), audit_queue=tmp_path / "audit")
    with pytest.raises(Unavailable, match="no Vault answers"):
        Settings.model_validate({"secrets": away, "kafka": {"sasl_password": "vault:kafka#password"}})


def test_vaults_own_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """VAULT_ADDR alone means a Vault: whoever exports it expects it."""
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    assert provider(Secrets()) == "vault"


def test_wrong_settings_do_not_show_what_was_given() -> None:
    """An error of the settings names the key and hides the input, which may be a misplaced secret."""
    with pytest.raises(ValidationError) as told:
        Settings.model_validate({"kafka": {"sasl_pasword": "canary"}})
    assert "canary" not in str(told.value)
    assert Kafka.model_config.get("hide_input_in_errors")


def test_one_store_for_one_process(local: Secrets) -> None:
    """A process opens its store once: a second login would want a second secret_id."""
    assert open_store(local) is open_store(local)
