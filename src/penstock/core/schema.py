"""What the rows of an edge look like: ordered fields, nullability, policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from penstock.core.dtypes import DType, as_dtype, from_json, to_polars
from penstock.core.errors import PlanError, UnknownNameError


@dataclass(frozen=True)
class Field:
    """One column.

    Attributes:
        name: Its name.
        dtype: Its logical type.
        nullable: Whether a value may be null.
        mask: How the value is hidden in what people see (`"hash"`, `"redact"`, ...), or None.
    """

    name: str
    dtype: DType
    nullable: bool = True
    mask: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The field as JSON."""
        data: dict[str, Any] = {"name": self.name, "type": self.dtype.to_json()}
        if not self.nullable:
            data["nullable"] = False
        if self.mask:
            data["mask"] = self.mask
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Field:
        """The inverse of `to_json`."""
        return cls(data["name"], from_json(data["type"]), data.get("nullable", True), data.get("mask"))


@dataclass(frozen=True)
class Schema:
    """Ordered columns with distinct names; a value.

    Raises:
        PlanError: If two fields have one name, or a name is reserved (leading `__`).
    """

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for field in self.fields:
            if field.name in seen:
                raise PlanError(f'two columns have the name "{field.name}"', hint="rename one of them with .alias")
            if field.name.startswith("__"):
                raise PlanError(f'column names that begin with "__" are reserved, found "{field.name}"')
            seen.add(field.name)

    @classmethod
    def of(cls, columns: Mapping[str, Any] | Iterable[Field]) -> Schema:
        """A schema from a mapping of names to types (all nullable) or from fields."""
        if isinstance(columns, Mapping):
            return cls(tuple(Field(name, as_dtype(dtype)) for name, dtype in columns.items()))
        return cls(tuple(columns))

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Fields by their names."""
        return {field.name: field for field in self.fields}

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(field.name for field in self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __getitem__(self, name: str) -> Field:
        """The field of a name.

        Raises:
            UnknownNameError: If there is none; the message names the nearest.
        """
        try:
            return self.by_name[name]
        except KeyError:
            raise UnknownNameError("column", name, self.names) from None

    def select(self, names: Iterable[str]) -> Schema:
        """The named fields, in the given order."""
        return Schema(tuple(self[name] for name in names))

    def plus(self, *fields: Field) -> Schema:
        """With further fields; one of an existing name replaces it in its place."""
        new = {field.name: field for field in fields}
        kept = [new.pop(field.name, field) for field in self.fields]
        return Schema((*kept, *new.values()))

    def without(self, names: Iterable[str]) -> Schema:
        """Without the named fields."""
        gone = set(names)
        return Schema(tuple(field for field in self.fields if field.name not in gone))

    def nullable(self) -> Schema:
        """With every field nullable."""
        return Schema(tuple(replace(field, nullable=True) for field in self.fields))

    def to_polars(self) -> dict[str, Any]:
        """The Polars types by name, for building a frame."""
        return {field.name: to_polars(field.dtype) for field in self.fields}

    def to_json(self) -> list[dict[str, Any]]:
        """The fields as JSON."""
        return [field.to_json() for field in self.fields]

    @classmethod
    def from_json(cls, data: Iterable[Mapping[str, Any]]) -> Schema:
        """The inverse of `to_json`."""
        return cls(tuple(Field.from_json(item) for item in data))

    def __str__(self) -> str:
        return ", ".join(f"{f.name}: {f.dtype}{'' if f.nullable else ' not null'}" for f in self.fields)
