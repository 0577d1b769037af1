"""How lookups execute: rows wait with their place and watermark until what they asked for is answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from penstock.connectors.lookups import Lookup as Opened
from penstock.core.delta import Delta, concat, empty
from penstock.core.errors import SourceError, SourceLost
from penstock.core.lazy import np, pl
from penstock.core.timespan import NEVER
from penstock.expr.ast import Column
from penstock.operators.asking import Answer, AskingExecutor, Request
from penstock.operators.base import Environment, Loader, Output, Saver, StepContext
from penstock.operators.joining import LEFT
from penstock.operators.lookup_answers import Answers, Found, distinct, matched
from penstock.operators.lookup_rows import Asked, Part, WaitingRows
from penstock.operators.sharding import project
from penstock.operators.why import refuse
from penstock.plan.lookup_options import FAIL, FULL, PARTIAL

if TYPE_CHECKING:
    import polars as pl

    from penstock.operators.lookup import Lookup

MOST_ROWS = 1 << 16


class LookupExecutor(AskingExecutor):
    """Rows that wait, what they wait for, and answers that are kept; see `Lookup` for what it gives."""

    def __init__(self, node: Lookup, environment: Environment) -> None:
        super().__init__()
        self.node, self.environment, self.options = node, environment, node.options
        below, types = node.input.schema, node.key_types()
        self.ordered = node.options.ordered
        self.terms = [node.typed_key(i).term for i in range(len(types))]
        computed = [(f"\0{i}", term) for i, term in enumerate(self.terms) if not isinstance(term, Column)]
        self.projection = project(below, computed, environment) if computed else None
        self.values = [name for name in node.table.names if name in {c[2] for c in node.columns if c[1] != LEFT}]
        every = node.table.to_polars()
        self.blank = pl.DataFrame(schema={name: every[name] for name in self.values})
        self.answers: Answers | None = None
        if node.options.cache in (PARTIAL, FULL):
            most = node.options.cache_rows if node.options.cache == PARTIAL else None
            self.answers = Answers(node.right_on, types, dict(self.blank.schema), most, environment.seed)
        self.loaded_at: int | None = None
        self.loading = False
        self.direct: Opened | None = None
        self.most_keys = node.source.most_keys
        self.batch = min(node.options.batch, node.source.most_keys)
        self.rows = WaitingRows(below, environment.seed)
        self.asked: dict[int, Asked] = {}
        self.firsts: list[tuple[int, int]] = []
        self.parts: list[Part] = []
        self.number = 0
        self.incoming = NEVER
        self.masked = any(field.mask for field in below)

    # -- what the engine asks

    def opened(self) -> Opened:
        """Open the source."""
        return self.node.source.lookup(self.node.request())

    @property
    def waits(self) -> bool:
        """Whether a row waits for an answer."""
        return bool(self.asked)

    @property
    def full(self) -> bool:
        """Whether as many rows wait as may."""
        return len(self.rows) >= self.options.capacity

    def watermark(self, incoming: Sequence[int]) -> int:
        """Where that of the input was when the oldest row came that is not answered."""
        self.incoming = min(incoming)
        oldest = self._oldest()
        return self.incoming if oldest is None else min(self.incoming, oldest.held)

    def _oldest(self) -> Asked | None:
        """What has the oldest row that is not answered."""
        while self.firsts and self.firsts[0][1] not in self.asked:
            heappop(self.firsts)
        return self.asked[self.firsts[0][1]] if self.firsts else None

    def _let_wait(self, asked: Asked) -> int:
        """Let rows wait; the number of their request."""
        number, self.number = self.number, self.number + 1
        self.asked[number] = asked
        heappush(self.firsts, (int(asked.ids[0]), number))
        return number

    # -- a step

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Use answers, ask for the keys of rows, and give what is answered; see `Executor.step`."""
        for answer in self.heard():
            yield from self._answered(answer, context.now)
        yield from self._ready()
        (delta,) = inputs
        if delta is not None and delta.length:
            yield from self._take(delta, context)
        yield from self._ready()

    def _keys(self, delta: Delta, context: StepContext) -> tuple[pl.DataFrame, Any]:
        """The keys of rows, and which rows have one."""
        columns = dict(delta.columns)
        if self.projection is not None:
            for _, made in self.projection.step([delta], context):
                columns |= made.columns
        series = [
            columns[term.name if isinstance(term, Column) else f"\0{i}"].alias(name)
            for i, (term, name) in enumerate(zip(self.terms, self.node.right_on, strict=True))
        ]
        known = np.ones(delta.length, np.bool_)
        for one in series:
            if one.null_count():
                known &= one.is_not_null().to_numpy()
        return pl.DataFrame(series), known

    def _take(self, delta: Delta, context: StepContext) -> Iterator[Output]:
        """Answer what is known, and let the rest wait."""
        keys, known = self._keys(delta, context)
        numbers = np.full(delta.length, -1, np.int64)
        given = keys if known.all() else keys.filter(pl.Series(known))
        unique, places = distinct(given)
        numbers[known] = places
        found, answered = self._known(unique, context.now)
        ready = ~known
        ready[known] = answered[places]
        direct = ready
        if self.ordered:
            # Those behind a row that waits wait for it, answered or not.
            count = 0 if len(self.rows) else int(np.argmin(ready)) if not ready.all() else len(ready)
            direct = np.arange(delta.length) < count
        if direct.all():
            yield from self._out(self._joined(delta, numbers, found)[1])
            return
        if direct.any():
            chosen = np.flatnonzero(direct)
            yield from self._out(self._joined(delta.take(chosen), numbers[chosen], found)[1])
        rest = np.flatnonzero(~direct)
        delta, numbers, ready = delta.take(rest), numbers[rest], ready[rest]
        slots, ids = self.rows.add(delta, self.incoming)
        if ready.any():
            chosen = np.flatnonzero(ready)
            self._put(delta.take(chosen), slots[chosen], ids[chosen], numbers[chosen], found)
        left = np.flatnonzero(~ready)
        held = np.full(len(left), self.incoming, np.int64)
        self._ask(unique, slots[left], ids[left], numbers[left], held)

    def _known(self, keys: pl.DataFrame, now: int) -> tuple[Found, Any]:
        """What can be answered at once, by key."""
        options, nothing = self.options, np.zeros(keys.height, np.int64)
        if options.cache == FULL:
            self._load(now)
            assert self.answers is not None
            if self.loaded_at is None:
                return Found(self.blank, nothing, nothing), nothing.astype(np.bool_)
            found, _ = self.answers.find(keys, now, None)
            return found, np.ones(keys.height, np.bool_)
        if self.node.source.inline:
            self.direct = self.direct or self.opened()
            given = self.direct.ask(keys) if keys.height else pl.DataFrame(schema=self.node.table.to_polars())
            return self._matched(keys, given), np.ones(keys.height, np.bool_)
        if self.answers is None:
            return Found(self.blank, nothing, nothing), nothing.astype(np.bool_)
        return self.answers.find(keys, now, options.idle_us)

    def _load(self, now: int) -> None:
        """Have the whole table asked for, if there is none or it is too old."""
        age = self.options.reload_us
        if self.loading or (self.loaded_at is not None and (age is None or now - self.loaded_at < age)):
            return
        if self.node.source.inline:
            self.direct = self.direct or self.opened()
            self._fill(self.direct.load(), now)
            return
        self.loading = True
        self.ask(Request(-1, None))

    def _fill(self, rows: pl.DataFrame, now: int) -> None:
        assert self.answers is not None
        self.answers.fill(rows, self.node.right_on, now)
        self.loaded_at, self.loading = now, False

    def _ask(self, keys: pl.DataFrame, slots: Any, ids: Any, numbers: Any, held: Any) -> None:
        """Let rows wait for their keys, in batches of so many."""
        if self.options.cache == FULL:
            if len(ids):
                self._let_wait(Asked(keys, slots, ids, numbers, int(held[0])))
            return
        wanted, order = np.unique(numbers, return_inverse=True)
        by_key = np.argsort(order, kind="stable")
        starts = range(0, len(wanted), self.batch)
        ends = np.searchsorted(order[by_key], [*starts, len(wanted)])
        for i, start in enumerate(starts):
            batch = wanted[start : start + self.batch]
            mine = np.sort(by_key[ends[i] : ends[i + 1]])
            asked = keys[pl.Series(batch)]
            rows = Asked(asked, slots[mine], ids[mine], order[mine] - start, int(held[mine[0]]))
            self.ask(Request(self._let_wait(rows), asked))

    # -- answers

    def _answered(self, answer: Answer, now: int) -> Iterator[Output]:
        """Join the rows that waited for an answer, or refuse them."""
        if answer.number < 0:
            yield from self._loaded(answer, now)
            return
        asked = self.asked.pop(answer.number)
        if answer.rows is None:
            yield from self._failed(asked, answer.failure)
            return
        keys = asked.keys
        found, misses = self._matched(keys, answer.rows), self.options.cache_misses
        if asked.tries < self.options.misses and (found.count == 0).any():
            asked, misses = self._again(asked, found.count == 0), False
        if self.answers is not None:
            self.answers.keep(keys, found, now, self.options.ttl_us, misses=misses)
        if len(asked.ids):
            self._put(self.rows.take(asked.slots), asked.slots, asked.ids, asked.numbers, found)

    def _matched(self, keys: pl.DataFrame, rows: pl.DataFrame) -> Found:
        try:
            return matched(keys, rows, self.values)
        except pl.exceptions.PolarsError as wrong:
            name = self.node.source.default_name()
            raise SourceError(f'"{name}" answered something else than its columns say: {wrong}') from None

    def _loaded(self, answer: Answer, now: int) -> Iterator[Output]:
        """Take a whole table, and answer all rows that waited for the first one."""
        self.loading = False
        waiting, self.asked = self.asked, {}
        if answer.rows is None:
            if self.loaded_at is not None:
                # What there is stays until a load succeeds: the next one is tried when it would be due again.
                self.loaded_at = now
                return
            for asked in waiting.values():
                yield from self._failed(asked, answer.failure)
            return
        self._fill(answer.rows, now)
        assert self.answers is not None
        for asked in waiting.values():
            found, _ = self.answers.find(asked.keys, now, None)
            self._put(self.rows.take(asked.slots), asked.slots, asked.ids, asked.numbers, found)

    def _again(self, asked: Asked, missing: Any) -> Asked:
        """Ask once more for the keys without rows; gives what is left."""
        again = missing[asked.numbers]
        keys = np.flatnonzero(missing)
        renumbered = np.cumsum(missing) - 1
        repeated = Asked(
            asked.keys[pl.Series(keys)], asked.slots[again], asked.ids[again], renumbered[asked.numbers[again]],
            asked.held, asked.tries + 1,
        )  # fmt: skip
        self.ask(Request(self._let_wait(repeated), repeated.keys, self.options.miss_delay_us))
        return Asked(asked.keys, asked.slots[~again], asked.ids[~again], asked.numbers[~again], asked.held)

    def _failed(self, asked: Asked, failure: str) -> Iterator[Output]:
        """Refuse the rows of a request that failed for good.

        Raises:
            SourceLost: If that fails the run.
        """
        name = self.node.source.default_name()
        if self.options.on_failure == FAIL:
            hint = 'on_failure="dead_letter" sends the rows to errors; retry= tries longer'
            raise SourceLost(f'"{name}" does not answer: {failure}', hint=hint)
        reason = f"{name} does not answer" if self.masked else f"{name} does not answer: {failure}"
        yield "errors", refuse(self.rows.take(asked.slots), reason, self.environment)
        nothing = np.empty(0, np.int64)
        self.parts.append(Part(asked.ids, asked.slots, nothing, empty(self.node.schema.to_polars())))

    # -- rows out

    def _joined(self, delta: Delta, numbers: Any, found: Found) -> tuple[Any, Delta]:
        """Rows with their answers, and by row that comes out the index of its cause."""
        rows, answers = found.pairs(numbers, padded=self.node.how == LEFT)
        whole = len(rows) == delta.length and (not len(rows) or bool((np.diff(rows) == 1).all()))
        mine = delta if whole else delta.take(rows)
        types = self.node.schema.to_polars()
        columns: dict[str, pl.Series] = {}
        for name, side, source in self.node.columns:
            if side == LEFT:
                columns[name] = mine.columns[source].alias(name)
            elif not len(found.count):
                columns[name] = pl.Series(name, [None], dtype=types[name]).new_from_index(0, len(rows))
            else:
                columns[name] = found.column(source, answers).alias(name)
        return rows, mine.with_columns(columns)

    def _put(self, delta: Delta, slots: Any, ids: Any, numbers: Any, found: Found) -> None:
        rows, made = self._joined(delta, numbers, found)
        self.parts.append(Part(ids, slots, ids[rows], made))

    def _ready(self) -> Iterator[Output]:
        """Give what was answered: ordered, up to the first row that was not."""
        if not self.parts:
            return
        parts, self.parts = self.parts, []
        oldest = self._oldest() if self.ordered else None
        if oldest is not None:
            until = int(oldest.ids[0])
            cut = [part.cut(until) for part in parts]
            parts = [head for head, _ in cut if len(head.ids)]
            self.parts = [rest for _, rest in cut if len(rest.ids)]
        if not parts:
            return
        made = np.concatenate([part.made for part in parts])
        deltas = [part.delta for part in parts if part.delta.length]
        self.rows.drop(np.concatenate([part.slots for part in parts]))
        if deltas:
            delta = concat(deltas)
            yield from self._out(delta.take(np.argsort(made, kind="stable")) if self.ordered else delta)

    def _out(self, delta: Delta) -> Iterator[Output]:
        for start in range(0, delta.length, MOST_ROWS):
            if delta.length <= MOST_ROWS:
                yield "out", delta
            else:
                yield "out", delta.take(np.arange(start, min(start + MOST_ROWS, delta.length), dtype=np.int64))

    # -- state

    def state_layout(self) -> Any:
        """The columns of the rows that wait. How they are asked may change: they are asked anew."""
        return {"kind": "lookup", "columns": self.rows.layout()}

    def snapshot(self, saver: Saver) -> Any:
        """The rows that wait; answers are not stored: they are asked for again."""
        return {"rows": self.rows.snapshot(saver)}

    def restore(self, state: Any, loader: Loader) -> None:
        """Ask again for all rows that wait."""
        slots, ids, held = self.rows.restore(state["rows"], loader)
        for start in range(0, len(slots), MOST_ROWS):
            part = slice(start, start + MOST_ROWS)
            self._restored(slots[part], ids[part], held[part])

    def _restored(self, slots: Any, ids: Any, held: Any) -> None:
        delta = self.rows.take(slots)
        context = StepContext(0, 0, NEVER)
        keys, known = self._keys(delta, context)
        unique, places = distinct(keys.filter(pl.Series(known)))
        rows = np.flatnonzero(known)
        if len(rows):
            self._ask(unique, slots[rows], ids[rows], places, held[rows])
            if self.options.cache == FULL and not self.loading:
                self.loading = True
                self.ask(Request(-1, None))
        none = np.flatnonzero(~known)
        if len(none):
            nothing = Found(self.blank, np.empty(0, np.int64), np.empty(0, np.int64))
            self._put(delta.take(none), slots[none], ids[none], np.full(len(none), -1, np.int64), nothing)

    def contents(self, limit: int) -> pl.DataFrame:
        """The rows that wait."""
        return self.rows.contents(limit)

    def state_size(self) -> tuple[int, int]:
        """The rows that wait, and bytes, with those of answers that are kept."""
        kept = self.answers.nbytes if self.answers is not None else 0
        return len(self.rows), self.rows.nbytes + kept
