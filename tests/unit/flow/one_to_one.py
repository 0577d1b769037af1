"""Every operator of the catalogue as a flow that gives each element as it came, or why there is none."""

from __future__ import annotations

import anyio.lowlevel

from penstock import flow
from penstock.flow import Backoff, Flow, Sink, Source

F = Flow()


def same(x):
    return x


def first(pair):
    return pair[0]


def newest(so_far, x):
    return x


def always(x):
    return True


def never(x):
    return False


async def later(x):
    await anyio.lowlevel.checkpoint()
    return x


async def later_newest(so_far, x):
    await anyio.lowlevel.checkpoint()
    return x


async def later_always(x):
    await anyio.lowlevel.checkpoint()
    return True


def texts():
    return F.map(lambda x: b"%d\n" % x)


ONE_TO_ONE = {
    # -- single elements
    "map": lambda: F.map(same),
    "filter": lambda: F.filter(always),
    "filter_not": lambda: F.filter_not(never),
    "filter_map": lambda: F.filter_map(same),
    "filter_type": lambda: F.filter_type(int),
    "map_while": lambda: F.map_while(same),
    "tap": lambda: F.tap(abs),
    "map_concat": lambda: F.map_concat(lambda x: [x]),
    "flatten": lambda: F.map(lambda x: [x]).flatten(),
    "take": lambda: F.take(10**9),
    "drop": lambda: F.drop(0),
    "take_while": lambda: F.take_while(always),
    "take_until": lambda: F.take_until(never),
    "drop_while": lambda: F.drop_while(never),
    "changes": lambda: F.changes(),
    "limit": lambda: F.limit(10**9),
    "intersperse": lambda: F.intersperse(None).filter_map(same),
    "if_empty": lambda: F.if_empty(),
    "until_none": lambda: F.until_none(),
    "rechunk": lambda: F.rechunk([1, 3, 2]),
    # -- a state
    "scan": lambda: F.scan(0, newest, initial=False),
    "scan_reduce": lambda: F.scan_reduce(newest),
    "scan_async": lambda: F.scan_async(0, later_newest).drop(1),
    "stateful_map": lambda: F.stateful_map(int, lambda n, x: (n + x, x)),
    "stateful_map_concat": lambda: F.stateful_map_concat(int, lambda n, x: (n, [x])),
    "grouped": lambda: F.grouped(1).flatten(),
    "sliding": lambda: F.sliding(1).flatten(),
    "with_index": lambda: F.with_index().map(first),
    "with_previous": lambda: F.with_previous().map(lambda pair: pair[1]),
    # -- functions that are awaited
    "map_async": lambda: F.map_async(later, parallelism=3),
    "map_async, one": lambda: F.map_async(later),
    "map_async, unordered": lambda: F.map_async(later, ordered=False),
    "map_async, by key": lambda: F.map_async(later, parallelism=3, key=same),
    "tap_async": lambda: F.tap_async(later),
    "filter_async": lambda: F.filter_async(later_always),
    # -- time
    "throttle": lambda: F.throttle(2, "1 s", burst=3),
    "pace": lambda: F.pace("1 s"),
    "delay": lambda: F.delay("1 s", size=4),
    "delay_with": lambda: F.delay_with(lambda x: x % 5, size=4),
    "initial_delay": lambda: F.initial_delay("1 s"),
    "grouped_within": lambda: F.grouped_within(1, "1 s").flatten(),
    "take_within": lambda: F.take_within("1 h"),
    "drop_within": lambda: F.initial_delay("1 s").drop_within("1 us"),
    "keep_alive": lambda: F.keep_alive("1 h", int),
    "idle_timeout": lambda: F.idle_timeout("1 h"),
    "initial_timeout": lambda: F.initial_timeout("1 h"),
    "completion_timeout": lambda: F.completion_timeout("1 h"),
    "backpressure_timeout": lambda: F.backpressure_timeout("1 h"),
    # -- unequal speeds
    "buffer": lambda: F.buffer(4),
    "detach": lambda: F.detach(),
    "conflate": lambda: F.conflate(lambda so_far, x: [*so_far, x], seed=lambda x: [x]).flatten(),
    "batch": lambda: F.batch(1, newest),
    "expand": lambda: F.expand(lambda x: [x]),
    "extrapolate": lambda: F.extrapolate(lambda x: []),
    "aggregate": lambda: F.aggregate(list, lambda a, x: [*a, x], full=always).flatten(),
    # -- streams of streams
    "flat_map_concat": lambda: F.flat_map_concat(lambda x: Source.of(x)),
    "flat_map_merge": lambda: F.flat_map_merge(lambda x: Source.of(x), breadth=1),
    "flat_map_prefix": lambda: F.flat_map_prefix(0, lambda none: Flow().map(same)),
    "prefix_and_tail": lambda: F.prefix_and_tail(0).flat_map_concat(lambda pair: pair[1]),
    "group_by": lambda: F.group_by(lambda x: 0, lambda key, sub: sub),
    "split_when": lambda: F.split_when(never, same),
    "split_after": lambda: F.split_after(never, same),
    # -- several inputs
    "merge": lambda: F.merge([]),
    "merge_preferred": lambda: F.merge_preferred([]),
    "merge_prioritized": lambda: F.merge_prioritized([], priorities=[1, 2]),
    "merge_sorted": lambda: F.merge_sorted([]),
    "merge_latest": lambda: F.merge_latest([0]).map(first),
    "merge_sequence": lambda: F.merge_sequence([], number=same),
    "zip": lambda: F.zip(Source.range()).map(first),
    "zip_with": lambda: F.zip_with(Source.range(), f=lambda a, b: a),
    "zip_all": lambda: F.zip_all([]).map(first),
    "zip_latest": lambda: F.zip_latest([0]).map(first),
    "interleave": lambda: F.interleave([]),
    "concat": lambda: F.concat([]),
    "prepend": lambda: F.prepend([]),
    "or_else": lambda: F.or_else([]),
    # -- a second output
    "also_to": lambda: F.also_to(Sink.ignore()),
    "divert_to": lambda: F.divert_to(Sink.ignore(), never),
    "wire_tap": lambda: F.wire_tap(Sink.ignore()),
    # -- failures and ends
    "supervised": lambda: F.map(same).supervised("resume"),
    "recover": lambda: F.recover(str, KeyError),
    "recover_with": lambda: F.recover_with(lambda failure: [], KeyError),
    "map_error": lambda: F.map_error(same, KeyError),
    "on_error_complete": lambda: F.on_error_complete(KeyError),
    "retry": lambda: F.retry(0, KeyError),
    "restart_with_backoff": lambda: F.restart_with_backoff(Backoff(times=0)),
    "repeat": lambda: F.repeat(1),
    "kill_switch": lambda: F.kill_switch(flow.KillSwitch()),
    "on_close": lambda: F.on_close(str),
    # -- bytes
    "lines": lambda: texts().lines().map(int),
    "frames": lambda: texts().frames(b"\n").map(int),
    "length_frames": lambda: texts().with_length(2).length_frames(2).map(int),
    "with_length": lambda: texts().with_length(2).map(lambda framed: int(framed[2:])),
    "json_objects": lambda: F.map(lambda x: b'{"x": %d} ' % x).json_objects().map(lambda found: found["x"]),
    # -- beside the catalogue
    "nothing": lambda: F,
    "degrade": lambda: flow.degrade([same], lambda: 0.0),
    "adapt_rate": lambda: flow.adapt_rate(lambda: 0.5, most=1e6),
}
"""By the name of the operator, and after a comma what is special."""

AT_THE_END = "gives what it has at the end"
BEHIND = "gives an element when others have come behind it"
NOT_ONE_TO_ONE = {
    **dict.fromkeys(("take_last", "fold", "fold_async", "reduce"), AT_THE_END),
    **dict.fromkeys(("grouped_adjacent", "drop_last", "with_next", "with_neighbours"), BEHIND),
    **dict.fromkeys(("gzip", "gunzip", "deflate", "inflate"), "compresses several elements together"),
    "find": "gives one element",
    "drain": "gives none",
    "debounce": "drops what others follow at once",
    "sample": "drops what comes between two instants",
    "switch_map": "drops what it has not given of the stream before",
}
"""Why an operator cannot be a processor of the kit's; as a publisher and as a subscriber it is checked all the same."""
