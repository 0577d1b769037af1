"""Options declared once: from a dataclass field come parsing, errors, documentation and serde.

@dataclass(frozen=True, kw_only=True)
class FileSource(Source):
    path: str = option(doc="A file, a directory or a pattern.", example="data/*.csv")
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, TypeVar

from penstock.core import files
from penstock.core.errors import PlanError, StartError, one_of
from penstock.core.timespan import duration
from penstock.core.where import Where

T = TypeVar("T")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Secret:
    """A reference to a secret, never its value: read at the start from the environment or `/run/secrets`."""

    name: str

    def reveal(self) -> str:
        """The secret itself.

        Raises:
            StartError: If it is found nowhere.
        """
        value = os.environ.get(self.name)
        if value is not None:
            return value
        try:
            return files.read_text(Path("/run/secrets") / self.name).strip()
        except OSError:
            hint = f"set the environment variable {self.name}"
            raise StartError(f'no secret "{self.name}"', hint=hint) from None

    def __str__(self) -> str:
        return f"secret:{self.name}"


@dataclass(frozen=True)
class Option:
    """One declared option.

    Attributes:
        name: Its name, the same in Python, SQL and YAML.
        dtype: The Python type as written in the declaration.
        default: Its default; `...` if it must be given.
        doc: What it does.
        example: A value, for the documentation.
        secret: Whether only a reference to a secret is accepted.
        choices: The allowed values, if there are few.
        span: Whether it is a duration, written as `"10 s"`.
    """

    name: str
    dtype: str
    default: Any
    doc: str
    example: Any = None
    secret: bool = False
    choices: tuple[Any, ...] = ()
    span: bool = False


def option(
    default: Any = ...,
    *,
    doc: str = "",
    example: Any = None,
    secret: bool = False,
    choices: tuple[Any, ...] = (),
    span: bool = False,
) -> Any:
    """Declare an option as a dataclass field; see `Option` for the parameters."""
    metadata = {"doc": doc, "example": example, "secret": secret, "choices": choices, "span": span}
    if default is ...:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def options_of(cls: type) -> tuple[Option, ...]:
    """The options that a class declares, in order."""
    found = []
    for field in dataclasses.fields(cls):
        if "doc" in field.metadata and field.init:
            default: Any = field.default
            if default is MISSING:
                made: Any = field.default_factory
                default = made() if callable(made) else ...
            found.append(Option(field.name, str(field.type), default, **field.metadata))
    return tuple(found)


def configure(cls: type[T], given: Mapping[str, Any], *, kind: str = "option", where: Where | None = None) -> T:
    """An instance from options by name; text is parsed to the declared type.

    Raises:
        UnknownNameError: If an option does not exist.
        PlanError: If one is missing or has a wrong value.
    """
    declared = {option.name: option for option in options_of(cls)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in declared:
            raise one_of(kind, name, declared, where=where)
        values[name] = parse(declared[name], value, where=where)
    for name, one in declared.items():
        if one.default is ... and name not in values:
            raise PlanError(f'the option "{name}" is missing', where=where, hint=one.doc)
    return cls(**values)


def parse(declared: Option, value: Any, *, where: Where | None = None) -> Any:
    """The value of an option, converted from text if its type asks for it.

    Raises:
        PlanError: If the value does not fit.
    """
    if isinstance(value, str) and value.startswith("secret:"):
        value = Secret(value.removeprefix("secret:"))
    if declared.secret and value is not None and not isinstance(value, Secret):
        raise PlanError(
            f'the option "{declared.name}" is a secret and takes a reference only', where=where,
            hint='ps.secret("NAME") in Python, secret:NAME elsewhere',
        )  # fmt: skip
    if declared.choices and value not in declared.choices:
        raise one_of(f'value of "{declared.name}"', str(value), map(str, declared.choices), where=where)
    if declared.span and value is not None:
        duration(value)
    if isinstance(value, str):
        return _from_text(declared, value, where)
    return value


def _from_text(declared: Option, text: str, where: Where | None) -> Any:
    kinds = declared.dtype.replace(" ", "").split("|")
    if "str" in kinds or declared.span:
        return text
    try:
        if "bool" in kinds and text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
        if "int" in kinds:
            return int(text)
        if "float" in kinds:
            return float(text)
    except ValueError:
        raise PlanError(f'the option "{declared.name}" takes {declared.dtype}, found "{text}"', where=where) from None
    return text


def given_options(instance: Any) -> dict[str, Any]:
    """The options of an instance that differ from their defaults; secrets as references."""
    found = {}
    for one in options_of(type(instance)):
        value = getattr(instance, one.name)
        if one.default is ... or value != one.default:
            found[one.name] = str(value) if isinstance(value, (Secret, Path)) else value
    return found
