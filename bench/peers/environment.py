"""A peer's virtual environment: made on first use outside the checkout, from exactly what its requirements pin."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.peers.catalogue import Peer
from local.downloads import default_cache_dir

SECONDS = 600
SHOWN = 200
"""Letters of an installer's last words that a reason shows."""


class NotToBeHad(Exception):
    """A peer can't be installed or run here; the text says why."""


def place(peer: Peer, cache: Path) -> Path:
    """Return the folder of a peer's environment: another one for other requirements or another Python."""
    digest = hashlib.sha256(peer.python.encode() + peer.requirements.read_bytes()).hexdigest()[:12]
    return cache / "peers" / f"{peer.name}-{digest}"


def python_of(peer: Peer, candidates: Iterable[str] | None = None) -> str:
    """Return an interpreter of the version that a peer runs on; NotToBeHad where there is none."""
    for path in _pythons(peer.python) if candidates is None else candidates:
        try:
            said = subprocess.run(
                [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, timeout=30, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue  # a stand-in of a version manager that has no such version: the next may be one
        if said.stdout.strip() == peer.python:
            return path
    raise NotToBeHad(f"its newest version needs Python {peer.python}, and none is installed")


def _pythons(version: str) -> list[str]:
    kept = Path.home() / ".pyenv" / "versions"
    found = [sys.executable, shutil.which(f"python{version}"), *map(str, kept.glob(f"{version}.*/bin/python{version}"))]
    return [one for one in found if one]


def installed(peer: Peer, progress: Callable[[str], None]) -> Path:
    """Return the interpreter of a peer's environment, which is made where it is not there; NotToBeHad says why it can't be."""
    folder = place(peer, default_cache_dir())
    python, done = folder / "bin" / "python", folder / ".complete"
    if done.exists():
        return python
    base = python_of(peer)
    progress(f"installing {peer.title} {peer.version} into {folder}: once")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv:
        _run([uv, "venv", "--quiet", "--no-python-downloads", "--python", base, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(peer.requirements)])
    else:
        _run([base, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(peer.requirements)])
    done.touch()
    return python


def _run(command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotToBeHad(f"{Path(command[0]).name} failed: {error}") from error
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())
        raise NotToBeHad(f"its packages can't be installed: {words[-SHOWN:] or f'exit code {done.returncode}'}")
