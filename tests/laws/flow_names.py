"""Every name of Pekko and FS2 that is not a name of ours, said with what there is, and what that gives."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from penstock import flow
from penstock.flow import Backoff, Flow, Graph, Sink, Source

S = Source
ADD = operator.add
Make = Callable[[], Any]


async def later(x: Any = 1, *_: Any) -> Any:
    return x


async def odd(x: int) -> bool:
    return x % 2 == 1


async def add(a: int, b: int) -> int:
    return a + b


def fails(x: int) -> int:
    return 4 // (2 - x)


async def fails_once(x: int, tried: list[int]) -> int:
    tried.append(x)
    if len(tried) == 1:
        raise OSError("once")
    return x


def n(k: int) -> Source:
    return Source.range(k)


def queued(*items: Any) -> Source:
    queue, source = Source.queue(9)
    for x in items:
        queue.offer_nowait(x)
    queue.complete()
    return source


def into_queue() -> Graph:
    queue, source = Source.queue(9)
    into = n(3).to(Sink.for_each_async(queue.offer).map_result(lambda _: queue.complete()))
    return Graph(into=into, out=source.to(Sink.collect()))


def over_hub() -> Graph:
    hub = flow.MergeHub()
    return Graph(into=n(3).to(hub.sink.map_result(lambda sent: hub.complete())), out=hub.source.to(Sink.collect()))


def over_broadcast() -> Graph:
    hub = flow.BroadcastHub()
    return Graph(into=n(3).to(hub.sink), out=hub.source.to(Sink.collect()))


def over_partition() -> Graph:
    hub = flow.PartitionHub(lambda x, consumers: 0)
    return Graph(into=n(3).to(hub.sink), out=hub.source.to(Sink.collect()))


def outlets(how: str) -> Graph:
    made = {
        "balance": lambda: n(4).balance(2),
        "partition": lambda: n(4).partition(2, lambda x: x % 2),
        "unzip": lambda: S.of((1, 2), (3, 4)).unzip(),
        "broadcast": lambda: n(2).broadcast(2),
    }[how]()
    return Graph(a=made[0].to(Sink.collect()), b=made[1].to(Sink.collect()))


def both(sink: Sink) -> Graph:
    return Graph(a=n(3).also_to(sink).to(Sink.collect()))


RUNS: dict[str, tuple[Make, Any]] = {
    # -- single elements
    "mapChunks": (lambda: n(3).map(lambda x: x + 1), [1, 2, 3]),
    "as": (lambda: n(2).map(lambda _: 7), [7, 7]),
    "collect mapOption evalMapFilter": (lambda: n(4).filter_map(lambda x: x * 10 if x % 2 else None), [10, 30]),
    "flattenOptional unNone": (lambda: S.of(1, None, 2).filter_map(lambda x: x), [1, 2]),
    "collectType": (lambda: S.of(1, "a", 2).filter_type(int), [1, 2]),
    "collectWhile": (lambda: n(9).map_while(lambda x: x if x < 2 else None), [0, 1]),
    "collectFirst": (lambda: n(9).find(lambda x: x > 3), [4]),
    "log logWithMarker debug monitor doOnFirst": (lambda: n(2).tap(str), [0, 1]),
    "unchunks": (lambda: S.of([1], [2, 3]).flatten(), [1, 2, 3]),
    "head limit": (lambda: n(9).take(1), [0]),
    "tail": (lambda: n(3).drop(1), [1, 2]),
    "takeThrough": (lambda: n(9).take_until(lambda x: x == 2), [0, 1, 2]),
    "dropThrough": (lambda: n(5).drop_while(lambda x: x != 2).drop(1), [3, 4]),
    "takeRight last": (lambda: n(5).take_last(2), [3, 4]),
    "dropRight dropLast": (lambda: n(5).drop_last(2), [0, 1, 2]),
    "dropRepeated": (lambda: S.of(1, 1, 2, 1).changes(), [1, 2, 1]),
    "changesBy filterWithPrevious": (lambda: S.of(1, 3, 2).changes(lambda x: x % 2), [1, 2]),
    "limitWeighted": (lambda: S.of("a", "bc").limit(3, weight=len), ["a", "bc"]),
    "ifEmptyEmit lastOr": (lambda: S.empty().if_empty(7), [7]),
    "unNoneTerminate": (lambda: S.of(1, None, 2).until_none(), [1]),
    "chunkLimit chunkMin rechunkRandomly repartition": (lambda: n(5).rechunk([2, 1]), [0, 1, 2, 3, 4]),
    # -- a state
    "scanMap scanChunks": (lambda: n(4).scan(0, ADD, initial=False), [0, 1, 3, 6]),
    "zipWithScan zipWithScan1": (
        lambda: n(3).stateful_map(int, lambda s, x: (s + x, (x, s))),
        [(0, 0), (1, 0), (2, 1)],
    ),
    "scan1": (lambda: n(4).scan_reduce(ADD), [0, 1, 3, 6]),
    "evalScan": (lambda: n(3).scan_async(0, add), [0, 0, 1, 3]),
    "foldWhile": (lambda: n(99).fold(0, ADD, going=lambda s: s < 5), [6]),
    "foldMap": (lambda: n(3).map(lambda x: x * 2).fold(0, ADD), [6]),
    "evalFold": (lambda: n(3).fold_async(0, add), [3]),
    "fold1": (lambda: n(4).reduce(ADD), [6]),
    "mapAccumulate": (lambda: n(3).stateful_map(int, lambda s, x: (s + x, s)), [0, 0, 1]),
    "evalMapAccumulate": (lambda: n(3).scan_async(0, add).drop(1), [0, 1, 3]),
    "mapWithResource": (
        lambda: S.resource(lambda: nullcontext(10)).flat_map_concat(lambda held: n(2).map(lambda x: x + held)),
        [10, 11],
    ),
    "groupedWeighted": (lambda: S.of("ab", "c", "d").grouped(2, weight=len), [["ab"], ["c", "d"]]),
    "chunkN chunks": (lambda: n(3).grouped(2), [[0, 1], [2]]),
    "chunkAll": (lambda: n(3).fold([], lambda s, x: [*s, x]), [[0, 1, 2]]),
    "groupedAdjacentBy groupAdjacentBy": (lambda: S.of(1, 3, 2).grouped_adjacent(lambda x: x % 2), [[1, 3], [2]]),
    "groupAdjacentByLimit": (lambda: S.of(1, 1, 1).grouped_adjacent(int, most=2), [[1, 1], [1]]),
    "split": (
        lambda: S.of(1, 0, 2, 3).split_when(lambda x: x == 0, lambda s: s.filter(bool).fold([], lambda a, x: [*a, x])),
        [[1], [2, 3]],
    ),
    "zipWithIndex": (lambda: S.of("a", "b").with_index(), [("a", 0), ("b", 1)]),
    "zipWithNext": (lambda: n(2).with_next(), [(0, 1), (1, None)]),
    "zipWithPrevious": (lambda: n(2).with_previous(), [(None, 0), (0, 1)]),
    "zipWithPreviousAndNext": (lambda: n(2).with_neighbours(), [(None, 0, 1), (0, 1, None)]),
    # -- functions that are awaited
    "evalMap evalMapChunk ask askWithStatus": (lambda: n(3).map_async(later), [0, 1, 2]),
    "parEvalMap": (lambda: n(3).map_async(later, parallelism=3), [0, 1, 2]),
    "mapAsyncUnordered parEvalMapUnordered": (lambda: n(2).map_async(later, parallelism=2, ordered=False), [0, 1]),
    "mapAsyncPartitioned": (lambda: n(3).map_async(later, parallelism=3, key=lambda x: x % 2), [0, 1, 2]),
    "mapAsyncPartitionedUnordered": (
        lambda: n(1).map_async(later, parallelism=3, key=lambda x: x % 2, ordered=False),
        [0],
    ),
    "evalTap": (lambda: n(2).tap_async(later), [0, 1]),
    "evalFilter evalFilterAsync": (lambda: n(4).filter_async(odd), [1, 3]),
    "evalFilterNot": (lambda: n(3).map_async(later).filter_not(lambda x: x == 1), [0, 2]),
    # -- time
    "metered meteredStartImmediately spaced": (lambda: n(2).pace("1 s"), [0, 1]),
    "delayBy": (lambda: n(2).delay("1 s"), [0, 1]),
    "groupWithin": (lambda: n(3).grouped_within(2, "1 s"), [[0, 1], [2]]),
    "groupedWeightedWithin": (lambda: S.of("ab", "c").grouped_within(2, "1 s", weight=len), [["ab"], ["c"]]),
    "interruptAfter": (lambda: S.never().take_within("1 s"), []),
    "timeoutOnPull": (
        lambda: S.never().idle_timeout("1 s").recover(lambda e: type(e).__name__),
        ["StreamTimeoutError"],
    ),
    "timeoutOnPullTo": (lambda: S.never().idle_timeout("1 s").recover_with(lambda e: [7]), [7]),
    "timeout": (lambda: S.never().completion_timeout("1 s").recover(lambda e: 7), [7]),
    "timeoutWith": (lambda: S.never().completion_timeout("1 s").map_error(lambda e: OSError()).recover(str), [""]),
    "awakeDelay awakeEvery fixedDelay fixedRate fixedRateStartImmediately every sleep": (
        lambda: S.tick("1 s", 7).take(2),
        [7, 7],
    ),
    # -- unequal speeds
    "bufferAll bufferBy prefetch prefetchN": (lambda: n(3).buffer(2), [0, 1, 2]),
    "conflate1 conflateSemigroup conflateChunks": (lambda: n(4).conflate(ADD).fold(0, ADD), [6]),
    "conflateWithSeed conflateMap": (
        lambda: n(4).conflate(lambda s, x: [*s, x], seed=lambda x: [x]).flatten(),
        [0, 1, 2, 3],
    ),
    "batchWeighted": (lambda: n(4).batch(3, ADD, cost=lambda x: x).fold(0, ADD), [6]),
    "hold hold1": (lambda: S.of(5).concat(S.never()).extrapolate(lambda x: [x] * 9).take(3), [5, 5, 5]),
    "aggregateWithBoundary": (
        lambda: n(3).aggregate(list, lambda s, x: [*s, x], full=lambda s: len(s) == 2),
        [[0, 1], [2]],
    ),
    # -- streams of streams
    "flatMap concatAllLazy": (lambda: n(3).flat_map_concat(range), [0, 0, 1]),
    "flattenMerge mergeAll parJoin": (lambda: S.of([1], [2]).flat_map_merge(lambda x: x), [1, 2]),
    "broadcastThrough": (lambda: n(2).group_by(lambda x: 0, lambda key, s: s.map(str)), ["0", "1"]),
    # -- several inputs
    "combine": (lambda: n(1).merge(n(1), n(1)), [0, 0, 0]),
    "mergeHaltBoth": (lambda: S.never().merge([], halt="any"), []),
    "mergeHaltL": (lambda: S.empty().merge(S.never(), halt="left"), []),
    "mergeHaltR": (lambda: S.never().merge([], halt="right"), []),
    "mergeAndAwaitDownstream": (lambda: n(1).merge(n(1)), [0, 0]),
    "either": (lambda: S.of("l").map(lambda x: (0, x)).merge(S.of("r").map(lambda x: (1, x))), [(0, "l"), (1, "r")]),
    "concurrently": (lambda: n(2).merge(S.of(9).drain()), [0, 1]),
    "mergePrioritizedN": (lambda: n(1).merge_prioritized(n(1), n(1), priorities=[1, 2, 3]), [0, 0, 0]),
    "interleaveOrdered": (lambda: S.of(1, 3).merge_sorted([2]), [1, 2, 3]),
    "zipN parZip": (lambda: n(1).zip(n(1), n(1)), [(0, 0, 0)]),
    "zipLeft": (lambda: n(2).zip_with(["a", "b"], f=lambda a, b: a), [0, 1]),
    "zipRight": (lambda: n(2).zip_with(["a", "b"], f=lambda a, b: b), ["a", "b"]),
    "zipWithN parZipWith": (lambda: n(2).zip_with(n(2), f=ADD), [0, 2]),
    "zipAllWith": (lambda: n(2).zip_all([5], fill=0).map(sum), [5, 1]),
    "zipLatestWith": (lambda: S.of(1).zip_latest(S.of(2), f=ADD), [3]),
    "interleaveAll": (lambda: n(2).interleave([5, 6], [8]), [0, 5, 8, 1, 6]),
    "concatLazy append": (lambda: n(1).concat([5]), [0, 5]),
    "prependLazy cons": (lambda: n(1).prepend([5]), [5, 0]),
    # -- a second output
    "alsoToAll observe observeAsync": (lambda: both(Sink.ignore()), {"a": [0, 1, 2]}),
    "observeEither": (lambda: n(4).divert_to(Sink.ignore(), lambda x: x % 2), [0, 2]),
    "Broadcast": (lambda: outlets("broadcast"), {"a": [0, 1], "b": [0, 1]}),
    "Partition": (lambda: outlets("partition"), {"a": [0, 2], "b": [1, 3]}),
    "Unzip UnzipWith": (lambda: outlets("unzip"), {"a": [1, 3], "b": [2, 4]}),
    "spawn supervise": (lambda: n(2).also_to(Sink.count()), [0, 1]),
    # -- failures and ends
    "onErrorContinue": (lambda: n(4).map(fails).supervised("resume"), [2, 4, -4]),
    "attempt attempts": (lambda: n(4).map(fails).recover(lambda e: type(e)), [2, 4, ZeroDivisionError]),
    "handleErrorWith onErrorResume": (lambda: n(4).map(fails).recover_with(lambda e: [9]), [2, 4, 9]),
    "recoverWithRetries": (lambda: n(4).map(fails).recover_with(lambda e: [9], times=1), [2, 4, 9]),
    "mask": (lambda: n(4).map(fails).on_error_complete(), [2, 4]),
    "RestartFlow RestartSource RestartSource.onFailuresWithBackoff onFailuresWithBackoff": (
        lambda: (lambda tried: S.call(fails_once, 5, tried).retry(Backoff(times=2)))([]),
        [5],
    ),
    "RestartSource.withBackoff RestartFlow.withBackoff withBackoff": (
        lambda: n(2).restart_with_backoff(Backoff(times=1)),
        [0, 1, 0, 1],
    ),
    "RestartSink": (
        lambda: n(3).to(Sink.restart_with_backoff(lambda: Sink.count(), Backoff(times=1))),
        3,
    ),
    "RetryFlow": (
        lambda: (lambda tried: n(1).map_async(lambda x: S.call(fails_once, x, tried).retry(3).run(Sink.first())))([]),
        [0],
    ),
    "CircuitBreaker": (lambda: n(2).map_async(flow.CircuitBreaker(3, "1 s").protect(later)), [0, 1]),
    "cycle repeatN": (lambda: n(2).repeat(2), [0, 1, 0, 1]),
    "KillSwitches interruptWhen interruptScope": (lambda: S.of(1).kill_switch(_thrown()), []),
    "watchTermination doOnCancel onComplete onFinalize onFinalizeCase": (lambda: n(1).on_close(str), [0]),
    # -- bytes
    "Framing.delimiter text.lines text": (lambda: S.of(b"a\nb").lines(), ["a", "b"]),
    "Framing": (lambda: S.of(b"a;b;").frames(b";"), [b"a", b"b"]),
    "Framing.lengthField Framing.simpleFramingProtocol": (lambda: S.of(b"a").with_length(2).length_frames(2), [b"a"]),
    "JsonFraming": (lambda: S.of(b'{"a": 1}').json_objects(), [{"a": 1}]),
    "gzipDecompress compression.gzip compression.gunzip": (lambda: S.of(b"a").gzip().gunzip(), [b"a"]),
    "compression.deflate compression.inflate compression": (lambda: S.of(b"a").deflate().inflate(), [b"a"]),
    # -- sources
    "apply fromArray fromIterator items fromJavaStream iterable foldable": (lambda: S.from_iterable([1, 2]), [1, 2]),
    "fromBlockingIterator": (lambda: S.from_blocking(iter([1])), [1]),
    "fromOption fromEither single emit emits": (lambda: S.of(1), [1]),
    "maybe asSink": (lambda: queued(1), [1]),
    "repeat constant": (lambda: S.constant(1).take(2), [1, 1]),
    "ranges": (lambda: n(4).grouped(2), [[0, 1], [2, 3]]),
    "unfoldAsync unfoldEval unfoldLoop unfoldLoopEval": (
        lambda: S.unfold_async(0, _to_two),
        [0, 1],
    ),
    "unfoldChunk unfoldChunkEval": (
        lambda: S.unfold(0, lambda i: (i + 1, [i, i]) if i < 2 else None).flatten(),
        [0, 0, 1, 1],
    ),
    "unfoldResource unfoldResourceAsync": (
        lambda: S.unfold_resource(lambda: iter([1, 2]), lambda held: next(held, None), lambda held: None),
        [1, 2],
    ),
    "resource resourceWeak bracket bracketCase bracketFull fromAutoCloseable "
    "bracketWeak bracketCaseWeak bracketFullWeak": (
        lambda: S.resource(lambda: nullcontext(1)),
        [1],
    ),
    "completionStage future lazyCompletionStage lazyFuture lazySingle eval exec": (lambda: S.call(later, 7), [7]),
    "evals evalSeq": (lambda: S.call(later, [7, 8]).flatten(), [7, 8]),
    "iterateEval repeatEval": (lambda: S.calls(later).take(2), [1, 1]),
    "completionStageSource futureSource lazyCompletionStageSource lazyFutureSource lazySource suspend force": (
        lambda: S.lazy(lambda: n(2)),
        [0, 1],
    ),
    "raiseError": (lambda: S.failed(OSError("no")).recover(str), ["no"]),
    "fromQueueUnterminated fromQueueNoneTerminated queue Channel": (lambda: queued(1, 2), [1, 2]),
    "fromQueueUnterminatedChunk fromQueueNoneTerminatedChunk": (lambda: queued([1], [2]).flatten(), [1, 2]),
    "enqueueUnterminated enqueueNoneTerminated": (into_queue, {"into": None, "out": [0, 1, 2]}),
    "MergeHub": (over_hub, {"into": None, "out": [0, 1, 2]}),
    "BroadcastHub Topic sink source preMaterialize": (over_broadcast, {"into": 3, "out": [0, 1, 2]}),
    "PartitionHub": (over_partition, {"into": 3, "out": [0, 1, 2]}),
    "through through2 optionalVia": (lambda: n(2).via(Flow().map(str)).via(Flow()), ["0", "1"]),
    "process": (lambda: S.from_process(["printf", "a"]), [b"a"]),
    # -- sinks
    "collection seq": (lambda: n(2).to(Sink.collect()), [0, 1]),
    "head headOption": (lambda: n(2).to(Sink.first()), 0),
    "lastOption": (lambda: S.empty().to(Sink.last(7)), 7),
    "none forall": (lambda: n(3).to(Sink.all(lambda x: x < 5)), True),
    "exists": (lambda: n(3).to(Sink.any(lambda x: x == 2)), True),
    "foreach": (lambda: n(3).to(Sink.for_each(str)), None),
    "foreachAsync": (lambda: n(3).to(Sink.for_each_async(later)), None),
    "cancelled": (lambda: n(3).to(Sink.cancelled()), None),
    "count": (lambda: n(3).to(Sink.count()), 3),
    "ignore": (lambda: n(3).to(Sink.ignore()), None),
    "takeLast": (lambda: n(3).to(Sink.take_last(2)), [1, 2]),
    "contramap": (lambda: n(3).to(Sink.collect().contramap(str)), ["0", "1", "2"]),
    "dimap": (lambda: n(3).to(Sink.collect().contramap(str).map_result(len)), 3),
    "completionStageSink eagerCompletionStageSink eagerFutureSink futureSink lazyCompletionStageSink lazyFutureSink "
    "lazySink": (lambda: n(3).to(Sink.lazy(Sink.count)), 3),
    "fromSinkAndSource": (lambda: n(3).via(Flow.from_sink_and_source(Sink.ignore(), n(1), coupled=False)), [0]),
    "fromSinkAndSourceCoupled": (lambda: S.never().via(Flow.from_sink_and_source(Sink.ignore(), n(1))), [0]),
}
"""Names, what is said for them, and its result on virtual time."""

ELSEWHERE = {
    "asPublisher asSubscriber fromPublisher fromSubscriber toPublisher subscribe": "tests/unit/flow/test_interop.py",
    "fromPath toPath io": "tests/unit/flow/test_operators.py",
    "net": "examples/flow_word_count.py",
    "Balance": "tests/laws/flow_law.py",
}
"""Where others are run."""


async def _to_two(i: int) -> tuple[int, int] | None:
    return (i + 1, i) if i < 2 else None


def _thrown() -> flow.KillSwitch:
    switch = flow.KillSwitch()
    switch.shutdown()
    return switch
