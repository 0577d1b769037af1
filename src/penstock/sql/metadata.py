"""Columns of CREATE TABLE that are METADATA: what connectors say of a row beside its value."""

from __future__ import annotations

from penstock.connectors._kafka_metadata import METADATA, fits
from penstock.core.errors import nearest
from penstock.core.schema import Field
from penstock.sql.connectors import Table
from penstock.sql.own_options import CONNECTOR
from penstock.sql.statements import ColumnDefinition
from penstock.sql.types import dtype_of, spelled

KEYS = {"kafka": METADATA}
"""The metadata of connectors, by Flink's names; those that are not here give none."""
_TYPES = {"timestamp": "TIMESTAMP_LTZ(3)"}


def metadata_of(table: Table, zone: str) -> dict[str, tuple[str, Field]]:
    """The metadata columns of a table: what each is, and its field.

    Raises:
        PlanError: If the connector does not give it, or not in this type.
    """
    return {
        one.name: (key, Field(one.name, dtype_of(one.type, zone), one.type.nullable))
        for one in table.statement.columns
        if one.is_metadata and one.type is not None and (key := _key(table, one, zone))
    }


def _key(table: Table, one: ColumnDefinition, zone: str) -> str:
    text, key = table.text, one.metadata or one.name
    connector = next((option.value for option in table.options if option.key == CONNECTOR), "")
    known = KEYS.get(connector)
    if known is None:
        gives = "; ".join(f"'{name}' gives {', '.join(keys)}" for name, keys in KEYS.items())
        raise text.unsupported(f"the connector '{connector}' gives no metadata here", one.at, one.end, hint=gives)
    if table.is_changes:
        raise text.unsupported("a table of changes gives no metadata here", one.at, one.end, hint="leave it out")
    if key not in known:
        raise text.unsupported(
            f"the connector '{connector}' gives no metadata '{key}' here{nearest(key, known)}", one.at, one.end,
            hint=f"there is {', '.join(known)}",
        )  # fmt: skip
    assert one.type is not None
    dtype = dtype_of(one.type, zone)
    if not fits(key, dtype):
        wanted = _TYPES.get(key) or spelled(known[key][0])
        raise text.error(
            f"the metadata '{key}' is {wanted}, found {spelled(dtype)}", one.at, one.end,
            hint=f"{one.name} {wanted} METADATA" + ("" if one.name == key else f" FROM '{key}'"),
        )  # fmt: skip
    return key


def refuse_writing(table: Table) -> None:
    """Metadata is read only.

    Raises:
        UnsupportedError: If a column of metadata is not VIRTUAL, so that an INSERT would have to give it.
    """
    for one in table.statement.columns:
        if one.is_metadata and not one.virtual:
            raise table.text.unsupported(
                f'"{one.name}" is metadata, which is not written here', one.at, one.end, hint="METADATA VIRTUAL"
            )
