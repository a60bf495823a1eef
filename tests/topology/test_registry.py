"""The client of the schema registry: asks once, and answers by what is to be done."""

import base64
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from local import Addresses
from schemas.catalogue import event
from schemas.codec import schema_id
from tests.sinks.market import trade
from topology import registry as registry_module
from topology.errors import Fatal, Reject, Retry
from topology.registry import UNKNOWN_SECONDS, Registry
from topology.settings import Registry as RegistrySettings


@pytest.fixture
def registry(stack_addresses: Addresses) -> Registry:
    """Return a client of the run's registry that remembers nothing yet."""
    return Registry(RegistrySettings(url=stack_addresses.registry))


@pytest.fixture
def topic() -> str:
    """Return a topic nobody has registered a schema for."""
    return f"registry-{uuid.uuid4().hex}"


def test_a_schema_comes_back_as_it_was_registered(registry: Registry, topic: str, stack_addresses: Addresses) -> None:
    """Whoever meets an id in a message gets the writer's schema, and reads the event with it."""
    number = registry.register(topic, event("trade"))
    assert registry.register(topic, event("trade")) == number
    other = Registry(RegistrySettings(url=stack_addresses.registry + "/"))
    assert other.writer_schema(number)["fields"] == event("trade").schema["fields"]
    codec = registry.codec(topic, event("trade"))
    value = codec.encode(trade(3))
    assert schema_id(value) == number
    assert codec.decode(value)["trade_id"] == "3"


def test_an_unknown_id_is_rejected(registry: Registry) -> None:
    """A message with an id that nobody registered can never be read: it is for dead_letters."""
    with pytest.raises(Reject, match="schema id 99999999 is not in the registry"):
        registry.writer_schema(99_999_999)


def test_an_incompatible_schema_is_fatal(registry: Registry, topic: str) -> None:
    """Another event under a topic's subject stops the stage, in the registry's words."""
    registry.register(topic, event("trade"))
    with pytest.raises(Fatal, match="the registry refuses this schema as incompatible with those before"):
        registry.register(topic, event("gap"))


def test_nobody_there_is_a_retry() -> None:
    """A registry that is away may come back; the message names the setting."""
    away = Registry(RegistrySettings(url="http://127.0.0.1:1"), timeout=1)
    with pytest.raises(Retry, match=r"no registry answers at http://127\.0\.0\.1:1 \(registry\.url\)"):
        away.register("topic", event("trade"))
    with pytest.raises(Retry, match=r"registry\.url"):
        away.writer_schema(1)


class Answers(ThreadingHTTPServer):
    """A server that answers every request with one status and text, and keeps what it was asked with."""

    status = 200
    text = "{}"
    to_lookup = 0
    """Another status for the question whether a schema is there; 0: the same."""

    def __init__(self) -> None:
        self.authorizations: list[str | None] = []
        self.asked = 0
        self.paths: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            server: Answers

            def do_GET(self) -> None:
                self.server.asked += 1
                self.server.paths.append(f"{self.command} {self.path}")
                self.server.authorizations.append(self.headers["Authorization"])
                is_lookup = self.path.startswith("/subjects/") and not self.path.endswith("/versions")
                self.send_response((is_lookup and self.server.to_lookup) or self.server.status)
                self.send_header("Content-Length", str(len(self.server.text)))
                self.end_headers()
                self.wfile.write(self.server.text.encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class names it
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def answers() -> Iterator[Answers]:
    """Start it."""
    with Answers() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "text", "kind", "words"),
    [
        (500, "broken", Retry, "the registry answered 500"),
        (503, "", Retry, "the registry answered 503"),
        (401, "who are you", Fatal, "the registry answered 401 to POST .*registry.url.*: who are you"),
        (422, "no Avro", Fatal, "the registry answered 422"),
        (200, "<html>", Retry, "no registry answers"),
    ],
)
def test_answers_are_told_apart_by_what_to_do(answers: Answers, status: int, text: str, kind: type[Exception], words: str) -> None:
    """What may pass is a Retry, what a person must mend is Fatal, and both say what the server said."""
    answers.status, answers.text = status, text
    client = Registry(RegistrySettings(url=f"http://127.0.0.1:{answers.server_port}"))
    with pytest.raises(kind, match=words):
        client.register("topic", event("trade"))


def test_each_question_is_asked_once(answers: Answers) -> None:
    """A stage asks once per schema, however many messages it reads or writes; who it is goes with each question."""
    answers.text = json.dumps({"id": 7, "schema": json.dumps(event("trade").schema)})
    settings = RegistrySettings(url=f"http://127.0.0.1:{answers.server_port}", user="us", password=SecretStr("swordfish"))
    client = Registry(settings)
    for _ in range(3):
        assert client.register("topic", event("trade")) == 7
        assert client.writer_schema(7) == event("trade").schema
    assert answers.asked == 2
    assert answers.authorizations == ["Basic " + base64.b64encode(b"us:swordfish").decode()] * 2


def test_a_flood_of_an_unknown_id_asks_once_a_second(answers: Answers) -> None:
    """Each message of it is refused at once; an id that has been registered since is known a second later."""
    answers.status, now = 404, 100.0
    client = Registry(RegistrySettings(url=f"http://127.0.0.1:{answers.server_port}"), clock=lambda: now)
    for _ in range(50):
        with pytest.raises(Reject, match=r"^schema id 7 is not in the registry$"):
            client.writer_schema(7)
    assert answers.asked == 1
    now += UNKNOWN_SECONDS
    with pytest.raises(Reject):
        client.writer_schema(7)
    assert answers.asked == 2
    now += UNKNOWN_SECONDS
    answers.status, answers.text = 200, json.dumps({"schema": json.dumps(event("trade").schema)})
    assert client.writer_schema(7) == event("trade").schema


def test_unknown_ids_are_remembered_in_a_bounded_number(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a flood of ever other ids the oldest are forgotten, and asked for again."""
    monkeypatch.setattr(registry_module, "MOST_UNKNOWN", 3)
    answers.status = 404
    client = Registry(RegistrySettings(url=f"http://127.0.0.1:{answers.server_port}"), clock=lambda: 0.0)
    for number in (1, 2, 3, 4, 4, 3, 2, 1):
        with pytest.raises(Reject):
            client.writer_schema(number)
    assert answers.asked == 5


def test_a_schema_that_is_there_is_only_looked_up(registry: Registry, topic: str, stack_addresses: Addresses) -> None:
    """Who may not register finds what another has registered, under the same id; what is not there is Fatal and says who registers it."""
    number = registry.register(topic, event("trade"))
    onlooker = Registry(RegistrySettings(url=stack_addresses.registry, schemas="lookup"))
    assert onlooker.register(topic, event("trade")) == number
    for subject, one in ((topic, event("gap")), (f"{topic}-other", event("trade"))):
        with pytest.raises(Fatal, match=rf"no such schema of {one.name} under {subject}-value.*topics --create.*registry\.schemas"):
            onlooker.register(subject, one)
    assert f"{topic}-other-value" not in onlooker.subjects()


def test_nothing_is_written_where_the_schema_is_there(answers: Answers) -> None:
    """A schema is looked up first, and registered only where it is not there; so a stage needs no right to write in either mode."""
    answers.text = '{"id": 7}'
    at = f"http://127.0.0.1:{answers.server_port}"
    assert Registry(RegistrySettings(url=at)).register("topic", event("trade")) == 7
    assert answers.paths == ["POST /subjects/topic-value"]
    answers.to_lookup = 404
    with pytest.raises(Fatal, match=r"registry\.schemas says lookup"):
        Registry(RegistrySettings(url=at, schemas="lookup")).register("topic", event("trade"))
    assert answers.paths == ["POST /subjects/topic-value"] * 2
    assert Registry(RegistrySettings(url=at)).register("topic", event("trade")) == 7
    assert answers.paths[2:] == ["POST /subjects/topic-value", "POST /subjects/topic-value/versions"]


def test_a_registry_that_lets_us_not_in_names_the_settings(answers: Answers) -> None:
    """A refused login, or a right that lacks, is Fatal and names user and password."""
    for answers.status in (401, 403):
        with pytest.raises(Fatal, match=rf"answered {answers.status} .*registry\.user, registry\.password"):
            Registry(RegistrySettings(url=f"http://127.0.0.1:{answers.server_port}")).register("topic", event("trade"))
