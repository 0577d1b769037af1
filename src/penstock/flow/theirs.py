"""Names of Pekko and FS2 that are no operator of ours: what there is instead, or why there is nothing."""

from __future__ import annotations

PEKKO = {
    "apply fromArray fromIterator items cycle": "`Source.from_iterable`",
    "fromJavaStream": "`Source.from_iterable`",
    "asPublisher asSubscriber fromPublisher fromSubscriber": "the adapters to Reactive Streams",
    "asSink": "`Source.queue`",
    "fromOption single": "`Source.of`",
    "empty never range failed tick queue iterate unfold unfoldAsync": "`Source` of that name (`unfold_async`)",
    "maybe": "`Source.queue(1)`: offer, or complete",
    "repeat": "`Source.constant`",
    "unfoldResource unfoldResourceAsync": "`Source.unfold_resource`, also with async functions",
    "completionStage future lazyCompletionStage lazyFuture lazySingle": "`Source.call`",
    "completionStageSource futureSource lazyCompletionStageSource lazyFutureSource lazySource": "`Source.lazy`",
    "Broadcast Balance Partition Unzip UnzipWith": "`Source.broadcast`, `balance`, `partition`, `unzip`",
    "mapWithResource": "`Source.resource(make).flat_map_concat(lambda held: source.map(...))`",
    "MergeHub BroadcastHub PartitionHub": "`MergeHub`, `BroadcastHub`, `PartitionHub`",
    "CircuitBreaker": "`CircuitBreaker(...).protect(f)`",
    "RestartSink": "`Sink.restart_with_backoff`",
    "RestartSource": "`restart_with_backoff`, `retry`",
    "withBackoff onFailuresWithBackoff": "`restart_with_backoff`; `retry`, which opens again at failures only",
    "RetryFlow": "`Flow().map_async(f).retry(backoff)`: the failing element is dropped; or `f` that tries again",
    "fromPath toPath": "`Source.from_file`, `Sink.to_file`",
    "cancelled count fold foldWhile forall exists foreach foreachAsync ignore last lastOption reduce takeLast": (
        "`Sink` of that name (`all`, `any`, `for_each`, `for_each_async`; `last(default)`)"
    ),
    "collection seq none": "`Sink.collect`, `Sink.all`",
    "head headOption": "`Sink.first()`, `Sink.first(default)`",
    "completionStageSink eagerCompletionStageSink eagerFutureSink futureSink": "`Sink.lazy`",
    "lazyCompletionStageSink lazyFutureSink lazySink": "`Sink.lazy`",
    "contramap dimap": "`Sink.contramap`, `Sink.map_result`",
    "fromSinkAndSource fromSinkAndSourceCoupled": "`Flow.from_sink_and_source`",
    "preMaterialize optionalVia": "hubs; `via(Flow())` changes nothing",
    "sink source": "hubs, and `Source.queue`",
}
"""Blank-separated names of Pekko, and what is ours."""

FS2 = {
    "emit emits eval evals evalSeq exec": "`Source.of`, `Source.call`",
    "constant range iterate unfold never": "`Source` of that name",
    "ranges": "`Source.range` and `grouped`",
    "iterateEval repeatEval": "`Source.calls`, `Source.unfold_async`",
    "unfoldEval unfoldChunk unfoldChunkEval unfoldLoop unfoldLoopEval": "`Source.unfold_async`, with `flatten`",
    "awakeDelay awakeEvery fixedDelay fixedRate fixedRateStartImmediately every sleep": "`Source.tick`",
    "raiseError": "`Source.failed`",
    "resource resourceWeak bracket bracketCase bracketFull fromAutoCloseable": "`Source.resource`, `unfold_resource`",
    "bracketWeak bracketCaseWeak bracketFullWeak": "the same",
    "suspend force": "`Source.lazy`",
    "fromIterator fromBlockingIterator iterable foldable": "`Source.from_iterable`, `Source.from_blocking`",
    "fromEither fromOption": "`Source.of`, `Source.failed`",
    "fromPublisher toPublisher subscribe": "the adapters to Reactive Streams",
    "fromQueueUnterminated fromQueueNoneTerminated": "`Source.queue`",
    "fromQueueUnterminatedChunk fromQueueNoneTerminatedChunk": "`Source.queue` and `flatten`",
    "enqueueUnterminated enqueueNoneTerminated": "`Sink.for_each_async(queue.offer)`",
    "Channel Topic": "`Source.queue`, `BroadcastHub`",
    "exists forall foreach": "`Sink.any`, `Sink.all`, `Sink.for_each`",
    "through through2 dropThrough": "`via`",
    "interruptScope": "`kill_switch`",
    "limit": "`take`",
    "net process": "`Source.from_tcp`, `Source.from_process`",
    "io": "`Source.from_file`, `from_tcp`, `from_process`, `Sink.to_file`",
    "text compression": "`lines`, `frames`; `gzip` and its neighbours",
    "spawn supervise": "`also_to`, `wire_tap`",
}
"""Blank-separated names of FS2, and what is ours."""

ELSEWHERE = {"Pekko": PEKKO, "FS2": FS2}
"""By library."""

NOT_OFFERED = {
    "asSourceWithContext asFlowWithContext askWithContext withBackoffAndContext": "elements are tuples with it",
    "askWithStatusAndContext": "as above",
    "fromMaterializer materializeIntoSource completionStageFlow futureFlow lazyFlow": (
        "a function that makes a `Flow` will do; `flat_map_prefix` for one chosen by data"
    ),
    "lazyCompletionStageFlow lazyFutureFlow": "as above",
    "actorRef actorRefWithBackpressure watch": "there are no actors: `Source.queue`",
    "asInputStream asJavaStream asOutputStream fromInputStream fromOutputStream": "Java's; `Source.from_blocking`",
    "javaCollector javaCollectorParallelUnordered": "Java's; `Sink.fold`",
    "pauseWhen holdOption Signal SignallingRef": '`Source.queue(1, "drop_head")` and `merge_latest`',
    "delete duration rethrow noneTerminate unchunk": "`filter`, `with_index` and `concat` say it",
    "parEvalMapUnbounded parEvalMapUnorderedUnbounded parJoinUnbounded": (
        "everything has a bound: `map_async(f, parallelism=n)`, `flat_map_merge(f, breadth=n)`"
    ),
    "groupedAdjacentByWeighted": "`grouped_adjacent(key, most=n)` counts; `stateful_map_concat` for weights",
    "dropLastIf": "`with_next` and `filter_map` say it",
    "tls": "`Source.resource` of a connection, and `Source.calls(connection.receive)`",
    "fetchN": "a name of `buffer`",
    "translate hashing timeseries": "`map` with `hashlib`; time series belong to pipelines",
}
"""Blank-separated names, and why there is nothing of that name."""
