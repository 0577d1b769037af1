"""What may be handed in where something else is wanted, for every parameter of the public names of `penstock.flow`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from penstock import flow
from penstock.flow import Backoff, Flow, Sink, Source, Spill
from penstock.flow.catalogue import OPERATORS

Call = Callable[..., Any]


async def a_coroutine(*_: Any) -> None:
    """An async function where another one is wanted."""


class _Recorder:
    """A stream that remembers with what a verb was called."""

    def __init__(self, verb: str) -> None:
        self._verb, self._stream = verb, Source.range(3)
        self.called: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._stream, name)

        def call(*arguments: Any, **named: Any) -> _Recorder:
            if name == self._verb and self.called is None:
                self.called = arguments, named
            self._stream = method(*arguments, **named)
            return self

        return call


def add(a: Any, b: Any) -> Any:
    return a


def one() -> Sink:
    return Sink.ignore()


MADE: dict[str, tuple[Call, tuple[Any, ...], dict[str, Any]]] = {
    "Source.broadcast": (Source.range(3).broadcast, (2,), {}),
    "Source.balance": (Source.range(3).balance, (2,), {}),
    "Source.partition": (Source.range(3).partition, (2, abs), {}),
    "Source.unzip": (Source.range(3).unzip, (2,), {}),
    "Runnable.start": (Source.empty().to(Sink.ignore()).start, (), {}),
    "Source.via": (Source.range(3).via, (Flow(),), {}),
    "Source.to": (Source.range(3).to, (Sink.ignore(),), {}),
    "Flow.via": (Flow().via, (Flow(),), {}),
    "Flow.to": (Flow().to, (Sink.ignore(),), {}),
    "Flow.from_sink_and_source": (Flow.from_sink_and_source, (Sink.ignore(), Source.empty()), {}),
    "Source.from_iterable": (Source.from_iterable, ([],), {}),
    "Source.from_factory": (Source.from_factory, (list,), {}),
    "Source.from_async": (Source.from_async, (Source.empty(),), {}),
    "Source.from_blocking": (Source.from_blocking, ([],), {}),
    "Source.from_publisher": (Source.from_publisher, (type("P", (), {"subscribe": print})(),), {}),
    "Source.from_file": (Source.from_file, ("name",), {}),
    "Source.from_lines": (Source.from_lines, ("name",), {}),
    "Source.from_process": (Source.from_process, (["true"],), {}),
    "Source.from_tcp": (Source.from_tcp, ("localhost", 80), {}),
    "Source.failed": (Source.failed, (ValueError(),), {}),
    "Source.range": (Source.range, (3,), {}),
    "Source.queue": (Source.queue, (3,), {}),
    "Source.tick": (Source.tick, ("1 s",), {}),
    "Source.iterate": (Source.iterate, (1, abs), {}),
    "Source.unfold": (Source.unfold, (1, abs), {}),
    "Source.unfold_async": (Source.unfold_async, (1, a_coroutine), {}),
    "Source.call": (Source.call, (a_coroutine,), {}),
    "Source.calls": (Source.calls, (a_coroutine,), {}),
    "Source.lazy": (Source.lazy, (list,), {}),
    "Source.resource": (Source.resource, (list,), {}),
    "Source.unfold_resource": (Source.unfold_resource, (list, abs, abs), {}),
    "Sink.fold": (Sink.fold, (0, add), {}),
    "Sink.for_each": (Sink.for_each, (abs,), {}),
    "Sink.for_each_async": (Sink.for_each_async, (a_coroutine,), {}),
    "Sink.fold_async": (Sink.fold_async, (0, a_coroutine), {}),
    "Sink.reduce": (Sink.reduce, (add,), {}),
    "Sink.any": (Sink.any, (abs,), {}),
    "Sink.all": (Sink.all, (abs,), {}),
    "Sink.take_last": (Sink.take_last, (3,), {}),
    "Sink.lazy": (Sink.lazy, (one,), {}),
    "Sink.to_file": (Sink.to_file, ("name",), {}),
    "Sink.restart_with_backoff": (Sink.restart_with_backoff, (one, Backoff()), {}),
    "Sink.contramap": (Sink.ignore().contramap, (abs,), {}),
    "Sink.map_result": (Sink.ignore().map_result, (abs,), {}),
    "Backoff": (Backoff, (), {}),
    "Spill": (Spill, ("folder",), {}),
    "CircuitBreaker": (flow.CircuitBreaker, (3, "1 s"), {}),
    "Hysteresis": (flow.Hysteresis, (), {}),
    "LatencySensor": (flow.LatencySensor, ("1 s",), {}),
    "MemorySensor": (flow.MemorySensor, ("1 GiB",), {}),
    "highest": (flow.highest, (float,), {}),
    "adapt_rate": (flow.adapt_rate, (float,), {"most": 3.0}),
    "degrade": (flow.degrade, ([abs], float), {}),
    "shed_by_priority": (flow.shed_by_priority, (3, abs), {}),
    "shed_by_sampling": (flow.shed_by_sampling, (3,), {}),
    "MergeHub": (flow.MergeHub, (), {}),
    "BroadcastHub": (flow.BroadcastHub, (), {}),
    "PartitionHub": (flow.PartitionHub, (add,), {}),
    "Feedback": (flow.Feedback, (3,), {}),
    "Graph": (flow.Graph, (), {"a": Source.empty().to(Sink.ignore())}),
    "from_publisher": (flow.from_publisher, (type("P", (), {"subscribe": print})(),), {}),
    "from_observable": (flow.from_observable, (type("P", (), {"subscribe": print})(), 3), {}),
}
"""Good calls of all that is no operator."""

NOTHING_TO_REFUSE = {
    *("Source.of", "Source.empty", "Source.never", "Source.constant", "Sink.collect", "Sink.ignore", "Sink.first"),
    *("Sink.last", "Sink.count", "Sink.cancelled", "Sink.never", "CpuSensor", "Source.open", "Source.run"),
    *(
        "Source.elements",
        "Sink.before",
        "Sink.consume",
        "KillSwitch",
        "SystemClock",
        "Signal",
        "Source.from_observable",
    ),
}
"""Take no parameter, or any value; and what those who write stages call."""

FREE = {
    *("start", "value", "values", "separator", "end", "fill", "items", "default", "args", "ordered", "initial"),
    *("inclusive", "eager", "coupled", "open_end", "share"),
}
"""Parameters that take any value, or whatever is true or false."""

NUMBERS = (-1, 2.5, "3", True, [])
FUNCTIONS = (3, "x", [], Source.empty())
DURATIONS = ("soon", -1, "-1 s", 3.5j, [])


def wrong(name: str, parameter: inspect.Parameter) -> tuple[Any, ...] | None:
    """What is no value of a parameter; None if every value is one."""
    kind, what = str(parameter.annotation), parameter.name
    if what in FREE and (name, what) not in {("stateful_map", "end"), ("stateful_map_concat", "end")}:
        if (name, what) == ("with_index", "start"):
            return (2.5, "3", None, True)
        if kind not in ("Iterable[Any]", "AsyncIterable[Any]") and (name, what) != ("tick", "initial"):
            return None
    by_name: dict[str, tuple[Any, ...]] = {
        **dict.fromkeys(("overflow", "mode", "halt", "order"), ("nonsense", None, 3, [])),
        **dict.fromkeys(("span", "per", "every", "within", "initial", "reset", "first", "timeout"), DURATIONS),
        **dict.fromkeys(("others", "other"), (3, None, "abc", Sink.ignore(), Flow())),
        **dict.fromkeys(("types", "kinds"), (3, "x", ValueError())),
        **dict.fromkeys(("sensor", "sensors"), FUNCTIONS),
        "priorities": ([0, 1], [1], 3, ["a", "b"]),
        "verdicts": ("nonsense", 3, {ValueError: "nonsense"}, {3: "stop"}, None),
        "backoff": (-1, "x", None, 2.5),
        "switch": (3, None),
        "spill": (3, "folder"),
        "keep": (3, []),
        "delimiter": ("a", b"", None, 3),
        "sizes": ([0], ["a"], 3),
        "levels": ([], [3], 3),
        "limit": (0, "many", -1, []),
        "target": DURATIONS,
        "command": ("echo hi", [], None),
        "bounds": ("a", 2.5),
        "failure": ("no", 3, None, ValueError),
        "publisher": (3, None),
        "observable": (3, None),
        "streams": (3, None, Source.empty()),
        "flow": (3, None, Sink.ignore()),
        "sink": (3, None, Source.empty(), Sink),
        "source": (3, None, Sink.ignore()),
        "path": (3, None, b"x"),
        "directory": (3, b"x"),
        "clock": (3, "utc"),
        "hysteresis": (3, "x"),
        "seed": ("x", 2.5),
        "number": FUNCTIONS,
        "low": (-1, "x", 5.0, None),
        "high": (-1, "x", 0.1, None),
        "least": (0, -1, "x", None, 9.0),
        "host": (3, None),
        "port": (-1, 70_000, "80", None),
        "jitter": (-1, 2, "x", None),
        "name": (3, None),
    }
    if name in ("Backoff", "CircuitBreaker") and what == "most":
        return DURATIONS
    if what in by_name:
        return by_name[what]
    if "Awaitable" in kind or kind == "Async":
        return FUNCTIONS
    if "Callable" in kind or "Sensor" in kind:
        return (*FUNCTIONS, *((a_coroutine,) if name not in TAKES_BOTH else ()))
    if kind in ("int", "int | None"):
        return NUMBERS
    if kind == "float":
        return ("x", None, -1.0, [])
    if "Iterable" in kind:
        return (3, None)
    return ()


TAKES_BOTH = {"Source.lazy", "Source.unfold_resource", "Source.resource", "LatencySensor"}


def calls() -> Iterator[tuple[str, Call, tuple[Any, ...], dict[str, Any]]]:
    """A good call of every public name."""
    for entry in OPERATORS:
        recorder = _Recorder(entry.name)
        assert entry.sample is not None
        entry.sample(recorder)
        assert recorder.called is not None, entry.name
        yield entry.name, getattr(Source.range(3), entry.name), *recorder.called
    for name, (call, arguments, named) in MADE.items():
        yield name, call, arguments, named


def misuses() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every call with one wrong value, and what it is."""
    for name, call, arguments, named in calls():
        signature = inspect.signature(call)
        good = signature.bind(*arguments, **named).arguments
        for parameter in signature.parameters.values():
            values = wrong(name, parameter)
            assert values != (), f"{name}: nothing is known of {parameter}"
            for value in values or ():
                if value is None and parameter.default is None:
                    continue
                changed: Any = value
                if parameter.kind is parameter.VAR_POSITIONAL:
                    changed = (value,)
                elif parameter.kind is parameter.VAR_KEYWORD:
                    changed = {"a": value}
                every = {**good, parameter.name: changed}
                ordered = {key: every[key] for key in signature.parameters if key in every}
                bound = inspect.BoundArguments(signature, ordered)  # type: ignore[arg-type]

                def misuse(call: Call = call, bound: inspect.BoundArguments = bound) -> Any:
                    return call(*bound.args, **bound.kwargs)

                yield f"{name}({parameter.name}={value!r})", misuse
