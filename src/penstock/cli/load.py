"""From what the user typed to a pipeline: a Python file or module, and the name of the pipeline in it."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from penstock.api import references
from penstock.api.sql import YAML, pipeline_of, read_text
from penstock.cli.arguments import arguments_of, name_of, parameters_of, refuse_unused, where_of
from penstock.cli.trace import user_code
from penstock.core import files
from penstock.core.errors import PlanError, nearest, one_of
from penstock.core.where import Where
from penstock.plan.pipeline import Pipeline
from penstock.settings import Settings

TEXTS = {".sql": "SQL", **dict.fromkeys(YAML, "YAML")}
"""Files that are one pipeline each, and what they are written in."""
_MAKER = "pipeline"


@dataclass(frozen=True)
class Target:
    """What `FILE[:NAME]` means.

    Attributes:
        file: A path or the dotted name of a module, as the user wrote it.
        name: The name of the pipeline in it, or None.
    """

    file: str
    name: str | None

    @classmethod
    def of(cls, text: str) -> Target:
        """Take the text of the command line apart; a drive letter is no file."""
        file, colon, name = text.rpartition(":")
        if colon and file and re.fullmatch(r"[^\W\d]\w*", name):
            return cls(file, name)
        return cls(text, None)

    @property
    def path(self) -> Path | None:
        """The path, or None if a module is meant."""
        is_path = "/" in self.file or "\\" in self.file or Path(self.file).suffix in (".py", *TEXTS)
        return Path(self.file) if is_path else None


@dataclass(frozen=True)
class Loaded:
    """A pipeline with what it was made of.

    Attributes:
        pipeline: The pipeline.
        settings: The settings that hold for it.
    """

    pipeline: Pipeline
    settings: Settings


def load(text: str, settings: Callable[[Path], Settings]) -> Loaded:
    """The pipeline that a user names.

    Args:
        text: `FILE[:NAME]`: a file in SQL or YAML, or a Python file or a module that has a `ps.Pipeline`, or a
            function that makes one.
        settings: Reads the settings for a folder.

    Raises:
        PlanError: If there is no such file or pipeline, or the code in it fails.
        StartError: If the settings cannot be read.
    """
    target = Target.of(text)
    path = target.path
    folder = path.parent if path is not None else Path.cwd()
    found = settings(folder)
    if path is not None and path.suffix in TEXTS:
        return Loaded(_of_text(path, target, found), found)
    with _importing(folder), references.using(found.fill):
        module = _file(path) if path is not None else _module(target.file)
        made = _chosen(module, target)
        pipeline = made if isinstance(made, Pipeline) else _call(made, found, target)
    if isinstance(made, Pipeline):
        found.used.update(references.names(pipeline))
        refuse_unused(found, (), f"{target.file}, whose pipeline is no function")
    return Loaded(pipeline, found)


def _of_text(path: Path, target: Target, found: Settings) -> Pipeline:
    """The pipeline of a file in SQL (all its INSERTs) or in YAML."""
    if target.name is not None:
        raise PlanError(
            f'a file in {TEXTS[path.suffix]} is one pipeline: there is no "{target.name}" in it', hint=str(path)
        )
    try:
        text = read_text(path)
    except PlanError as missing:
        missing.message += _near(path)
        raise
    with references.using(found.fill):
        pipeline = pipeline_of(text, path)
    found.used.update(references.names(pipeline))
    refuse_unused(found, (), str(path))
    return pipeline


@contextmanager
def _importing(folder: Path) -> Iterator[None]:
    """The file's own folder first on the path, as if Python ran it; nothing is written beside the file.

    It stays on the path: functions of the file may import when they run.
    """
    sys.path.insert(0, str(folder.resolve()))
    silent, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with _runs_refused():
            yield
    finally:
        sys.dont_write_bytecode = silent


@contextmanager
def _runs_refused() -> Iterator[None]:
    """A file that runs its pipeline while it is imported is told so: it would run twice."""
    runner: Any = importlib.import_module("penstock.runner")
    kept = {name: getattr(runner, name) for name in ("run", "start")}

    def refuse(*_: Any, **__: Any) -> None:
        raise PlanError(
            "the file runs its pipeline while it is loaded, and would run it twice",
            hint='put ps.run(...) under `if __name__ == "__main__":`',
        )

    for name in kept:
        setattr(runner, name, refuse)
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(runner, name, function)


# -- the module ----------------------------------------------------------------


def _file(path: Path) -> ModuleType:
    try:
        files.read_bytes(path)
    except FileNotFoundError:
        raise PlanError(f'there is no file "{path}"{_near(path)}') from None
    except IsADirectoryError:
        raise PlanError(f'"{path}" is a directory', hint="name the Python file in it") from None
    except OSError as failure:
        raise PlanError(f'"{path}" cannot be read: {failure.strerror}') from None
    # A namesake that is loaded already (of the standard library, say) keeps its name.
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"penstock_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PlanError(f'"{path}" is no Python file', hint="its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with user_code():
        spec.loader.exec_module(module)
    return module


def _near(path: Path) -> str:
    try:
        ending = path.suffix or ".py"
        stems = [e.name.removesuffix(ending) for e in files.entries(path.parent) if e.name.endswith(ending)]
    except OSError:
        return ""
    found = difflib.get_close_matches(path.stem, stems, n=1, cutoff=0.6)
    return f'; did you mean "{path.parent / found[0]}{ending}"?' if found else ""


def _module(name: str) -> ModuleType:
    try:
        with user_code():
            module = importlib.import_module(name)
    except ModuleNotFoundError:  # one that the user's code misses has become a UserCodeError
        guess = _near(Path(f"{name}.py"))
        raise PlanError(f'there is no file or module "{name}"{guess}', hint=None if guess else "FILE.py") from None
    except (ValueError, TypeError):
        raise PlanError(f'"{name}" is no file and no name of a module') from None
    if getattr(module, "__file__", None) is None:
        raise PlanError(f'"{name}" is a directory', hint="name the Python file in it")
    return module


# -- the pipeline in it --------------------------------------------------------


def _chosen(module: ModuleType, target: Target) -> Any:
    """The pipeline, or the function that makes it."""
    values = vars(module)
    pipelines = {name: value for name, value in values.items() if isinstance(value, Pipeline)}
    maker = values.get(_MAKER)
    makers = {_MAKER: maker} if callable(maker) and not isinstance(maker, type) else {}
    if target.name is not None:
        return _named(target, values, [*pipelines, *makers])
    different = {id(value): name for name, value in reversed(pipelines.items())}
    if len(different) + len(makers) > 1:
        names = [name for name in pipelines if name in different.values()] + list(makers)
        raise PlanError(
            f'"{target.file}" has several pipelines: {", ".join(names)}', hint=f"say which: {target.file}:{names[0]}"
        )
    for made in (*pipelines.values(), *makers.values()):
        return made
    raise PlanError(
        f'"{target.file}" has no pipeline{_almost(values)}',
        hint='pipeline = ps.Pipeline("name", stream.write(...)), or def pipeline() -> ps.Pipeline',
    )


def _almost(values: dict[str, Any]) -> str:
    functions = [name for name, value in values.items() if callable(value) and hasattr(value, "__code__")]
    return nearest(_MAKER, functions)


def _named(target: Target, values: dict[str, Any], known: list[str]) -> Any:
    name = target.name or ""
    if name not in values or name.startswith("__"):
        raise one_of("pipeline", name, known)
    value = values[name]
    if isinstance(value, Pipeline) or (callable(value) and not isinstance(value, type)):
        return value
    raise PlanError(f'"{target.file}:{name}" is no pipeline but {_kind(value)}', hint="ps.Pipeline(name, output)")


def _call(maker: Callable[..., Any], settings: Settings, target: Target) -> Pipeline:
    arguments = arguments_of(maker, settings)
    with user_code():
        made = maker(**arguments)
    if isinstance(made, Pipeline):
        settings.used.update(references.names(made))
        refuse_unused(settings, parameters_of(maker), name_of(maker))
        return made
    where: Where | None = where_of(maker)
    raise PlanError(
        f"{target.file}: {getattr(maker, '__name__', 'the function')}() gives {_kind(made)}, not a pipeline",
        where=where,
        hint='return ps.Pipeline("name", output)',
    )


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
