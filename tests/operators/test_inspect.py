from __future__ import annotations

from penstock.testing import T, check


def test_rows_pass_as_they_are():
    rows = T("""
        k | v
        a | 1
        a | 1
    """)
    check(lambda s: s.inspect("here"), input=rows, output=rows)
