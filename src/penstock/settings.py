"""Settings of pipelines and options of runs: from the command line, the environment and `penstock.toml`.

    [set]                  # what pipelines are told: def pipeline(days: int = 7) -> ps.Pipeline
    days = 7
    [run]                  # how they run: the options of `penstock run`
    state = "${HOME}/state"
    [profile.prod.set]     # what differs with --profile prod
    [profile.prod.run]

A setting is looked for in `--set`, the environment, the profile's `set` and `set`, in this order; an option in the
command line, `PENSTOCK_*`, the profile's `run` and `run`. In texts of all these, and of the options of connectors,
`${NAME}` and `${NAME:default}` stand for settings (`$${` for a plain `${`).
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.core import files
from penstock.core.errors import PlanError, StartError, nearest, one_of
from penstock.core.spec import configure, option, options_of, parse
from penstock.core.timespan import duration
from penstock.core.where import Where

FILE_NAME = "penstock.toml"
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}:]*)(?::([^}]*))?\}")
_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""\s*((?:[\w-]++|"[^"]*"|'[^']*'|\s*\.\s*)+)\s*=""")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a pipeline runs; each is an option of `penstock run`, a key of `[run]`, and a variable `PENSTOCK_...`."""

    on: str = option("embedded", doc="The engine: embedded, or flink:URL.")
    state: str | None = option(
        None, doc="The state directory, or s3://bucket/prefix; by default .penstock/NAME.", example="/var/lib/penstock"
    )
    shards: int = option(1, doc="Over how many shards keys are spread; large steps run on as many threads.")
    checkpoint: str = option("10 s", doc="The time between epochs: how often output becomes visible.", span=True)
    latency: str = option("10 ms", doc="How long one step should take at most.", span=True)
    memory: str | None = option(
        None, doc="How much memory the process should take; state beyond lies on scratch files.", example="4 GiB"
    )
    resume: str = option("latest", doc="latest, none, the number of an epoch, or the name of a savepoint.")
    replan: bool = option(False, doc="Plan anew; by default a run goes on with the plan of its checkpoint.")


@dataclass(frozen=True)
class Found:
    """The value of a setting, and where it comes from.

    Attributes:
        value: The value; references in it are replaced.
        origin: Where from, for messages: `--set days`, `the environment variable "days"`, `[set] days`.
        where: The line of `penstock.toml`, if it comes from there.
        shown: Whether the value may be shown: what came from the environment may be a secret.
    """

    value: Any
    origin: str
    where: Where | None = None
    shown: bool = True


@dataclass(frozen=True)
class Settings:
    """All layers of settings and options.

    Attributes:
        given: What `--set` gave.
        environment: The environment variables.
        layers: The tables of `penstock.toml` by their names, those of the profile first.
        file: Where `penstock.toml` is, or None.
        text: Its text, to name lines in messages.
        used: The settings of `--set` that something has asked for.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    file: Path | None = None
    text: str = field(default="", repr=False)
    used: set[str] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def read(
        cls, folder: Path, given: Sequence[str], environment: Mapping[str, str], profile: str | None = None
    ) -> Settings:
        """The settings for a file in a folder: `penstock.toml` is looked for there and in the folders above.

        Args:
            folder: Where to look first; if neither it nor a folder above it has the file, the working directory has.
            given: What `--set` was given: `name=value`.
            environment: The environment variables.
            profile: Which profile of the file is on; by default `PENSTOCK_PROFILE`.

        Raises:
            PlanError: If a setting is not `name=value`, or the file has keys that do not exist, or no such profile.
            StartError: If the file cannot be read.
        """
        profile = profile or environment.get("PENSTOCK_PROFILE") or None
        pairs = dict(_pair(text) for text in given)
        path, text = _find(folder)
        if path is None:
            if profile is not None:
                raise PlanError(f'no profile "{profile}": there is no {FILE_NAME}')
            return cls(pairs, environment)
        tables = _tables(path, text)
        found = cls(pairs, environment, _layers(tables, profile, text), path, text)
        found.options()  # wrong options are told even where a better layer hides them
        return found

    # -- settings

    def find(self, name: str, _through: tuple[str, ...] = ()) -> Found | None:
        """The value of a setting, or None if no layer has it.

        Raises:
            PlanError: If its text refers to a setting that does not exist, or to itself.
        """
        if name in _through:
            raise PlanError(f"the setting {' -> '.join((*_through, name))} refers to itself")
        through = (*_through, name)
        if name in self.given:
            self.used.add(name)
            return self._filled(self.given[name], f"--set {name}", None, through)
        if name in self.environment:
            return Found(self.environment[name], f'the environment variable "{name}"', shown=False)
        for table in self._tables_of("set"):
            if name in self.layers[table]:
                where = self._line(table, name)
                return self._filled(self.layers[table][name], f"[{table}] {name}", where, through)
        return None

    def names(self) -> list[str]:
        """The names of the settings of `--set` and `penstock.toml`."""
        return [*self.given, *(name for table in self._tables_of("set") for name in self.layers[table])]

    def fill(self, text: str, origin: str) -> str:
        """A text with settings in place of `${NAME}` and `${NAME:default}`.

        Args:
            text: The text.
            origin: What it is, for messages.

        Raises:
            PlanError: If a setting does not exist.
        """
        return str(self._filled(text, origin, None, ()).value)

    def unused(self) -> list[str]:
        """The settings of `--set` that nothing has asked for."""
        return [name for name in self.given if name not in self.used]

    def _filled(self, value: Any, origin: str, where: Where | None, through: tuple[str, ...]) -> Found:
        if isinstance(value, list):
            parts = [self._filled(one, origin, where, through) for one in value]
            return Found([part.value for part in parts], origin, where, all(part.shown for part in parts))
        if not isinstance(value, str):
            return Found(value, origin, where)
        shown = True

        def replacement(match: re.Match[str]) -> str:
            nonlocal shown
            if match[1] is None:
                return "${"
            found = self.find(match[1], through)
            if found is not None:
                shown = shown and found.shown
                return _as_text(found.value)
            if match[2] is None:
                guess = nearest(match[1], self.names())
                raise PlanError(
                    f"{origin} asks for ${{{match[1]}}}, which is set nowhere{guess}", where=where,
                    hint=f"--set {match[1]}=..., or ${{{match[1]}:default}}",
                )  # fmt: skip
            return match[2]

        return Found(_REFERENCE.sub(replacement, value), origin, where, shown)

    # -- options

    def options(self, **given: Any) -> RunOptions:
        """How to run.

        Args:
            **given: What the command line said; None = nothing.

        Raises:
            PlanError: If an option does not exist or has a wrong value.
        """
        values: dict[str, Any] = {}
        for table in reversed(self._tables_of("run")):
            for name in self.layers[table]:
                values[name] = self._option(
                    name, self.layers[table][name], f"[{table}] {name}", self._line(table, name)
                )
        for name in (one.name for one in options_of(RunOptions)):
            variable = f"PENSTOCK_{name.upper()}"
            if variable in self.environment:
                values[name] = self._option(name, self.environment[variable], variable, None)
            if given.get(name) is not None:
                values[name] = self._option(name, given[name], f"--{name}", None)
        return configure(RunOptions, values)

    def _option(self, name: str, value: Any, origin: str, where: Where | None) -> Any:
        declared = {one.name: one for one in options_of(RunOptions)}
        if name not in declared:
            raise one_of("option", name, declared, where=where)
        found = self._filled(value, origin, where, ())
        try:
            parsed = parse(declared[name], found.value)
            if declared[name].span:
                duration(parsed)
            if declared[name].dtype == "int" and (isinstance(parsed, bool) or not isinstance(parsed, int)):
                raise PlanError(f"it takes a whole number, found {parsed!r}")
            if "str" in declared[name].dtype and not isinstance(parsed, str):
                raise PlanError(f"it takes text, found {parsed!r}")
        except PlanError as refused:
            what = refused.message if found.shown else "the value from the environment does not fit"
            raise PlanError(f"{origin}: {what}", where=where, hint=refused.hint) from None
        return parsed

    # -- penstock.toml

    def _tables_of(self, kind: str) -> list[str]:
        return [name for name in self.layers if name.rpartition(".")[2] == kind]

    def _line(self, table: str, key: str) -> Where | None:
        return line_of(self.text, f"{table}.{key}") if self.file is not None else None


def ambient() -> Settings:
    """The settings of a program that was not started by `penstock`: its environment, and `penstock.toml` beside it."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return Settings.read(Path(main).parent if main else Path.cwd(), (), dict(os.environ))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise PlanError(f'--set takes name=value, found "{text}"', hint="--set days=30")
    return name.strip(), value


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _find(folder: Path) -> tuple[Path | None, str]:
    """The nearest `penstock.toml` and its text."""
    for place in (*_upward(folder.resolve()), Path.cwd()):
        path = place / FILE_NAME
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # most folders have none
            return path, _text(path)
    return None, ""


def _text(path: Path) -> str:
    try:
        return files.read_text(path)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as failure:
        raise StartError(f"cannot read {path}: {failure.strerror}") from None
    except UnicodeDecodeError as failure:
        raise PlanError(f"{path} is no UTF-8 text: {failure.reason} at byte {failure.start}") from None


def _upward(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents


def _tables(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        line = re.search(r"at line (\d+), column (\d+)", str(failure))
        where = Where(path.name, int(line[1]), int(line[2])) if line else Where(path.name, len(text.splitlines()) or 1)
        raise PlanError(re.sub(r" \(at .*\)$", "", str(failure)), where=where) from None


def _layers(tables: Mapping[str, Any], profile: str | None, text: str) -> dict[str, Mapping[str, Any]]:
    """The tables that hold, the profile's first, after a look for what does not belong in the file."""
    _known("table", tables, ("set", "run", "profile"), "", text)
    profiles = tables.get("profile", {})
    found: dict[str, Mapping[str, Any]] = {}
    for name, parts in profiles.items():
        _known("table", _table(parts, f"profile.{name}", text), ("set", "run"), f"profile.{name}.", text)
        for part, content in parts.items():
            _table(content, f"profile.{name}.{part}", text)
            if part == "run":
                _known("option", content, _option_names(), f"profile.{name}.run.", text)
    if profile is not None:
        if profile not in profiles:
            raise one_of("profile", profile, profiles, where=line_of(text, "profile"))
        found = {f"profile.{profile}.{part}": content for part, content in profiles[profile].items()}
    for part in ("set", "run"):
        if part in tables:
            found[part] = _table(tables[part], part, text)
    return found


def _option_names() -> tuple[str, ...]:
    return tuple(one.name for one in options_of(RunOptions))


def _table(value: Any, path: str, text: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PlanError(f"[{path}] is a table, found {value!r}", where=line_of(text, path))
    return value


def _known(kind: str, found: Mapping[str, Any], known: Sequence[str], prefix: str, text: str) -> None:
    for name in found:
        if name not in known:
            raise one_of(kind, name, known, where=line_of(text, f"{prefix}{name}"))


def line_of(text: str, path: str) -> Where | None:
    """The line of `penstock.toml` where a key or a table first stands, or None if it is written in another way.

    Args:
        text: The text of the file.
        path: The key with the tables that it is in: `profile.prod.set.days`.
    """
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            table = _plain(header[1])
            here = table
        elif key:
            here = f"{table}.{_plain(key[1])}".strip(".")
        else:
            continue
        if here == path or here.startswith(f"{path}."):
            return Where(FILE_NAME, number)
    return None


def _plain(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))
