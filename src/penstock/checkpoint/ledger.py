"""The epochs of a pipeline: which there are, which one counts, and what each has for every output.

A manifest is what makes an epoch true: it names all that belongs to the epoch, and is created only if
nobody else has created one of its number. A run begins with a manifest of its own, the takeover; whoever
finds a newer manifest than its own that it has not made has been superseded, and ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from penstock.checkpoint.block import read_block
from penstock.checkpoint.collect import collect
from penstock.checkpoint.manifest import pack, unpack
from penstock.checkpoint.store import Store
from penstock.connectors.base import Content, Sealed, Token, seal
from penstock.core.errors import StateError, SupersededError
from penstock.core.failpoint import hit

TAKEOVER, EPOCH, FINAL, CLOSED, STOPPED = "takeover", "epoch", "final", "closed", "stopped"
"""What a manifest is: the beginning of a run, an epoch in it, its last epoch, and the end, all being published: of the
input, or of a run that was stopped and can go on."""

KEPT = 4
"""How many checkpoints are kept, besides savepoints and what is not published yet."""

MOST_CACHED = 256


class Ledger:
    """The manifests of one pipeline.

    Args:
        store: Where they are.
        pipeline: The name of the pipeline.

    Attributes:
        newest: The number of the newest epoch of this run; before the takeover, of all that are stored.
        incarnation: The number of the takeover with which this run began.
        base: The number of the newest epoch that was whole when this run began; -1 if there was none.
    """

    def __init__(self, store: Store, pipeline: str) -> None:
        self.store = store
        self.pipeline = pipeline
        self.incarnation = -1
        self.base = -1
        self._cache: dict[int, dict[str, Any]] = {}
        self._outputs: dict[str, dict[str, int]] = {}
        self._lost: list[list[int]] = []
        self._named: dict[int, set[str]] = {}
        self._creating = -1
        numbers = store.manifests()
        self.newest = numbers[-1] if numbers else -1

    # -- reading

    def candidates(self) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
        """All manifests, newest first: number, content (None if it is damaged), and what is wrong with it."""
        for number in reversed(self.store.manifests()):
            try:
                yield number, self.read(number), ""
            except StateError as wrong:
                if not wrong.damaged:
                    raise
                yield number, None, wrong.message

    def read(self, number: int) -> dict[str, Any]:
        """A manifest.

        Raises:
            StateError: If it is damaged, or of another pipeline or version.
        """
        if number not in self._cache:
            value = self._verified(self.store.read_manifest(number), f"the manifest {number}")
            if value.get("number") != number:
                raise StateError(f"the manifest {number} says that it is {value.get('number')}", damaged=True)
            self._keep(number, value)
        return self._cache[number]

    def savepoint(self, name: str) -> dict[str, Any]:
        """The manifest of a savepoint.

        Raises:
            StateError: If it is damaged, or there is none.
        """
        return self._verified(self.store.read_savepoint(name), f'the savepoint "{name}"')

    def _verified(self, data: bytes, what: str) -> dict[str, Any]:
        try:
            value = unpack(data)
        except StateError as damage:
            raise StateError(
                f"{what} cannot be used: {damage.message}", hint=damage.hint, damaged=damage.damaged
            ) from None
        if value.get("pipeline") != self.pipeline:
            raise StateError(
                f'{what} in {self.store.place} is of the pipeline "{value.get("pipeline")}", not of "{self.pipeline}"',
                hint="give each pipeline a state directory of its own",
            )
        return value

    def _keep(self, number: int, value: dict[str, Any]) -> None:
        if len(self._cache) >= MOST_CACHED:
            del self._cache[min(self._cache)]
        self._cache[number] = value

    def block(self, reference: dict[str, Any]) -> bytes | memoryview:
        """The bytes that a manifest names, verified.

        Raises:
            StateError: If they are damaged or missing.
        """
        try:
            return read_block(self.store, reference)
        except StateError as broken:
            broken.damaged = True  # missing is damaged too
            raise

    # -- the outputs: see `engine.outbox.Book`

    def admissible(self, output: str) -> tuple[int, int]:
        """The lowest epoch that an output can have a token of, and the last that is known to be published."""
        found = self._outputs[output]
        return found["lowest"], found["published"]

    def begin(self, output: str) -> None:
        """Note that an output begins with the newest epoch: it has none before."""
        self._outputs[output] = {"lowest": self.newest, "published": self.newest - 1}

    def sealed(self, output: str, epoch: int) -> Sealed | None:
        """What is stored of an epoch for an output; None if it is kept no longer."""
        if self.is_lost(epoch):
            # An epoch whose checkpoint was damaged, and which nobody published: its rows come again in later ones.
            return seal(self.pipeline, epoch, Content({}), incarnation=self.incarnation)
        try:
            manifest = self.read(epoch)
        except StateError as wrong:
            if wrong.damaged:
                raise  # it is there: whoever repairs it can go on
            return None
        stored = manifest["outputs"].get(output)
        if stored is None:
            return None
        payload = bytes(self.block(stored["payload"])) if stored["payload"] is not None else b""
        return Sealed(Token(*stored["token"]), stored["value"], payload)

    def is_lost(self, epoch: int) -> bool:
        """Whether the checkpoint of an epoch was damaged, so that a run went on from an older one."""
        return any(low < epoch < high for low, high in self._lost)

    def comes_again(self, output: str, token: Token) -> bool:
        """Whether an output has rows of epochs that were passed over: they come again in later ones.

        Its last token says that it has all epochs up to that one. Those that were passed over it has as they were
        sealed at first, if the token is of a run before that; a run that passed them over publishes nothing for them.

        Args:
            output: The output.
            token: Its last token.
        """
        if token.incarnation > token.epoch:
            return False
        first = min((low for low, high in self._lost if low < token.epoch < high), default=token.epoch) + 1
        empty = [(low, high) for low, high in self._lost if high <= token.incarnation]
        return any(
            self._may_have_rows(output, epoch)
            for epoch in range(first, token.epoch + 1)
            if not any(low < epoch < high for low, high in empty)
        )

    def _may_have_rows(self, output: str, epoch: int) -> bool:
        try:
            stored = self.read(epoch)["outputs"].get(output)
        except StateError:
            return True  # nobody knows
        return stored is not None and Token(*stored["token"]).rows > 0

    def superseded(self) -> bool:
        """Whether there is a manifest newer than this run's newest."""
        numbers = self.store.manifests()
        # Publishers ask while the next manifest is made: it is there before `add` has come to its end.
        return bool(numbers) and numbers[-1] > max(self.newest, self._creating)

    # -- writing

    def take_over(self, base: int, content: dict[str, Any], outputs: Sequence[str]) -> None:
        """Begin a run: from here on older incarnations of the pipeline can make no epoch.

        Args:
            base: The number of the newest epoch whose checkpoint is whole; -1 if there is none.
            content: What a run that ends now would go on from.
            outputs: The outputs of the plan.

        Raises:
            StateError: If another process does the same.
        """
        number = self.newest + 1
        former = content.get("ledger", {})
        self._outputs = {
            name: dict(former.get(name) or {"lowest": number, "published": number - 1}) for name in outputs
        }
        self.incarnation, self.base = number, base
        # Former runs went on from older checkpoints too: what they passed over stays passed over.
        lost = [*(self.read(base).get("lost", []) if base >= 0 else []), [base, number]]
        needed = min((found["published"] for found in self._outputs.values()), default=number)
        self._lost = [[low, high] for low, high in lost if high - low > 1 and high > needed]
        empty = {name: Content({}) for name in outputs}
        self.add(TAKEOVER, content, empty, {})

    def withdraw(self) -> None:
        """Take the takeover back, of which nothing is published: a run that must not begin changes nothing.

        What the next run goes on from is then what it was: not what this one had chosen, or had to pass over.
        """
        if self.newest == self.incarnation and not self.superseded():
            self.store.remove_manifest(self.incarnation)

    def add(
        self, kind: str, content: dict[str, Any], outputs: dict[str, Content], payloads: dict[str, dict[str, Any]]
    ) -> dict[str, Sealed]:
        """Make an epoch true; gives what each output may publish now.

        Args:
            kind: What it is.
            content: Positions, states and all else that a run needs to go on.
            outputs: What is sealed of each output.
            payloads: Where their payloads are.

        Raises:
            SupersededError: If another process has taken over: nothing of the epoch must be published.
            StateError: If it cannot be stored.
        """
        number = self.newest + 1
        sealed = {
            name: seal(self.pipeline, number, content_, incarnation=self.incarnation)
            for name, content_ in outputs.items()
        }
        stored = {
            name: {"token": list(one.token), "value": one.value, "payload": payloads.get(name)}
            for name, one in sealed.items()
        }
        manifest = {
            **content,
            "pipeline": self.pipeline,
            "number": number,
            "kind": kind,
            "incarnation": self.incarnation,
            "base": self.base,
            "lost": self._lost,
            "ledger": {name: dict(found) for name, found in self._outputs.items()},
            "outputs": stored,
        }
        self._creating = number
        if not self.store.create_manifest(number, pack(manifest)):
            self._creating = -1
            raise SupersededError(f"another process has made the epoch {number} of this pipeline")
        hit("epoch.created")
        if self.store.manifests()[-1] > number:
            # Our number may have been free only because the successor's collector had removed it.
            raise SupersededError("another process has taken over this pipeline")
        self._keep(number, manifest)
        self.newest = number
        hit("epoch.true")
        return sealed

    def was_published(self, output: str, epoch: int) -> None:
        """Note that an output has an epoch; later manifests say so."""
        found = self._outputs[output]
        found["published"] = max(found["published"], epoch)

    def collect(self) -> None:
        """Remove what nothing needs any more: old checkpoints that are published everywhere."""
        floor = min((found["published"] for found in self._outputs.values()), default=self.newest)
        collect(self.store, KEPT, segments_of, min(floor, self.newest), cache=self._named)


def segments_of(manifest: dict[str, Any]) -> set[str]:
    """The segments that a manifest names."""
    found = set()
    pending: list[Any] = [manifest]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if isinstance(value.get("segment"), str):
                found.add(value["segment"])
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return found
