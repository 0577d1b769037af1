"""`penstock connectors`: what can be read and written, with all options, from the declarations."""

from __future__ import annotations

import inspect
import json
from typing import Any

from penstock import connectors
from penstock.cli import terminal
from penstock.core.errors import PlanError, UnknownNameError
from penstock.core.spec import Option, options_of

_ROLES = ("source", "sink")


def list_connectors(name: str | None, *, as_json: bool) -> None:
    """Print all connectors, or the options of one.

    Raises:
        PlanError: If there is no such connector, or it needs a package that is not installed.
    """
    found = [described(name)] if name is not None else [_known(one) for one in connectors.names()]
    if as_json:
        terminal.out(json.dumps(found[0] if name is not None else found, indent=2, default=str))
    elif name is not None:
        terminal.out("\n".join(_options_text(found[0])))
    else:
        terminal.out("\n".join(_list_text(found)))


def described(name: str) -> dict[str, Any]:
    """A connector: what it is, and the options of its source and its sink.

    Raises:
        PlanError: As `penstock.connectors.module`.
    """
    module = connectors.module(name)
    found: dict[str, Any] = {"name": name, "about": _first_sentence(inspect.getdoc(module))}
    for role in _ROLES:
        cls = getattr(module, role.upper(), None)
        if cls is not None:
            found[role] = {
                "class": f"{cls.__module__}.{cls.__name__}",
                "about": _first_sentence(inspect.getdoc(cls)),
                "options": [_option(one) for one in options_of(cls)],
            }
    if "sink" in found:
        cls = module.SINK
        found["sink"] |= {"delivery": cls.delivery, "takes_changes": cls.takes_changes}
    return found


def _known(name: str) -> dict[str, Any]:
    try:
        return described(name)
    except UnknownNameError:
        raise
    except PlanError as missing:
        return {"name": name, "about": missing.message, "missing": missing.hint}


def _option(one: Option) -> dict[str, Any]:
    return {
        "name": one.name,
        "type": "duration" if one.span else "secret" if one.secret else one.dtype,
        "required": one.default is ...,
        "default": None if one.default is ... else one.default,
        "choices": list(one.choices),
        "about": one.doc,
        "example": one.example,
    }


def _first_sentence(text: str | None) -> str:
    return (text or "").split("\n\n")[0].replace("\n", " ").strip()


# -- for people ----------------------------------------------------------------


def _list_text(found: list[dict[str, Any]]) -> list[str]:
    width = max(len(one["name"]) for one in found)
    lines = []
    for one in found:
        roles = " and ".join(role for role in _ROLES if role in one) or "not installed"
        hint = f" ({one['missing']})" if one.get("missing") else ""
        lines.append(f"{one['name']:<{width}}  {roles:<15}  {one['about']}{hint}")
    return [*lines, "", "penstock connectors NAME shows the options"]


def _options_text(one: dict[str, Any]) -> list[str]:
    lines = [f"{one['name']}: {one['about']}"]
    for role in _ROLES:
        if role not in one:
            continue
        part = one[role]
        module, _, name = part["class"].rpartition(".")
        lines += ["", f"{role}: from {module} import {name}", f"  {part['about']}"]
        if role == "sink":
            changes = "takes changes" if part["takes_changes"] else "appends only"
            lines.append(f"  delivery: {part['delivery']}; {changes}")
        lines += _option_lines(part["options"])
    return lines


def _option_lines(options: list[dict[str, Any]]) -> list[str]:
    if not options:
        return ["  no options"]
    cells = []
    for option in options:
        default = "required" if option["required"] else json.dumps(option["default"], default=str)
        choices = f" One of {', '.join(map(str, option['choices']))}." if option["choices"] else ""
        example = f" Example: {option['example']}" if option["example"] is not None else ""
        cells.append((option["name"], option["type"], default, f"{option['about']}{choices}{example}"))
    header = ("option", "type", "default", "meaning")
    widths = [max(len(row[i]) for row in (header, *cells)) for i in range(3)]
    return [
        "  " + "  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]]).rstrip() for row in (header, *cells)
    ]
