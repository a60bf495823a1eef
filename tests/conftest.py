"""Fixtures of the whole suite: the real broker, schema registry and ClickHouse, one set for the run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from local import Addresses
from tests import folders, shared_stack, tolls
from tests.examples import draw_a_share
from tests.shared_stack import SharedStack
from tests.uncounted import leave_uncounted, uncounted_lines

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
PIPELINE, SECURED, PRODUCERS = "tests/pipeline/", "tests/secured/", "tests/producers/"
FIRST_WORKER = "gw0"
SHARED = pytest.StashKey[SharedStack]()


class WhatSharesInOneWorker(LoadScopeScheduling):  # type: ignore[misc]  # xdist has types, and no marker that says so
    """Keep the tests of a file in one worker, and all whole pipelines in another: two at once starve each other on a small machine.

    A starved pipeline has silences nobody has simulated. What needs the secured broker stays together too: one is started for all.
    Producers read and answer what the others of their venue publish: one after another.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in (PIPELINE, SECURED, PRODUCERS) if nodeid.startswith(folder)), nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WhatSharesInOneWorker:
    """Share the tests out among workers (`--numprocesses`)."""
    return WhatSharesInOneWorker(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell each worker where the run's servers are to be had."""
    if SHARED not in node.config.stash:
        node.config.stash[SHARED] = SharedStack()
    node.workerinput["stack"] = str(node.config.stash[SHARED].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers that workers have shared."""
    if SHARED in config.stash:
        config.stash[SHARED].close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole pipelines: they take longest. Those that share one of them come after those that empty its stack first."""

    def turn(item: pytest.Item) -> tuple[bool, bool, bool]:
        fed_by_hand = "fed_by_hand" in getattr(item, "fixturenames", ())
        return not item.nodeid.startswith(PIPELINE), fed_by_hand, not item.nodeid.startswith((SECURED, PRODUCERS))

    items.sort(key=turn)
    leave_uncounted(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Let one worker count the lines that imports run: all of them read the same modules."""
    told: dict[str, str] = getattr(session.config, "workerinput", {})
    if told.get("workerid", FIRST_WORKER) == FIRST_WORKER:
        return (yield)
    with uncounted_lines():
        return (yield)


@pytest.fixture(scope="session")
def stack_addresses(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Kafka (host:port), schema registry and ClickHouse (base URLs) of the run, shared by its workers (tests/shared_stack.py)."""
    told: dict[str, str] = getattr(request.config, "workerinput", {})
    if "stack" in told:
        yield shared_stack.asked_for(Path(told["stack"]))
    else:
        with shared_stack.running(tmp_path_factory.mktemp("stack")) as addresses:
            yield addresses


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was broken in this run, how often, and what it cost; and how long the tests of each folder took."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    if len(spent := folders.spent(reports)) > 1:
        terminalreporter.section("seconds by folder")
        terminalreporter.write_line(folders.table(spent))
    if found := tolls.recorded(reports):
        terminalreporter.section("what was broken, and what it cost")
        terminalreporter.write_line(tolls.table(found))
