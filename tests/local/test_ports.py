"""ports.json and addresses.json, whatever is in them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from local.ports import remembered_ports
from tests.hollow import hollow
from topology.addresses import embedded
from topology.errors import Fatal
from topology.settings import Settings

OTHERS: dict[str, Callable[[Path], object]] = {
    "no text": lambda path: path.write_bytes(b'{"kafka": "\xff"}'),
    "no JSON": lambda path: path.write_text("{"),
    "empty": lambda path: path.touch(),
    "a list": lambda path: path.write_text("[]"),
    "a number": lambda path: path.write_text("5"),
    "null": lambda path: path.write_text("null"),
    "null inside": lambda path: path.write_text('{"kafka": null}'),
    "a list inside": lambda path: path.write_text('{"kafka": []}'),
    "deep": lambda path: path.write_text("[" * 60_000),
    "huge": hollow,
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a loop of links": lambda path: path.symlink_to(path),
}
PORTS = [
    '{"kafka": "9092"}',
    '{"kafka": 0}',
    '{"kafka": -1}',
    '{"kafka": 65536}',
    '{"kafka": 1.5}',
    '{"kafka": true}',
    '{"kafka": 1' + "0" * 5000 + "}",
]


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_no_list_of_ports_is_one_line(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """What is no list of ports is told with its path and the cure, and is left as it is."""
    make(tmp_path / "ports.json")
    with pytest.raises(Fatal, match=r"ports.json (is no list of ports|can't be read).* take it away, and new"):
        remembered_ports(tmp_path / "ports.json", ("kafka",))


@pytest.mark.parametrize("text", PORTS, ids=range(len(PORTS)))
def test_no_port_is_one_line(tmp_path: Path, text: str) -> None:
    """So is a port that is none: text, zero, below, beyond."""
    (tmp_path / "ports.json").write_text(text)
    with pytest.raises(Fatal, match=r"ports.json is no list of ports"):
        remembered_ports(tmp_path / "ports.json", ("kafka",))


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_no_list_of_addresses_is_one_line(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """What is no list of addresses is told with its path and the cure."""
    make(tmp_path / "addresses.json")
    with pytest.raises(Fatal, match=r"addresses.json (is no list of addresses|can't be read).*take it away"):
        embedded(Settings(state_dir=tmp_path))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        ":",
        "127.0.0.1:",
        "127.0.0.1:99999",
        "127.0.0.1:\u00b2",
        "h\\u0000:1",
        "x" * 300 + ":1",
        "http://[::1",
        "127.0.0.1:" + "9" * 30,
    ],
)
def test_an_address_that_is_none_does_not_answer(tmp_path: Path, address: str) -> None:
    """An address that nothing can be reached at is as one where nothing listens: no stack runs."""
    (tmp_path / "addresses.json").write_text(f'{{"kafka": "{address}"}}')
    assert embedded(Settings(state_dir=tmp_path)).kafka == ""
