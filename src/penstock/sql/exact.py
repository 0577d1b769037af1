"""Functions of the plan by their own names, for what Flink's SQL has no word for: `` `ps.truediv`(a, b) ``.

`penstock explain --as sql` and `--as yaml` write them, so that a plan that was made in Python is read back as it is.
They take their arguments as they are: there are no implicit casts but those that the function makes itself.

- `` `ps.NAME`(x, y, `ps.options`('{"pattern": "a+"}')) ``: a function of the plan; options are a JSON object.
- `` `ps.agg.NAME`(x) ``: an aggregate; DISTINCT has no place, FILTER has.
- `` `ps.lit`(5) ``: a number as Python has it, which takes the type of what it meets.
- `` `ps.value`('...') ``: any constant, as a stored plan has it.
- `` `ps.cast`(x, 'Int64') ``, `` `ps.try_cast`(x, 'Int64') ``: a conversion by Python's rules.
- `` `ps.case`(c, v, otherwise) ``: the value of the first condition that is true.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from penstock.core.dtypes import Float64, Int64, from_json
from penstock.core.errors import PlanError, one_of
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Case, Cast, Literal
from penstock.expr.ast import Call as CallTerm
from penstock.expr.casts import check_cast
from penstock.expr.function import with_options
from penstock.expr.functions import FUNCTIONS
from penstock.expr.infer import Typed, applied, chosen
from penstock.plan.values import decode
from penstock.sql.syntax import Call, Constant, Expression

PREFIX = "ps."
AGGREGATE = "ps.agg."
_OPTIONS = "ps.options"


def is_exact(call: Call) -> bool:
    """Whether a call is one of the plan's own: only a quoted name has a dot."""
    return call.written.startswith(PREFIX)


def is_aggregate(call: Call) -> bool:
    """Whether it is an aggregate by its own name."""
    return call.written.startswith(AGGREGATE)


def arguments(call: Call) -> tuple[tuple[Expression, ...], dict[str, Any]]:
    """The arguments of a call, and its options.

    Raises:
        PlanError: If the options are no JSON object.
    """
    rest = list(call.args)
    if rest and isinstance(rest[-1], Call) and rest[-1].written == _OPTIONS:
        found = rest.pop()
        assert isinstance(found, Call)
        stored = _json(_text(found.args, _OPTIONS))
        if not isinstance(stored, dict):
            raise PlanError(f"{_OPTIONS} takes a JSON object in a text", hint="""`ps.options`('{"decimals": 2}')""")
        return tuple(rest), {name: decode(value, _no_connector) for name, value in stored.items()}
    return tuple(rest), {}


def _no_connector(stored: dict[str, Any]) -> Any:
    raise PlanError(f'a connector is no constant, found "{stored.get("connector")}"')


def _text(args: Sequence[Expression], what: str) -> str:
    if len(args) != 1 or not isinstance(args[0], Constant) or not isinstance(args[0].value, str):
        raise PlanError(f"{what} takes one constant text")
    return args[0].value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as broken:
        raise PlanError(f"this is no JSON: {broken}") from None


def constant(call: Call) -> Typed | None:
    """The constant that a call is; None if it is none.

    Raises:
        PlanError: If its argument is no value.
    """
    if call.written == "ps.lit":
        value = call.args[0].value if len(call.args) == 1 and isinstance(call.args[0], Constant) else None
        if isinstance(value, bool) or value is None or isinstance(value, (str, bytes)):
            raise PlanError("`ps.lit` takes a number")
        if isinstance(value, int):
            return Typed(Literal(value, Int64, flexible=True), Int64, False)
        return Typed(Literal(float(value), Float64, flexible=True), Float64, False)
    if call.written == "ps.value":
        found = decode(_json(_text(call.args, "`ps.value`")), _no_connector)
        if not isinstance(found, Literal):
            raise PlanError("`ps.value` takes a constant of the plan as JSON")
        return Typed(found, found.dtype, found.value is None)
    return None


def apply(call: Call, args: list[Typed], options: dict[str, Any]) -> Typed:
    """The term of a call of a function.

    Raises:
        PlanError: If there is no such function, or it does not take the arguments.
    """
    name = call.written.removeprefix(PREFIX)
    if name in ("cast", "try_cast"):
        return _cast(args, strict=name == "cast")
    if name == "case":
        if len(args) < 3 or len(args) % 2 == 0:
            raise PlanError("`ps.case` takes conditions with values, and a last value")
        terms = [arg.term for arg in args]
        pairs = tuple((terms[i], terms[i + 1]) for i in range(0, len(terms) - 1, 2))
        return chosen(Case(pairs, terms[-1]), args)
    if name not in FUNCTIONS:
        raise one_of("function of the plan", name, FUNCTIONS)
    function = FUNCTIONS[name]
    given = with_options(function.options, options, name)
    return applied(CallTerm(name, tuple(arg.term for arg in args), given), list(args))


def _cast(args: list[Typed], *, strict: bool) -> Typed:
    if len(args) != 2 or not isinstance(args[1].term, Literal) or not isinstance(args[1].term.value, str):
        raise PlanError("`ps.cast` takes a value and the name of a type", hint="`ps.cast`(x, 'Int64')")
    said = args[1].term.value
    try:
        dtype = from_json(json.loads(said) if said[:1] in "{[" else said)
    except (KeyError, TypeError, ValueError):
        raise PlanError(f"there is no type {said!r}", hint="`ps.cast`(x, 'Int64')") from None
    value = args[0]
    check_cast(value.dtype, dtype)
    term = Cast(value.term, dtype, strict)
    return Typed(term, dtype, value.nullable or not strict, (value,), value.mask, value.deterministic)


def aggregation(call: Call, args: list[Typed], options: dict[str, Any], where: Typed | None) -> Aggregation:
    """The aggregation of a call.

    Raises:
        PlanError: If there is no such aggregate, or an option is wrong.
    """
    name = call.written.removeprefix(AGGREGATE)
    if name not in AGGREGATES:
        raise one_of("aggregate of the plan", name, AGGREGATES)
    given = with_options(AGGREGATES[name].options, options, name)
    return Aggregation(name, tuple(arg.term for arg in args), None if where is None else where.term, given)
