"""Fetch artifacts from a Maven repository: Maven Central (jgo, a Maven client in Python, knows where it is) or a mirror the user names."""

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from local.artifacts import Artifact
from topology.errors import Fatal

URL_SETTING = "TIDEWIRE_MAVEN_URL"
CURE = (
    f"Install Maven (the command `mvn`, whose settings.xml may name a mirror), or set {URL_SETTING} "
    "to the base URL of a Maven repository that this machine reaches."
)
# Version 2 copies a file by its coordinates alone; version 3 first asks for its pom and parents, which Apicurio lacks.
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"
SECONDS_FOR_MAVEN = 900
SECONDS_WITHOUT_DATA = 30
PARALLEL_DOWNLOADS = 8


def maven_central() -> str:
    """Return Maven Central's address."""
    from jgo.constants import MAVEN_CENTRAL_URL  # a third of what the supervisor would import, for the first start alone

    return str(MAVEN_CENTRAL_URL)


def fetch(artifacts: Sequence[Artifact], into: Path, base_url: str | None) -> None:
    """Put the artifacts' files into the folder `into`, unverified; from base_url if given, else from Maven Central.

    Where Maven Central itself is out of reach, an installed `mvn` may know a mirror by its settings.xml.


    Raises Fatal when neither way is open, or the repository cannot be reached or lacks a file.
    """
    into.mkdir(parents=True, exist_ok=True)
    maven = shutil.which("mvn")
    try:
        fetch_from_url(artifacts, into, base_url or maven_central())
    except Fatal:
        if base_url or maven is None:
            raise
        fetch_with_maven(artifacts, into, maven)


def fetch_with_maven(artifacts: Sequence[Artifact], into: Path, maven: str) -> None:
    """Let Maven copy the artifacts, each alone: what they need is pinned beside them, so no pom is resolved."""
    work = into / "maven"
    work.mkdir(exist_ok=True)
    (work / "pom.xml").write_text(pom(artifacts))
    command = [
        maven, "--batch-mode", "--quiet", "--no-transfer-progress", "--file", str(work / "pom.xml"), PLUGIN,
        f"-DoutputDirectory={into}", f"-Dmaven.repo.local={work / 'repository'}",
    ]  # fmt: skip
    try:
        # The log is a file, so that a Maven which hangs in a grandchild cannot hold a pipe open.
        with (work / "maven.log").open("wb") as log:
            done = subprocess.run(  # noqa: S603 - the command is ours, the program is the user's own mvn
                command, cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=SECONDS_FOR_MAVEN, check=False
            )
    except subprocess.TimeoutExpired as error:
        raise Fatal(f"Maven fetched nothing for {SECONDS_FOR_MAVEN} s. {CURE}") from error
    if done.returncode != 0:
        lines = (work / "maven.log").read_text(errors="replace").splitlines()
        reason = next((line for line in lines if "ERROR" in line), f"exit code {done.returncode}")
        raise Fatal(f"Maven failed: {reason.strip()}\n{CURE}")
    shutil.rmtree(work)


def pom(artifacts: Sequence[Artifact]) -> str:
    """Write a project that names the artifacts for the dependency plugin's `copy`."""
    items = "".join(
        "<artifactItem>"
        f"<groupId>{escape(one.group)}</groupId><artifactId>{escape(one.artifact)}</artifactId>"
        f"<version>{escape(one.version)}</version><type>{escape(one.type)}</type>"
        f"<classifier>{escape(one.classifier)}</classifier>"
        "</artifactItem>"
        for one in artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tidewire</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>"
        "<build><plugins><plugin><groupId>org.apache.maven.plugins</groupId>"
        "<artifactId>maven-dependency-plugin</artifactId><version>2.8</version>"
        f"<configuration><artifactItems>{items}</artifactItems></configuration>"
        "</plugin></plugins></build></project>\n"
    )


def fetch_from_url(artifacts: Sequence[Artifact], into: Path, base_url: str) -> None:
    """Download the artifacts, several at a time. Raises Fatal naming the setting to change."""
    if urlsplit(base_url).scheme not in {"http", "https"}:
        raise Fatal(f"{URL_SETTING} is {base_url!r}: it must start with http:// or https://.")
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        for outcome in [pool.submit(_download, one, into, base_url) for one in artifacts]:
            outcome.result()


def _download(artifact: Artifact, into: Path, base_url: str) -> None:
    url = f"{base_url.rstrip('/')}/{artifact.path}"
    try:
        with (
            urllib.request.urlopen(url, timeout=SECONDS_WITHOUT_DATA) as response,  # noqa: S310 - http(s), checked above
            (into / artifact.file_name).open("wb") as file,
        ):
            shutil.copyfileobj(response, file, 1 << 20)
    except (urllib.error.URLError, OSError) as error:
        raise Fatal(f"Cannot fetch {url}: {error}. {CURE}") from error
