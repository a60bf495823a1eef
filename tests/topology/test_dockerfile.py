"""One image for every stage: pinned, complete, and not root."""

import re
import tomllib
from pathlib import Path

from topology.settings import Health

ROOT = Path(__file__).parents[2]
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1)) for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")
]


def of(name: str) -> list[str]:
    """Return what follows an instruction, each time it is there."""
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def copied() -> list[str]:
    """Return what is copied from the repository."""
    return [source for rest in of("COPY") if not rest.startswith("--from") for source in rest.split()[:-1]]


def test_bases_are_pinned() -> None:
    """Both stages start from the same exact Python, of the version that the project asks for."""
    bases = {rest.partition(" AS ")[0] for rest in of("FROM")}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", bases.pop())


def test_packages_are_the_locked_ones() -> None:
    """Everything installed from outside has a hash in requirements.lock; our own package brings nothing with it."""
    installs = [rest for rest in of("RUN") if "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-deps" in installs[1]


def test_it_holds_every_room() -> None:
    """Each package that is installed is copied (but bench, which nobody runs there), from what is not ignored."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rooms = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]} - {"bench"}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert rooms <= set(copied())
    assert "*" in ignored
    for source in copied():
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_it_does_not_run_as_root() -> None:
    """The user is another than root, and is set before what runs."""
    names = [one[0] for one in INSTRUCTIONS]
    assert of("USER") == ["tidewire"]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "--uid 10001" in " ".join(of("RUN"))


def test_a_stage_is_an_argument() -> None:
    """The image is the command line: its end is asked for with SIGTERM, its health is where compose looks."""
    assert of("ENTRYPOINT") == ['["tidewire"]']
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert Health(port=int(of("EXPOSE")[0])).port == 8000
