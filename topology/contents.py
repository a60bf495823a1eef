"""Files that anything may have been put into: read as a whole, at most so large, and never one that reading would wait for."""

import errno
import os
import stat
from pathlib import Path


def content(path: Path, most: int) -> bytes:
    """Return a regular file's bytes.

    Raises OSError, in words, where it is none (a folder, a pipe, a device), has more than `most` bytes, or can't be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:
        raise OSError(errno.EINVAL, "a path can't hold NUL") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes")
    return found
