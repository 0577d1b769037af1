"""Terms and types as Python: operators and methods where there are, else functions of the plan by their own names."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Datetime, Decimal, DType, Duration, List, Map, Struct
from penstock.core.errors import UnsupportedError
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Apply, Call, Case, Cast, Column, Lag, Literal, Over, Term, literal
from penstock.expr.calls import METHODS
from penstock.expr.functions import FUNCTIONS
from penstock.expr.user_aggregates import UserAggregation
from penstock.expr.user_functions import UserFunction, resolve
from penstock.plan.values import encode

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "eq": "==",
    "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|",
}  # fmt: skip


class Imports:
    """What a text has to import."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {}

    def of(self, module: str, name: str) -> str:
        """A name of a module."""
        self.found.setdefault(module, set()).add(name)
        return name

    def lines(self) -> list[str]:
        """The lines, in order; `import penstock as ps` is the first."""
        made = ["import penstock as ps"]
        for module in sorted(self.found, key=lambda one: (not one.startswith("penstock"), one)):
            made.append(f"from {module} import {', '.join(sorted(self.found[module]))}")
        return made


def type_text(dtype: DType) -> str:
    """A type, as `ps` has it."""
    match dtype:
        case Decimal(precision, scale):
            return f"ps.Decimal({precision}, {scale})"
        case Datetime(unit, zone):
            return f"ps.Datetime({unit!r}, {zone!r})" if zone else f"ps.Datetime({unit!r})"
        case Duration(unit):
            return f"ps.Duration({unit!r})"
        case List(inner):
            return f"ps.List({type_text(inner)})"
        case Map(key, value):
            return f"ps.Map({type_text(key)}, {type_text(value)})"
        case Struct(fields):
            return "ps.Struct({" + ", ".join(f"{name!r}: {type_text(one)}" for name, one in fields) + "})"
    return f"ps.{dtype}"


def function_text(function: UserFunction, imports: Imports) -> str:
    """A function of the user by its import path.

    Raises:
        UnsupportedError: If it has none.
    """
    if function.ordinal or "<" in function.qualname:
        raise UnsupportedError(
            f"{function.qualname} is a lambda or an inner function: it has no import path",
            hint="write it as a function of a module",
        )
    first, *rest = function.qualname.split(".")
    return ".".join([imports.of(function.module, first), *rest])


class PythonTerms:
    """Writes terms."""

    def __init__(self, imports: Imports) -> None:
        self.imports = imports

    def of(self, term: Term) -> str:
        """The text of a term: an `Expr`.

        Raises:
            UnsupportedError: If it has none.
        """
        match term:
            case Column(name):
                return f"{self.imports.of('penstock', 'col')}({_text(name)})"
            case Literal():
                return self._literal(term)
            case Call():
                return self._call(term)
            case Cast(inner, dtype, strict):
                return f"{self.of(inner)}.{'cast' if strict else 'try_cast'}({type_text(dtype)})"
            case Case():
                return self._case(term)
            case Aggregation():
                return self._aggregation(term)
            case Apply(function, args):
                return f"{self._udf(function)}({', '.join(self.of(arg) for arg in args)})"
            case Over():
                return self._over(term)
        raise UnsupportedError(f"{term} has no spelling in Python")

    def value(self, term: Term) -> str:
        """The same as an operand: a constant that stands for itself is written plainly."""
        if isinstance(term, Literal) and _plainly(term):
            return repr(term.value)
        return self.of(term)

    def _literal(self, term: Literal) -> str:
        if _plainly(term):
            return f"{self.imports.of('penstock', 'lit')}({term.value!r})"
        exact = self.imports.of("penstock.spelling", "exact")
        simple = term.value is None or isinstance(term.value, (bool, int, float, str, bytes))
        if simple and not term.flexible and (term.value == term.value) and abs(_number(term.value)) != float("inf"):
            return f"{exact}.constant({term.value!r}, {type_text(term.dtype)})"
        return f"{exact}.stored({json.dumps(encode(term))!r})"

    def _call(self, call: Call) -> str:
        name, args, function = call.function, call.args, FUNCTIONS[call.function]
        given = {key: value for key, value in call.options if value != function.options.get(key, ...)}
        if name in _INFIX and len(args) == 2 and not given:
            return f"({self.of(args[0])} {_INFIX[name]} {self.value(args[1])})"
        if name == "not" and len(args) == 1:
            return f"~{self.of(args[0])}"
        if name == "neg" and len(args) == 1:
            return f"(-{self.of(args[0])})"
        if name == "get_item":
            return f"{self.of(args[0])}[{given['key']!r}]"
        if name in _BY_METHOD and not given:
            return f"{self.of(args[0])}.{name}({', '.join(self.value(arg) for arg in args[1:])})"
        exact = self.imports.of("penstock.spelling", "exact")
        texts = [_text(name), *(self.value(arg) for arg in args), *self._options(given)]
        return f"{exact}.call({', '.join(texts)})"

    def _options(self, given: Mapping[str, Any]) -> list[str]:
        return [f"{key}={self._option(value)}" for key, value in given.items()]

    def _option(self, value: Any) -> str:
        if isinstance(value, DType):
            return type_text(value)
        if isinstance(value, (dt.date, dt.time, dt.timedelta)):
            raise UnsupportedError(f"the option {value!r} has no spelling in Python")
        if isinstance(value, (tuple, list)):
            inside = ", ".join(self._option(one) for one in value)
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        return repr(value)

    def _case(self, case: Case) -> str:
        if case.otherwise == literal(None) or not isinstance(case.otherwise, Literal) or _plainly(case.otherwise):
            when = self.imports.of("penstock", "when")
            made = when
            for i, (condition, value) in enumerate(case.branches):
                made = f"{made}{'.when' if i else ''}({self.of(condition)}).then({self.value(value)})"
            return f"{made}.otherwise({self.value(case.otherwise)})"
        exact = self.imports.of("penstock.spelling", "exact")
        return f"{exact}.case({', '.join(self.value(part) for part in case.children)})"

    def _aggregation(self, term: Aggregation) -> str:
        if isinstance(term, UserAggregation):
            called = f"{self._udf(term.function)}({', '.join(self.of(arg) for arg in term.args)})"
            return called if term.where is None else f"{called}.filter({self.of(term.where)})"
        aggregate = AGGREGATES[term.aggregate]
        given = {key: value for key, value in term.options if value != aggregate.options.get(key, ...)}
        method = next((name for name, one in METHODS.items() if one is aggregate), None)
        if term.aggregate == "count" and not term.args:
            made = "ps.count()"
        elif method is not None and len(term.args) == 1 and method.isidentifier() and method not in FUNCTIONS:
            made = f"{self.of(term.args[0])}.{method}({', '.join(self._options(given))})"
        else:
            exact = self.imports.of("penstock.spelling", "exact")
            texts = [_text(term.aggregate), *(self.value(arg) for arg in term.args), *self._options(given)]
            made = f"{exact}.aggregate({', '.join(texts)})"
        return made if term.where is None else f"{made}.filter({self.of(term.where)})"

    def _over(self, term: Over) -> str:
        frame, keys = term.frame, [_text(key) for key in term.keys]
        if frame.preceding is None:
            options = [f'{frame.kind}="all"']
        elif frame.kind == "rows":
            options = [f"rows={frame.preceding + 1}"]
        else:
            from penstock.spelling.said import span_text

            options = [f"range={_text(span_text(frame.preceding))}"]
        if isinstance(term.function, Lag):
            inside = f"{self.of(term.function.term)}.shift({term.function.rows})"
            return f"{inside}.over({', '.join(keys)})"
        return f"{self.of(term.function)}.over({', '.join([*keys, *options])})"

    def _udf(self, function: UserFunction) -> str:
        found = resolve(function.plan_reference())
        text = function_text(function, self.imports)
        if found != function:
            raise UnsupportedError(f"{function.module}:{function.qualname} is declared otherwise than in the plan")
        return text

    def named(self, columns: Sequence[tuple[str, Term]]) -> str:
        """Columns as arguments of `select` and the like, in their order."""
        texts = []
        for name, term in columns:
            texts.append(_text(name) if term == Column(name) else f"{self.of(term)}.alias({_text(name)})")
        return ", ".join(texts)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if value.isprintable() else repr(value)


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) else 0.0


def _plainly(term: Literal) -> bool:
    """Whether the value alone gives the same constant."""
    if isinstance(term.value, (bool, int, float, str, bytes)) or term.value is None:
        good = _number(term.value) == _number(term.value) and abs(_number(term.value)) != float("inf")
        return good and literal(term.value) == term and type(literal(term.value).value) is type(term.value)
    return False


_BY_METHOD = frozenset(
    name for name, one in FUNCTIONS.items() if not name.startswith("sql.") and not one.options and not one.top
    and all(part.isidentifier() for part in name.split("."))
    and name.split(".")[0] not in ("and", "or", "not", "cast", "alias", "filter", "struct", "is_in")
)  # fmt: skip
"""Functions without options that are methods of a column."""
