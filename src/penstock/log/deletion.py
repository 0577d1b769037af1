"""A log goes as a whole."""

from __future__ import annotations

from pathlib import Path

from penstock.core import files
from penstock.core.errors import StartError
from penstock.core.failpoint import hit
from penstock.log.settings import load, resolve
from penstock.log.store import as_source_error


def delete(name: str | Path) -> None:
    """Remove a log with all that is in it; first it loses its name, so that nobody finds half of it.

    Who has it open reads on what he has open, and cannot append any more.

    Args:
        name: The name or path of the log.

    Raises:
        StartError: If there is no such log.
        SourceError: If files cannot be removed; what is left is in a hidden directory beside it.
    """
    folder = resolve(name)
    if load(folder) is None:
        raise StartError(f'there is no log "{folder}"')
    with as_source_error(folder):
        hidden = folder.parent / f".deleted-{files.unique_name()}"
        files.rename(folder, hidden)
        files.sync_directory(folder.parent)
        hit("log.renamed")
        _remove(hidden)


def _remove(folder: Path) -> None:
    for entry in list(files.entries(folder)):
        path = Path(entry.path)
        try:
            files.remove(path)
        except (IsADirectoryError, PermissionError):  # which of them depends on the system; links are no directories
            _remove(path)
    files.remove_directory(folder)
