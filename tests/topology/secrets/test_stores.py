"""What both providers promise: the same tests for the local store and for a real Vault."""

import threading
from collections.abc import Callable

import pytest

from tests.topology.secrets.secrets_made import AUTHOR, credential
from topology.secrets.credential import Credential, Identity, Validation
from topology.secrets.errors import Conflict, Malformed, Missing
from topology.secrets.store import Store

PATH = Identity("binance", "mainnet").path


def test_a_secret_comes_back_as_it_was(store: Store) -> None:
    """What is put is read again, field for field, opened only where asked."""
    written = credential()
    assert store.put(PATH, written.fields(), 0, AUTHOR) == 1
    document = store.read(PATH)
    assert document.version == 1
    assert Credential.of(PATH, document.fields) == written


def test_versions_stay_readable(store: Store) -> None:
    """Each version is kept; the newest is what a plain read gives."""
    for number in range(3):
        assert store.put(PATH, {"password": f"number {number}"}, number, AUTHOR) == number + 1
    assert store.read(PATH).fields["password"] == "number 2"
    assert [store.read(PATH, version).fields["password"] for version in (1, 2, 3)] == ["number 0", "number 1", "number 2"]


def test_a_write_needs_the_newest_version(store: Store) -> None:
    """Check-and-set: a write that does not know the newest version is refused with the path, and changes nothing."""
    store.put(PATH, {"password": "first"}, 0, AUTHOR)
    for expected in (0, 2):
        with pytest.raises(Conflict, match=PATH) as told:
            store.put(PATH, {"password": "canary"}, expected, AUTHOR)
        assert "canary" not in str(told.value)
    assert store.read(PATH).fields["password"] == "first"
    assert store.metadata(PATH).current == 1


def test_of_two_writers_one_wins(store: Store) -> None:
    """Of many writers at once on one version exactly one writes; the others are told, and nothing is overwritten."""
    store.put(PATH, {"password": "first"}, 0, AUTHOR)
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        try:
            store.put(PATH, {"password": f"writer {number}"}, 1, AUTHOR)
        except Conflict:
            outcomes.append("")
        else:
            outcomes.append(f"writer {number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if outcome]
    assert len(outcomes) == 8
    assert len(winners) == 1
    assert store.read(PATH).fields["password"] == winners[0]
    assert store.metadata(PATH).current == 2


def test_metadata_says_who_and_when(store: Store) -> None:
    """Metadata tells each version's author, host and time, and the validation kept beside it, without a value."""
    store.put(PATH, {"password": "canary-one"}, 0, AUTHOR)
    store.put(PATH, {"password": "canary-two"}, 1, AUTHOR)
    validation = Validation(at=1_700_000_000_000_000, ok=False, detail="the exchange knows no such key")
    store.annotate(PATH, 2, validation)
    known = store.metadata(PATH)
    assert known.current == 2
    assert [(one.version, one.created_by, one.host) for one in known.versions] == [(1, "tester", "here"), (2, "tester", "here")]
    assert [one.validation for one in known.versions] == [None, validation]
    assert known.versions[0].created_at <= known.versions[1].created_at
    assert "canary" not in repr(known)


def test_a_revoked_version_is_gone(store: Store) -> None:
    """A revoked version can't be read any more, its metadata says so, and the others stay."""
    store.put(PATH, {"password": "one"}, 0, AUTHOR)
    store.put(PATH, {"password": "two"}, 1, AUTHOR)
    store.revoke(PATH, 2)
    with pytest.raises(Missing, match="2"):
        store.read(PATH)
    assert store.read(PATH, 1).fields["password"] == "one"
    assert [one.revoked for one in store.metadata(PATH).versions] == [False, True]
    assert store.put(PATH, {"password": "three"}, 2, AUTHOR) == 3


def test_names_are_listed_by_folder(store: Store) -> None:
    """Listing goes down every folder, and can be kept to one."""
    for path in ("credentials/kraken/testnet", PATH, "kafka", "clickhouse/reader"):
        store.put(path, {"password": "x"}, 0, AUTHOR)
    assert store.names() == ["clickhouse/reader", PATH, "credentials/kraken/testnet", "kafka"]
    assert store.names("credentials") == [PATH, "credentials/kraken/testnet"]
    assert store.names("nowhere") == []


@pytest.mark.parametrize("act", ["read", "version", "metadata", "revoke", "annotate"])
def test_what_is_not_there_is_named(store: Store, act: str) -> None:
    """Whatever is asked of a secret that is not there, the error says its path and what to do."""
    store.put("kafka", {"password": "x"}, 0, AUTHOR)
    asked: dict[str, Callable[[], object]] = {
        "read": lambda: store.read(PATH),
        "version": lambda: store.read("kafka", 7),
        "metadata": lambda: store.metadata(PATH),
        "revoke": lambda: store.revoke(PATH, 1),
        "annotate": lambda: store.annotate(PATH, 1, Validation(at=0, ok=True)),
    }
    with pytest.raises(Missing, match=r"(credentials/binance/mainnet|kafka).*tidewire secrets"):
        asked[act]()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"api_secret": None}, "api_secret"),
        ({"api_secret": 17}, "api_secret"),
        ({"permissions": ["canary-everything"]}, "permissions"),
        ({"canary": "x"}, "canary"),
        ({"rate_limits": {"requests_per_minute": "canary"}}, "rate_limits"),
        ({"exchange": "kraken"}, "kraken"),
    ],
)
def test_wrong_fields_are_named_without_a_value(store: Store, change: dict[str, object], named: str) -> None:
    """A field that is missing, unknown or of the wrong type is named with its path; no value of any field is."""
    fields = {name: value for name, value in (credential().fields() | change).items() if value is not None}
    store.put(PATH, fields, 0, AUTHOR)
    with pytest.raises(Malformed, match=named) as told:
        Credential.of(PATH, store.read(PATH).fields)
    shown = f"{told.value!s} {told.value!r} {told.value.__cause__!r} {told.value.__context__!r}"
    assert "secret-of-the-test" not in shown
    assert "canary-everything" not in shown


def test_an_opened_document_does_not_show_itself(store: Store) -> None:
    """Neither a document nor a credential shows a value when printed."""
    store.put(PATH, credential().fields(), 0, AUTHOR)
    document = store.read(PATH)
    found = Credential.of(PATH, document.fields)
    assert "of-the-test" not in f"{document!r} {document} {found!r} {found} {found.model_dump_json()}"
