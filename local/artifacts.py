"""Which Maven artifacts the local stack runs, pinned by version and sha256 in the *.lock.json files beside this one."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a Maven repository."""

    group: str
    artifact: str
    version: str
    sha256: str
    classifier: str = ""
    type: str = "jar"

    @property
    def file_name(self) -> str:
        """The name Maven gives the file: artifact-version[-classifier].type."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{classifier}.{self.type}"

    @property
    def path(self) -> str:
        """The file's path below a repository's base URL (Maven's default layout)."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.file_name}"


@dataclass(frozen=True, slots=True)
class Lock:
    """A named set of artifacts that are fetched together."""

    name: str
    artifacts: tuple[Artifact, ...]


def read_lock(path: Path) -> Lock:
    """Read one *.lock.json file."""
    document = json.loads(path.read_text())
    return Lock(document["name"], tuple(Artifact(**entry) for entry in document["artifacts"]))


def sha256_of(path: Path) -> str:
    """Hash a file: sha256, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


KAFKA = read_lock(Path(__file__).with_name("kafka.lock.json"))
REGISTRY = read_lock(Path(__file__).with_name("registry.lock.json"))
