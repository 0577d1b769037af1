"""Which files a path means: a file, a directory or a pattern."""

from __future__ import annotations

import re
from pathlib import Path

from penstock.connectors.formats import FORMATS, format_class, format_of_name
from penstock.core import files
from penstock.core.errors import PenstockError, PlanError, nearest
from penstock.core.files import Found

ORDERS = ("name", "time")

_DELIMITED = {
    ".tsv": r'format="csv", delimiter="\t"',
    ".tab": r'format="csv", delimiter="\t"',
    ".psv": 'format="csv", delimiter="|"',
    ".ssv": 'format="csv", delimiter=";"',
}
"""What reads files whose endings say how they are delimited."""


def listed(path: str, format: str | None, order: str, error: type[PenstockError]) -> list[Found]:
    """The files that a path means, in order.

    In a directory (with all below it) and for a pattern, names that begin with a dot or an underscore are hidden. If
    no format is given, only files of a directory whose names end as those of some format are taken.

    Args:
        path: A file, a directory, or a pattern: `*`, `?`, `[...]` within a name, `**` across directories.
        format: The name of the format, or None.
        order: `"name"`, or `"time"`: that of the last change, then name.
        error: What to raise.

    Raises:
        PenstockError: An `error` if there is no such file or directory, or it cannot be read.
    """
    place = Path(path)
    try:
        kind = files.kind(place)
        if kind == "file":
            found = [Found(place, place.name, files.modified(place))]
        elif kind == "directory":
            found = [one for one in files.walk(place) if format or format_of_name(one.name)]
        elif not is_pattern(path):
            raise error(f'no file or directory "{path}"{_guess(place)}')
        else:
            found = _matching(path, error)
    except OSError as failure:
        raise error(f'cannot read "{path}": {failure.strerror or failure}') from failure
    return sorted(found, key=lambda one: (one.modified if order == "time" else 0, one.name))


def is_pattern(path: str) -> bool:
    """Whether a path that does not exist is a pattern."""
    return any(character in path for character in "*?[")


def _matching(path: str, error: type[PenstockError]) -> list[Found]:
    parts = Path(path).parts
    fixed = next(place for place, part in enumerate(parts) if is_pattern(part))
    root, pattern = Path(*parts[:fixed]), "/".join(parts[fixed:])
    if files.kind(root) != "directory":
        raise error(f'no directory "{root}"{_guess(root)}')
    matches = re.compile(_expression(pattern)).fullmatch
    depth = None if "**" in pattern else pattern.count("/")
    return [one for one in files.walk(root, depth) if matches(one.name)]


def _expression(pattern: str) -> str:
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    found = []
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", pattern):
        if part in words:
            found.append(words[part])
        elif len(part) > 1:
            inner = part[1:-1].replace("\\", "\\\\")
            found.append(f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]")
        else:
            found.append(re.escape(part))
    return "".join(found)


def _guess(place: Path) -> str:
    try:
        names = [entry.name for entry in files.entries(place.parent)]
    except OSError:
        return ""
    return nearest(place.name, names)


def _ending(one: Found) -> str:
    return one.path.with_suffix("").suffix.lower() if one.path.suffix == ".gz" else one.path.suffix.lower()


def format_name(path: str, found: list[Found]) -> str:
    """The format that the names of files say.

    Raises:
        PlanError: If they say none, or more than one.
    """
    names = {name: one for one in found if (name := format_of_name(one.name)) is not None}
    if len(names) == 1 and len(found) == sum(format_of_name(one.name) is not None for one in found):
        return next(iter(names))
    hint = "say format=" + " or ".join(f'"{name}"' for name in FORMATS)
    if len(names) > 1:
        examples = " and ".join(f'"{one.name}"' for one in list(names.values())[:2])
        raise PlanError(f'"{path}" holds files of several formats: {examples}', hint=hint)
    if found:
        other = next(one for one in found if format_of_name(one.name) is None)
        raise PlanError(
            f'the name of "{other.path}" does not say its format', hint=_DELIMITED.get(_ending(other), hint)
        )
    endings = ", ".join(ending for name in FORMATS for ending in format_class(name).extensions)
    raise PlanError(f'there are no files in "{path}" whose names end in one of {endings}', hint=hint)
