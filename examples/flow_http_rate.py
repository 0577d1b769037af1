"""A flow: records are posted over HTTP; how many came each tenth of a second is counted as they come."""

from __future__ import annotations

import json

import anyio
from anyio.abc import SocketStream

from penstock.flow import Sink, Source, SourceQueue, StreamClosedError

RECORDS = 50


async def receive(client: SocketStream, queue: SourceQueue) -> None:
    """Take one request: its body is JSON. Who posts waits while the queue is full: that is back-pressure."""
    async with client:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await client.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l"))
        while len(body) < length:
            body += await client.receive()
        try:
            await queue.offer(json.loads(body))
        except (ValueError, StreamClosedError):
            await client.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            await client.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


async def post(port: int, record: dict[str, int]) -> None:
    """Post one record."""
    body = json.dumps(record).encode()
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = await stream.receive()
    assert answer.startswith(b"HTTP/1.1 204"), answer


async def main() -> None:
    """Run it."""
    queue, records = Source.queue(16)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    counts: list[int] = []
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, lambda client: receive(client, queue))

        async def client() -> None:
            for i in range(RECORDS):
                await post(port, {"id": i})
            queue.complete()

        group.start_soon(client)
        per_tenth = records.grouped_within(10**6, "100 ms").map(len)
        await per_tenth.tap(lambda n: print(f"{n * 10} records a second")).run(Sink.for_each(counts.append))
        group.cancel_scope.cancel()
    await listener.aclose()
    assert sum(counts) == RECORDS


if __name__ == "__main__":
    anyio.run(main)
