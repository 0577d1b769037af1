"""What a seed makes up: a pipeline, its input, and what goes wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from penstock.api.read import read
from penstock.api.stream import Output, Stream
from penstock.connectors.base import Sink
from penstock.connectors.files import FileSink
from penstock.connectors.formats._adapt import schema_of_frame
from penstock.core.lazy import pl
from penstock.core.timespan import MILLISECOND
from penstock.engine.options import JobOptions, LoopOptions
from penstock.expr.build import col, count
from penstock.plan.pipeline import Pipeline
from penstock.plan.windows import hopping, tumbling
from penstock.testing.oracle import Arrival, Ended, Event, interpret
from penstock.testing.simulation.judging import CHANGELOG, CHANGES, ROWS, Change, row_of
from penstock.testing.simulation.models import Broker, SimulatedSink, SimulatedSource, Topic, Troubles
from penstock.testing.simulation.world import START, World

if TYPE_CHECKING:
    import polars as pl

STATE, OUTPUT = Path("/sim/state"), Path("/sim/output")

KILL, POWER, STOP, ZOMBIE, TWICE = "kill", "power", "stop", "zombie", "twice"
FULL, BROKEN, DAMAGE = "full", "broken sync", "damage"
KINDS = (KILL, POWER, STOP, ZOMBIE, TWICE, FULL, BROKEN, DAMAGE)
"""What is done: the process is killed; the power fails; it is stopped in good order; it is paused, another begins, and
it goes on; another is started beside it; the disk is full; syncs fail; it is killed and what it stored is damaged."""

_BEGIN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Blow:
    """Something that is done to a run.

    Attributes:
        kind: What.
        share: When: at this share of the points that the calm run has passed, or of the passes of one point.
        named: Whether at one point, of those that the calm run has passed; else after a number of points.
        pick: Picks the point, from 0 to 1.
        after: After how many further points a second thing happens: a paused process goes on, a disk has room again.
    """

    kind: str
    share: float
    named: bool
    pick: float
    after: int


@dataclass(frozen=True)
class Shape:
    """A pipeline out of the few that are tried.

    Attributes:
        inputs: How many sources it has.
        kinds: By output, what it holds.
        build: Builds the streams by output.
    """

    inputs: int
    kinds: Mapping[str, str]
    build: Callable[..., dict[str, Stream]]


def _windows(rows: Stream) -> dict[str, Stream]:
    made = rows.group_by("k").window(tumbling("2 s")).agg(n=count(), total=col("v").sum(), most=col("v").max())
    return {"windows": made, "late": made.late().select("n", "k", "v")}


def _hopping(rows: Stream) -> dict[str, Stream]:
    made = rows.with_columns(q=col("v") / 4).group_by("k").window(hopping("2 s", every="500 ms"))
    found = made.agg(n=count(), total=col("q").sum(), kinds=col("v").n_unique())
    return {"windows": found, "late": found.late().select("n", "k", "v")}


def _running(rows: Stream) -> dict[str, Stream]:
    made = rows.group_by("k").agg(n=count(), total=col("v").sum(), least=col("v").min())
    return {"running": made.changelog(), "table": made}


def _union(rows: Stream, others: Stream) -> dict[str, Stream]:
    both = rows.filter(col("v") > -40).union(others)
    made = both.group_by("k").window(tumbling("1 s")).agg(n=count(), total=col("v").sum())
    return {"both": both.select("n", "k", "v"), "windows": made}


def _several(rows: Stream, others: Stream) -> dict[str, Stream]:
    windows, running = _windows(rows), _running(others)
    return {"windows": windows["windows"], "late": windows["late"], "running": running["running"]}


SHAPES = (
    Shape(1, {"windows": ROWS, "late": ROWS}, _windows),
    Shape(1, {"windows": ROWS, "late": ROWS}, _hopping),
    Shape(1, {"running": CHANGELOG, "table": CHANGES}, _running),
    Shape(2, {"both": ROWS, "windows": ROWS}, _union),
    Shape(2, {"windows": ROWS, "late": ROWS, "running": CHANGELOG}, _several),
)


@dataclass
class Scenario:
    """What a seed makes up.

    Attributes:
        seed: The seed.
        shape: The pipeline.
        inputs: By source and split, the rows and when each comes.
        delay: The watermark's delay, in milliseconds.
        into_files: The outputs that are files; others go to a model.
        options: How it runs.
        troubles: How often servers fail.
        blows: What is done, one thing after the other.
        locks: Whether the file system has locks.
    """

    seed: int
    shape: Shape
    inputs: list[dict[str, tuple[pl.DataFrame, list[int]]]]
    delay: int
    into_files: frozenset[str]
    options: JobOptions
    troubles: Troubles
    blows: list[Blow]
    locks: bool

    @classmethod
    def draw(cls, seed: int) -> Scenario:
        """Make up what a seed stands for."""
        random = Random(f"{seed}/scenario")
        shape = random.choice(SHAPES)
        epoch = random.choice([5, 20, 60]) * MILLISECOND
        inputs = [_input(random) for _ in range(shape.inputs)]
        blows = [_blow(random) for _ in range(random.choice([1, 2, 2, 3, 5]))]
        kinds = {blow.kind for blow in blows}
        files = {name for name, kind in shape.kinds.items() if kind != CHANGES and random.random() < 0.35}
        if kinds & {DAMAGE, POWER} and not FileSink.remembers:
            files = set()  # nothing tells what they have, so that an older checkpoint may write rows again
        loop = LoopOptions(epoch=epoch, step_rows=random.choice([5, 20, 100]))
        return cls(
            seed=seed,
            shape=shape,
            inputs=inputs,
            delay=random.choice([0, 0, 200, 1_000]),
            into_files=frozenset(files),
            options=JobOptions(shards=random.choice([1, 1, 3]), loop=loop, state=STATE, control=False, guarded=True),
            troubles=Troubles(random.choice([0.0, 0.02, 0.15]), random.choice([0.0, 0.05])),
            blows=blows,
            locks=ZOMBIE not in kinds or random.random() < 0.5,
        )

    def pipeline(
        self, world: World, durable: Callable[[int], bool], troubles: Troubles
    ) -> tuple[Pipeline, dict[str, Topic], list[Broker]]:
        """The pipeline, with models of its servers in a world.

        Args:
            world: The world.
            durable: Whether the manifest of an epoch is.
            troubles: How often servers fail.
        """
        brokers = [
            Broker(
                world,
                {split: frame for split, (frame, _) in splits.items()},
                {split: moments for split, (_, moments) in splits.items()},
                troubles,
            )
            for splits in self.inputs
        ]
        topics: dict[str, Topic] = {}
        outputs: list[Output] = []
        for name, made in self._streams(brokers).items():
            sink: Sink
            if name in self.into_files:
                sink = FileSink(str(OUTPUT / name), format="json")
            else:
                topics[name] = Topic(world, name, troubles, durable)
                sink = SimulatedSink(name=name, topic=topics[name])
            outputs.append(made.write(sink, name=name))
        return Pipeline("simulated", *outputs), topics, brokers

    def _streams(self, brokers: list[Broker]) -> dict[str, Stream]:
        streams = []
        for number, broker in enumerate(brokers):
            columns = schema_of_frame(next(iter(broker.frames.values())).schema)
            source = SimulatedSource(name=f"rows{number}", columns=columns, broker=broker)
            streams.append(read(source, event_time="at", watermark=f"{self.delay} ms"))
        return self.shape.build(*streams)

    def reference(self, pipeline: Pipeline) -> dict[str, list[Change]]:
        """What each output must hold, by the meanings of the plan."""
        told = interpret(pipeline.outputs, self._events(), [len(splits) for splits in self.inputs])
        return {
            name: [
                (row_of({k: v for k, v in row.values.items() if k != "_why"}), row.diff)
                for row in told.outputs[name].rows
            ]
            for name in self.shape.kinds
        }

    def _events(self) -> list[Event]:
        timed: list[tuple[int, int, int, Event]] = []
        for source, splits in enumerate(self.inputs):
            for split, (frame, moments) in enumerate(splits.values()):
                for offset, values in enumerate(frame.rows(named=True)):
                    timed.append((moments[offset], source, split, Arrival(source, split, offset, values)))
                timed.append((moments[-1] + 1, source, split, Ended(source, split)))
        return [event for *_, event in sorted(timed, key=lambda one: one[:3])]


def _input(random: Random) -> dict[str, tuple[pl.DataFrame, list[int]]]:
    """Rows of one source by split, and when each comes."""
    found = {}
    disorder, keys = random.choice([0, 300, 3_000, 10_000]), random.choice([1, 6, 40])
    for split in range(random.choice([1, 2, 3])):
        count, step, pause = random.randrange(20, 120), random.randrange(20, 120), random.choice([1, 3, 10])
        at = [_BEGIN + dt.timedelta(milliseconds=i * step - random.randrange(disorder + 1)) for i in range(count)]
        columns: dict[str, Any] = {
            "n": [1_000 * split + i for i in range(count)],
            "k": [random.randrange(keys) for _ in range(count)],
            "v": [random.randrange(-50, 50) for _ in range(count)],
            "at": at,
        }
        moment, moments = START, []
        for _ in range(count):
            moment += random.choice([0, 0, 0, 1, 1, 2, pause]) * MILLISECOND
            moments.append(moment)
        types: Any = {"n": pl.Int64, "k": pl.Int64, "v": pl.Int64, "at": pl.Datetime("us", "UTC")}
        found[str(split)] = (pl.DataFrame(columns, schema=types), moments)
    return found


def _blow(random: Random) -> Blow:
    weights = (6, 5, 1, 4, 1, 2, 3, 2)
    return Blow(
        kind=random.choices(KINDS, weights)[0],
        share=random.random() ** 1.5,
        named=random.random() < 0.5,
        pick=random.random(),
        after=random.choice([3, 50, 300, 1_000, 5_000]),
    )
