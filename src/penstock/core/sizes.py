"""Sizes in bytes, as people write them."""

from __future__ import annotations

from penstock.core.errors import PlanError

_UNITS = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 10**3, "mb": 10**6, "gb": 10**9, "b": 1}


def byte_size(text: str | int) -> int:
    """A number of bytes from `"4 GiB"`.

    Raises:
        PlanError: If it is not understood.
    """
    if isinstance(text, int):
        return text
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text.strip()[len(number) :].lower() or "b"
    if unit not in _UNITS or not number.strip().replace(".", "", 1).isdigit():
        raise PlanError(f'"{text}" is not a size', hint='such as "512 MiB" or "4 GiB"')
    return int(float(number) * _UNITS[unit])
