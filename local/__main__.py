"""Start the local stack by hand: python -m local --state DIR. It stays up until SIGTERM or SIGINT."""

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from local import PARTS, LocalStack
from topology import private
from topology.errors import TidewireError
from topology.terminal import printable

ENDING = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Start, print the addresses as JSON on one line, wait, stop."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder for data, logs and ports")
    parser.add_argument("--cache", type=Path, help="folder for downloads (default: ~/.cache/tidewire)")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"which parts, of {','.join(PARTS)}")
    options = parser.parse_args()
    private.keep()
    # A pipe and not a threading.Event: a handler that sets an event which is just being waited for never returns.
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in ENDING:
        signal.signal(number, lambda *_: sys.exit(0))
    stack = LocalStack(options.state, options.cache, progress=lambda line: print(printable(line), file=sys.stderr, flush=True))
    try:
        stack.start(options.parts.split(","))
        print(json.dumps(asdict(stack.addresses)), flush=True)
        if stack.parts:
            os.read(awake, 1)
    except TidewireError as error:
        print(printable(str(error), lines=True), file=sys.stderr)
        return 1
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        stack.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
