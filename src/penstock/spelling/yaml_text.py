"""Values as YAML: blocks of mappings and lists, and texts in quotes where they need them."""

from __future__ import annotations

import json
import re
from typing import Any

from penstock.yaml.tree import typed

_PLAIN = re.compile(r"[A-Za-z0-9_(/.$](?:[^\n{}\[\],:#]|:(?=\S)|(?<=\S)#)*")
_WIDE = 100


def scalar(value: Any) -> str:
    """A value that is no list and no mapping."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text == text.strip() and typed(text) == text:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def block(value: Any, indent: int = 0) -> str:
    """A value on as many lines as it needs; what is short is on one."""
    space = " " * indent
    lines = []
    if isinstance(value, dict):
        for key, one in value.items():
            lines.append(f"{space}{scalar(key)}:{_inner(one, indent + 2)}")
    else:
        for one in value:
            if isinstance(one, dict):
                inside = block(one, indent + 2)
                lines.append(f"{space}- {inside.lstrip()}")
            else:
                lines.append(f"{space}-{_inner(one, indent + 2)}")
    return "\n".join(lines)


def _inner(value: Any, indent: int) -> str:
    if isinstance(value, (dict, list, tuple)) and value:
        short = flow(value)
        nested = value.values() if isinstance(value, dict) else value
        if len(short) + indent <= _WIDE and not any(isinstance(one, (dict, list)) for one in nested):
            return " " + short
        return "\n" + block(value, indent)
    return " " + (flow(value) if isinstance(value, (dict, list, tuple)) else scalar(value))
