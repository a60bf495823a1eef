"""How this project is laid out: small files, named by what they hold, and tests that say what they test."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "dialects", "topology", "producers", "processors", "sinks", "local", "console", "simulator", "bench", "tests")
MOST_LINES = 400
"""Where a file begins to do two things is for a reader to judge, most often well below this; above it, it does."""
GENERATED = {ROOT / "schemas" / "events.py"}
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
VAGUE = re.compile(r"utils?|helpers?|managers?|common|misc|base|core_?utils")


def named(path: Path) -> str:
    """Return a path as people write it."""
    return str(path.relative_to(ROOT))


def test_no_file_is_long() -> None:
    """A file does one thing, and a reader holds it in mind. Generated files are nobody's to read."""
    written = [path for path in FILES if path not in GENERATED]
    long = {named(path): lines for path in written if (lines := len(path.read_text().splitlines())) > MOST_LINES}
    assert long == {}


def test_no_file_is_named_by_nothing() -> None:
    """A name says what is inside: there is no drawer for the rest."""
    assert [named(path) for path in FILES if VAGUE.fullmatch(path.stem)] == []


def test_every_test_says_what_it_tests() -> None:
    """Each test has a docstring with the behaviour in a sentence."""
    silent = [
        f"{named(path)}: {node.name}"
        for path in FILES
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not (ast.get_docstring(node) or "").rstrip().endswith(".")
    ]
    assert silent == []


def test_every_http_port_is_opened_in_one_place() -> None:
    """Policy and bounds hold for every port, since no other code of the product can open one."""
    openers = re.compile(
        r"TCPSite|UnixSite|SockSite|create_server\b|\bstart_server\(|HTTPServer|run_app|web\.Application\(|uvicorn|hypercorn"
    )
    ours = [path for path in FILES if path.parts[len(ROOT.parts)] not in {"tests", "bench"}]
    opened = {named(path) for path in ours if openers.search(path.read_text())}
    assert opened == {"topology/http/connections.py", "topology/http/server.py"}


def test_nothing_is_swallowed() -> None:
    """No handler of every exception does nothing."""
    swallowed = [
        f"{named(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and all(isinstance(inner, ast.Pass | ast.Continue) for inner in node.body)
    ]
    assert swallowed == []
