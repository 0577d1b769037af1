"""Arithmetic and mathematics of Flink SQL."""

from __future__ import annotations

import math

from penstock.core.dtypes import Duration, Float64, Int64
from penstock.expr.infer import Typed
from penstock.sql.entries import Build, Entry, Given, entry
from penstock.sql.library_temporal import moved, span
from penstock.sql.terms import call, case, common_of, constant, plain_cast, widened


def _arithmetic(name: str) -> Build:
    return lambda given: call(name, given.args)


def _double(name: str, **options: float) -> Build:
    return lambda given: call(name, given.args, **options)


def _rounding(cut: bool) -> Build:
    def build(given: Given) -> Typed:
        digits = given.constant(1, "the number of digits") if len(given) > 1 else 0
        return call("sql.round", given.args[:1], digits=int(digits), cut=cut)

    return build


def _extreme(name: str) -> Build:
    def build(given: Given) -> Typed:
        shared = common_of([arg.dtype for arg in given.args], "the values")
        args = [widened(arg, shared) for arg in given.args]
        found = call(name, args)
        missing = [call("is_null", [arg]) for arg in args if arg.nullable]
        if not missing:
            return found
        condition = missing[0] if len(missing) == 1 else call("any_horizontal", missing)
        return case([(condition, constant(None, shared))], found)

    return build


def _logarithm(given: Given) -> Typed:
    if len(given) == 1:
        return call("log", given.args)
    base, value = given.args
    return call("sql.divide", [call("log", [value]), call("log", [base])])


ENTRIES: tuple[Entry, ...] = (
    entry("+", "n n", "sql.add"),
    entry("+", "n", lambda given: given[0]),
    entry("+", "v v", lambda given: plain_cast(call("add", given.args), given[0].dtype)),
    entry("+", "p v", lambda given: span(given[0], given[1], "add")),
    entry("+", "v p", lambda given: span(given[1], given[0], "add")),
    entry("+", "p y", lambda given: moved(given[0], given[1], 1)),
    entry("+", "y p", lambda given: moved(given[1], given[0], 1)),
    entry("-", "n n", "sql.subtract"),
    entry("-", "n", "sql.negate"),
    entry("-", "v", "neg"),
    entry("-", "v v", lambda given: plain_cast(call("sub", given.args), given[0].dtype)),
    entry("-", "p v", lambda given: span(given[0], given[1], "sub")),
    entry("-", "p y", lambda given: moved(given[0], given[1], -1)),
    entry("-", "p p", lambda given: plain_cast(call("sub", _same(given)), Duration("ms"))),
    entry("*", "n n", "sql.multiply"),
    entry("*", "v w", lambda given: plain_cast(call("mul", [given[0], plain_cast(given[1], Int64)]), Duration("ms"))),
    entry("*", "w v", lambda given: plain_cast(call("mul", [given[1], plain_cast(given[0], Int64)]), Duration("ms"))),
    entry("/", "n n", "sql.divide"),
    entry("% MOD", "n n", "sql.mod"),
    entry("ABS", "n", "sql.abs"),
    entry("SIGN", "n", "sign"),
    entry("POWER", "d d", "pow"),
    entry("SQRT", "d", "sqrt"),
    entry("EXP", "d", "exp"),
    entry("LN", "d", "log"),
    entry("LOG10", "d", "log10"),
    entry("LOG2", "d", lambda given: call("log", given.args, base=2.0)),
    entry("LOG", "d d?", _logarithm),
    entry("CEIL CEILING", "n", "sql.ceil"),
    entry("FLOOR", "n", "sql.floor"),
    entry("SIN", "d", "sin"),
    entry("SINH", "d", "sinh"),
    entry("COS", "d", "cos"),
    entry("COSH", "d", "cosh"),
    entry("TAN", "d", "tan"),
    entry("TANH", "d", "tanh"),
    entry("COT", "d", "cot"),
    entry("ASIN", "d", "arcsin"),
    entry("ACOS", "d", "arccos"),
    entry("ATAN", "d", "arctan"),
    entry("ATAN2", "d d", "arctan2"),
    entry("DEGREES", "d", "degrees"),
    entry("RADIANS", "d", "radians"),
    entry("ROUND", "n i?", _rounding(cut=False)),
    entry("TRUNCATE", "n i?", _rounding(cut=True)),
    entry("PI", "", lambda given: constant(math.pi, Float64)),
    entry("E", "", lambda given: constant(math.e, Float64)),
    entry("BIN", "l", "sql.bin"),
    entry("HEX", "l", "sql.hex"),
    entry("HEX", "s", lambda given: call("sql.hex_text", given.args)),
    entry("UNHEX", "s", "sql.unhex"),
    entry("GREATEST", "x x*", _extreme("max_horizontal")),
    entry("LEAST", "x x*", _extreme("min_horizontal")),
)


def _same(given: Given) -> list[Typed]:
    shared = common_of([arg.dtype for arg in given.args], "the operands")
    return [widened(arg, shared) for arg in given.args]
