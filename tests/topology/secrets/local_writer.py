"""Processes that write version after version of one secret, for tests that kill them. Arguments: folder, key file, rounds.

It forks two writers a round, kills both with signal 9 at a random moment, and prints a line a round: the versions they acknowledged.
With 0 rounds the writers go on until the test kills this process's group.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from topology.clock import now
from topology.secrets.errors import Conflict
from topology.secrets.generations import beside
from topology.secrets.local import LocalStore
from topology.secrets.local_key import find_key
from topology.secrets.store import Author

WORDS = ("a", "b")


def write(folder: Path, key_file: Path, word: str, told: int) -> None:
    """Write for ever; the number of each version written goes to the file descriptor `told`, a line each."""
    key = find_key(key_file)
    store = LocalStore(folder, key, beside(key, key_file, folder), now)
    while True:
        current = store.metadata("kafka").current
        try:
            version = store.put("kafka", {"password": word, "filling": word * 500}, current, Author(word, "test"))
        except Conflict:
            continue
        os.write(told, f"{version}\n".encode())


def fork(folder: Path, key_file: Path, word: str, told: int) -> int:
    """Start a writer; its process number."""
    number = os.fork()
    if number == 0:
        write(folder, key_file, word, told)
    return number


def main() -> None:
    """Fork, kill, tell."""
    folder, key_file, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(4)
    if not rounds:
        fork(folder, key_file, WORDS[0], 1)
        write(folder, key_file, WORDS[1], 1)
    for _ in range(rounds):
        heard, told = os.pipe()
        writers = [fork(folder, key_file, word, told) for word in WORDS]
        os.close(told)
        with os.fdopen(heard) as lines:
            first = lines.readline()
            time.sleep(chance.random() / 50)  # the moment is what is random here
            for number in writers:
                os.kill(number, signal.SIGKILL)
                os.waitpid(number, 0)
            print(" ".join([first.strip(), *(line[:-1] for line in lines if line.endswith("\n"))]), flush=True)
        if sys.stdin.readline() == "":
            return


if __name__ == "__main__":
    main()
