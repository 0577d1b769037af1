"""The verb that joins rows with an outside source; what it promises is said on its node."""

from __future__ import annotations

import importlib
from typing import Any

from penstock.api.joins import keys_of
from penstock.connectors.base import Source
from penstock.connectors.lookups import Called, LookupSource, as_lookup
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import duration
from penstock.core.where import caller
from penstock.expr.ast import Column, Term
from penstock.expr.infer import infer
from penstock.expr.user_functions import reference
from penstock.operators.joining import LEFT, RIGHT, ColumnOf
from penstock.operators.lookup import Lookup
from penstock.plan.lookup_options import LookupOptions, with_breaker, with_cache, with_retry
from penstock.plan.node import Node


class LookingUp:
    """The lookup joins of a `Stream`."""

    node: Node

    def _to(self, node: Node) -> Any:
        raise NotImplementedError

    def lookup(
        self,
        source: Any,
        on: Any = None,
        *,
        left_on: Any = None,
        right_on: Any = None,
        how: str = "inner",
        schema: Any = None,
        suffix: str = "_right",
        cache: Any = None,
        ordered: bool = True,
        parallelism: int = 8,
        batch: int = 1_000,
        capacity: int = 100_000,
        timeout: Any = "5 min",
        retry: Any = None,
        breaker: Any = None,
        on_failure: str = "fail",
    ) -> Any:
        """Each row with what an outside source has for its key when it is asked; see `Lookup`.

        Args:
            source: Who is asked: a `PostgresSource`, `SqliteSource`, `HttpSource`, a `LookupSource` of your own, or a
                function from the values of a key to a dict, dicts, or None. A file or a frame is loaded whole.
            on: The key, if its columns have the same names on both sides.
            left_on: The key of a row: columns or expressions.
            right_on: As many columns of the source.
            how: `inner`: a row without an answer is dropped; `left`: it has nulls.
            schema: The columns of the source; without it the source is asked. A function must say them.
            suffix: What is added to a name of the source that the rows have too.
            cache: None: all rows are asked for; a duration: answers are kept so long, the last 10,000 keys; a dict of
                `rows`, `ttl`, `idle` and `misses` for more; `"full"`: all is loaded. Of a source that is loaded whole
                the duration says when it is loaded anew.
            ordered: Whether rows leave as they came; else as soon as they are answered.
            parallelism: The most calls at a time.
            batch: The most keys of a call.
            capacity: From how many waiting rows on sources are held.
            timeout: How long a call may take.
            retry: How often a call is tried again (9), or a dict of `attempts`, `delay` (100 ms, doubled each time),
                `most` (10 s), and `misses` and `miss_delay`: how often, and after how long, a key is asked for again
                that had no rows (never).
            breaker: After how many failures in a row to pause: `{"failures": 5, "pause": "1 s"}`; False = never.
            on_failure: After the last try: `fail` the run (it goes on from its last checkpoint), or `dead_letter`.

        Returns:
            A Stream; of keys that are columns on both sides the left one.

        Raises:
            PlanError: If source, keys, types or names do not fit; or the rows are a Table's.
        """
        where = caller()
        try:
            left_keys, right_keys = keys_of(on, left_on, right_on)
            names = _names(right_keys)
            found = _source(source, schema, self.node, left_keys, names)
            options = LookupOptions(
                ordered=ordered, parallelism=parallelism, batch=batch, capacity=capacity,
                timeout_us=duration(timeout), on_failure=on_failure,
            )  # fmt: skip
            options = with_cache(with_breaker(with_retry(options, retry), breaker), cache, whole=found.whole)
            table = found.schema() if schema is None or isinstance(found, Called) else _schema(schema)
            columns = _columns(self.node, table, left_keys, names, suffix)
        except PlanError as refused:
            raise refused.at(where) from None
        made = Lookup(
            input=self.node, source=found, table=_asked_for(table, columns, names), how=how, left_on=left_keys,
            right_on=names, columns=columns, options=options, where=where,
        )  # fmt: skip
        return self._to(made)


def _schema(value: Any) -> Schema:
    # `read` gives Streams, which have this verb: one of the two is found by name.
    found: Schema = importlib.import_module("penstock.api.read").schema_of(value)
    return found


def _asked_for(table: Schema, columns: tuple[ColumnOf, ...], keys: tuple[str, ...]) -> Schema:
    """The columns of the source that are wanted: what comes out, and the key."""
    wanted = {source for _, side, source in columns if side == RIGHT} | set(keys)
    return table.select([name for name in table.names if name in wanted])


def _names(keys: tuple[Term, ...]) -> tuple[str, ...]:
    for key in keys:
        if not isinstance(key, Column):
            raise PlanError(f"right_on names columns of the source, found {key}")
    return tuple(key.name for key in keys if isinstance(key, Column))


def _source(source: Any, schema: Any, node: Node, left_on: tuple[Term, ...], names: tuple[str, ...]) -> LookupSource:
    declared = None if schema is None else _schema(schema)
    if not callable(source) or isinstance(source, (LookupSource, Source)):
        return as_lookup(source, declared, None)
    if declared is not None:
        # A function gives what is not known yet: its key is that of the row.
        missing = [(n, t) for n, t in zip(names, left_on, strict=False) if n not in declared]
        keys = tuple(Field(name, infer(term, node.schema).dtype) for name, term in missing)
        declared = Schema((*keys, *declared.fields))
    return as_lookup(source, declared, reference(source, deterministic=False))


def _columns(
    node: Node, table: Schema, left_on: tuple[Term, ...], right_on: tuple[str, ...], suffix: str
) -> tuple[ColumnOf, ...]:
    """The columns of the row, then those of the source that are no merged keys."""
    merged = {name for term, name in zip(left_on, right_on, strict=False) if isinstance(term, Column)}
    mine = node.schema.names
    made: list[ColumnOf] = [(name, LEFT, name) for name in mine]
    for name in right_on:
        _ = table[name]
    for name in table.names:
        if name not in merged:
            made.append((f"{name}{suffix}" if name in mine else name, RIGHT, name))
    return tuple(made)
