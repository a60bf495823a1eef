"""`python -m processors NAME …`: several processors in one process, until SIGTERM or SIGINT; alone each is `python -m processors.NAME`."""

import argparse
import sys

from processors.engine.hosting import main
from topology.flow import stages

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="processors", description=__doc__)
    parser.add_argument("name", nargs="+", choices=[name for name, stage in stages().items() if stage.changelog])
    given = parser.parse_args()
    sys.exit(main(tuple(dict.fromkeys(given.name))))
