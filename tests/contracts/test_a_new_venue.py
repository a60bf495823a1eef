"""A venue is added by putting files into folders: nothing else is edited, and the suites over the registries then test it.

A copy of this tree gets an exchange that is nowhere (tests/contracts/bourse), as a person would add one, and runs what a person would.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.uncounted import uncounted

ROOT = Path(__file__).parents[2]
BOURSE = Path(__file__).parent / "bourse"
PLACES = {
    "dialect.py": "dialects/bourse/dialect.py",
    "venue.py": "simulator/venues/bourse/venue.py",
    "bourse.jsonl": "tests/recordings/bourse.jsonl",
}
"""File of this folder → where it is written when the venue is added."""
GENERATED = {"README.md", "docker-compose.yml", "docker-compose.cluster.yml"}
PACKAGES = ("dialects/bourse/__init__.py", "simulator/venues/bourse/__init__.py")
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info", "build", ".coverage*")
SUITES = ("tests/contracts/test_dialects.py", "tests/contracts/test_simulated_venues.py", "tests/dialects/test_samples.py")
REGISTRIES = ("tests/simulator/test_catalogue.py", "tests/console/test_generated_parts.py", "tests/topology/test_compose.py")
WHAT_IS_THERE = """
import json
from dialects.catalogue import all_dialects
from simulator.catalogue import all_venues
from topology.topics import all_topics
print(json.dumps([list(all_dialects()), list(all_venues()), list(all_topics())]))
"""
Run = Callable[..., str]


def texts(folder: Path) -> dict[str, bytes]:
    """Return every file of a tree that people write, by its path."""
    made = re.compile(r"(^|/)(__pycache__|\.[^/]*cache|\.hypothesis)/|\.pyc$|^\.coverage")
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not made.search(name)}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this tree to which the venue has been added."""
    folder = tmp_path_factory.mktemp("house") / "tree"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    for name, place in PLACES.items():
        (folder / place).parent.mkdir(exist_ok=True)
        shutil.copy(BOURSE / name, folder / place)
    for place in PACKAGES:
        (folder / place).touch()
    return folder


@pytest.fixture(scope="module")
def run(tree: Path) -> Run:
    """Return what runs Python in the copy and returns what it printed; it must end well.

    Coverage would count lines of the copy, which nobody reads.
    """
    environment = {name: value for name, value in uncounted(os.environ).items() if not name.startswith(("COV_", "PYTEST_"))}
    environment["PYTHONPATH"] = str(tree)

    def python(*arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-4000:]
        return ended.stdout

    return python


def test_it_is_found(run: Run) -> None:
    """The registries have it, its raw topic is among the topics, and help texts name it."""
    spoken, simulated, topics = json.loads(run("-c", WHAT_IS_THERE))
    assert "bourse" in spoken
    assert "bourse" in simulated
    assert "raw.bourse" in topics
    assert "bourse" in run("-m", "simulator", "--help")
    assert "bourse" in run("-m", "console.command_line", "record", "--help")


def test_documents_follow(run: Run, tree: Path) -> None:
    """`make generate` writes its service, its volume and its row, and changes nothing else; a second time it changes nothing."""
    before = texts(tree)
    said = run("-m", "console.generated")
    assert said.splitlines() == [
        "README.md: flow, venues written anew",
        "docker-compose.yml: services, volumes written anew",
        "docker-compose.cluster.yml: clustered written anew",
    ]
    after = texts(tree)
    assert {name for name in after if after[name] != before.get(name)} == GENERATED
    assert b"| bourse | trade, book, quote |" in after["README.md"]
    assert b"command: [run, producers, bourse]" in after["docker-compose.yml"]
    assert b"\n  producers-bourse:\n  producers-" in after["docker-compose.yml"]
    assert b"\n  producers-bourse: {<<: *stage}\n" in after["docker-compose.cluster.yml"]
    assert run("-m", "console.generated") == ""


def test_the_suites_take_it_up(run: Run, tree: Path) -> None:
    """The contract suites run on it and pass, and so do those over the registries and the documents; no file but its own is new."""
    run("-m", "console.generated")
    chosen = " or ".join(["bourse", *(Path(name).name for name in REGISTRIES)])
    said = run("-m", "pytest", *SUITES, *REGISTRIES, "-k", chosen, "-v", "-p", "no:cacheprovider", "-p", "no:xdist")
    passed = re.findall(r"^(\S+)::\S+ PASSED", said, re.MULTILINE)
    assert sum(name in SUITES for name in passed) > 20
    assert {*passed} == {*SUITES, *REGISTRIES}
    assert "SKIPPED" not in said
    new = {name for name, text in texts(tree).items() if not (ROOT / name).exists() or (ROOT / name).read_bytes() != text}
    assert new == {*PLACES.values(), *PACKAGES, *GENERATED}
