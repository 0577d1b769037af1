"""A flow: words from a socket, counted over the last ten words."""

from __future__ import annotations

from collections import Counter

import anyio
from anyio.abc import SocketStream

from penstock.flow import Source

TEXT = b"to be or not to be that is the question to be or not to be"


def counts(lines: Source, window: int = 10) -> Source:
    """For each word the three most frequent of the window that ends with it."""
    words = lines.map_concat(str.split).map(str.lower)
    return words.sliding(window).map(lambda last: Counter(last).most_common(3))


async def serve(client: SocketStream) -> None:
    """Send the text in small pieces, which cut through words."""
    async with client:
        for first in range(0, len(TEXT), 7):
            await client.send(TEXT[first : first + 7])
        await client.send(b"\n")


async def main() -> None:
    """Run it."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        found = await counts(Source.from_tcp("127.0.0.1", port).lines()).tap(print).run()
        group.cancel_scope.cancel()
    await listener.aclose()
    assert len(found) == 7
    assert dict(found[0])["to"] == 2
    assert dict(found[-1])["be"] == 2


if __name__ == "__main__":
    anyio.run(main)
