"""What becomes of stored state when the plan has changed: kept, migrated, rebuilt, dropped, or new.

Kept and migrated state is used, and loses nothing. Rebuilt state does not fit and begins empty, dropped state
has nobody that takes it: what it knew of rows before is lost, so a run begins with either only after somebody
has approved it (`penstock migrate --approve`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.checkpoint.ledger import Ledger
from penstock.checkpoint.tables import Given
from penstock.connectors.base import Token
from penstock.core.errors import StateError
from penstock.core.lazy import np
from penstock.core.schema import Schema
from penstock.engine.step import Engine
from penstock.expr.aggregates import AGGREGATES
from penstock.operators.base import Loader
from penstock.plan.pipeline import output_name
from penstock.state.arrangement import Arrangement
from penstock.state.expiry import INITIAL
from penstock.state.record import Record
from penstock.state.words import ACCUMULATORS

KEPT, MIGRATED, REBUILT, DROPPED, NEW = "kept", "migrated", "rebuilt", "dropped", "new"
LOSSY = (REBUILT, DROPPED)

_WIDER = {
    "Int64": {"Int8", "Int16", "Int32", "UInt8", "UInt16", "UInt32"},
    "Int32": {"Int8", "Int16", "UInt8", "UInt16"},
    "Int16": {"Int8", "UInt8"},
    "UInt64": {"UInt8", "UInt16", "UInt32"},
    "UInt32": {"UInt8", "UInt16"},
    "UInt16": {"UInt8"},
    "Float64": {"Float32"},
}
"""By type, those whose values it has all of, in the same words."""


@dataclass(frozen=True)
class Change:
    """What becomes of the state of one operator.

    Attributes:
        operator: Its identity.
        verdict: `kept`, `migrated`, `rebuilt`, `dropped` or `new`.
        details: What that means, in parts.
    """

    operator: str
    verdict: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        details = f": {'; '.join(self.details)}" if self.details else ""
        return f"{self.operator} {self.verdict}{details}"


def changes(stored: Mapping[str, Any], engine: Engine) -> list[Change]:
    """What becomes of each state, in the order of the plan; what is dropped comes last.

    Args:
        stored: The `engine` of a manifest.
        engine: The engine that is to go on.
    """
    layouts = {made.identity: made.executor.state_layout() for made in engine.plan.nodes}
    schemas = {made.identity: made.node.schema for made in engine.plan.nodes}
    found = []
    for name, layout in layouts.items():
        if layout is None:
            continue
        old = stored["nodes"].get(name, {}).get("layout")
        found.append(
            Change(name, NEW, ("begins empty",)) if old is None else _compared(name, old, layout, schemas[name])
        )
    for name, node in stored["nodes"].items():
        if "layout" in node and layouts.get(name) is None:
            found.append(Change(name, DROPPED, ("nothing in the plan takes it",)))
    return found


def forgotten(manifest: Mapping[str, Any], engine: Engine, ledger: Ledger) -> list[Change]:
    """What is stored besides states, and has nobody in the plan that takes it: it would be lost without a word.

    That is how far sources were read that the plan has no more: added again, they would be read from their beginning.
    And it is rows that are sealed for outputs that it has no more, and are not known to be published.

    Args:
        manifest: What the run is to go on from.
        engine: The engine that is to go on.
        ledger: The newest manifest knows what was published.
    """
    plan = engine.plan
    reads = {plan.nodes[index].identity for index in plan.reads}
    sources = [source["source"] for source in manifest["sources"] if source["source"] not in reads]
    found = [Change(name, DROPPED, ("how far it was read is forgotten",)) for name in sources]
    newest = next((one for _, one, _ in ledger.candidates() if one is not None), manifest)
    names = {output_name(output) for output in plan.pipeline.outputs}
    for name, known in newest["ledger"].items():
        if name in names or name.startswith("@"):
            continue
        epochs = [number for number in ledger.store.manifests() if number > known["published"]]
        waiting = [number for number in epochs if _has_rows(ledger, number, name)]
        if waiting:
            found.append(Change(name, DROPPED, (f"epochs that may not be published: {_listed(waiting)}",)))
    return found


def _has_rows(ledger: Ledger, number: int, output: str) -> bool:
    try:
        stored = ledger.read(number)["outputs"].get(output)
    except StateError:
        return True  # nobody knows what it had
    return stored is not None and Token(*stored["token"]).rows > 0


def _listed(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def require_approved(found: Iterable[Change]) -> None:
    """Refuse changes that lose something.

    Raises:
        StateError: If there are any.
    """
    lossy = [change for change in found if change.verdict in LOSSY]
    if lossy:
        raise StateError(
            f"the plan has changed, and stored state would be lost: {' and '.join(map(str, lossy))}",
            hint="penstock migrate FILE shows what each state becomes, --approve lets it; names given by "
            '.state("...") keep states together with their verbs',
        )


def _compared(name: str, old: Mapping[str, Any], new: Mapping[str, Any], schema: Schema) -> Change:
    if old == new:
        return Change(name, KEPT)
    if "aggregates" not in old or "aggregates" not in new:
        return Change(name, REBUILT, ("it is of another kind",))
    for part in old:
        if part not in ("aggregates", "ttl") and old[part] != new.get(part):
            return Change(name, REBUILT, (f"{part} differ",))
    before = {one["name"]: one for one in old["aggregates"]}
    after = {one["name"]: one for one in new["aggregates"]}
    details, lost = [], False
    if old.get("ttl") != new.get("ttl"):
        details.append("keys expire, counted from here on" if "ttl" in new else "keys expire no more")
    for column, one in after.items():
        if column not in before and not _may_begin_empty(one, schema[column].nullable):
            # The rows of keys that are stored would have nulls in it, which sinks and verbs below do not expect.
            details.append(
                f'"{column}" is added: it is declared without nulls, and has no value for keys that are stored'
            )
            lost = True
        elif column not in before:
            details.append(f'"{column}" is added, and counts rows from here on')
        elif not _fits(before[column], one):
            details.append(f'"{column}" has become another aggregate, or is kept in another way: it begins anew')
            lost = True
        elif before[column] != one:
            details.append(f'"{column}" is widened')
    for column in before:
        if column not in after:
            details.append(f'"{column}" is removed')
    if lost:
        return Change(name, REBUILT, tuple(details))
    return Change(name, MIGRATED, tuple(details) or ("its aggregates have another order",))


def _may_begin_empty(aggregate: Mapping[str, Any], nullable: bool) -> bool:
    declared = AGGREGATES.get(aggregate["function"])  # none: a class of the user's, which may give null
    return nullable or declared is None or declared.empty is not None


def _fits(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the words of one aggregate can go on as those of another."""
    if any(old[part] != new[part] for part in ("function", "options", "kept")):
        return False
    if len(old["arguments"]) != len(new["arguments"]):
        return False
    if old["kept"] == "values":
        return bool(old["arguments"] == new["arguments"])
    pairs = zip(old["arguments"], new["arguments"], strict=True)
    return all(one == other or one in _WIDER.get(other, ()) for one, other in pairs)


# -- moving state over ---------------------------------------------------------


class Moved:
    """A `Loader` that gives tables of one layout to an executor of another.

    Args:
        given: What is stored.
        old: The layout under which it was stored.
        new: The layout of the executor.
        counted: Whether the first word of a slot counts rows, in both.
    """

    def __init__(self, given: Given, old: Mapping[str, Any], new: Mapping[str, Any], *, counted: bool) -> None:
        self._given = given
        self._counted = int(counted)
        self._words = _moved_words(old["aggregates"], new["aggregates"], self._counted)
        self._stored_words = _words_of(old["aggregates"]) + self._counted
        if "ttl" in old:
            if old["ttl"] == new.get("ttl"):
                target = _words_of(new["aggregates"]) + self._counted
                self._words.append((self._stored_words, target, len(INITIAL)))
            self._stored_words += len(INITIAL)
        self._values = _moved_values(old["aggregates"], new["aggregates"])

    @property
    def names(self) -> Sequence[str]:
        """See `Loader.names`."""
        return self._given.names

    def blob(self, name: str) -> bytes:
        """See `Loader.blob`."""
        return self._given.blob(name)

    def table(self, name: str, into: Arrangement) -> None:
        """See `Loader.table`: words go where they belong now, and what is new begins empty."""
        head, _, part = name.rpartition("/")
        if part.startswith("values"):
            place = self._values.get(int(part.removeprefix("values")))
            if place is not None:
                self._given.table(f"{head}/values{place}", into)
            return
        initial = into.initial
        into.fill(self._record(record, into, initial) for record in self._given.records(name, self._stride(into)))

    def _stride(self, into: Arrangement) -> int:
        return into.first + self._stored_words

    def _record(self, record: Record, into: Arrangement, initial: Any) -> Record:
        rows = np.empty((len(record.rows), into.stride), np.int64)
        rows[:, : into.first] = record.rows[:, : into.first]
        rows[:, into.first :] = initial
        if self._counted:
            rows[:, into.first] = record.rows[:, into.first]
        for source, target, count in self._words:
            rows[:, into.first + target : into.first + target + count] = record.rows[
                :, into.first + source : into.first + source + count
            ]
        return Record(record.slots, rows, record.heap)


def _words_of(aggregates: Sequence[Mapping[str, Any]]) -> int:
    return sum(_width(one) for one in aggregates)


def _width(aggregate: Mapping[str, Any]) -> int:
    if aggregate["kept"] == "values":
        return 0
    return sum(len(ACCUMULATORS[kind].initial) for kind in aggregate["kept"])


def _places(aggregates: Sequence[Mapping[str, Any]], first: int) -> dict[str, int]:
    found = {}
    for one in aggregates:
        found[one["name"]] = first
        first += _width(one)
    return found


def _moved_words(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], first: int
) -> list[tuple[int, int, int]]:
    """Runs of words that are moved: from, to, how many."""
    before, after = _places(old, first), _places(new, first)
    return [(before[one["name"]], after[one["name"]], _width(one)) for one in new if one["name"] in before]


def _moved_values(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """By value store of the new layout, that of the old."""
    before, after = (
        {name: i for i, name in enumerate(one["name"] for one in side if one["kept"] == "values")}
        for side in (old, new)
    )
    return {place: before[name] for name, place in after.items() if name in before}


def restore_changed(engine: Engine, stored: Mapping[str, Any], given: Callable[[str], Given]) -> list[Change]:
    """Give executors what they can use of a checkpoint of another plan; gives what became of each state.

    Args:
        engine: The engine, new.
        stored: The `engine` of the manifest.
        given: What is stored of a node, by its identity.

    Raises:
        StateError: If a block is damaged.
    """
    found = changes(stored, engine)
    verdicts = {change.operator: change.verdict for change in found}
    usable = {name: node for name, node in stored["nodes"].items() if verdicts.get(name) in (KEPT, MIGRATED, None)}

    def loader_of(identity: str) -> Loader:
        if verdicts[identity] == KEPT:
            return given(identity)
        layout = next(m.executor.state_layout() for m in engine.plan.nodes if m.identity == identity)
        old = usable[identity]["layout"]
        counted = bool(old.get("updating")) or old.get("windows", {}).get("kind") not in (None, "tumbling")
        return Moved(given(identity), old, layout, counted=counted)

    engine.restore_parts({**stored, "nodes": usable}, loader_of)
    return found
