"""The cache of verified artifacts outside the checkout, safe against half-finished runs and against a second process."""

import fcntl
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.artifacts import Lock, sha256_of
from local.maven import CURE, URL_SETTING, fetch
from topology.errors import Fatal
from topology.folders import make

MANIFEST = "verified.json"


def default_cache_dir() -> Path:
    """$XDG_CACHE_HOME/tidewire, or ~/.cache/tidewire."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidewire"


def ensure(lock: Lock, cache_dir: Path, progress: Callable[[str], None], base_url: str | None = None) -> Path:
    """Give the folder with the lock's files, all verified; fetched first where one is missing or damaged.

    A tar.gz is unpacked and dropped. `base_url` defaults to the environment's TIDEWIRE_MAVEN_URL.
    Raises Fatal when the files cannot be had, or are not the ones that were pinned.
    """
    folder = cache_dir / lock.name
    make(cache_dir, "cache_dir")
    with _only_one_process(cache_dir / f"{lock.name}.lock"):
        if _is_whole(folder):
            return folder
        part = cache_dir / f"{lock.name}.part"
        part.mkdir(exist_ok=True)
        progress(f"fetching {lock.name} ({len(lock.artifacts)} files)")
        _fetch_missing(lock, part, base_url or os.environ.get(URL_SETTING))
        _unpack_archives(lock, part)
        shutil.rmtree(part / "maven", ignore_errors=True)
        (part / MANIFEST).write_text(json.dumps(_sizes(part)))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        progress(f"fetched {lock.name}")
        return folder


@contextmanager
def _only_one_process(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_missing(lock: Lock, part: Path, base_url: str | None) -> None:
    missing = [one for one in lock.artifacts if not (part / one.file_name).exists() or sha256_of(part / one.file_name) != one.sha256]
    for one in missing:
        (part / one.file_name).unlink(missing_ok=True)  # Maven leaves a file that is there alone, even half a one
    if missing:
        fetch(missing, part, base_url)
    for one in missing:
        found = sha256_of(part / one.file_name)
        if found != one.sha256:
            (part / one.file_name).unlink()
            raise Fatal(
                f"{one.file_name} is not the file that was pinned: sha256 {found}, expected {one.sha256}. "
                f"The repository or a proxy altered it, or the download broke off; try again. {CURE}"
            )


def _unpack_archives(lock: Lock, part: Path) -> None:
    for one in lock.artifacts:
        if one.type == "tar.gz":
            with tarfile.open(part / one.file_name) as archive:
                # Python before 3.11.4 has no filters, and no argument for one. What is in the archive is known: its hash is pinned.
                archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
                archive.extractall(part)  # noqa: S202 - as above
            (part / one.file_name).unlink()


def _is_whole(folder: Path) -> bool:
    """Whether every verified file still has its verified size (hashing 150 MB at each start would cost half a second)."""
    manifest = folder / MANIFEST
    return manifest.exists() and json.loads(manifest.read_text()) == _sizes(folder)


def _sizes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST
    }
