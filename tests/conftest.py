"""Fixtures of the whole suite: the real broker, schema registry and ClickHouse, one set for the run."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from local import Addresses, LocalStack
from tests import containers, folders, tolls
from tests.examples import draw_a_share
from tests.uncounted import uncounted_children

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
"""As a stage writes them (topology/log.py): structlog's default draws the variables of every frame, a batch's messages among them."""

draw_a_share()

pytest_plugins = ["tests.command_line", "tests.damaged"]
PIPELINE, SECURED = "tests/pipeline/", "tests/secured/"
SETTINGS = {
    "kafka": "TIDEWIRE_TEST_KAFKA",
    "registry": "TIDEWIRE_TEST_REGISTRY",
    "clickhouse": "TIDEWIRE_TEST_CLICKHOUSE",
}


class PipelinesInOneWorker(LoadScopeScheduling):  # type: ignore[misc]  # xdist has types, and no marker that says so
    """Keep the tests of a file in one worker, and all whole pipelines in another: two at once starve each other on a small machine.

    A starved pipeline has silences nobody has simulated. What needs the secured broker stays together too: one is started for all.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in (PIPELINE, SECURED) if nodeid.startswith(folder)), nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> PipelinesInOneWorker:
    """Share the tests out among workers (`--numprocesses`)."""
    return PipelinesInOneWorker(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole pipelines: they take longest. Those that share one of them come after those that empty its stack first."""

    def turn(item: pytest.Item) -> tuple[bool, bool, bool]:
        fed_by_hand = "fed_by_hand" in getattr(item, "fixturenames", ())
        return not item.nodeid.startswith(PIPELINE), fed_by_hand, not item.nodeid.startswith(SECURED)

    items.sort(key=turn)
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("no_cover")  # thousands of examples run the same lines, at half the speed where they are counted


@pytest.fixture(scope="session")
def stack_addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Kafka (host:port), schema registry and ClickHouse (base URLs), each usable for the whole run.

    An address in the environment is taken as it is. What is not given there is started: in containers where a Docker
    engine answers (unless TIDEWIRE_TEST_STACK=embedded), else from the embedded stack.
    """
    given = {part: os.environ[name] for part, name in SETTINGS.items() if os.environ.get(name)}
    missing = tuple(part for part in SETTINGS if part not in given)
    if not missing:
        yield Addresses(**given)
    elif os.environ.get("TIDEWIRE_TEST_STACK") != "embedded" and containers.docker_answers():
        with containers.running(missing) as addresses:
            yield replace(addresses, **given)
    else:
        stack = LocalStack(tmp_path_factory.mktemp("stack"))
        try:
            with uncounted_children():
                started = stack.start(missing)
            yield replace(started, **given)
        finally:
            stack.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was broken in this run, how often, and what it cost; and how long the tests of each folder took."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    if len(spent := folders.spent(reports)) > 1:
        terminalreporter.section("seconds by folder")
        terminalreporter.write_line(folders.table(spent))
    if found := tolls.recorded(reports):
        terminalreporter.section("what was broken, and what it cost")
        terminalreporter.write_line(tolls.table(found))
