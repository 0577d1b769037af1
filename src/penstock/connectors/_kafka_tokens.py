"""The token topic of a sink: what was published last, read behind a fence of one's own.

One partition, never expired, one sink. A record is a token or a fence, as JSON. Whoever takes over commits a
fence first and reads up to it: the end of the topic, as a reader sees it, may be that of long ago.
"""

from __future__ import annotations

import json
from typing import Any

from penstock.connectors._kafka_client import ANSWER_S, Connection, Told, client, said
from penstock.connectors.base import Sealed, Token
from penstock.core.clock import Clock
from penstock.core.errors import SinkError, SinkLost, StartError

TOKEN_VERSION = 1
TOKEN_PARTITION = 0
TOPIC_CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""Tokens are never removed: without its token everything would be published once more."""

FIRST_LOOK = 64
LOOK_FURTHER = 8
POLL_S = 0.2


def token_record(sealed: Sealed, pipeline: str, output: str) -> bytes:
    """The token of an epoch as a record."""
    token = sealed.token
    return _record(
        "token", pipeline, output, process=token.process, incarnation=token.incarnation, epoch=token.epoch,
        rows=token.rows, digest=token.digest, partitions=sealed.value.get("partitions", {}),
    )  # fmt: skip


def fence_record(pipeline: str, output: str) -> bytes:
    """The record by which a writer takes over."""
    return _record("fence", pipeline, output)


def _record(kind: str, pipeline: str, output: str, **more: Any) -> bytes:
    return json.dumps({"version": TOKEN_VERSION, "kind": kind, "pipeline": pipeline, "output": output, **more}).encode()


def read_token(value: bytes | None, pipeline: str, output: str) -> Token | None:
    """The token in a record; None if it is a fence.

    Raises:
        SinkError: If it is neither, or of another pipeline or output.
    """
    try:
        found = json.loads(value or b"")
        if found["version"] != TOKEN_VERSION or found["kind"] not in ("token", "fence"):
            raise ValueError(found["version"])
        if (found["pipeline"], found["output"]) != (pipeline, output):
            raise SinkError(
                f'the token topic belongs to the output "{found["output"]}" of the pipeline "{found["pipeline"]}"',
                hint="each output has a token topic of its own: token_topic=",
            )
        if found["kind"] == "fence":
            return None
        return Token(
            found["pipeline"], int(found["process"]), int(found["incarnation"]), int(found["epoch"]),
            int(found["rows"]), str(found["digest"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        raise SinkError("the token topic holds a record that is no token of this version of Penstock") from None


def ensure_topic(connection: Connection, name: str) -> None:
    """Create a token topic if it is missing, and check that one that is there keeps what it is given.

    Raises:
        StartError: If it cannot be created, has several partitions, or would lose tokens.
    """
    told = Told()
    library, admin = client(), connection.admin(told)
    try:
        known = admin.list_topics(timeout=ANSWER_S).topics
        if name not in known:
            topic = library.admin.NewTopic(name, num_partitions=1, replication_factor=-1, config=TOPIC_CONFIG)
            (answer,) = admin.create_topics([topic], request_timeout=ANSWER_S).values()
            try:
                answer.result(ANSWER_S)
            except library.KafkaException as failure:
                if failure.args[0].code() != library.KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
    except (library.KafkaException, TimeoutError) as failure:
        raise StartError(f'the token topic "{name}" cannot be made: {said(failure)}{told}') from None
    settings = connection.topic_settings(name)
    for key, wanted in TOPIC_CONFIG.items():
        if settings.get(key, wanted) != wanted:
            raise StartError(
                f'the token topic "{name}" has {key}={settings[key]}, and must have {wanted}: it would lose tokens'
            )
    if name in known and len(known[name].partitions) != 1:
        raise StartError(f'the token topic "{name}" has {len(known[name].partitions)} partitions, and must have one')


def token_before(
    connection: Connection, topic: str, fence: int, owner: tuple[str, str], clock: Clock, patience_us: int
) -> Token | None:
    """The last token before a fence; None if there is none.

    Args:
        connection: The cluster.
        topic: The token topic.
        fence: The offset of one's own fence, which is committed.
        owner: Pipeline and output.
        clock: Says when it takes too long.
        patience_us: When that is.

    Raises:
        SinkLost: If the fence is not seen in time.
        SinkError: If the topic holds something else.
    """
    told = Told()
    consumer = connection.consumer(told, {"fetch.wait.max.ms": 50})
    library, limit = client(), clock.monotonic() + patience_us
    place = library.TopicPartition(topic, TOKEN_PARTITION)
    try:
        low, _ = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        back = FIRST_LOOK
        while True:
            first = max(low, fence - back)
            consumer.assign([library.TopicPartition(topic, TOKEN_PARTITION, first)])
            found = None
            while True:
                # Neither the end nor a high watermark tells when to stop: both may be those of long ago.
                message = consumer.poll(POLL_S)
                if clock.monotonic() > limit:
                    raise SinkLost(f'the tokens of "{topic}" cannot be read up to offset {fence}{told}')
                if message is None:
                    continue
                if message.error() is not None:
                    if message.error().code() == library.KafkaError._AUTO_OFFSET_RESET:
                        raise SinkLost(f'the tokens of "{topic}" cannot be read: {message.error().str()}')
                    continue
                if message.offset() >= fence:
                    break
                found = read_token(message.value(), *owner) or found
            if found is not None or first == low:
                return found
            back *= LOOK_FURTHER
    except library.KafkaException as failure:
        raise SinkLost(f'the tokens of "{topic}" cannot be read: {said(failure)}{told}') from None
    finally:
        consumer.close()
