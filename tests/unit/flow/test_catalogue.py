"""The table names every operator, and every name of Pekko and FS2 has an answer."""

from __future__ import annotations

import inspect

import pytest

from penstock.flow import Sink, Source
from penstock.flow.catalogue import OPERATORS
from penstock.flow.operators import Operators
from penstock.flow.theirs import ELSEWHERE, NOT_OFFERED
from tools import gen_flow_reference

PEKKO = """
asSourceWithContext asSubscriber combine completionStage completionStageSource cycle empty failed apply fromArray
fromIterator fromJavaStream fromOption fromPublisher future futureSource items iterate lazyCompletionStage
lazyCompletionStageSource lazyFuture lazyFutureSource lazySingle lazySource maybe never queue range repeat single
tick unfold unfoldAsync unfoldResource unfoldResourceAsync zipN zipWithN asPublisher cancelled collect collection
completionStageSink count eagerCompletionStageSink eagerFutureSink exists fold foldWhile forall foreach foreachAsync
fromMaterializer fromSubscriber futureSink head headOption ignore last lastOption lazyCompletionStageSink
lazyFutureSink lazySink none onComplete preMaterialize reduce seq source takeLast asInputStream asJavaStream
asOutputStream fromInputStream fromOutputStream javaCollector javaCollectorParallelUnordered fromPath toPath
asFlowWithContext collectFirst collectType collectWhile completionStageFlow contramap detach dimap doOnCancel
doOnFirst drop dropRepeated dropWhile filter filterNot flattenOptional foldAsync futureFlow grouped
groupedAdjacentBy groupedAdjacentByWeighted groupedWeighted intersperse lazyCompletionStageFlow lazyFlow
lazyFutureFlow limit limitWeighted log logWithMarker map mapConcat mapOption mapWithResource materializeIntoSource
optionalVia scan scanAsync sliding statefulMap statefulMapConcat take takeUntil takeWhile throttle fromSinkAndSource
fromSinkAndSourceCoupled mapAsync mapAsyncPartitioned mapAsyncPartitionedUnordered mapAsyncUnordered delay delayWith
dropWithin groupedWeightedWithin groupedWithin initialDelay takeWithin aggregateWithBoundary batch batchWeighted
buffer conflate conflateWithSeed expand extrapolate flatMapConcat flatMapMerge flatMapPrefix flattenMerge groupBy
prefixAndTail splitAfter splitWhen switchMap backpressureTimeout completionTimeout idleTimeout initialTimeout
keepAlive MergeSequence concat concatAllLazy concatLazy interleave interleaveAll merge mergeAll mergeLatest
mergePreferred mergePrioritized mergePrioritizedN mergeSorted orElse prepend prependLazy zip zipAll zipLatest
zipLatestWith zipWith zipWithIndex Balance Broadcast Partition Unzip UnzipWith alsoTo alsoToAll divertTo wireTap
monitor watchTermination actorRef actorRefWithBackpressure ask askWithContext askWithStatus askWithStatusAndContext
sink watch deflate gzip gzipDecompress inflate mapError onErrorComplete onErrorContinue onErrorResume recover
recoverWith recoverWithRetries RestartSource RestartFlow RestartSink RetryFlow withBackoff
onFailuresWithBackoff withBackoffAndContext MergeHub
BroadcastHub PartitionHub KillSwitches CircuitBreaker
"""

FS2 = """
emit emits eval evals evalSeq exec constant range ranges iterate iterateEval unfold unfoldChunk unfoldEval
unfoldChunkEval unfoldLoop unfoldLoopEval repeatEval awakeDelay awakeEvery fixedDelay fixedRate
fixedRateStartImmediately every sleep duration retry never raiseError resource resourceWeak bracket bracketCase
bracketFull supervise suspend force fromIterator fromBlockingIterator fromEither fromOption fromPublisher
fromQueueUnterminated fromQueueNoneTerminated fromAutoCloseable foldable iterable append as attempt attempts buffer
bufferAll bufferBy changes changesBy chunkAll chunkLimit chunkMin chunkN chunks collect collectFirst collectWhile
cons debug delete drain drop dropLast dropLastIf dropRight dropThrough dropWhile evalFilter evalFilterAsync
evalFilterNot evalFold evalMap evalMapAccumulate evalMapChunk evalMapFilter evalScan evalTap exists filter filterNot
filterWithPrevious find flatMap flatten fold fold1 foldMap forall foreach groupAdjacentBy groupAdjacentByLimit
groupWithin handleErrorWith head ifEmpty ifEmptyEmit interleave interleaveAll interleaveOrdered intersperse last
lastOr map mapAccumulate mapChunks mask noneTerminate onComplete onFinalize onFinalizeCase rechunkRandomly reduce
repartition repeat repeatN rethrow scan scan1 scanChunks scanMap sliding split tail take takeRight takeThrough
takeWhile through through2 unchunks unNone unNoneTerminate zip zipAll zipAllWith zipLeft zipRight zipWith
zipWithIndex zipWithNext zipWithPrevious zipWithPreviousAndNext zipWithScan zipWithScan1 broadcastThrough
concurrently conflate conflate1 conflateChunks conflateMap conflateSemigroup debounce delayBy either
enqueueUnterminated enqueueNoneTerminated fetchN hold hold1 holdOption interruptAfter interruptScope interruptWhen
keepAlive mapAsync mapAsyncUnordered merge mergeAndAwaitDownstream mergeHaltBoth mergeHaltL mergeHaltR metered
meteredStartImmediately observe observeAsync observeEither parEvalMap parEvalMapUnordered parJoin parJoinUnbounded
parZip parZipWith pauseWhen prefetch prefetchN spaced spawn subscribe switchMap
parEvalMapUnbounded parEvalMapUnorderedUnbounded limit
bracketWeak bracketCaseWeak bracketFullWeak fromQueueUnterminatedChunk
fromQueueNoneTerminatedChunk net tls process
timeout timeoutOnPull
timeoutOnPullTo timeoutWith toPublisher Channel Topic Signal SignallingRef io compression text hashing timeseries
"""


def names(texts: object) -> set[str]:
    return {name for text in texts for name in text.split()}  # type: ignore[attr-defined]


def test_every_operator_is_in_the_table_once() -> None:
    listed = [entry.name for entry in OPERATORS]
    assert len(set(listed)) == len(listed)
    public = {name for name, value in inspect.getmembers(Operators, callable) if not name.startswith("_")}
    assert set(listed) == public


def test_no_operator_hides_a_source() -> None:
    made = set(gen_flow_reference.makers(Source))
    assert len(made) > 20
    assert not made & {entry.name for entry in OPERATORS}
    assert len(gen_flow_reference.makers(Sink)) > 15


@pytest.mark.parametrize("library", ["Pekko", "FS2"])
def test_every_name_of_theirs_has_an_answer(library: str) -> None:
    theirs = {"Pekko": PEKKO, "FS2": FS2}[library]
    mapped = names(entry.pekko if library == "Pekko" else entry.fs2 for entry in OPERATORS)
    answered = mapped | names(ELSEWHERE[library]) | names(NOT_OFFERED)
    assert len(theirs.split()) > 100
    assert not sorted(set(theirs.split()) - answered)


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert gen_flow_reference.main(["--check"]) == 0, capsys.readouterr().err
