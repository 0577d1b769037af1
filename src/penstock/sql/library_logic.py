"""Comparison, logic and conditions of Flink SQL."""

from __future__ import annotations

from functools import reduce

from penstock.core.dtypes import Boolean, Date, Datetime, Null, String, Time
from penstock.core.errors import PlanError
from penstock.expr.ast import Call, Literal
from penstock.expr.infer import Typed
from penstock.sql.entries import Build, Entry, Given, entry, known
from penstock.sql.terms import call, case, common, constant, spelled, widened


def comparable(a: Typed, b: Typed, session: object = None) -> tuple[Typed, Typed]:
    """Two operands in the type in which they are compared.

    Raises:
        PlanError: If they have none in common.
    """
    for text, other in ((a, b), (b, a)):
        # A constant text beside a date is read as one.
        if text.dtype == String and isinstance(text.term, Literal) and _dated(other):
            made = call("sql.cast", [text], dtype=other.dtype)
            return (made, other) if text is a else (other, made)
    mixed = {type(a.dtype), type(b.dtype)}
    shared = None if Datetime in mixed and Date in (a.dtype, b.dtype) else common(a.dtype, b.dtype)
    if shared is None:
        raise PlanError(f"{spelled(a.dtype)} and {spelled(b.dtype)} cannot be compared", hint="CAST one of them")
    return widened(a, shared), widened(b, shared)


def _dated(value: Typed) -> bool:
    return value.dtype in (Date, Time) or isinstance(value.dtype, Datetime)


def _compared(name: str) -> Build:
    def build(given: Given) -> Typed:
        a, b = given[0].term, given[1].term
        if (
            isinstance(a, Call)
            and isinstance(b, Call)
            and a.function == b.function == "struct"
            and len(a.args) == len(b.args)
        ):
            # Rows written out are compared field by field, so that a null in one makes it unknown.
            fields = [build(Given(pair, given.session)) for pair in zip(given[0].args, given[1].args, strict=True)]
            joint = {"eq": "and", "ne": "or"}.get(name)
            if joint is not None:
                return reduce(lambda x, y: call(joint, [x, y]), fields)
        return call(name, comparable(given[0], given[1]))

    return build


def _negated(build: Build) -> Build:
    return lambda given: call("not", [build(given)])


def _between(given: Given) -> Typed:
    value, low, high = given.args
    return call("and", [call("ge", comparable(value, low)), call("le", comparable(value, high))])


def _between_either(given: Given) -> Typed:
    value, low, high = given.args
    both = [Given((value, low, high), given.session), Given((value, high, low), given.session)]
    return call("or", [_between(one) for one in both])


def _in(given: Given) -> Typed:
    value, *items = given.args
    found = [call("eq", comparable(value, item)) for item in items if item.dtype != Null]
    if len(found) < len(items):
        found.append(constant(None, Boolean))
    return reduce(lambda a, b: call("or", [a, b]), found)


def _is(value: bool, same: bool) -> Build:
    name = "eq_missing" if same else "ne_missing"
    return lambda given: call(name, [given[0], constant(value, Boolean)])


def _like(given: Given) -> Typed:
    escape = given.options.get("escape")
    if len(given) > 2:
        escape = given.constant(2, "the escape character")
    return call("sql.like", given.args[:2], escape=escape)


def _coalesce(given: Given) -> Typed:
    shared = given[0].dtype
    for arg in given.args[1:]:
        found = common(shared, arg.dtype)
        if found is None:
            raise PlanError(
                f"{spelled(shared)} and {spelled(arg.dtype)} have no type in common", hint="CAST one of them"
            )
        shared = found
    return call("coalesce", [widened(arg, shared) for arg in given.args])


def _if(given: Given) -> Typed:
    condition, yes, no = given.args
    return case([(condition, yes)], no)


def _null_if(given: Given) -> Typed:
    a, b = comparable(given[0], given[1])
    return case([(call("eq", [a, b]), constant(None, given[0].dtype))], given[0])


def _distinct(name: str) -> Build:
    def build(given: Given) -> Typed:
        if known(given[1]) is None and given[1].dtype == Null:
            return call("is_not_null" if name == "ne_missing" else "is_null", [given[0]])
        return call(name, comparable(given[0], given[1]))

    return build


def _letters(pattern: str) -> Build:
    def build(given: Given) -> Typed:
        found = call("str.contains", [given[0]], pattern=pattern, literal=False)
        return call("coalesce", [found, constant(False, Boolean)])

    return build


ENTRIES: tuple[Entry, ...] = (
    entry("=", "x x", _compared("eq")),
    entry("<>", "x x", _compared("ne")),
    entry("<", "x x", _compared("lt")),
    entry("<=", "x x", _compared("le")),
    entry(">", "x x", _compared("gt")),
    entry(">=", "x x", _compared("ge")),
    Entry(("IS NULL",), "x", lambda given: call("is_null", given.args)),
    Entry(("IS NOT NULL",), "x", lambda given: call("is_not_null", given.args)),
    Entry(("IS DISTINCT FROM",), "x x", _distinct("ne_missing")),
    Entry(("IS NOT DISTINCT FROM",), "x x", _distinct("eq_missing")),
    Entry(("BETWEEN",), "x x x", _between),
    Entry(("NOT BETWEEN",), "x x x", _negated(_between)),
    Entry(("BETWEEN SYMMETRIC",), "x x x", _between_either),
    Entry(("NOT BETWEEN SYMMETRIC",), "x x x", _negated(_between_either)),
    Entry(("IN",), "x x x*", _in),
    Entry(("NOT IN",), "x x x*", _negated(_in)),
    Entry(("LIKE",), "s s s?", _like, ("escape",)),
    Entry(("NOT LIKE",), "s s s?", _negated(_like), ("escape",)),
    Entry(("SIMILAR TO",), "s s", lambda given: call("sql.similar", given.args)),
    Entry(("NOT SIMILAR TO",), "s s", _negated(lambda given: call("sql.similar", given.args))),
    entry("AND", "b b", "and"),
    entry("OR", "b b", "or"),
    entry("NOT", "b", "not"),
    Entry(("IS TRUE",), "b", _is(value=True, same=True)),
    Entry(("IS NOT TRUE",), "b", _is(value=True, same=False)),
    Entry(("IS FALSE",), "b", _is(value=False, same=True)),
    Entry(("IS NOT FALSE",), "b", _is(value=False, same=False)),
    Entry(("IS UNKNOWN",), "b", lambda given: call("is_null", given.args)),
    Entry(("IS NOT UNKNOWN",), "b", lambda given: call("is_not_null", given.args)),
    entry("NULLIF", "x x", _null_if),
    entry("COALESCE", "x x*", _coalesce),
    entry("IFNULL", "x x", _coalesce),
    entry("IF", "b x x", _if),
    entry("IS_ALPHA", "s", _letters("^[A-Za-z]+$")),
    entry("IS_DECIMAL", "s", _letters(r"^[+-]?(\d+\.?\d*|\.\d+)$")),
    entry("IS_DIGIT", "s", _letters("^[0-9]+$")),
)
