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


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "BENCHMARKS.md", "CHANGELOG.md"])
def test_every_file_named_exists(page: str) -> None:
    """A path with a folder in a page's code marks is a file or folder of the checkout."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    rooms = "schemas|dialects|topology|producers|processors|sinks|simulator|tests|bench|docs"
    named = re.findall(rf"`((?:{rooms})/[\w./-]+)`|\]\(([\w./-]+)\)", text)
    missing = [path for path in {one or other for one, other in named} if not (ROOT / path).exists() and "." in path]

    assert not missing
