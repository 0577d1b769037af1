"""CREATE TABLE ... LIKE: what a table takes from another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from penstock.sql.statements import CreateTable
from penstock.sql.tables import Declared
from penstock.sql.text import Text


def alike(statement: CreateTable, tables: Mapping[str, Declared], text: Text) -> CreateTable:
    """`CREATE TABLE t (...) LIKE other (...)` with all that it takes from the other table.

    Args:
        statement: The statement.
        tables: The tables that there are.
        text: Its text.

    Raises:
        UnknownNameError: If there is no such table.
    """
    like = statement.like
    assert like is not None
    if like.name not in tables:
        raise text.unknown("table", like.name, list(tables), like.at)
    base = tables[like.name].table.statement
    said = set(statement.like_options)

    def included(kind: str, default: bool) -> bool:
        if f"EXCLUDING {kind}" in said:
            return False
        if f"INCLUDING {kind}" in said or f"OVERWRITING {kind}" in said:
            return True
        return "EXCLUDING ALL" not in said and default

    own = {one.name for one in statement.columns}
    columns = [
        one
        for one in base.columns
        if one.name not in own
        and (one.computed is None or included("GENERATED", True))
        and (not one.is_metadata or included("METADATA", True))
    ]
    options = {o.key: o for o in base.options} if included("OPTIONS", True) else {}
    options |= {o.key: o for o in statement.options}
    return replace(
        statement,
        columns=(*columns, *statement.columns),
        watermark=statement.watermark or (base.watermark if included("WATERMARKS", True) else None),
        key=statement.key or (base.key if included("CONSTRAINTS", True) else ()),
        partitioned=statement.partitioned or (base.partitioned if included("PARTITIONS", True) else ()),
        options=tuple(options.values()),
        like=None,
    )
