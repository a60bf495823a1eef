"""`python -m producers VENUE …`: the frames of one venue or several to Kafka until SIGTERM or SIGINT."""

import argparse
import sys

from dialects.catalogue import all_dialects
from producers.process import main
from topology.secrets.audit import act_as
from topology.settings import settings

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="producers", description=__doc__)
    parser.add_argument("venue", nargs="+", choices=list(all_dialects()))
    parser.add_argument("--duration", type=float, default=0, help="stop after so many seconds; 0: never")
    given = parser.parse_args()
    venues = tuple(dict.fromkeys(given.venue))
    act_as("producers", venues[0] if len(venues) == 1 else "")
    sys.exit(main(settings(), venues, given.duration))
