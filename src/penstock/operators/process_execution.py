"""How process functions execute: the state of the keys of a step is read at once, changed, and written at its end."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.timespan import END
from penstock.expr.function import RowFault
from penstock.expr.user_values import conform
from penstock.operators.aggregation import plain_key
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.process_calls import KeyState, Timer
from penstock.operators.watermark import instants
from penstock.operators.why import refuse
from penstock.plan.ttl import EVENT, PROCESSING
from penstock.plan.values import decode, encode
from penstock.state.row_state import Identity, MemoryRows

if TYPE_CHECKING:
    from penstock.operators.process import Process

Alarm = tuple[int, int, Identity, str]
"""When a timer fires, its number, its key, its name; it counts only if the key still has that number."""


class ProcessExecutor(Executor):
    """Texts of state by key, and a heap of timers by each clock; see `Process` for what it gives."""

    def __init__(self, node: Process, environment: Environment) -> None:
        below = node.input.facts
        self.node, self.environment, self.keys = node, environment, node.keys
        self.names, self.types = below.schema.names, below.schema.to_polars()
        self.time, self.shift = (below.time if below.watermarked else None), below.time_shift
        self.calls = node.calls()
        self.made_types = node.schema.to_polars()
        self.masked = any(one.mask for one in below.schema)
        self.rows = MemoryRows([below.schema[name] for name in node.keys], environment.seed)
        self.shared = MemoryRows([], environment.seed, name="shared")
        self.shared_changed = False
        self.touched: dict[Identity, KeyState] = {}
        self.alarms: dict[str, list[Alarm]] = {EVENT: [], PROCESSING: []}
        self.last, self.now, self.passed = -END, 0, -END
        self.made: list[dict[str, Any]] = []
        self.failed: list[dict[str, Any]] = []
        self.reasons: list[str] = []

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Timers by the clock, then rows and timers in the order of event time; see `Executor.step`."""
        (delta,) = inputs
        if context.now > self.now:
            self.now = context.now
            self._fire(PROCESSING, self.now, self.now)
            self._fire(EVENT, self.passed, self.now)
        if delta is not None and delta.length:
            yield from self._take(delta, context.now)
        if context.last:
            self.passed = context.watermark
            self._fire(EVENT, context.watermark, context.now)
            if context.watermark == END:
                self._fire(PROCESSING, END, context.now)
        self._write()
        yield from self._give()

    def _take(self, delta: Delta, now: int) -> Iterator[Output]:
        frame = delta.frame(self.names)
        keys = [plain_key(values, self.keys) for values in frame.select(self.keys).iter_rows(named=True)]
        self._read(keys)
        times = instants(delta.columns[self.time]) + self.shift if self.time is not None else None
        failed: dict[int, str] = {}
        for i, values in enumerate(frame.iter_rows(named=True)):
            instant = int(times[i]) if times is not None else None
            if instant is not None:
                self._fire(EVENT, instant - 1, now)
                self.last = max(self.last, instant)
            key = keys[i]
            if self.calls.is_broadcast(values):
                try:
                    own = {name: values[name] for name in self.keys}
                    self.made += self.calls.on_broadcast(values, own, instant, now)
                    self.shared_changed = True
                except RowFault as fault:
                    failed[i] = self._reason(fault)
                continue
            state = self.touched.get(key)
            if state is None:
                state = self.touched[key] = KeyState({name: values[name] for name in self.keys})
            first = self.calls.number
            try:
                self.made += self.calls.on_row(values, state, instant, now)
            except RowFault as fault:
                failed[i] = self._reason(fault)
            self._set(key, state, first)
        if failed:
            bad = delta.take(np.fromiter(failed, np.int64))
            yield "errors", refuse(bad, pl.Series(list(failed.values())), self.environment)

    def _reason(self, fault: RowFault) -> str:
        return f"{self.calls.name} failed" if self.masked else str(fault)

    def _fire(self, clock: str, until: int, now: int) -> None:
        """Fire the timers of a clock up to an instant."""
        alarms = self.alarms[clock]
        while alarms and alarms[0][0] <= until:
            at, number, key, name = heapq.heappop(alarms)
            self._read([key])
            state = self.touched.get(key)
            timer = state.timers.get(name) if state is not None else None
            if state is None or timer is None or timer.number != number:
                continue
            del state.timers[name]
            if until == END and timer.child and (clock == PROCESSING or at > self.last):
                continue
            first = self.calls.number
            try:
                self.made += self.calls.on_timer(name, state, at if clock == EVENT else None, now)
            except RowFault as fault:
                self.failed.append({**dict.fromkeys(self.names), **state.key})
                self.reasons.append(self._reason(fault))
            self._set(key, state, first)

    def _set(self, key: Identity, state: KeyState, first: int) -> None:
        """Put the timers that a call has set on their heaps."""
        if self.calls.number == first:
            return
        for name, timer in state.timers.items():
            if timer.number >= first:
                heapq.heappush(self.alarms[timer.clock], (timer.at, timer.number, key, name))

    # -- state

    def _read(self, keys: Sequence[Identity]) -> None:
        """Have the state of keys at hand, if they have any."""
        missing = [key for key in dict.fromkeys(keys) if key not in self.touched]
        for key, text in self.rows.load(missing).items():
            self.touched[key] = self._decoded(text)

    def _write(self) -> None:
        """Give back the state of the keys that the step has touched."""
        if self.touched:
            self.rows.store(
                [
                    (key, list(state.key.values()), self._encoded(state) if state.values or state.timers else None)
                    for key, state in self.touched.items()
                ]
            )
            self.touched = {}
        if self.shared_changed:
            self.shared.store([((), [], json.dumps(encode(self.calls.shared)))])
            self.shared_changed = False

    def _encoded(self, state: KeyState) -> str:
        timers = {name: [one.clock, one.at, one.number, one.child] for name, one in state.timers.items()}
        return json.dumps({"key": encode(state.key), "values": encode(state.values), "timers": timers})

    def _decoded(self, text: str) -> KeyState:
        data = json.loads(text)
        values = self._values(data["values"])
        timers = {name: Timer(*parts) for name, parts in data["timers"].items()}
        return KeyState(decode(data["key"], _no_connector), values, timers)

    def _values(self, stored: Any) -> dict[str, Any]:
        found = decode(stored, _no_connector).items()
        return {name: conform(value, self.calls.states[name].dtype) for name, value in found}

    def _give(self) -> Iterator[Output]:
        """What the calls of the step gave."""
        if self.failed:
            columns = {n: pl.Series(n, [row[n] for row in self.failed], dtype=t) for n, t in self.types.items()}
            bad, reasons = Delta(columns, len(self.failed)), pl.Series(self.reasons)
            self.failed, self.reasons = [], []
            yield "errors", refuse(bad, reasons, self.environment)
        if self.made:
            made, self.made = self.made, []
            columns = {n: pl.Series(n, [row[n] for row in made], dtype=t) for n, t in self.made_types.items()}
            yield "out", Delta(columns, len(made))

    def due(self) -> int | None:
        """The first timer by event time; the end, if there are timers by the clock."""
        if self.alarms[EVENT]:
            return self.alarms[EVENT][0][0]
        return END if self.alarms[PROCESSING] else None

    def wakes(self) -> int | None:
        """The first timer by the clock."""
        return self.alarms[PROCESSING][0][0] if self.alarms[PROCESSING] else None

    def state_layout(self) -> Any:
        """Keys, and the types of what is declared."""
        keys = [{"name": n, "type": str(self.node.input.schema[n].dtype)} for n in self.keys]
        found = sorted(self.calls.states.items())
        states = [{"name": name, "type": str(one.dtype)} for name, one in found if not one.shared]
        layout = {"kind": "process", "keys": keys, "state": states, "time": self.time}
        if self.node.parts:
            layout["shared"] = [{"name": name, "type": str(one.dtype)} for name, one in found if one.shared]
        return layout

    def snapshot(self, saver: Saver) -> Any:
        """The texts; heaps are made of them anew."""
        seen: dict[str, Any] = {"last": self.last, "now": self.now, "passed": self.passed}
        if self.node.parts:
            seen["shared"] = self.shared.snapshot(saver)
        return {"rows": self.rows.snapshot(saver), "number": self.calls.number, **seen}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.calls.number, self.last = state["number"], state["last"]
        self.now, self.passed = state["now"], state["passed"]
        if self.node.parts:
            for slot, _, text in self.shared.restore(state["shared"], loader):
                self.shared.slots[()] = slot
                self.calls.share(self._values(json.loads(text)))
        for slot, values, text in self.rows.restore(state["rows"], loader):
            key = plain_key(dict(zip(self.keys, values, strict=True)), self.keys)
            self.rows.slots[key] = slot
            for name, (clock, at, number, _) in json.loads(text)["timers"].items():
                self.alarms[clock].append((at, number, key, name))
        for alarms in self.alarms.values():
            heapq.heapify(alarms)

    def contents(self, limit: int) -> pl.DataFrame:
        """The keys with their state as JSON."""
        return self.rows.contents(limit)

    def state_size(self) -> tuple[int, int]:
        """Keys and bytes."""
        return len(self.rows), self.rows.nbytes + self.shared.nbytes


def _no_connector(stored: dict[str, Any]) -> Any:
    raise ValueError(f"no state holds {stored!r}")
