"""`python -m producers <venue>`: one venue's frames to Kafka until SIGTERM or SIGINT."""

import argparse
import sys

from dialects.catalogue import all_dialects
from producers.stage import main
from topology.secrets.audit import act_as
from topology.settings import settings

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="producers", description=__doc__)
    parser.add_argument("venue", choices=list(all_dialects()))
    parser.add_argument("--duration", type=float, default=0, help="stop after so many seconds; 0: never")
    given = parser.parse_args()
    act_as("producers", given.venue)
    sys.exit(main(settings(), given.venue, given.duration))
