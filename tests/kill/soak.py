"""Kills the pipeline many times, and reports: `make soak ARGS="--kind files --kills 1000"`.

Rounds of a pipeline that is killed until it is through; after each, readers must find what an unkilled run
writes. Kills are at random instants, and at random passes of named points; with a server, that is killed too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.kill.places import Files, Kafka, Postgres
from tests.kill.scenario import OUTPUTS

RATE = 12_000


class Soak:
    """A series of rounds.

    Args:
        kind: Where the pipeline writes.
        seed: Seeds everything that is random.
        rows: How many rows a round has.
        server: The server, if there is one.
    """

    def __init__(self, kind, seed, rows, server):
        self.kind, self.rows, self.server = kind, rows, server
        self.chance = Random(seed)
        self.kills, self.points = 0, Counter()
        self.rounds = self.server_kills = self.lost = self.doubled = 0
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-soak-"))
        self.wanted, self.known = {}, []

    def place(self):
        """A place, new and empty."""
        folder = self.folder / f"{self.kind}-{self.rounds}-{len(list(self.folder.iterdir()))}"
        if self.kind == "files":
            return Files(folder)
        if self.kind == "postgres":
            return Postgres(folder, self.server)
        return Kafka(folder, self.server, self.rows)

    def prepare(self):
        """The run that nobody kills."""
        place = self.place()
        killer = place.killer(self.rows, checkpoint="100 ms")
        self.known = sorted(killer.points().items())
        self.wanted = place.read()

    def round(self, most):
        """One pipeline, killed until it is through, at most so many times."""
        place = self.place()
        killer = place.killer(self.rows, seed=self.chance.randrange(1 << 30), rate=RATE, checkpoint="30 ms")
        for _ in range(most):
            if self.server is not None and self.chance.random() < 0.1:
                self.kill_server()
            if self.chance.random() < 0.4:
                point, count = self.chance.choice(self.known)
                killer.kill_at(point, self.chance.randrange(1, min(count, 40) + 1))
            elif not killer.kill_at_random(700_000, 2_200_000):
                break
        killer.finish()
        found = place.read()
        self.lost += sum(sum((self.wanted[name] - found[name]).values()) for name in OUTPUTS)
        self.doubled += sum(sum((found[name] - self.wanted[name]).values()) for name in OUTPUTS)
        self.kills += killer.report.kills
        self.points += killer.report.points
        self.rounds += 1

    def kill_server(self):
        """End the server while a run uses it, and start it again."""
        self.server.kill()
        self.server.start()
        self.server_kills += 1


def main():
    """Soak, and say how it went; the exit code is 1 if a row was lost or doubled."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["files", "postgres", "kafka"], default="files")
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=150_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        soak = Soak(given.kind, given.seed, given.rows, server_of(given.kind, stack))
        soak.prepare()
        while soak.kills < given.kills:
            soak.round(min(100, given.kills - soak.kills))
            sys.stderr.write(f"{soak.kills} kills, {soak.rounds} rounds, lost {soak.lost}, doubled {soak.doubled}\n")
            report = {
                "kind": given.kind, "seed": given.seed, "rows per round": given.rows, "rounds": soak.rounds,
                "kills": soak.kills, "at random": soak.points["random"],
                "at points": soak.kills - soak.points["random"], "points": len(set(soak.points) - {"random"}),
                "server kills": soak.server_kills, "rows lost": soak.lost, "rows doubled": soak.doubled,
                "seconds": round(time.monotonic() - begun),
            }  # fmt: skip
            if given.report:
                given.report.parent.mkdir(parents=True, exist_ok=True)
                given.report.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if soak.lost or soak.doubled else 0)


def server_of(kind, stack):
    """The server that a kind needs, started and stopped with the stack."""
    if kind == "files":
        return None
    from tests.services.kafka import Kafka as Broker
    from tests.services.postgres import Postgres as Database

    server = Broker() if kind == "kafka" else Database()
    stack.callback(server.close)
    server.start()
    return server


if __name__ == "__main__":
    main()
