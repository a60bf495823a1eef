"""A file that no reader may take in whole."""

import os
from pathlib import Path


def hollow(path: Path) -> None:
    """Make a file of 5 TB of which the disk holds nothing."""
    path.touch(0o600)
    os.truncate(path, 5 * 1024**4)
