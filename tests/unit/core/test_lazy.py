"""Libraries that are imported at first use."""

from __future__ import annotations

import sys
from types import ModuleType

from penstock.core import lazy
from penstock.core.threads import Worker


def test_a_library_may_load_parts_of_itself_meanwhile(monkeypatch):
    growing = ModuleType("growing")
    growing.__dict__.update({f"name{i}": i for i in range(50_000)})
    monkeypatch.setitem(sys.modules, "growing", growing)
    going = [True]

    def grow():
        number = 0
        while going:
            number += 1
            growing.__dict__[f"part{number % 1_000}"] = number
            growing.__dict__.pop(f"part{(number + 500) % 1_000}", None)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    worker = Worker("grow", grow).start()
    try:
        for _ in range(20):
            assert type(lazy.np)("growing").name7 == 7
    finally:
        sys.setswitchinterval(before)
        going.clear()
        assert worker.join(10_000_000)
    assert worker.failure is None
