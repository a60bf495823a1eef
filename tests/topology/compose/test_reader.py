"""The reader of our compose file takes the part of YAML it knows and refuses the rest, so that no test passes on a misreading."""

from pathlib import Path
from typing import Any

import pytest

from tests.topology.compose.reader import read


def text(tmp_path: Path, content: str) -> Path:
    """Return a file with a content."""
    path = tmp_path / "document.yml"
    path.write_text(content)
    return path


def test_reads_what_a_compose_file_is_made_of(tmp_path: Path) -> None:
    """Nested mappings, flow forms, quoted text, numbers, truths, empty values and comments are read as YAML 1.2 reads them."""
    found = read(
        text(
            tmp_path,
            """
# a remark
name: tidewire
services:
  kafka:
    image: apache/kafka:4.3.1 # a tag is text
    init: true
    ports: ["127.0.0.1:9:9", 80]
    limits: {files: {soft: 1, hard: 2}, empty: []}
    secret: ${PASSWORD:-none}
    quoted: "a # is kept, \\"so\\" is this"
volumes:
  kafka:
""",
        )
    )
    expected: dict[str, Any] = {
        "name": "tidewire",
        "services": {
            "kafka": {
                "image": "apache/kafka:4.3.1",
                "init": True,
                "ports": ["127.0.0.1:9:9", 80],
                "limits": {"files": {"soft": 1, "hard": 2}, "empty": []},
                "secret": "${PASSWORD:-none}",
                "quoted": 'a # is kept, "so" is this',
            }
        },
        "volumes": {"kafka": None},
    }
    assert found == expected


def test_a_merged_mapping_gives_way_to_what_is_said(tmp_path: Path) -> None:
    """`<<` brings the keys of an anchored mapping, and a key of one's own wins, wherever it stands."""
    found = read(text(tmp_path, "base: &base\n  a: 1\n  b: 2\nown:\n  b: 3\n  <<: *base\n"))
    assert found == {"base": {"a": 1, "b": 2}, "own": {"a": 1, "b": 3}}


@pytest.mark.parametrize(
    "content",
    [
        "a: on",
        "a: 012",
        "a: 22:22",
        "a: 1.10",
        "a: |\n  block",
        "a: 'single'",
        "a: b: c",
        "- a",
        "a: 1\na: 2",
        "a: [1",
        "a: [1] 2",
        "a: {b}",
        "a: !tag b",
        "\ta: 1",
        "a: 1\n  b: 2",
    ],
)
def test_refuses_what_it_does_not_know(tmp_path: Path, content: str) -> None:
    """A sequence in block form, block text, single quotes, tags, doubled keys and ambiguous scalars are errors that name the line."""
    with pytest.raises(ValueError, match=r"^line \d+: "):
        read(text(tmp_path, content))
