"""Sums and means OVER rows that the operator does not have: they are made of sums of whole numbers.

A sum of DECIMALs is that of the whole parts and that of the digits behind the point; a mean of BIGINTs, which is cut
towards zero, is a sum by a count. What comes out has the type, and the digits, that Flink gives it.
"""

from __future__ import annotations

from penstock.core.dtypes import Decimal, Int64
from penstock.core.errors import UnsupportedError
from penstock.expr.aggregates.sql import mean_type, sum_type
from penstock.expr.ast import Aggregation
from penstock.expr.infer import Typed, infer
from penstock.sql import functions
from penstock.sql.bind_expression import Collected

_DIGITS = 18
"""How many digits a 64-bit number has room for."""
_LIMB, _MOST = 9, 29
"""How many digits are cut off a longer number, and how many it may have."""


class OverCollected(Collected):
    """The aggregates of a window of rows."""

    def add(self, term: Aggregation) -> Typed:
        """The column that an aggregate becomes, or what is made of several."""
        if term.aggregate not in ("sql.sum", "sql.avg"):
            return super().add(term)
        value = infer(term.args[0], self.schema)
        is_mean = term.aggregate == "sql.avg"
        if isinstance(value.dtype, Decimal):
            total = self._decimal(term, value, value.dtype)
            wanted = mean_type(value.dtype) if is_mean else sum_type(value.dtype)
        elif is_mean and value.dtype == Int64:
            total, wanted = super().add(_whole("sql.sum", value, term)), Int64
        else:
            return super().add(term)
        if is_mean:
            count = super().add(Aggregation("count_values", (value.term,), term.where))
            known = functions.resolve("NULLIF", [count, functions.constant(0, Int64)])
            total = functions.resolve("/", [total, known])
        return functions.cast(total, wanted)

    def _decimal(self, term: Aggregation, value: Typed, dtype: Decimal) -> Typed:
        """The sum of DECIMALs."""
        scale = dtype.scale
        if scale > _DIGITS:
            raise UnsupportedError(
                f"a sum of {functions.spelled(dtype)} OVER rows is not offered: it has too many digits",
                hint=f"CAST the values to DECIMAL({_DIGITS}, 6)",
            )
        if dtype.precision > _MOST:
            # Sums have 38 digits by their type, and hardly ever by their values: one that has is an error row.
            dtype = Decimal(_MOST, scale)
            value = functions.cast(value, dtype)
        if dtype.precision - scale > _DIGITS:
            # Thousands of millions, and the rest.
            shifted = functions.resolve("*", [value, functions.constant(_unit(_LIMB), Decimal(_LIMB, _LIMB))])
            high = functions.cast(shifted, Int64)
            power = functions.constant(10**_LIMB, Decimal(_LIMB + 1, 0))
            back = functions.resolve("*", [functions.cast(high, Decimal(_DIGITS, 0)), power])
            small = Decimal(_LIMB + scale, scale)
            rest = self._decimal(term, functions.cast(functions.resolve("-", [value, back]), small), small)
            total = functions.resolve("*", [self._widened(super().add(_whole("sql.sum", high, term)), 0), power])
            return functions.resolve("+", [total, rest])
        whole = functions.cast(value, Int64)
        if not dtype.scale:
            return self._widened(super().add(_whole("sql.sum", whole, term)), 0)
        back = functions.cast(whole, Decimal(_DIGITS + 1, 0))
        rest = functions.cast(functions.resolve("-", [value, back]), Decimal(dtype.scale + 1, dtype.scale))
        power = functions.constant(10**dtype.scale, Decimal(dtype.scale + 1, 0))
        digits = functions.cast(functions.resolve("*", [rest, power]), Int64)
        wholes = self._widened(super().add(_whole("sql.sum", whole, term)), 0)
        parts = functions.cast(super().add(_whole("sql.sum", digits, term)), Decimal(_DIGITS + 1, 0))
        unit = functions.constant(_unit(dtype.scale), Decimal(dtype.scale, dtype.scale))
        return functions.resolve("+", [wholes, functions.resolve("*", [parts, unit])])

    def _widened(self, value: Typed, scale: int) -> Typed:
        return functions.cast(value, Decimal(_DIGITS + 1, scale))


def _whole(name: str, value: Typed, term: Aggregation) -> Aggregation:
    return Aggregation(name, (value.term,), term.where, (("dtype", Int64),))


def _unit(scale: int) -> object:
    import decimal

    return decimal.Decimal(1).scaleb(-scale)
