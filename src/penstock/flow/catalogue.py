"""The table of all operators, with their names in Pekko and FS2. The reference and the law tests are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.flow.shapes import Flow, Sink

Sample = Callable[[Any], Any]


@dataclass(frozen=True)
class Entry:
    """One operator.

    Attributes:
        name: The verb of `Source` and `Flow`.
        pekko: What Pekko calls it, and what it is used for there; names with blanks between.
        fs2: What FS2 calls it.
        sample: It on a stream of whole numbers: what the laws are tested with. None if it stands for another one.
        exact: Whether the same input gives the same output, in whatever chunks and at whatever speed.
    """

    name: str
    pekko: str = ""
    fs2: str = ""
    sample: Sample | None = None
    exact: bool = True


async def _async(x: Any) -> Any:
    return x + 1


async def _async_sum(a: Any, b: Any) -> Any:
    return a + b


def _odd(x: Any) -> bool:
    return bool(x % 2)


def _add(a: Any, b: Any) -> Any:
    return a + b


def _bytes(s: Any) -> Any:
    return s.map(lambda x: f"{x}\n".encode())


E = Entry
OPERATORS = (
    # -- single elements
    E("map", "map", "map mapChunks as", lambda s: s.map(lambda x: x + 1)),
    E("filter", "filter", "filter", lambda s: s.filter(_odd)),
    E("filter_not", "filterNot", "filterNot", lambda s: s.filter_not(_odd)),
    E("filter_map", "collect mapOption flattenOptional", "collect unNone evalMapFilter",
      lambda s: s.filter_map(lambda x: x or None)),
    E("filter_type", "collectType", "", lambda s: s.filter_type(int)),
    E("map_while", "collectWhile", "collectWhile", lambda s: s.map_while(lambda x: x if x < 9 else None)),
    E("tap", "log logWithMarker monitor doOnFirst", "debug", lambda s: s.tap(abs)),
    E("map_concat", "mapConcat", "", lambda s: s.map_concat(lambda x: range(x % 4))),
    E("flatten", "", "unchunks", lambda s: s.map(lambda x: [x] * (x % 3)).flatten()),
    E("take", "take", "take head", lambda s: s.take(5)),
    E("drop", "drop", "drop tail", lambda s: s.drop(3)),
    E("take_while", "takeWhile", "takeWhile", lambda s: s.take_while(lambda x: x % 7 != 6)),
    E("take_until", "takeUntil", "takeThrough", lambda s: s.take_until(lambda x: x % 7 == 6)),
    E("drop_while", "dropWhile", "dropWhile dropThrough", lambda s: s.drop_while(lambda x: x < 3)),
    E("take_last", "", "takeRight last", lambda s: s.take_last(3)),
    E("drop_last", "", "dropLast dropRight", lambda s: s.drop_last(2)),
    E("find", "collectFirst", "find collectFirst", lambda s: s.find(_odd)),
    E("changes", "dropRepeated", "changes changesBy filterWithPrevious", lambda s: s.changes(lambda x: x // 3)),
    E("limit", "limit limitWeighted", "", lambda s: s.limit(10_000)),
    E("intersperse", "intersperse", "intersperse", lambda s: s.intersperse(-1, start=-2, end=-3)),
    E("if_empty", "", "ifEmpty ifEmptyEmit lastOr", lambda s: s.if_empty(7)),
    E("until_none", "", "unNoneTerminate", lambda s: s.until_none()),
    E("drain", "", "drain", lambda s: s.drain()),
    E("rechunk", "", "chunkLimit chunkMin rechunkRandomly repartition", lambda s: s.rechunk([1, 3, 2])),
    # -- a state
    E("scan", "scan", "scan scanMap scanChunks zipWithScan zipWithScan1", lambda s: s.scan(0, _add)),
    E("scan_reduce", "", "scan1", lambda s: s.scan_reduce(_add)),
    E("scan_async", "scanAsync", "evalScan evalMapAccumulate", lambda s: s.scan_async(0, _async_sum)),
    E("fold", "fold foldWhile", "fold foldMap chunkAll", lambda s: s.fold(0, _add)),
    E("fold_async", "foldAsync", "evalFold", lambda s: s.fold_async(0, _async_sum)),
    E("reduce", "reduce", "reduce fold1", lambda s: s.prepend([1]).reduce(_add)),
    E("stateful_map", "statefulMap", "mapAccumulate",
      lambda s: s.stateful_map(int, lambda n, x: (n + x, n))),
    E(
        "stateful_map_concat", "statefulMapConcat", "",
        lambda s: s.stateful_map_concat(int, lambda n, x: (n + 1, [x] * (n % 3)), lambda n: [n]),
    ),
    E("grouped", "grouped groupedWeighted", "chunkN chunks", lambda s: s.grouped(3)),
    E("grouped_adjacent", "groupedAdjacentBy", "groupAdjacentBy groupAdjacentByLimit",
      lambda s: s.grouped_adjacent(lambda x: x // 4)),
    E("sliding", "sliding", "sliding", lambda s: s.sliding(3, 2)),
    E("with_index", "zipWithIndex", "zipWithIndex", lambda s: s.with_index()),
    E("with_next", "", "zipWithNext", lambda s: s.with_next()),
    E("with_previous", "", "zipWithPrevious", lambda s: s.with_previous()),
    E("with_neighbours", "", "zipWithPreviousAndNext", lambda s: s.with_neighbours()),
    # -- functions that are awaited
    E("map_async", "mapAsync mapAsyncUnordered mapAsyncPartitioned mapAsyncPartitionedUnordered ask askWithStatus",
      "evalMap evalMapChunk parEvalMap parEvalMapUnordered mapAsync mapAsyncUnordered",
      lambda s: s.map_async(_async, parallelism=3)),
    E("tap_async", "", "evalTap observe observeAsync", lambda s: s.tap_async(_async)),
    E("filter_async", "", "evalFilter evalFilterAsync evalFilterNot", lambda s: s.filter_async(_async)),
    # -- time
    E("throttle", "throttle", "", lambda s: s.throttle(2, "1 s", burst=3)),
    E("pace", "", "metered meteredStartImmediately spaced", lambda s: s.pace("1 s")),
    E("debounce", "", "debounce", lambda s: s.pace("1 s").debounce("500 ms")),
    E("sample", "", "", lambda s: s.pace("1 s").sample("2 s"), False),
    E("delay", "delay", "delayBy", lambda s: s.delay("1 s", size=4)),
    E("delay_with", "delayWith", "", lambda s: s.delay_with(lambda x: x % 5, size=4)),
    E("initial_delay", "initialDelay", "", lambda s: s.initial_delay("1 s")),
    E("grouped_within", "groupedWithin groupedWeightedWithin", "groupWithin", lambda s: s.grouped_within(3, "1 s")),
    E("take_within", "takeWithin", "interruptAfter", lambda s: s.take_within("1 h")),
    E("drop_within", "dropWithin", "", lambda s: s.pace("1 s").drop_within("1500 ms"), False),
    E("keep_alive", "keepAlive", "keepAlive", lambda s: s.keep_alive("1 h", int)),
    E("idle_timeout", "idleTimeout", "timeoutOnPull timeoutOnPullTo", lambda s: s.idle_timeout("1 h")),
    E("initial_timeout", "initialTimeout", "", lambda s: s.initial_timeout("1 h")),
    E("completion_timeout", "completionTimeout", "timeout timeoutWith", lambda s: s.completion_timeout("1 h")),
    E("backpressure_timeout", "backpressureTimeout", "", lambda s: s.backpressure_timeout("1 h")),
    # -- unequal speeds
    E("buffer", "buffer", "buffer bufferAll bufferBy prefetch prefetchN", lambda s: s.buffer(4)),
    E("detach", "detach", "", lambda s: s.detach()),
    E("conflate", "conflate conflateWithSeed", "conflate conflate1 conflateChunks conflateMap conflateSemigroup",
      lambda s: s.conflate(_add).fold(0, _add)),
    E("batch", "batch batchWeighted", "", lambda s: s.batch(3, _add).fold(0, _add)),
    E("expand", "expand", "", lambda s: s.expand(lambda x: [x])),
    E("extrapolate", "extrapolate", "hold hold1", lambda s: s.extrapolate(lambda x: [])),
    E("aggregate", "aggregateWithBoundary", "",
      lambda s: s.aggregate(list, lambda a, x: [*a, x], full=lambda a: len(a) == 3)),
    # -- streams of streams
    E("flat_map_concat", "flatMapConcat concatAllLazy", "flatMap flatten repeatPull",
      lambda s: s.flat_map_concat(lambda x: range(x % 4))),
    E("flat_map_merge", "flatMapMerge flattenMerge mergeAll", "parJoin",
      lambda s: s.flat_map_merge(lambda x: range(x % 4), breadth=1)),
    E("switch_map", "switchMap", "switchMap", lambda s: s.switch_map(lambda x: [x]), False),
    E("flat_map_prefix", "flatMapPrefix", "",
      lambda s: s.flat_map_prefix(2, lambda two: Flow().map(lambda x: (two, x)))),
    E("prefix_and_tail", "prefixAndTail", "", lambda s: s.prefix_and_tail(2).flat_map_concat(lambda p: p[1])),
    E("group_by", "groupBy", "broadcastThrough",
      lambda s: s.group_by(lambda x: x % 3, lambda key, sub: sub.fold(key, _add)), False),
    E("split_when", "splitWhen", "split", lambda s: s.split_when(lambda x: x % 4 == 0, lambda sub: sub.fold(0, _add))),
    E("split_after", "splitAfter", "", lambda s: s.split_after(lambda x: x % 4 == 0, lambda sub: sub.fold(0, _add))),
    # -- several inputs
    E("merge", "merge combine", "merge mergeHaltBoth mergeHaltL mergeHaltR mergeAndAwaitDownstream either concurrently",
      lambda s: s.merge(range(3)), False),
    E("merge_preferred", "mergePreferred", "", lambda s: s.merge_preferred(range(3)), False),
    E("merge_prioritized", "mergePrioritized mergePrioritizedN", "",
      lambda s: s.merge_prioritized(range(3), priorities=[1, 2]), False),
    E("merge_sorted", "mergeSorted", "interleaveOrdered", lambda s: s.merge_sorted(range(5))),
    E("merge_latest", "mergeLatest", "", lambda s: s.merge_latest(range(2)), False),
    E("merge_sequence", "MergeSequence", "",
      lambda s: s.with_index().merge_sequence([], number=lambda pair: pair[1])),
    E("zip", "zip zipN", "zip parZip zipLeft zipRight", lambda s: s.zip(range(6))),
    E("zip_with", "zipWith zipWithN", "zipWith parZipWith", lambda s: s.zip_with(range(6), f=_add)),
    E("zip_all", "zipAll", "zipAll zipAllWith", lambda s: s.zip_all(range(6))),
    E("zip_latest", "zipLatest zipLatestWith", "", lambda s: s.zip_latest(range(2)), False),
    E("interleave", "interleave interleaveAll", "interleave interleaveAll",
      lambda s: s.interleave(range(6), segment=2)),
    E("concat", "concat concatLazy", "append", lambda s: s.concat(range(3))),
    E("prepend", "prepend prependLazy", "cons", lambda s: s.prepend(range(3))),
    E("or_else", "orElse", "", lambda s: s.or_else(range(3))),
    # -- a second output
    E("also_to", "alsoTo alsoToAll Broadcast", "observeEither", lambda s: s.also_to(Sink.ignore())),
    E("divert_to", "divertTo", "", lambda s: s.divert_to(Sink.ignore(), _odd)),
    E("wire_tap", "wireTap", "", lambda s: s.wire_tap(Sink.ignore())),
    # -- failures and ends
    E("supervised", "onErrorContinue", "", lambda s: s.map(abs).supervised("resume")),
    E("recover", "recover", "attempt attempts", lambda s: s.recover(str, KeyError)),
    E("recover_with", "recoverWith recoverWithRetries onErrorResume", "handleErrorWith",
      lambda s: s.recover_with(lambda e: [], KeyError)),
    E("map_error", "mapError", "", lambda s: s.map_error(lambda e: e, KeyError)),
    E("on_error_complete", "onErrorComplete", "mask", lambda s: s.on_error_complete(KeyError)),
    E("retry", "RestartFlow RestartSource.onFailuresWithBackoff", "retry", lambda s: s.retry(0, KeyError)),
    E("restart_with_backoff", "RestartSource.withBackoff RestartFlow.withBackoff", "",
      lambda s: s.restart_with_backoff(_once())),
    E("repeat", "cycle", "repeat repeatN", lambda s: s.repeat(1)),
    E("kill_switch", "KillSwitches", "interruptWhen", lambda s: s.kill_switch(_switch())),
    E("on_close", "watchTermination doOnCancel onComplete", "onFinalize onFinalizeCase onComplete",
      lambda s: s.on_close(str)),
    # -- bytes
    E("lines", "Framing.delimiter", "text.lines", lambda s: _bytes(s).lines()),
    E("frames", "Framing", "", lambda s: _bytes(s).frames(b"\n")),
    E("length_frames", "Framing.lengthField", "", lambda s: _bytes(s).with_length(2).length_frames(2)),
    E("with_length", "Framing.simpleFramingProtocol", "", lambda s: _bytes(s).with_length(2)),
    E("json_objects", "JsonFraming", "", lambda s: s.map(lambda x: b'{"x": %d} ' % x).json_objects()),
    E("gzip", "gzip", "compression.gzip", lambda s: _bytes(s).gzip()),
    E("gunzip", "gzipDecompress", "compression.gunzip", lambda s: _bytes(s).gzip().gunzip(size=8)),
    E("deflate", "deflate", "compression.deflate", lambda s: _bytes(s).deflate()),
    E("inflate", "inflate", "compression.inflate", lambda s: _bytes(s).deflate().inflate(size=8)),
)  # fmt: skip
"""All operators of `Source` and `Flow`."""


def _once() -> Any:
    from penstock.flow.backoff import Backoff

    return Backoff(times=0)


def _switch() -> Any:
    from penstock.flow.stage import KillSwitch

    return KillSwitch()
