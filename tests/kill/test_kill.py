"""A pipeline that is killed, at every durable step and at random, ends with what it would have written."""

from __future__ import annotations

import json
import time
from random import Random

import pytest

from tests.kill.places import Files, Kafka, Postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 60_000
RANDOM_KILLS = 30
SERVER_KILLS = 10
OPTIONS = {"rate": 12_000, "checkpoint": "30 ms"}
KINDS = ["files", pytest.param("postgres", marks=pytest.mark.service), pytest.param("kafka", marks=pytest.mark.service)]

_expected = {}


@pytest.fixture
def new_place(request, tmp_path_factory):
    """Makes places of a kind, with a server of their own kind."""

    def make(kind):
        folder = tmp_path_factory.mktemp(kind) / "place"
        if kind == "files":
            return Files(folder)
        if kind == "postgres":
            return Postgres(folder, request.getfixturevalue("postgres"))
        return Kafka(folder, request.getfixturevalue("kafka"), ROWS)

    return make


def expected(kind, new_place):
    """What a run writes that nobody ends, and the points that it passes."""
    if kind not in _expected:
        place = new_place(kind)
        points = place.killer(ROWS, checkpoint="200 ms").points()
        _expected[kind] = place.read(), points
        assert all(sum(rows.values()) > 100 for rows in _expected[kind][0].values())
    return _expected[kind]


def check(place, wanted):
    """What readers find is what is wanted: nothing lost, nothing twice."""
    found = place.read()
    for _ in range(10):
        # What a consumer takes for the end of a partition is the last stable offset, which may lag on a busy broker.
        if all(not rows - found[output] for output, rows in wanted.items()):
            break
        time.sleep(1)
        found = place.read()
    for output, rows in wanted.items():
        lost, doubled = rows - found[output], found[output] - rows
        assert not lost, f"{output}: {sum(lost.values())} rows are lost, such as {next(iter(lost))}"
        assert not doubled, f"{output}: {sum(doubled.values())} rows are too many, such as {next(iter(doubled))}"


@pytest.mark.parametrize("kind", KINDS)
def test_at_every_point(kind, new_place, record_property):
    wanted, points = expected(kind, new_place)
    place, chance = new_place(kind), Random(1)
    killer = place.killer(ROWS, seed=1, checkpoint="30 ms")
    for point, count in sorted(points.items()):
        killer.kill_at(point, chance.randrange(1, min(count, 4) + 1))
    report = killer.finish()
    record_property("report", str(report))
    check(place, wanted)
    missed = set(points) - set(report.points) - UNREACHED
    assert not missed, f"nobody was killed at {sorted(missed)}"


UNREACHED = {"files.remove_directory"}
"""Points that a run passes only when it ends."""


@pytest.mark.parametrize("kind", KINDS)
def test_at_random(kind, new_place, record_property):
    wanted, _ = expected(kind, new_place)
    kills = 0
    while kills < RANDOM_KILLS:  # a quick machine is through before: then another one is begun
        place = new_place(kind)
        killer = place.killer(ROWS, seed=2 + kills, **OPTIONS)
        while kills < RANDOM_KILLS and killer.kill_at_random(1_000_000, 2_500_000):
            kills += 1
        record_property("report", str(killer.finish()))
        check(place, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_paused_process_that_wakes_up_changes_nothing(kind, new_place):
    wanted, _ = expected(kind, new_place)
    place = new_place(kind)
    # So slow that nobody comes to the end of the input: whoever is started after that begins anew, and rightly so.
    killer = place.killer(ROWS, seed=3, rate=2_000, checkpoint="30 ms")
    for _ in range(3):
        zombie = begun(killer, place)
        killer.pause(300_000)
        zombie.pause()
        # The lock is a courtesy: what is paused keeps it, and safety must not rest on it.
        (place.folder / "state" / "checkpoints" / "lock").unlink(missing_ok=True)
        successor = begun(killer, place)
        killer.pause(300_000)
        zombie.resume()
        assert zombie.wait(60_000_000) is not None, "a zombie goes on"
        assert successor.wait(0) is None, "the successor has ended"
        successor.kill()
        successor.wait()
    place.killer(ROWS, seed=3, checkpoint="30 ms").finish()
    check(place, wanted)


def begun(killer, place):
    """A run that has taken over, however long it takes to start."""
    before = newest(place)
    child = killer.start()
    for _ in range(12_000):
        if newest(place) > before:
            return child
        assert child.wait(0) is None, "it has ended before it has begun"
        killer.pause(10_000)
    raise AssertionError("it does not begin")


def newest(place):
    """The number of the newest manifest; -1 if there is none."""
    found = (place.folder / "state").rglob("manifest-*.json")
    return max((int(path.stem.removeprefix("manifest-")) for path in found), default=-1)


def test_tokens_are_consecutive_and_each_there_once(new_place):
    place = new_place("files")
    killer = place.killer(20_000, seed=4, checkpoint="20 ms")
    for _ in range(4):
        killer.kill_at("epoch.true", 5)
    killer.finish()
    tokens = []
    for path in sorted((place.folder / "windows" / "_penstock").glob("*.json")):
        stored = json.loads(path.read_text())
        tokens += [one["token"][3] for one in stored.get("epochs", [stored]) if one.get("token")]
    tokens.sort()
    assert tokens == list(range(tokens[0], tokens[0] + len(tokens)))
    assert len(tokens) > 10


@pytest.mark.service
@pytest.mark.parametrize("kind", ["postgres", "kafka"])
def test_the_server_is_killed(kind, new_place):
    wanted, _ = expected(kind, new_place)
    place = new_place(kind)
    killer = place.killer(ROWS, seed=5, rate=4_000, checkpoint="30 ms")
    child = killer.start()
    killer.pause(2_000_000)
    for _ in range(SERVER_KILLS):
        if child.wait(500_000) is not None:
            break
        place.server.kill()
        place.server.start()
    assert child.wait(300_000_000) == 0, killer.log.read_text()[-3_000:]
    killer.finish()
    check(place, wanted)
