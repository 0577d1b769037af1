"""A pipeline in small, for tests that kill it: takes over, publishes what is missing up to a number, and ends.

Its outbox is a function of the epoch, so that what is published again is the same bytes.

    python -m tests.services.kafka_child SERVERS TOPIC TOKEN_TOPIC LAST PER_TRANSACTION
"""

from __future__ import annotations

import sys

import polars as pl

import penstock as ps
from penstock.connectors.base import Sealed, Writer, WriteRequest, seal
from penstock.connectors.kafka import KafkaSink
from penstock.core.schema import Schema

SCHEMA = Schema.of({"epoch": ps.Int64, "row": ps.Int64})
REQUEST = WriteRequest(SCHEMA, (), updating=False, pipeline="child", fresh=False, output="out")


def rows_of(epoch: int) -> int:
    """Epochs differ, and some have no rows."""
    return (epoch * 7) % 5 * 20


def sealed(writer: Writer, epoch: int, incarnation: int = 0) -> Sealed:
    count = rows_of(epoch)
    writer.write(pl.DataFrame({"epoch": [epoch] * count, "row": range(count)}, schema=SCHEMA.to_polars()), None)
    return seal("child", epoch, writer.prepare(epoch)(), incarnation=incarnation)


def expected(last: int) -> list[tuple[int, int]]:
    return [(epoch, row) for epoch in range(1, last + 1) for row in range(rows_of(epoch))]


def main(servers: str, topic: str, token_topic: str, last: str, per_transaction: str) -> None:
    sink = KafkaSink(topic, servers=servers, token_topic=token_topic, transaction_timeout="10 s")
    writer = sink.writer(REQUEST)
    token = writer.last_token()
    epoch = 1 if token is None else token.epoch + 1
    while epoch <= int(last):
        until = min(epoch + int(per_transaction), int(last) + 1)
        writer.commit([sealed(writer, number) for number in range(epoch, until)])
        epoch = until
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
