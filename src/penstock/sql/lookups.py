"""Lookup joins: tables that are asked by key, the options and hints of Flink, and the operator made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.connectors.base import Reader, ReadRequest, Source, Split
from penstock.connectors.lookups import LookupSource, Whole
from penstock.connectors.postgres import PostgresSource
from penstock.core.errors import PlanError, StartError, UnsupportedError, one_of
from penstock.core.schema import Schema
from penstock.core.timespan import duration
from penstock.core.where import Where
from penstock.expr.ast import Cast, Column, Term
from penstock.operators.filter import Filter
from penstock.operators.joining import RIGHT
from penstock.operators.lookup import Lookup
from penstock.operators.read import Read
from penstock.plan.lookup_options import CACHES, FULL, PARTIAL, LookupOptions
from penstock.plan.node import Node, walk
from penstock.sql.operators import JoinPattern
from penstock.sql.syntax import Hint

ONLY = "it is looked up in: JOIN t FOR SYSTEM_TIME AS OF s.proctime ON ..., where proctime AS PROCTIME()"


@dataclass(frozen=True, kw_only=True)
class Asked(Source):
    """A declared table that is asked by key, and not read.

    Attributes:
        asked: Who is asked.
        columns: The declared columns.
        options: How.
    """

    asked: LookupSource
    columns: Schema
    options: LookupOptions
    connector: ClassVar[str] = "asked"

    @property
    def bounded(self) -> bool:
        """What is in it ends."""
        return True

    def schema(self) -> Schema:
        """The declared columns."""
        return self.columns

    def splits(self) -> Sequence[Split]:
        """Refuse: it is not read."""
        raise StartError(f'"{self.asked.default_name()}" is not read', hint=ONLY)

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """Refuse: it is not read."""
        raise StartError(f'"{self.asked.default_name()}" is not read', hint=ONLY)


def refuse_reading(node: Node, where: Where | None) -> None:
    """Refuse rows that come out of a table that is only looked up in.

    Raises:
        UnsupportedError: If there is one.
    """
    for below in walk(node):
        if isinstance(below, Read) and isinstance(below.source, Asked):
            raise UnsupportedError(f'reading all of "{below.name}" is not offered yet', where=where, hint=ONLY)


# -- options -----------------------------------------------------------------------


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise PlanError(f"it is 'true' or 'false', found '{text}'")
    return text.lower() == "true"


def _cache(text: str) -> str:
    if text.lower() not in CACHES:
        raise one_of("lookup.cache", text, [name.upper() for name in CACHES])
    return text.lower()


def _reload(text: str) -> str:
    if text.upper() != "PERIODIC":
        raise UnsupportedError("a full cache is loaded anew at an interval", hint="'PERIODIC'")
    return FULL


OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "lookup.cache": ("cache", _cache),
    "lookup.partial-cache.max-rows": ("cache_rows", int),
    "lookup.partial-cache.expire-after-write": ("ttl_us", duration),
    "lookup.partial-cache.expire-after-access": ("idle_us", duration),
    "lookup.partial-cache.cache-missing-key": ("cache_misses", _switch),
    "lookup.full-cache.reload-strategy": ("cache", _reload),
    "lookup.full-cache.periodic-reload.interval": ("reload_us", duration),
    "lookup.max-retries": ("attempts", lambda text: int(text) + 1),
    # Those of older versions, which turn the cache on by themselves.
    "lookup.cache.max-rows": ("cache_rows", int),
    "lookup.cache.ttl": ("ttl_us", duration),
    "lookup.cache.caching-missing-key": ("cache_misses", _switch),
}
"""Flink's options of tables that are looked up in, and ours."""

_OLD = ("lookup.cache.max-rows", "lookup.cache.ttl")


def options_of(given: Mapping[str, str]) -> LookupOptions:
    """How a table is asked, by its options; retries are three, as in Flink.

    Raises:
        PlanError: If one is unknown, or its value does not fit.
    """
    found: dict[str, Any] = {"attempts": 4}
    if any(name in given for name in _OLD):
        found["cache"] = PARTIAL
    for key, value in given.items():
        if not key.startswith("lookup."):
            continue
        if key not in OPTIONS:
            raise one_of("option", key, OPTIONS)
        name, read = OPTIONS[key]
        try:
            found[name] = read(value)
        except ValueError:
            raise PlanError(f"'{key}' is a whole number, found '{value}'") from None
        except PlanError as refused:
            refused.message = f"'{key}': {refused.message}"
            raise
    return LookupOptions(**found)


def jdbc_sink(given: dict[str, str], schema: Schema, partitioned: tuple[str, ...]) -> dict[str, Any]:
    """The address and the name of a table of 'jdbc', which is PostgreSQL's.

    Raises:
        PlanError: If it is another database's.
    """
    url = given["url"]
    if url.startswith("jdbc:"):
        if not url.startswith("jdbc:postgresql://"):
            raise PlanError("only PostgreSQL is offered by 'jdbc'", hint="'url' = 'jdbc:postgresql://host:5432/db'")
        rest = url.removeprefix("jdbc:postgresql://")
        user, password = given.get("username"), given.get("password")
        if password is not None and password.startswith("secret:"):
            raise PlanError(
                "a password by reference is part of a URL by reference", hint="'url' = 'secret:DATABASE_URL'"
            )
        login = f"{user}:{password}@" if user and password else f"{user}@" if user else ""
        url = f"postgresql://{login}{rest}"
    return {"table": given["table-name"], "url": url}


def asked_table(given: dict[str, str], schema: Schema) -> Asked:
    """A table of 'jdbc' as one that is asked.

    Args:
        given: Its options.
        schema: Its columns.
    """
    where = jdbc_sink(given, schema, ())
    namespace, _, table = where["table"].rpartition(".")
    source = PostgresSource(table, url=where["url"], namespace=namespace or "public")
    return Asked(asked=source, columns=schema, options=options_of(given))


def hinted(options: LookupOptions, hints: Sequence[Hint], label: str) -> LookupOptions:
    """The options with what a hint LOOKUP says of the table.

    Raises:
        PlanError: If it is not understood.
    """
    for hint in hints:
        given = {key.lower(): value for key, value in hint.options}
        if hint.name != "LOOKUP" or given.pop("table", label) != label:
            continue
        changes: dict[str, Any] = {}
        for key, value in given.items():
            match key:
                case "async" | "retry-predicate" | "retry-strategy" | "shuffle":
                    _expected(key, value)
                case "output-mode":
                    changes["ordered"] = _mode(value)
                case "capacity":
                    changes["capacity"] = int(value)
                case "timeout":
                    changes["timeout_us"] = duration(value)
                case "fixed-delay":
                    changes["miss_delay_us"] = duration(value)
                case "max-attempts":
                    changes["misses"] = int(value)
                case _:
                    raise one_of("option of LOOKUP", key, HINTS)
        options = replace(options, **changes)
    return options


HINTS = ("table", "async", "output-mode", "capacity", "timeout", "retry-predicate", "retry-strategy", "fixed-delay",
         "max-attempts", "shuffle")  # fmt: skip
_EXPECTED = {
    "async": ("true", "false"), "retry-predicate": ("lookup_miss",), "retry-strategy": ("fixed_delay",),
    "shuffle": ("false",),
}  # fmt: skip


def _expected(key: str, value: str) -> None:
    if value.lower() not in _EXPECTED[key]:
        raise UnsupportedError(f"'{key}' of LOOKUP is '{_EXPECTED[key][0]}', found '{value}'")


def _mode(value: str) -> bool:
    if value.lower() not in ("ordered", "allow_unordered"):
        raise one_of("output-mode", value, ["ordered", "allow_unordered"])
    return value.lower() == "ordered"


# -- the operator ------------------------------------------------------------------


def lookup_join(pattern: JoinPattern, hints: Sequence[Hint], label: str) -> Node:
    """Each row with what the table has for its key when it is asked.

    Args:
        pattern: The join.
        hints: Those of the SELECT.
        label: What the table is called in it.

    Raises:
        PlanError: If the table cannot be asked so.
    """
    try:
        return _joined(pattern, hints, label)
    except PlanError as refused:
        raise refused.at(pattern.where) from None


def _joined(pattern: JoinPattern, hints: Sequence[Hint], label: str) -> Node:
    source, options = _table(pattern.right)
    options = hinted(options, hints, label)
    if any(pattern.nulls_equal):
        raise UnsupportedError("a lookup compares by =, not by IS NOT DISTINCT FROM")
    if not pattern.left_on:
        raise PlanError("a lookup needs an equal key", hint="ON s.id = t.id")
    if pattern.kind not in ("inner", "left"):
        raise UnsupportedError(f"a lookup is an inner or a left join, not {pattern.kind}")
    if pattern.residual is not None and pattern.kind == "left":
        raise UnsupportedError(
            "the condition of a left lookup compares keys only", hint="look up first, then CASE over what was found"
        )
    names = tuple(_column(term) for term in pattern.right_on)
    wanted = {name for _, side, name in pattern.columns if side == RIGHT} | set(names)
    table = pattern.right.schema
    node: Node = Lookup(
        input=pattern.left, source=source, table=table.select([n for n in table.names if n in wanted]),
        how=pattern.kind, left_on=pattern.left_on, right_on=names, columns=pattern.columns, options=options,
        where=pattern.where,
    )  # fmt: skip
    if pattern.residual is None:
        return node
    output = {f"{side}.{name}": made for made, side, name in pattern.columns}

    def change(term: Term) -> Term:
        return Column(output[term.name]) if isinstance(term, Column) else term

    return Filter(input=node, predicate=pattern.residual.rewrite(change), where=pattern.where)


def _table(node: Node) -> tuple[LookupSource, LookupOptions]:
    if isinstance(node, Read) and isinstance(node.source, Asked):
        return node.source.asked, node.source.options
    if isinstance(node, Read) and node.source.bounded:
        return Whole(node.source, node.columns), LookupOptions(cache=FULL)
    raise UnsupportedError(
        "FOR SYSTEM_TIME AS OF a processing time takes a table that is asked by key",
        hint="'connector' = 'jdbc', or a bounded 'filesystem', which is loaded whole; no computed columns",
    )


def _column(term: Term) -> str:
    while isinstance(term, Cast):
        term = term.term
    if not isinstance(term, Column):
        raise UnsupportedError(f"a lookup compares columns of the table, found {term}")
    return term.name
