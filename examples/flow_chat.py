"""A flow: chat rooms. Who speaks is merged by one hub, who listens is served by another; people come and go."""

from __future__ import annotations

import anyio

from penstock.flow import BroadcastHub, MergeHub, Sink, Source


class Room:
    """Everybody hears everything that is said while they are there."""

    def __init__(self) -> None:
        self.said, self.heard = MergeHub(), BroadcastHub()

    async def run(self) -> None:
        """Carry what is said to who listens, until the room is closed."""
        await self.said.source.run(self.heard.sink)

    async def listen(self, into: list[str]) -> None:
        """Hear until the room is closed."""
        await self.heard.source.run(Sink.for_each(into.append))

    async def say(self, name: str, *sentences: str) -> None:
        """Speak, in order; it waits for those who listen slowly."""
        await Source.from_iterable(sentences).map(lambda sentence: f"{name}: {sentence}").run(self.said.sink)


async def main() -> None:
    """Run it."""
    room, ada, bo = Room(), list[str](), list[str]()
    async with anyio.create_task_group() as group:
        group.start_soon(room.run)
        group.start_soon(room.listen, ada)
        group.start_soon(room.listen, bo)
        while room.heard.consumers < 2:
            await anyio.sleep(0.001)
        async with anyio.create_task_group() as speakers:
            speakers.start_soon(room.say, "Ada", "Good morning.", "Is the valve open?")
            speakers.start_soon(room.say, "Bo", "It is.", "Half of it.")
        room.said.complete()
    print(*ada, sep="\n")
    assert sorted(ada) == sorted(bo)
    assert len(ada) == 4
    assert [line for line in ada if line.startswith("Bo")] == ["Bo: It is.", "Bo: Half of it."]


if __name__ == "__main__":
    anyio.run(main)
