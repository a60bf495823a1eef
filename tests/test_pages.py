"""The pages a newcomer reads keep up with the project."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = [re.split(r"[=<>\[; ]", one, maxsplit=1)[0] for one in PROJECT["dependencies"]]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_architecture_says_why_a_package_is_there(package: str) -> None:
    """Each dependency has its place in the table of ARCHITECTURE.md."""
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## Dependencies")[2]

    assert re.search(rf"(^|[ |,]){re.escape(package)}([ |,(]|$)", table, re.MULTILINE), f"say in ARCHITECTURE.md why {package} is there"


PAGES = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "SECURITY.md",
    *(f"docs/{one.name}" for one in (ROOT / "docs").glob("*.md")),
]


def paths(text: str) -> set[str]:
    """Return what a page names as a path: in code marks, what begins with a room or has a file's ending; and where its links go.

    What holds a blank, a bracket or a star is a command or a pattern.
    """
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    marked = re.findall(r"`([\w./-]+)`", text)
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir()}
    files = r".+/.+\.(py|md|sql|avsc|json|jsonl|xml|yml|toml|lock)"
    linked = [one for one in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in one]
    return {one for one in marked if re.fullmatch(files, one) or (one.partition("/")[0] in rooms and "/" in one)} | set(linked)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_named_exists(page: str) -> None:
    """A path in a page's code marks, and where a link of it goes, is a file or folder of the checkout."""
    missing = sorted(
        one for one in paths((ROOT / page).read_text()) if not (ROOT / one).exists() and not (ROOT / page).parent.joinpath(one).exists()
    )
    assert missing == []


def test_a_path_is_known_for_one() -> None:
    """Files and folders of rooms are paths, links are, and so is what is gone; commands, names, patterns and addresses are none."""
    text = "`topology/gone.py` `local/` `producers/frames.py` `events.py` `make run` `dialects/<venue>/dialect.py` `a|b` "
    text += "[x](docs/no.md#part) [y](https://z)"
    assert paths(text) == {"topology/gone.py", "local/", "producers/frames.py", "docs/no.md"}
    assert paths("```sh\nlocal/gone.py\n```") == set()


def test_the_architecture_names_every_room() -> None:
    """Each package of the project has its row in the table of rooms."""
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## Rooms")[2].partition("## Where")[0]
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms >= {"schemas", "console"}
    assert {room for room in rooms if f"`{room}/`" not in table} == set()
