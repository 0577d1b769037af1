"""Settings as the arguments of a function that makes a pipeline, converted as its annotations say."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from penstock.core.errors import PlanError, nearest
from penstock.core.spec import Secret
from penstock.core.timespan import duration
from penstock.core.where import Where
from penstock.settings import Found, Settings

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def arguments_of(function: Callable[..., Any], settings: Settings) -> dict[str, Any]:
    """What to call a function with, by the names of its parameters.

    Args:
        function: Makes a pipeline: `def pipeline(days: int = 7) -> ps.Pipeline`.
        settings: Where the values come from.

    Settings of `--set` that nothing has asked for yet may be what the pipeline's connectors refer to.

    Raises:
        PlanError: If a setting is missing or does not fit the annotation.
    """
    where = where_of(function)
    hints = _hints(function, where)
    found: dict[str, Any] = {}
    missing: list[inspect.Parameter] = []
    known: list[str] = []
    takes_any = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            continue
        known.append(parameter.name)
        value = settings.find(parameter.name)
        if value is not None:
            found[parameter.name] = converted(parameter.name, _hint(parameter, hints), value)
        elif parameter.default is parameter.empty:
            missing.append(parameter)
    if takes_any:
        found.update({name: one.value for name in settings.unused() if (one := settings.find(name)) is not None})
    if missing:
        refuse_unused(settings, known, name_of(function))  # more likely a name that is not spelled right
        raise PlanError(
            f'the setting "{missing[0].name}" is missing: {name_of(function)} asks for it', where=where,
            hint=f"--set {missing[0].name}=...",
        )  # fmt: skip
    return found


def parameters_of(function: Callable[..., Any]) -> list[str]:
    """The names of the settings that a function asks for."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY)
    return [one.name for one in inspect.signature(function).parameters.values() if one.kind not in kinds]


def refuse_unused(settings: Settings, known: Sequence[str], taker: str) -> None:
    """Refuse settings of `--set` that nothing has asked for.

    Raises:
        PlanError: If there are any; the message names the nearest of the known ones.
    """
    for name in settings.unused():
        guess = nearest(name, known)
        listed = f"it takes: {', '.join(known)}" if known else "it takes none"
        raise PlanError(f'no setting "{name}" of {taker}{guess}', hint=None if guess else listed)


def where_of(function: Callable[..., Any]) -> Where | None:
    """The line where a function is defined."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Where(Path(code.co_filename).name, code.co_firstlineno) if code is not None else None


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called in messages."""
    return f"{getattr(function, '__name__', 'it')}()"


def _hints(function: Callable[..., Any], where: Where | None) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except (NameError, AttributeError, TypeError) as failure:
        raise PlanError(f"an annotation of {name_of(function)} means nothing: {failure}", where=where) from None


def _hint(parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    if parameter.name in hints:
        return hints[parameter.name]
    # Without an annotation the default says what kind of value is meant.
    return str if parameter.default in (parameter.empty, None) else type(parameter.default)


def converted(name: str, hint: Any, found: Found) -> Any:
    """The value of a setting as its annotation wants it.

    Raises:
        PlanError: If it does not fit, or values of this type cannot be written as settings.
    """
    try:
        return _converted(hint, found.value)
    except NotImplementedError:
        raise PlanError(
            f'the setting "{name}" is {_type_name(hint)}, which cannot be written as text', where=found.where,
            hint="int, float, bool, str, dates, timedelta, Path, Literal, enums, ps.secret, and lists of these",
        ) from None  # fmt: skip
    except (ValueError, TypeError, ArithmeticError, PlanError) as failure:
        secret = hint is Secret or Secret in typing.get_args(hint)
        shown = f', found "{found.value}"' if found.shown and not secret else ""
        hint_text = failure.hint if isinstance(failure, PlanError) else None
        raise PlanError(f"{found.origin} is {_type_name(hint)}{shown}", where=found.where, hint=hint_text) from None


def _converted(hint: Any, value: Any) -> Any:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of_types(parts, value)
    if origin is typing.Annotated:
        return _converted(parts[0], value)
    if origin is typing.Literal:
        return _literal(parts, value)
    if origin in (list, tuple, set, frozenset, Sequence) or hint in (list, tuple, set, frozenset):
        inner = parts[0] if parts else str
        items = [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else list(value)
        made = [_converted(inner, one) for one in items]
        kind = origin or hint
        return made if kind is Sequence else kind(made)
    if hint is Any or hint is inspect.Parameter.empty:
        return value
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint[value] if value in hint.__members__ else hint(value)
    if hint in _CONVERSIONS:
        return _CONVERSIONS[hint](value)
    raise NotImplementedError


def _one_of_types(parts: tuple[Any, ...], value: Any) -> Any:
    if type(None) in parts and isinstance(value, str) and value.strip().lower() in ("", "none", "null"):
        return None
    # Text fits everywhere: it comes last.
    for part in sorted((p for p in parts if p is not type(None)), key=lambda p: p is str):
        try:
            return _converted(part, value)
        except (ValueError, TypeError, ArithmeticError, PlanError) as failure:
            last = failure
    raise last


def _literal(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        if choice == value or str(choice) == str(value):
            return choice
    raise ValueError(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(value)
    return text in _TRUE


def _integer(value: Any) -> int:
    if isinstance(value, (bool, float)):
        raise ValueError(value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _text(value: Any) -> str:
    if isinstance(value, (list, dict)):
        raise ValueError(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _date(value: Any) -> dt.date:
    return value if type(value) is dt.date else dt.date.fromisoformat(value)


def _moment(value: Any) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)


def _secret(value: Any) -> Secret:
    if not isinstance(value, str) or not value.startswith("secret:"):
        raise PlanError("only a reference to a secret is taken", hint="secret:NAME")
    return Secret(value.removeprefix("secret:"))


_CONVERSIONS: dict[Any, Callable[[Any], Any]] = {
    bool: _boolean,
    int: _integer,
    float: _number,
    str: _text,
    Path: Path,
    dt.date: _date,
    dt.datetime: _moment,
    dt.timedelta: lambda value: dt.timedelta(microseconds=duration(value)),
    decimal.Decimal: lambda value: decimal.Decimal(str(value)),
    Secret: _secret,
}


def _type_name(hint: Any) -> str:
    if hint is Secret:
        return "a secret"
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
