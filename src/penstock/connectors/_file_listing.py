"""Which files a path means: a file, a directory, a pattern, or what the manifests of a file sink name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from penstock.connectors._file_log import FileLog, LogError
from penstock.connectors.formats import FORMATS, format_class, format_of_name
from penstock.core import files
from penstock.core.errors import PenstockError, PlanError, SourceError, nearest
from penstock.core.files import Found

ORDERS = ("name", "time")

_DELIMITED = {
    ".tsv": r'format="csv", delimiter="\t"',
    ".tab": r'format="csv", delimiter="\t"',
    ".psv": 'format="csv", delimiter="|"',
    ".ssv": 'format="csv", delimiter=";"',
}
"""What reads files whose endings say how they are delimited."""


class Listed(NamedTuple):
    """A file to read.

    Attributes:
        path: Where it is.
        name: Its path below the directory that was searched, with slashes.
        modified: When it was last written, in nanoseconds since 1970; 0 = it cannot have changed.
        size: How many bytes it has, if the manifest says so, else -1.
        number: The number of the manifest that names it; -1 if none does.
        rows: How many rows it has, if the manifest says so, else -1.
    """

    path: Path
    name: str
    modified: int
    size: int = -1
    number: int = -1
    rows: int = -1


class Listing:
    """The files that a path means, now and later.

    In a directory (with all below it) and for a pattern, names that begin with a dot or an underscore are hidden. If
    no format is given, only files of a directory whose names end as those of some format are taken. In a directory
    with manifests these alone say what is there, and in which order.

    Args:
        path: A file, a directory, or a pattern: `*`, `?`, `[...]` within a name, `**` across directories.
        format: The name of the format, or None.
        order: `"name"`, or `"time"`: that of the last change, then name.
        manifests: Whether to go by manifests where there are any.
        error: What to raise.
    """

    def __init__(self, path: str, format: str | None, order: str, manifests: bool, error: type[PenstockError]) -> None:
        self._path = path
        self._format = format
        self._order = order
        self._error = error
        self._log = FileLog(Path(path)) if manifests else None

    def now(self) -> list[Listed]:
        """The files there are now, in order.

        Raises:
            PenstockError: An `error` if there is no such file or directory, or it cannot be read.
        """
        try:
            if self._refreshed():
                return self._named()
            found = _walked(self._path, self._format, self._error)
        except (OSError, LogError) as failure:
            reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else failure
            raise self._error(f'cannot read "{self._path}": {reason}') from failure
        found = sorted(found, key=lambda one: (one.modified if self._order == "time" else 0, one.name))
        return [Listed(one.path, one.name, one.modified) for one in found]

    def _refreshed(self) -> bool:
        """Whether there are manifests; they are read."""
        if self._log is None or files.kind(self._log.folder) is None:
            return False
        self._log.refresh()
        return self._log.history.next > 0

    def _named(self) -> list[Listed]:
        assert self._log is not None
        root = Path(self._path)
        return [
            Listed(root / part.name, part.name, 0, part.bytes, entry.number, part.rows)
            for entry in self._log.history.entries
            for part in entry.parts
        ]

    @property
    def types(self) -> Mapping[str, Any]:
        """The columns that the manifests say are directories, and their types."""
        return self._log.history.partitions if self._log is not None else {}

    def check_after(self, number: int) -> None:
        """Look whether epochs that come after a manifest were removed, before anybody could read them.

        Raises:
            SourceError: If they were.
        """
        if self._log is None or number < 0:
            return
        history = self._log.history
        if history.replaced > number:
            raise SourceError(f'"{self._path}" was replaced by another run while it was read')
        if history.dropped > number:
            raise SourceError(
                f'"{self._path}": files were removed before they were read',
                hint="the sink that writes them keeps less than its readers need: raise its keep",
            )


def _walked(path: str, format: str | None, error: type[PenstockError]) -> Iterable[Found]:
    place = Path(path)
    kind = files.kind(place)
    if kind == "file":
        size, modified = files.stamp(place)
        return [Found(place, place.name, modified, size)]
    if kind == "directory":
        return [one for one in files.walk(place) if format or format_of_name(one.name)]
    if not is_pattern(path):
        raise error(f'no file or directory "{path}"{_guess(place)}')
    return _matching(path, error)


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


def _ending(one: Listed) -> str:
    return one.path.with_suffix("").suffix.lower() if one.path.suffix == ".gz" else one.path.suffix.lower()


def format_name(path: str, found: list[Listed]) -> str:
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
