"""Name the event time, follow it per split, and say how far it has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.delta import Delta
from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.core.timespan import DAY, END, NEVER, floor_to_millisecond, from_datetime
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.infer import infer
from penstock.expr.interpret import interpret
from penstock.operators.base import (
    Emission,
    Environment,
    Executable,
    Executor,
    Loader,
    Meaning,
    Output,
    Row,
    Saver,
    StepContext,
)
from penstock.operators.stateless import StatelessExecutor
from penstock.operators.why import refuse
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.watermark import ADVANCE, Alignment, Bounded, Policy, Punctuated, Scripted, Silence

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Watermark(Executable):
    """Make a column the event time of the stream.

    Each row is given the watermark of its own split before it: later operators test lateness against that,
    so it does not depend on how splits interleave. The watermark of the stream is the least over its splits.
    Rows without an event time, and (of unbounded sources) rows absurdly far in the future, leave by `errors`.

    Attributes:
        input: The rows.
        time: The event-time column: a Datetime.
        policy: How out of order rows are; None (bounded sources only) = anything goes: nothing is late, and
            windows close at the end.
        silence: What happens when splits are silent (unbounded sources only).
        future: How far ahead of the clock an event time may be, in microseconds (unbounded sources only).
        align: With which others it keeps pace: splits that are too far ahead of them are not read.
    """

    verb: ClassVar[str] = "watermark"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)

    input: Node
    time: str
    policy: Policy | None = None
    silence: Silence = Silence()
    future: int | None = DAY
    align: Alignment | None = None

    def derive(self) -> Facts:
        """The same rows, with an event time."""
        below = self.input.facts
        field = below.schema[self.time]
        if not isinstance(field.dtype, Datetime):
            raise PlanError(
                f'event time must be a Datetime, found "{self.time}": {field.dtype}',
                hint='ps.from_epoch("ms_column", "ms"), or .cast / .str.to_datetime',
            )
        if below.mode == UPDATING:
            raise PlanError("a Table has no event time of its own: its rows change", hint="name it before the grouping")
        if self.policy is None and not below.bounded:
            raise PlanError(
                "an unbounded source with an event time must state its watermark",
                hint='watermark="5 s": how much out of order rows may be; or ps.monotonic()',
            )
        if isinstance(self.policy, Punctuated):
            self.policy.check(below.schema)
        schema = below.schema.plus(replace(field, nullable=False))
        return replace(below, schema=schema, time=self.time, watermarked=True)

    def describe(self) -> str:
        """Column and policy."""
        aligned = f"; {self.align}" if self.align is not None else ""
        return f"{self.time} ({self.policy or 'at the end'}{aligned})"

    def needs(self, used: set[str]) -> list[set[str]]:
        """The used columns, the event time, and what marks it."""
        marks = self.policy.mark.columns() if isinstance(self.policy, Punctuated) else set()
        return [used | {self.time} | marks]

    def meaning(self) -> Meaning:
        """See `WatermarkMeaning`."""
        return WatermarkMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `WatermarkExecutor`."""
        return WatermarkExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class WatermarkMeaning(Meaning):
    """Each split's watermark is the greatest event time so far, in whole milliseconds, less the delay."""

    def __init__(self, node: Watermark) -> None:
        self.time = node.time
        self.delay = node.policy.delay if isinstance(node.policy, Bounded) else None
        self.script = node.policy if isinstance(node.policy, Scripted) else None
        marks = node.policy.mark if isinstance(node.policy, Punctuated) else None
        self.mark = interpret(infer(marks, node.input.schema)) if marks is not None else None
        self.seen: dict[tuple[int, int], int] = {}
        self.ended: set[tuple[int, int]] = set()

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """Give the row its split's watermark, then move that on."""
        moment = row.values[self.time]
        source, split, offset = row.place or (0, 0, 0)
        before = self.seen.get((source, split), NEVER)
        if self.script is not None:
            before = self.script.after(split, offset)
            self.seen[source, split] = self.script.after(split, offset + 1)
        if moment is None:
            return [("errors", row)]
        marked = Row(row.values, row.diff, before, row.place, row.sequence)
        if self.mark is not None:
            try:
                found = self.mark(row.values)
            except RowFault:
                return [("errors", row)]
            if found is not None:
                self.seen[source, split] = max(before, from_datetime(found) // 1_000 * 1_000)
        if self.delay is not None:
            instant = from_datetime(moment)
            self.seen[source, split] = max(before, instant // 1_000 * 1_000 - self.delay)
        return [("out", marked)]

    def split_ended(self, source: int, split: int) -> None:
        """A split that has ended holds nothing back."""
        self.ended.add((source, split))

    def least(self, splits: Iterable[tuple[int, int]]) -> int:
        """The watermark of the stream: the least over its splits."""
        return min(END if s in self.ended else self.seen.get(s, NEVER) for s in splits)


# -- Execution -----------------------------------------------------------------

MARK = "(mark)"


class WatermarkExecutor(Executor):
    """Follows each split with one kernel call per split and step."""

    def __init__(self, node: Watermark, environment: Environment) -> None:
        from penstock.operators.split_times import SplitTimes  # a plan needs no kernels

        self.time = node.time
        self.delay = node.policy.delay if isinstance(node.policy, Bounded) else None
        self.script = node.policy if isinstance(node.policy, Scripted) else None
        self.marks: StatelessExecutor | None = None
        if isinstance(node.policy, Punctuated):
            from penstock.operators.sharding import project

            self.delay = 0
            self.marks = project(node.input.schema, [(MARK, node.policy.mark)], environment)
        self.silence = node.silence
        self.bounded = node.facts.bounded
        self.future = None if self.bounded else node.future
        self.environment = environment
        self.seen: dict[tuple[int, int], int] = dict.fromkeys(environment.splits, NEVER)
        self.emitted = NEVER
        self.silent: dict[tuple[int, int], int] = {}
        self.ended: set[tuple[int, int]] = set()
        self.stated = node.policy
        self.advance_from: tuple[int, int] | None = None
        self.times = {pair: SplitTimes() for pair in self.seen}
        self._least = NEVER

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Give rows their watermarks; see `Executor.step`."""
        (delta,) = inputs
        if delta is not None and delta.length:
            if self.script is not None:
                self._take_script(delta, self.script)
            delta, refused = self._guard(delta, context.now)
            yield from (("errors", bad) for bad in refused)
            if delta.length and self.marks is not None:
                yield from self._follow_marks(delta, self.marks, context)
            elif delta.length:
                yield "out", self._follow(delta, None, context.now)
        self._least = self._watermark_of_stream(context)

    def _guard(self, delta: Delta, now: int) -> tuple[Delta, list[Delta]]:
        times, refused = delta.columns[self.time], []
        if times.null_count():
            missing = times.is_null()
            refused.append(refuse(delta.filter(missing), f'no event time: "{self.time}" is null', self.environment))
            delta = delta.filter(~missing)
            times = delta.columns[self.time]
        if self.future is not None:
            absurd = times.cast(pl.Int64) > (now + self.future) // _per_unit(times)
            if absurd.any():
                reason = f'event time "{self.time}" is more than {self.future / 3.6e9:g} h ahead of the clock'
                refused.append(refuse(delta.filter(absurd), reason, self.environment))
                delta = delta.filter(~absurd)
        return delta, refused

    def _follow_marks(self, delta: Delta, marks: StatelessExecutor, context: StepContext) -> Iterator[Output]:
        for port, made in marks.step([delta], context):
            if port != "out":
                yield port, made
            elif made.length:
                columns = dict(made.columns)
                found = columns.pop(MARK)
                yield "out", self._follow(made.with_columns(columns), found, context.now)

    def _follow(self, delta: Delta, marks: pl.Series | None, now: int) -> Delta:
        from penstock.kernels.watermark import watermark_before  # a plan needs no kernels

        result = Delta(delta.columns, delta.length, diff=delta.diff, positions=delta.positions)
        if self.script is not None:
            result.watermarks = pl.Series("watermark", self._scripted(delta, self.script))
            return result
        if self.delay is None:
            return result
        valid = marks.is_not_null().to_numpy() if marks is not None else None
        times = _marked(marks) if marks is not None else instants(delta.columns[self.time])
        pairs = delta.positions.split_runs() if delta.positions is not None else [(0, 0)]
        if len(pairs) == 1:
            before, self.seen[pairs[0]] = watermark_before(times, self.delay, self._start(pairs[0]), valid)
            self._note(pairs[0], times, before, now)
        else:
            assert delta.positions is not None
            before = np.empty(len(times), np.int64)
            sources, splits = delta.positions.sources(), delta.positions.splits()
            for pair in pairs:
                rows = np.flatnonzero((sources == pair[0]) & (splits == pair[1]))
                some = valid[rows] if valid is not None else None
                before[rows], self.seen[pair] = watermark_before(times[rows], self.delay, self._start(pair), some)
                self._note(pair, times[rows], before[rows], now)
        result.watermarks = pl.Series("watermark", before)
        return result

    def _note(self, pair: tuple[int, int], times: Any, before: Any, now: int) -> None:
        if isinstance(self.stated, Bounded) and pair in self.times:
            self.times[pair].note(times, before, self.delay, now)

    def _take_script(self, delta: Delta, script: Scripted) -> None:
        assert delta.positions is not None
        sources, splits, offsets = delta.positions.sources(), delta.positions.splits(), delta.positions.offsets()
        for source, split in delta.positions.split_runs():
            rows = offsets[(sources == source) & (splits == split)]
            if len(rows):
                self.seen[source, split] = script.after(split, int(rows[-1]) + 1)

    def _scripted(self, delta: Delta, script: Scripted) -> Any:
        assert delta.positions is not None
        splits, offsets = delta.positions.splits(), delta.positions.offsets()
        before = np.full(delta.length, NEVER, np.int64)
        for split in set(splits.tolist()):
            for rows, instant in script.of_split(split):
                before[(splits == split) & (offsets >= rows)] = instant
        return before

    def _start(self, pair: tuple[int, int]) -> int:
        """A split that was silent is tested against the watermark that went on without it."""
        own = self.seen.get(pair, NEVER)
        return max(own, self.emitted) if pair in self.silent else own

    def _watermark_of_stream(self, context: StepContext) -> int:
        active, live = [], 0
        for pair, seen in self.seen.items():
            state = context.splits.get(pair)
            if state is not None and state.ended:
                self.ended.add(pair)
                continue
            live += 1
            if state is not None and state.silent_since is not None:
                self.silent[pair] = state.silent_since
            else:
                if self.silent.pop(pair, None) is not None:
                    # Heard of again without a row, after a restart or by a bad one: time has gone on all the same.
                    seen = self.seen[pair] = max(seen, self.emitted)
                active.append(seen)
        if not live:
            return END
        if active:
            self.advance_from = None
            least = min(active)
        elif self.silence.then == ADVANCE and self.emitted > NEVER:
            if self.advance_from is None:
                self.advance_from = (self.emitted, max(self.silent.values()))
            least = self.advance_from[0] + context.now - self.advance_from[1]
        else:
            least = self.emitted
        self.emitted = max(self.emitted, floor_to_millisecond(least) if least > NEVER else least)
        return self.emitted

    def watermark(self, incoming: Sequence[int]) -> int:
        """The least over the splits that are neither silent nor ended."""
        return self._least

    def state_layout(self) -> Any:
        """Watermarks by split: they fit whatever the policy has become."""
        return {"kind": "watermark"}

    def contents(self, limit: int) -> pl.DataFrame:
        """Splits and their watermarks."""
        names = self._names()
        rows = [(*names[pair], seen if seen > NEVER else None) for pair, seen in self.seen.items()]
        frame = pl.DataFrame(rows[:limit], schema=["source", "split", "watermark"], orient="row")
        return frame.cast({"source": pl.String, "split": pl.String, "watermark": pl.Datetime("us", "UTC")})

    def snapshot(self, saver: Saver) -> Any:
        """Watermarks by the names of splits, and what was emitted."""
        names = self._names()
        return {
            "seen": [[*names[pair], value] for pair, value in self.seen.items()],
            "silent": [[*names[pair], value] for pair, value in self.silent.items()],
            "emitted": self.emitted,
            "ended": [list(names[pair]) for pair in self.seen if pair in self.ended],
            "advance": self.advance_from,
            "least": self._least,
        }

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`. A split that is new begins where the stream was; one that is gone is forgotten."""
        pairs = {names: pair for pair, names in self._names().items()}
        self.emitted, self._least = state["emitted"], state["least"]
        self.advance_from = tuple(state["advance"]) if state["advance"] else None
        self.seen = dict.fromkeys(self.seen, self.emitted)
        self.ended = {pairs[*names] for names in state.get("ended", []) if tuple(names) in pairs}
        self.seen.update({pairs[*names]: value for *names, value in state["seen"] if tuple(names) in pairs})
        self.silent = {pairs[*names]: value for *names, value in state["silent"] if tuple(names) in pairs}

    def holders(self, until: int) -> Iterator[dict[str, Any]]:
        """The splits that are behind an instant, least first, and what each needs, as JSON.

        `row`: the event time (or mark, as `by` says) of a row that would bring the split so far, None if only its end
        does; `idle`: after how many microseconds of silence it is not waited for, None if it is for ever.
        If all splits are silent, `silent` is true for each, and time goes on by the clock, or is held.
        """
        marked = isinstance(self.stated, Punctuated)
        delay = self.stated.delay if isinstance(self.stated, Bounded) else 0 if marked else None
        left = [pair for pair in self.seen if pair not in self.ended]
        active = [pair for pair in left if pair not in self.silent]
        for pair in sorted(active or left, key=lambda pair: self.seen[pair]):
            if self.seen[pair] >= until:
                continue
            source, split = self.environment.place(*pair)
            # Watermarks are whole milliseconds: the row must reach the next one.
            row = None if delay is None else -(-until // 1_000) * 1_000 + delay
            yield {
                "source": source,
                "split": split,
                "watermark": self.seen[pair] if self.seen[pair] > NEVER else None,
                "silent": pair in self.silent,
                "row": row,
                "by": "mark" if marked else self.time,
                "idle": None if self.bounded else self.silence.idle,
                "then": self.silence.then,
            }

    def _names(self) -> dict[tuple[int, int], tuple[str, str, int]]:
        """By split, the names of source and split, and which of those that have these names it is."""
        found: dict[tuple[int, int], tuple[str, str, int]] = {}
        counts: Counter[tuple[str, str]] = Counter()
        for pair in self.seen:
            name = self.environment.place(*pair)
            found[pair] = (*name, counts[name])
            counts[name] += 1
        return found


def _per_unit(times: pl.Series) -> int:
    return 1_000 if times.dtype.time_unit == "ms" else 1  # type: ignore[attr-defined]


def _marked(marks: pl.Series) -> Any:
    """Marks as int64 microseconds; what null is does not matter."""
    unit = 1 if marks.dtype == pl.Null else _per_unit(marks)
    return marks.cast(pl.Int64).fill_null(0).to_numpy() * unit


def instants(times: pl.Series) -> Any:
    """The values of a Datetime series without nulls as int64 microseconds."""
    values = times.cast(pl.Int64).to_numpy()  # `to_physical` costs fifty times as much
    return values * 1_000 if _per_unit(times) == 1_000 else values


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
