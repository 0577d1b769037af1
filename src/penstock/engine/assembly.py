"""All parts of one attempt to run a pipeline: opened together, restored, and closed together."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.checkpoint.ledger import Ledger
from penstock.checkpoint.store import Store, open_store
from penstock.checkpoint.tables import History
from penstock.core import files
from penstock.core.clock import Clock
from penstock.core.errors import StartError, StateError, SupersededError
from penstock.core.freed import keep_freed
from penstock.core.threads import pool
from penstock.core.timespan import instant_text
from penstock.engine.compile import compile_plan, sources_of
from penstock.engine.discovery import Discovery
from penstock.engine.epochs import Epochs, restore
from penstock.engine.feeds import Feeds
from penstock.engine.loop import Loop
from penstock.engine.migration import KEPT, Change
from penstock.engine.options import JobOptions
from penstock.engine.outputs import Outputs
from penstock.engine.planning import Planned, as_stored, planned
from penstock.engine.pressure import Pressure
from penstock.engine.recovery import Beginning, beginning
from penstock.engine.step import Engine
from penstock.plan.pipeline import Pipeline, identities
from penstock.plan.serde import nodes_to_json

ELSEWHERE = "checkpoints.json"
"""The file in a local directory that says where its checkpoints are, if they are not there."""


def place_of(folder: Path) -> Path | str:
    """Where the checkpoints of a local directory are: it itself, or an address.

    Raises:
        StateError: If it does not say so as it should.
    """
    if files.kind(folder / ELSEWHERE) is None:
        return folder
    try:
        return str(json.loads(files.read_bytes(folder / ELSEWHERE))["checkpoints"])
    except (ValueError, KeyError, TypeError) as wrong:
        raise StateError(f'"{folder / ELSEWHERE}" does not say where checkpoints are', damaged=True) from wrong


def _note_place(options: JobOptions) -> None:
    """Let the commands for jobs find checkpoints that are elsewhere."""
    if options.state is None:
        return
    if options.checkpoints is None:
        files.remove(options.state / ELSEWHERE)
        return
    files.make_private(options.state)
    files.replace(options.state / ELSEWHERE, json.dumps({"checkpoints": options.checkpoints}).encode())


@dataclass
class Assembly:
    """The parts.

    Attributes:
        mine: The plan as this version would run it.
        options: How it runs.
        clock: Its time.
        run: The name of the run, which all manifests that it makes bear.
        plan: The plan that runs.
        begun_with: What the run went on from; None for runs that store nothing.
        changes: What has become of the states that it found.
    """

    mine: Planned
    options: JobOptions
    clock: Clock
    run: str = ""
    plan: Planned = field(init=False)
    begun_with: Beginning | None = None
    changes: list[Change] = field(default_factory=list)
    _store: Store | None = None
    _threads: Executor | None = None
    _pressure: Pressure | None = None
    _opened: list[Any] = field(default_factory=list)
    _histories: dict[str, dict[str, History]] = field(default_factory=dict)

    @classmethod
    def open(
        cls, pipeline: Pipeline, options: JobOptions, clock: Clock, run: str = "", *, again: bool = False
    ) -> Assembly:
        """Open all parts.

        Args:
            pipeline: The plan.
            options: How it runs.
            clock: Its time.
            run: The name of the run.
            again: Whether the run goes on after a failure: only from what it has stored itself.

        Raises:
            StartError: If a source or sink is not there.
            StateError: If what is stored cannot be used.
            SupersededError: If another process has gone on with the run meanwhile.
        """
        keep_freed()
        made = cls(planned(pipeline, optimized=options.optimized), options, clock, run)
        try:
            made._open(again=again)
        except OSError as failure:
            made.close()
            raise StartError(f'the pipeline "{pipeline.name}" cannot be started: {failure}') from failure
        except BaseException:
            made.close()
            raise
        return made

    @property
    def pipeline(self) -> Pipeline:
        """The plan that runs, optimised."""
        return self.plan.pipeline

    def _open(self, *, again: bool) -> None:
        options = self.options
        if options.memory is not None:
            if options.state is not None:
                files.make_private(options.state)
            self._pressure = Pressure(options.memory, options.state)
        if options.shards > 1:
            self._threads = pool("shard", options.shards)
        place = options.checkpoints or options.state
        if place is None:
            self._run_from(None)
            self._connect(())
            self.epochs: Epochs | None = None
        else:
            self._store = open_store(place)
            self._store.lock()
            _note_place(options)
            ledger = Ledger(self._store, self.mine.pipeline.name)
            self.begun_with = beginning(ledger, options.resume, lambda manifest: self._run_from(manifest, ledger))
            if again and self.begun_with.base >= 0 and ledger.read(self.begun_with.base).get("run") != self.run:
                # Perhaps the other one has even come to the end of the input: this run must not begin anew then.
                raise SupersededError("another process has taken over this pipeline")
            if self.begun_with.manifest is None:
                self._run_from(None)
            self._connect(() if self.begun_with.manifest is None else self.begun_with.ledger)
            self.epochs = self._begin(ledger, self.begun_with)
        self.loop = Loop(self.engine, self.feeds, self.outputs, options.loop, self.clock, self.epochs, self._pressure)
        self._opened.append(self.loop.calls)
        self.feeds.start(self.clock)
        if self.epochs is not None:
            reads = sources_of(self.pipeline)
            self._opened.append(
                Discovery(reads, self.feeds.splits, self.loop.begin_again, self.clock, options.look_every)
            )

    def _run_from(self, manifest: Mapping[str, Any] | None, ledger: Ledger | None = None) -> None:
        """Open the sources and build the engine, at the beginning or where a checkpoint was made."""
        self._close_opened()
        self.plan = self.mine if manifest is None or self.options.replan else as_stored(self.mine, manifest)
        reads = sources_of(self.pipeline)
        names = identities(self.pipeline.outputs)
        stored = manifest["sources"] if manifest is not None else ()
        self.feeds = Feeds.open(
            reads, self.options.read_ahead, identities=[names[id(read)] for read in reads], stored=stored
        )
        self._opened.append(self.feeds)
        plan = compile_plan(self.pipeline, self.feeds.splits, shards=self.options.shards, pool=self._threads)
        self.engine = Engine(plan, None, guarded=self.options.guarded, clock=self.clock)
        self.engine.split_names = self.feeds.splits
        if manifest is not None and ledger is not None:
            restored = restore(self.engine, manifest, ledger, approved=self.options.approved)
            self._histories, self.changes = restored.histories, restored.changes

    def _connect(self, known: Collection[str]) -> None:
        """Open the sinks."""
        self.outputs = Outputs(self.pipeline, self.options.state, known=known)
        self._opened.append(self.outputs)
        self.engine.outlet = self.outputs

    def _begin(self, ledger: Ledger, found: Beginning) -> Epochs:
        settings = {name: getattr(self.pipeline, name) for name in ("guarantee", "on_error", "max_error_rate")}
        plan = {**nodes_to_json(self.pipeline.outputs), **settings}
        content = {"logical": self.plan.logical, "plan": plan, "shards": self.options.shards, "run": self.run}
        epochs = Epochs(
            ledger, self.engine, self.feeds, self.outputs, self.clock, self.feeds.signal, content, self._histories
        )
        self._opened.append(epochs)
        if found.manifest is not None:
            self.outputs.restore(found.manifest["counts"])
        try:
            epochs.begin(found.base, found.manifest, found.ledger)
        except StateError as refused:
            # Without what was passed over, nobody could tell what to restore.
            refused.message = "; ".join((refused.message, *found.damage))
            raise
        return epochs

    def notes(self) -> list[str]:
        """What people should know about how it began."""
        found = self.begun_with
        if found is None:
            return []
        notes = [f"state without bound: {one}; penstock check --sample 10000 foretells it" for one in self.growing()]
        notes += [f"{damage}: an older checkpoint is used" for damage in found.damage]
        if found.manifest is None:
            return notes
        notes += [self.plan.note] if self.plan.note else []
        number, at = found.manifest["number"], found.manifest.get("now")
        notes.append(f"going on from epoch {number}{f', {instant_text(at)}' if at is not None else ''}")
        if number < found.base:
            notes.append(f"what was published after epoch {number} stays, and comes again")
        return notes + [f"state {change}" for change in self.changes if change.verdict != KEPT]

    def growing(self) -> list[str]:
        """What grows without bound, told when a run begins anew."""
        begun = self.begun_with is not None and self.begun_with.manifest is not None
        return [] if begun else list(self.pipeline.growing())

    def _close_opened(self) -> None:
        while self._opened:
            self._opened.pop().close()

    def close(self) -> None:
        """Close all, last opened first; what is not sealed is discarded."""
        self._close_opened()
        if self._pressure is not None:
            self._pressure.close()
            self._pressure = None
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        if self._store is not None:
            self._store.close()
            self._store = None
