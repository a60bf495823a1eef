"""What only a Vault has: logins, leases, policies, sealing, certificates. Each on a real one."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import hvac
import pytest
from pydantic import SecretStr

from tests.topology.secrets.secrets_made import AUTHOR, credential
from topology.errors import Fatal
from topology.secrets.credential import Validation
from topology.secrets.errors import Conflict, Denied, Unauthenticated, Unavailable, Untrusted
from topology.secrets.policies import Role, policy, roles
from topology.secrets.settings import Secrets
from topology.secrets.vault import VaultStore
from topology.secrets.vault_session import Session
from topology.secrets.vault_setup import Setup, deliver, withdraw

KRAKEN = Role("tidewire-producers-kraken", "kraken", ("kafka", "registry"), spills=True)


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def prepared(mounted: Secrets) -> Secrets:
    """Prepare a Vault with one role; the operator's settings."""
    Setup(Session(mounted), mounted).run([KRAKEN])
    return mounted


@pytest.fixture
def stage(prepared: Secrets, tmp_path: Path) -> Secrets:
    """Deliver a wrapped secret_id; the settings of that stage."""
    file = tmp_path / "wrapped"
    role_id = deliver(Session(prepared), prepared, KRAKEN.name, file)
    return prepared.model_copy(update={"token": SecretStr(""), "role_id": role_id, "wrapped_secret_id_file": str(file)})


def put(secrets: Secrets, path: str = "credentials/kraken/mainnet") -> None:
    """Write a first version as the operator."""
    VaultStore(Session(secrets), secrets.mount).put(path, credential("kraken").fields(), 0, AUTHOR)


def test_preparing_twice_changes_nothing(mounted: Secrets) -> None:
    """The first run says each thing it changed; the second finds everything there."""
    wanted = roles(["binance", "kraken"], ["normalise", "clickhouse"])
    mounted = mounted.model_copy(update={"approle_mount": "approle-of-this-test"})
    first = Setup(Session(mounted), mounted).run(wanted)
    assert {f"wrote the role {role.name}" for role in wanted} <= set(first)
    assert {f"wrote the policy {role.name}" for role in wanted} <= set(first)
    assert Setup(Session(mounted), mounted).run(wanted) == []


def test_the_audit_device_writes_and_hides(mounted: Secrets, tmp_path: Path) -> None:
    """The file audit device is enabled once, and its file holds requests without a value."""
    log = tmp_path / "audit.log"
    changes = Setup(Session(mounted), mounted).run([], str(log))
    assert any("audit device" in change for change in changes)
    assert Setup(Session(mounted), mounted).run([], str(log)) == []
    put(mounted)
    text = log.read_text()
    assert f"{mounted.mount}/data/credentials/kraken/mainnet" in text
    assert "secret-of-the-test" not in text
    hvac.Client(mounted.address, token=mounted.token.get_secret_value()).sys.disable_audit_device("tidewire-file")


def test_another_engine_at_the_mount_is_left_alone(mounted: Secrets) -> None:
    """Where another engine stands at the mount, nothing is changed and the setting is named."""
    Setup(Session(mounted), mounted).run([])
    with pytest.raises(Fatal, match=r"there is a transit engine.*secrets\.mount"):
        Setup(Session(mounted), mounted.model_copy(update={"mount": mounted.transit_mount})).run([])


def test_a_producer_reads_its_own_exchange_and_nothing_else(prepared: Secrets, stage: Secrets) -> None:
    """With its policy a Kraken producer reads Kraken, is denied Binance, and writes neither; errors name the path."""
    put(prepared)
    operator = VaultStore(Session(prepared), prepared.mount)
    operator.put("credentials/binance/mainnet", credential().fields(), 0, AUTHOR)
    store = VaultStore(Session(stage), stage.mount)
    assert store.read("credentials/kraken/mainnet").fields["exchange"] == "kraken"
    assert store.metadata("credentials/kraken/mainnet").current == 1
    store.annotate("credentials/kraken/mainnet", 1, Validation(at=1, ok=True))
    for act in (
        lambda: store.read("credentials/binance/mainnet"),
        lambda: store.metadata("credentials/binance/mainnet"),
        lambda: store.read("clickhouse"),
    ):
        with pytest.raises(Denied, match=r"(credentials/binance/mainnet|clickhouse): the Vault .* denies"):
            act()
    with pytest.raises(Denied, match="credentials/kraken/mainnet"):
        store.put("credentials/kraken/mainnet", {}, 1, AUTHOR)
    assert "sudo" not in policy(KRAKEN, stage)


def test_a_wrapped_secret_id_is_good_once(stage: Secrets, prepared: Secrets) -> None:
    """The wrapping token is spent by the first login; another process with the same token is told that somebody was first."""
    put(prepared)
    once = stage.model_copy(update={"keep_wrapped": False})
    VaultStore(Session(once), stage.mount).read("credentials/kraken/mainnet")
    with pytest.raises(Unauthenticated, match=r"spent or expired.*audit log.*secrets deliver") as told:
        VaultStore(Session(once), stage.mount).read("credentials/kraken/mainnet")
    assert Path(stage.wrapped_secret_id_file).read_text() not in str(told.value)


def test_each_start_leaves_the_next_token(stage: Secrets, prepared: Secrets) -> None:
    """After a login the file holds another wrapping token, so that a restart needs nobody; nothing else is on disk."""
    put(prepared)
    file = Path(stage.wrapped_secret_id_file)
    seen = {file.read_text()}
    for _ in range(3):
        VaultStore(Session(stage), stage.mount).read("credentials/kraken/mainnet")
        seen.add(file.read_text())
    assert len(seen) == 4
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_token_of_something_else_is_refused(stage: Secrets, operator: hvac.Client) -> None:
    """A wrapping token that wraps no secret_id is not unwrapped, and said to have been put there."""
    wrapped = operator.sys.wrap({"secret_id": "of an intruder"}, ttl=60)["wrap_info"]["token"]
    Path(stage.wrapped_secret_id_file).write_text(wrapped)
    with pytest.raises(Unauthenticated, match="wraps no secret_id but sys/wrapping/wrap"):
        Session(stage).call("x", lambda client: client.is_authenticated())


@pytest.mark.parametrize("content", [None, "", "hvs.canary-no-token"])
def test_no_usable_wrapping_token_is_told(stage: Secrets, content: str | None) -> None:
    """A file that is missing, empty or full of something else is named with the cure; its content is not shown."""
    file = Path(stage.wrapped_secret_id_file)
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(Unauthenticated, match="secrets deliver") as told:
        Session(stage).renew()
    assert str(file) in str(told.value)
    assert "canary" not in str(told.value)


def test_tokens_are_renewed_before_they_end(stage: Secrets, prepared: Secrets) -> None:
    """After two thirds of its lease the token is renewed by the next call, and not before."""
    put(prepared)
    clock = Clock()
    session = Session(stage, clock=clock)
    store = VaultStore(session, stage.mount)
    store.read("credentials/kraken/mainnet")
    clock.now += 2_300
    store.read("credentials/kraken/mainnet")
    assert (session.logins, session.renewals) == (1, 0)
    clock.now += 200
    store.read("credentials/kraken/mainnet")
    assert (session.logins, session.renewals) == (1, 1)


def test_a_revoked_token_logs_in_anew(stage: Secrets, prepared: Secrets, operator: hvac.Client) -> None:
    """A token that was revoked, or ended, costs one more login with the secret_id in memory; the call succeeds."""
    put(prepared)
    session = Session(stage)
    store = VaultStore(session, stage.mount)
    store.read("credentials/kraken/mainnet")
    for logins in (2, 3):
        token = session.call("x", lambda client: client.token)
        operator.auth.token.revoke(token)
        assert store.read("credentials/kraken/mainnet").version == 1
        assert session.logins == logins


def test_a_withdrawn_secret_id_needs_a_delivery(stage: Secrets, prepared: Secrets, operator: hvac.Client) -> None:
    """When an operator withdraws a role's secret_ids and revokes its token, the stage says so; after a delivery it goes on."""
    put(prepared)
    session = Session(stage.model_copy(update={"keep_wrapped": False}))
    store = VaultStore(session, stage.mount)
    store.read("credentials/kraken/mainnet")
    assert withdraw(Session(prepared), prepared, KRAKEN.name) >= 1
    operator.auth.token.revoke(session.call("x", lambda client: client.token))
    with pytest.raises(Unauthenticated, match="secrets deliver"):
        store.read("credentials/kraken/mainnet")
    deliver(Session(prepared), prepared, KRAKEN.name, Path(stage.wrapped_secret_id_file))
    assert store.read("credentials/kraken/mainnet").version == 1


def test_closing_revokes_the_token(stage: Secrets, operator: hvac.Client) -> None:
    """A stage that ends leaves no living token behind."""
    session = Session(stage)
    token = session.call("x", lambda client: client.token)
    session.close()
    with pytest.raises(hvac.exceptions.Forbidden):
        operator.auth.token.lookup(token)


def test_wrong_credentials_are_told(vault: Secrets) -> None:
    """A wrong token, and none at all, are errors that name the settings."""
    with pytest.raises(Unauthenticated, match=r"secrets\.token") as told:
        Session(vault.model_copy(update={"token": SecretStr("canary")})).renew()
    assert "canary" not in str(told.value)
    with pytest.raises(Unauthenticated, match=r"secrets\.role_id"):
        Session(vault.model_copy(update={"token": SecretStr("")}))


def test_nobody_at_the_address(vault: Secrets) -> None:
    """An address where nobody listens is an error to wait on, with the setting's name."""
    with pytest.raises(Unavailable, match=r"kafka: no Vault answers at http://127.0.0.1:9 .*secrets\.address"):
        VaultStore(Session(vault.model_copy(update={"address": "http://127.0.0.1:9"})), "x").read("kafka")


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"status": "UP"}', b""])
def test_another_server_at_the_address(vault: Secrets, body: bytes) -> None:
    """A server that is no Vault is never sent a token, and is told by the setting's name."""
    asked: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("X-Vault-Token"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(Untrusted, match=r"no Vault: mend secrets\.address"):
            Session(vault.model_copy(update={"address": address})).renew()
        server.shutdown()
    assert set(asked) <= {None, ""}


def test_a_denied_write_and_a_conflict_differ(mounted: Secrets) -> None:
    """A conflict names the version that was expected; the value of neither writer is shown."""
    put(mounted)
    with pytest.raises(Conflict, match="version 0 was to be the newest"):
        put(mounted)


def test_namespaces_are_asked_for(vault: Secrets) -> None:
    """The namespace of the settings goes with every request; the community's Vault knows none but the root."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("X-Vault-Namespace"))
            self.send_response(503)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises((Unavailable, Untrusted)):
            Session(vault.model_copy(update={"address": address, "namespace": "team/market-data"})).renew()
        server.shutdown()
    assert set(seen) == {"team/market-data"}
