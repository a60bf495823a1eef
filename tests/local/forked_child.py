"""What a child of a fork server is told to do, and what it sees: `python -m tests.local.forked_child WHAT`; one line of JSON first."""

import json
import os
import signal
import sys
from pathlib import Path


def seen() -> dict[str, object]:
    """Return what a process can see of itself."""
    descriptors = Path("/proc/self/fd")
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "arguments": sys.argv[1:],
        "name": __name__,
        "environment": sorted(os.environ),
        "umask": os.umask(0o077),
        "input": sys.stdin.read(),
        "signals": {one.name: str(signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)},
        "wakeup": signal.set_wakeup_fd(-1),
        "descriptors": sorted(str(one.readlink()) for one in descriptors.iterdir() if one.exists()) if descriptors.exists() else [],
        "title": Path("/proc/self/cmdline").read_text().replace("\0", " ").strip() if descriptors.exists() else "",
    }


if __name__ == "__main__":
    print(json.dumps(seen()), flush=True)
    match sys.argv[1]:
        case "stay":
            signal.pause()
        case "fail":
            raise RuntimeError("as it was told")
        case code:
            sys.exit(int(code))
