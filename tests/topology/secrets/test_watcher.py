"""New versions while something runs: taken up within a look, refused with the old one kept, and nothing lost while the store is away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from schemas.events import CredentialAudit
from tests.topology.secrets.secrets_made import AUTHOR, credential
from topology.clock import now
from topology.errors import Reject, Retry
from topology.secrets.audit import Audit
from topology.secrets.credential import Credential, Metadata, Validation
from topology.secrets.credentials import Credentials, CredentialVersion
from topology.secrets.errors import Missing, Refused, Unavailable
from topology.secrets.store import Store
from topology.secrets.watcher import Watcher

IDENTITY = credential("kraken").identity


class Away:
    """A store that can be switched off."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.away = False

    def metadata(self, path: str) -> Metadata:
        """Answer, or be away."""
        if self.away:
            raise Unavailable(f"{path}: no Vault answers")
        return self.store.metadata(path)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


class Scene:
    """A watched credential: `good` are the keys the exchange lets in."""

    def __init__(self, store: Store) -> None:
        self.store = Away(store)
        self.events: list[CredentialAudit] = []
        numbers = iter(range(1_000_000))
        audit = Audit(AUTHOR, store.provider, self.events.append, now, lambda: str(next(numbers)))
        self.credentials = Credentials(self.store, audit)  # type: ignore[arg-type]  # the rest is handed on by name
        self.good = {"one", "two", "three"}
        self.exchange_away = False
        self.taken: list[int] = []
        self.said: list[str] = []
        self.waits: list[float] = []
        self.stop_after = 1_000
        self.take: Callable[[CredentialVersion], None] = lambda candidate: self.taken.append(candidate.version)
        self.watcher = Watcher(self.credentials, IDENTITY, self.check, self.use, self.said.append, 4.0, lambda: 0.5, self.wait)

    def use(self, candidate: CredentialVersion) -> None:
        """Put a version to use, as the test at hand says."""
        self.take(candidate)

    def check(self, found: Credential) -> Validation:
        """Ask the exchange."""
        if self.exchange_away:
            raise Retry("the exchange does not answer")
        ok = found.api_key.get_secret_value() in self.good
        return Validation(at=now(), ok=ok, detail="may read and trade" if ok else "the exchange knows no such key")

    def wait(self, seconds: float) -> bool:
        """Note the wait; stop after so many."""
        self.waits.append(seconds)
        return len(self.waits) > self.stop_after

    def put(self, key: str) -> int:
        """Write a new version."""
        return self.credentials.put(credential("kraken", key=key))

    def actions(self, version: int) -> list[tuple[str, bool]]:
        """Return what the audit says of a version."""
        return [(event["action"], event["success"]) for event in self.events if event["secret_version"] == version]


@pytest.fixture
def scene(store: Store) -> Scene:
    """Watch a first good version."""
    scene = Scene(store)
    scene.put("one")
    scene.watcher.begin()
    return scene


def refusals() -> float:
    """Return the metric an alert stands on."""
    return REGISTRY.get_sample_value("tidewire_secret_refusals_total", {"credential": IDENTITY.path}) or 0.0


def test_a_new_version_is_validated_and_handed_on(scene: Scene) -> None:
    """A look takes the new version up once: opened, validated, used, told to the audit; the next look does nothing."""
    scene.put("two")
    assert scene.watcher.look()
    assert scene.taken == [2]
    assert scene.watcher.in_use is not None
    assert scene.watcher.in_use.credential.api_key.get_secret_value() == "two"
    assert scene.actions(2) == [("write", True), ("read", True), ("validate", True), ("rotate", True)]
    assert not scene.watcher.look()
    assert scene.taken == [2]
    validation = scene.store.metadata(IDENTITY.path).versions[1].validation
    assert validation is not None
    assert validation.detail == "may read and trade"


def test_a_look_opens_nothing_when_nothing_is_new(scene: Scene) -> None:
    """Looks cost metadata only: the audit gets no read of what did not change."""
    before = len(scene.events)
    for _ in range(5):
        assert not scene.watcher.look()
    assert len(scene.events) == before


def test_a_bad_version_is_refused_and_the_old_stays(scene: Scene) -> None:
    """A version the exchange does not know is refused once, with event and metric; the old one stays, a later good one is taken."""
    before = refusals()
    scene.put("bad")
    for _ in range(3):
        assert not scene.watcher.look()
    assert scene.watcher.in_use is not None
    assert scene.watcher.in_use.version == 1
    assert refusals() == before + 1
    assert scene.actions(2) == [("write", True), ("read", True), ("validate", False), ("refuse", False)]
    assert "version 1 stays in use" in scene.said[-1]
    scene.put("three")
    assert scene.watcher.look()
    assert scene.taken == [3]


def test_a_version_of_wrong_form_is_refused(scene: Scene) -> None:
    """A document with a missing field is refused as a bad key is, and its values are in no event."""
    scene.store.store.put(IDENTITY.path, {"api_key": "canary"}, 1, AUTHOR)
    assert not scene.watcher.look()
    assert scene.watcher.in_use is not None
    assert scene.watcher.in_use.version == 1
    assert "canary" not in str(scene.events)
    assert any(event["action"] == "refuse" and "api_secret" in (event["error"] or "") for event in scene.events)


def test_the_last_good_secret_outlives_the_store(scene: Scene) -> None:
    """While the store is away looks go on, it is said once, and what was written meanwhile is taken up after."""
    scene.store.away = True
    for _ in range(4):
        assert not scene.watcher.look()
    assert len([line for line in scene.said if "goes on" in line]) == 1
    scene.store.store.put(IDENTITY.path, credential("kraken", key="two").fields(), 1, AUTHOR)
    scene.store.away = False
    assert scene.watcher.look()
    assert scene.taken == [2]


def test_an_exchange_that_does_not_answer_decides_nothing(scene: Scene) -> None:
    """A version that could not be validated is neither used nor refused: the next look asks again."""
    scene.put("two")
    scene.exchange_away = True
    assert not scene.watcher.look()
    assert scene.taken == []
    scene.exchange_away = False
    assert scene.watcher.look()
    assert scene.taken == [2]


def test_a_user_that_is_not_let_in_keeps_the_old(scene: Scene) -> None:
    """Where the exchange's socket does not take the new key, the version is refused and the old one stays."""

    def take(_candidate: CredentialVersion) -> None:
        raise Reject("the private channel did not confirm")

    scene.take = take
    scene.put("two")
    assert not scene.watcher.look()
    assert scene.watcher.in_use is not None
    assert scene.watcher.in_use.version == 1
    assert scene.actions(2)[-1] == ("refuse", False)


def test_beginning_goes_back_to_the_last_good_version(store: Store) -> None:
    """At a start the newest version that may be used is held, though newer bad or revoked ones are there."""
    scene = Scene(store)
    for key in ("one", "two", "bad", "three"):
        scene.put(key)
    scene.store.store.revoke(IDENTITY.path, 4)
    assert scene.watcher.begin().version == 2


def test_nothing_usable_is_an_error(store: Store) -> None:
    """No secret, and none that may be used, are told apart."""
    scene = Scene(store)
    with pytest.raises(Missing, match=IDENTITY.path):
        scene.watcher.begin()
    scene.put("bad")
    with pytest.raises(Refused, match="knows no such key"):
        scene.watcher.begin()


def test_looks_come_within_the_period_with_jitter(scene: Scene) -> None:
    """The wait between two looks is random between seven tenths of the period and the period, never more than it."""
    scene.stop_after = 3
    scene.watcher.run()
    assert scene.waits == [pytest.approx(4.0 * 0.85)] * 4


def test_twenty_rotations_in_a_row(scene: Scene, tmp_path: Path) -> None:
    """Each of twenty versions is taken up once, in order."""
    scene.good = {f"key {number}" for number in range(20)}
    for number in range(20):
        scene.put(f"key {number}")
        assert scene.watcher.look()
    assert scene.taken == list(range(2, 22))
