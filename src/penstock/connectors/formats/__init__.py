"""The table of file formats."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.core.errors import one_of
from penstock.core.spec import configure

if TYPE_CHECKING:
    from penstock.connectors.formats.base import Format

FORMATS: dict[str, str] = {
    "csv": "penstock.connectors.formats.csv",
    "json": "penstock.connectors.formats.json",
    "parquet": "penstock.connectors.formats.parquet",
    "arrow": "penstock.connectors.formats.arrow",
}
"""Format names and the modules that hold their `FORMAT` class."""


def format_class(name: str) -> type[Format]:
    """The class of a format.

    Raises:
        UnknownNameError: If there is no such format.
    """
    if name not in FORMATS:
        raise one_of("format", name, FORMATS)
    found: type[Format] = importlib.import_module(FORMATS[name]).FORMAT
    return found


def format_of(name: str, options: Mapping[str, Any]) -> Format:
    """A format with options.

    Raises:
        UnknownNameError: If there is no such format.
        PlanError: If an option is not one of the format's.
    """
    return configure(format_class(name), options, kind=f"{name} option")


def format_of_name(file: str) -> str | None:
    """The format that the ending of a file's name says, or None."""
    for name in FORMATS:
        if file.lower().endswith(format_class(name).extensions):
            return name
    return None
