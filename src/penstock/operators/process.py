"""Functions of users with state and timers per key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.dtypes import String, Struct
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import END, from_datetime
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.user_functions import UserFunction
from penstock.operators.aggregation import key_fields, plain_key
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.operators.process_calls import Calls, KeyState, states_of
from penstock.operators.process_calls import Process as UserProcess
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.ttl import EVENT, PROCESSING
from penstock.plan.values import encode
from penstock.state.kinds import check_kept

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Process(Executable):
    """Call a function of the user's program for each row of a key, and when its timers fire.

    Rows of a stream with event time come sorted by it, as the watermark passes (late ones leave by `late` of the
    sorting), and timers in their place among them: a timer fires behind all rows of its instant and of those
    before. So what is given depends on what the rows say, not on when they come (Flink calls for rows as they come, and
    fires when the watermark passes). Rows without event time come as they arrive. Timers by the clock fire at the
    beginning of the first step that has reached their instant. Timers of one instant fire in the order in which
    they were set.

    When bounded input is over all timers fire, and those by the clock behind them; one that a timer sets then fires
    only if it is not later than the last row, so that timers that set themselves again come to an end.

    Rows of several inputs (`ps.process`) come in one order, and each is given to the method that is named after its
    input. A row of a broadcast input has no key: its method changes what all keys share (`shared=True`), which the
    others read; at one instant it comes before the rows of keys.

    A call that fails, or gives what is not declared, changes no state: its row leaves by `errors` with the reason; for
    a timer, which is forgotten, a row of its key, null otherwise. State: what is assigned, as declared, for each key
    until it is the default again and no timer is set. It is stored as text of the declared types, whole for each key
    that a step has changed; nothing is pickled. Attributes of the object that are no state are lost at a restart.

    Attributes:
        input: The rows.
        keys: The key columns.
        function: The class.
        settings: The attributes of the object at hand when the plan was built.
        parts: Of rows of several inputs: the name of each, and whether it is broadcast.
    """

    verb: ClassVar[str] = "process"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    function: UserFunction
    settings: Mapping[str, Any]
    parts: tuple[tuple[str, bool], ...] = ()

    def derive(self) -> Facts:
        """The key, and what the class declares; event time if it is among it."""
        below = self.input.facts
        if below.mode == UPDATING:
            raise PlanError(
                "the rows of a Table change, and a process function takes rows that do not",
                hint="put it before the verb that makes the Table, or take .changelog()",
            )
        keys = key_fields(below.schema, self.keys)
        check_kept(Schema(keys))
        encode(dict(self.settings))
        self._check_calls()
        columns, sides = self.declared(), self.sides()
        for name in columns.names:
            if name in self.keys:
                raise PlanError(f'"{name}" is a column of the key, which comes first by itself: leave it out of output')
        fields = [*keys, *columns]
        if sides:
            fields.append(Field("_side", String))
            fields += [
                Field(f"_side_{name}", Struct(tuple((f.name, f.dtype) for f in one))) for name, one in sides.items()
            ]
        kept = below.time in columns and columns[str(below.time)].dtype == below.schema[str(below.time)].dtype
        return Facts(
            schema=Schema(tuple(fields)),
            time=below.time if kept and below.watermarked else None,
            time_shift=below.time_shift if kept and below.watermarked else 0,
            watermarked=below.watermarked and kept,
            bounded=below.bounded,
            deterministic=below.deterministic,
            order_sensitive=not below.watermarked,
        )

    @property
    def cls(self) -> type[UserProcess]:
        """The class.

        Raises:
            PlanError: If what the program has under its name is no process function any more.
        """
        found: Any = self.function.function
        if not (isinstance(found, type) and issubclass(found, UserProcess)):
            raise PlanError(f"{self.function} is no ps.Process")
        return found

    def _check_calls(self) -> None:
        """Check that there is a method for each input, and somebody who writes what is shared."""
        for name, _ in self.parts:
            if not callable(getattr(self.cls, f"on_{name}", None)):
                raise PlanError(
                    f"{self.function} has no on_{name}(self, row, ctx)", hint=f'"{name}" is one of its inputs'
                )
        shared = [name for name, state in states_of(self.cls).items() if state.shared]
        if shared and not any(broadcast for _, broadcast in self.parts):
            raise PlanError(
                f'"{shared[0]}" of {self.function} is shared, and no input is broadcast that could write it',
                hint="ps.process(Match(), orders=orders.group_by(...), rules=rules.broadcast())",
            )

    def declared(self) -> Schema:
        """The columns of `output`."""
        return Schema.of(self.cls.output)

    def sides(self) -> dict[str, Schema]:
        """The columns of the side outputs."""
        found = {name: Schema.of(columns) for name, columns in self.cls.sides.items()}
        for name, columns in found.items():
            if not len(columns):
                raise PlanError(f'the side output "{name}" has no column')
        return found

    def instance(self) -> UserProcess:
        """An object of the class, with the attributes that were at hand."""
        made = self.cls.__new__(self.cls)
        vars(made).update(self.settings)
        return made

    def calls(self) -> Calls:
        """What calls it."""
        below = self.input.facts
        time = (below.time, below.schema[str(below.time)].dtype) if below.time and below.watermarked else None
        broadcast = frozenset(name for name, shared in self.parts if shared)
        return Calls(self.instance(), self.declared(), self.sides(), time, broadcast)

    def describe(self) -> str:
        """The class and the keys."""
        return f"{self.function} per {', '.join(self.keys)}"

    @property
    def unbounded_state(self) -> str | None:
        """What may grow for ever: only the function knows."""
        return f"what {self.function} assigns, per {', '.join(self.keys)}, until it is the default again"

    def meaning(self) -> Meaning:
        """See `ProcessMeaning`."""
        return ProcessMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `ProcessExecutor`."""
        from penstock.operators.process_execution import ProcessExecutor

        return ProcessExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class ProcessMeaning(Meaning):
    """All keys in a dict; the timer that is next is looked for among all of them."""

    def __init__(self, node: Process) -> None:
        self.node, self.calls = node, node.calls()
        below = node.input.facts
        self.time, self.shift = (below.time if below.watermarked else None), below.time_shift
        self.keys: dict[tuple[Any, ...], KeyState] = {}
        self.now, self.last, self.passed = 0, -END, -END

    def tick(self, now: int) -> Iterable[Emission]:
        """Fire the timers by the clock."""
        self.now = now
        made = self._fire(PROCESSING, now)
        return [*made, *self._fire(EVENT, self.passed)]

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """First the timers before its instant, then the row."""
        made: list[Emission] = []
        instant = None
        if self.time is not None:
            instant = from_datetime(row.values[self.time]) + self.shift
            made += self._fire(EVENT, instant - 1)
            self.last = max(self.last, instant)
        key = {name: row.values[name] for name in self.node.keys}
        if self.calls.is_broadcast(row.values):
            try:
                rows = self.calls.on_broadcast(dict(row.values), key, instant, self.now)
                return [*made, *(("out", Row(values)) for values in rows)]
            except RowFault:
                return [*made, ("errors", row)]
        state = self.keys.setdefault(plain_key(row.values, self.node.keys), KeyState(key))
        try:
            made += [("out", Row(values)) for values in self.calls.on_row(dict(row.values), state, instant, self.now)]
        except RowFault:
            made.append(("errors", row))
        return made

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Fire the timers that the watermark has passed; at the end all."""
        self.passed = watermark
        made = self._fire(EVENT, watermark)
        return [*made, *self._fire(PROCESSING, END)] if watermark == END else made

    def _fire(self, clock: str, until: int) -> list[Emission]:
        made: list[Emission] = []
        while True:
            due = [
                (timer.at, timer.number, name, state)
                for state in self.keys.values()
                for name, timer in state.timers.items()
                if timer.clock == clock and timer.at <= until
            ]
            if not due:
                return made
            at, _, name, state = min(due, key=lambda one: one[:2])
            timer = state.timers.pop(name)
            if until == END and timer.child and (clock == PROCESSING or at > self.last):
                continue
            time = at if clock == EVENT else None
            try:
                made += [("out", Row(values)) for values in self.calls.on_timer(name, state, time, self.now)]
            except RowFault:
                values = {**dict.fromkeys(self.node.input.schema.names), **state.key}
                made.append(("errors", Row(values)))


# -- Execution -----------------------------------------------------------------
# See `operators/process_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("SQL has no functions with timers")
