"""Start the local stack by hand: python -m topology.stack --state DIR. It stays up until SIGTERM or SIGINT."""

import argparse
import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from topology.errors import TidewireError
from topology.stack import PARTS, LocalStack


def main() -> int:
    """Start, print the addresses as JSON on one line, wait, stop."""
    parser = argparse.ArgumentParser(prog="python -m topology.stack", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder for data, logs and ports")
    parser.add_argument("--cache", type=Path, help="folder for downloads (default: ~/.cache/tidewire)")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"which parts, of {','.join(PARTS)}")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    stack = LocalStack(options.state, options.cache, progress=lambda line: print(line, file=sys.stderr, flush=True))
    try:
        stack.start(options.parts.split(","))
    except TidewireError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(stack.addresses)), flush=True)
    if stack.parts:
        ended.wait()
    stack.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
