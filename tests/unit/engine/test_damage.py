"""Whatever byte of a state directory is damaged: the next run ends with the right output, or names what is damaged."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from random import Random

import pytest

import penstock as ps
from penstock import col
from penstock.connectors.files import FileSink
from penstock.core.errors import StateError
from penstock.engine.job import Job
from tests.unit.engine.models import crash, options, read

pytestmark = pytest.mark.timeout(1800)

ROWS = 1_000
AFTER = 7


def pipeline(folder):
    """Windows, a running table with a value store, and rows that are late or bad: each in a place of its own."""
    rows = read(ROWS).with_columns(odd=col("n").cast(ps.String).str.slice(0, 2).cast(ps.Int8))
    windows = (
        rows.group_by("k").window(ps.tumbling("100 ms")).agg(n=ps.count(), top=col("v").max(), middle=col("v").median())
    )
    running = rows.group_by("name").agg(n=ps.count(), middle=col("v").median())
    return ps.Pipeline(
        "damaged",
        windows.write(FileSink(folder / "windows", format="json")),
        running.changelog().write(FileSink(folder / "running", format="json")),
    )


def run(folder, **more):
    job = Job(pipeline(folder), options(folder / "state", **more))
    job.run()
    return job


def lines(folder):
    parts = sorted(folder.glob("part-*.json"))
    return [json.loads(line) for path in parts for line in path.read_text().splitlines()]


def found(folder):
    """What readers find: rows of windows and of the dead-letter tables, and what is left of changes."""
    left = Counter()
    for row in lines(folder / "running"):
        left[row["name"], row["n"], row["middle"]] += 1 if row["op"] in ("+I", "+U") else -1
    assert set(left.values()) <= {0, 1}
    tables = [folder / "windows", folder / "state" / "late", folder / "state" / "errors"]
    bags = [Counter(json.dumps(row, sort_keys=True) for row in lines(table)) for table in tables]
    return [*bags, +left]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(folder, epoch=50_000)
    bags = found(folder)
    assert all(sum(bag.values()) > 20 for bag in (bags[0], bags[1], bags[3]))
    return bags


@pytest.fixture(scope="module", params=["published", "sealed"])
def stored(request, tmp_path_factory):
    """A run that ended early: all it has stored is published, or its newest epoch is not."""
    folder = tmp_path_factory.mktemp(request.param)
    made = pipeline(folder)
    crashed = crash(made, folder / "state", AFTER, publishes=request.param == "published")
    assert crashed.status().state == "failed"
    return folder


def candidates(folder):
    """The files of a state directory that a run goes on from."""
    state = folder / "state"
    paths = [path.relative_to(folder) for path in sorted(state.rglob("*")) if path.is_file()]
    return [path for path in paths if path.name not in ("lock", "control.json")]


class Trial:
    """Copies of what is stored, damaged and gone on with."""

    def __init__(self, stored, expected, folder):
        self.stored, self.expected, self.folder = stored, expected, folder
        self.outcomes = Counter()

    def __call__(self, path, damage):
        """Damage a file and go on: the output is right, or what is damaged is named."""
        place = self.folder / "copy"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.stored, place)
        damage(place / path)
        try:
            run(place, epoch=50_000)
        except StateError as refused:
            self.outcomes["refused"] += 1
            self.is_refused(refused.message, place, path)
            return
        self.outcomes["went on"] += 1
        for bag, wanted in zip(found_in(place, path), self.expected, strict=True):
            assert bag is None or bag == wanted, f"{path}: {wanted - bag} are lost, {bag - wanted} are too many"

    def is_refused(self, message, place, path):
        """What is damaged is named; a second try is refused as well; once the file is restored, all is well."""
        assert named(message, path), f"{path}: {message}"
        with pytest.raises(StateError):
            run(place, epoch=50_000)
        shutil.copy(self.stored / path, place / path)
        run(place, epoch=50_000)
        assert found(place) == self.expected, path


def found_in(place, path):
    """What readers find; of a table whose published files were damaged themselves, nothing is asked."""
    if path.name.startswith("part-"):
        for one in place.glob(f"state/{path.parts[1]}/part-*"):
            one.unlink()
        bags = found(place)
        bags[["windows", "late", "errors"].index(path.parts[1])] = None
        return bags
    return found(place)


def named(message, path):
    """Whether a message names a file, as people would look for it."""
    if path.name.startswith("manifest-"):
        number = str(int(path.stem.removeprefix("manifest-")))
        return path.name in message or any(
            f"{word} {number}" in message for word in ("manifest", "epoch", "checkpoint")
        )
    return path.name in message


def flipped(chance):
    def damage(path):
        data = bytearray(path.read_bytes())
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)

    return damage


def cut(share):
    def damage(path):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return damage


def zeroed(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


def shortened(path):
    path.write_bytes(path.read_bytes()[:-1])


def lengthened(path):
    path.write_bytes(path.read_bytes() + b"\0")


DAMAGES = {
    "gone": Path.unlink, "empty": cut(0), "half": cut(0.5), "most": cut(0.9), "short": shortened, "long": lengthened,
    "zeros": zeroed,
}  # fmt: skip


@pytest.fixture
def trial(stored, expected, tmp_path):
    return Trial(stored, expected, tmp_path)


def test_undamaged_it_goes_on(trial):
    trial(Path("state/checkpoints/lock"), lambda path: None)
    assert trial.outcomes == {"went on": 1}


@pytest.mark.parametrize("which", [-1, 0])
def test_a_manifest_that_is_damaged(trial, which):
    manifests = [path for path in candidates(trial.stored) if path.name.startswith("manifest-")]
    trial(manifests[which], flipped(Random(1)))


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGES)
def test_every_file(trial, how):
    for path in candidates(trial.stored):
        trial(path, DAMAGES[how])
    assert trial.outcomes["went on"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits(trial, seed):
    chance = Random(seed)
    paths = candidates(trial.stored)
    for path in (paths * 3)[: max(60, len(paths))]:
        trial(path, flipped(chance))
    assert trial.outcomes["went on"]
    assert sum(trial.outcomes.values()) >= 60
