"""How a function or an aggregate is declared: once, for all engines and all front ends.

A declaration holds the types, the null rule, the lowering to Polars, the plain-Python meaning that
the reference interpreter uses, the spelling in Flink SQL, and examples, which are at once its
documentation, its unit test and its parity test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from penstock.core.dtypes import DType
from penstock.core.errors import PlanError
from penstock.expr.sketches import Shape


class RowFault(Exception):
    """A function cannot give a value for this row; the row leaves by `errors` with this reason."""


class NotOnFlink(NamedTuple):
    """Why something has no spelling in Flink SQL."""

    reason: str


Spelling = str | NotOnFlink
"""Flink SQL with `{0}`, `{1}` for the arguments and option names in braces; or why there is none."""


class Signature(NamedTuple):
    """What a call works on: the types its arguments are converted to, and its result's type."""

    args: tuple[DType, ...]
    returns: DType


Resolver = Callable[[Sequence[DType], Mapping[str, Any]], Signature]
"""From the types of the arguments and the options to a signature; raises PlanError if they do not fit."""


@dataclass(frozen=True)
class Kind:
    """A set of types that an argument may have.

    Attributes:
        name: What it is called in messages.
        accepts: Whether a type belongs to it.
        typical: The type that a bare null takes; None if any type will do.
    """

    name: str
    accepts: Callable[[DType], bool]
    typical: DType | None = None


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function of the values of one row.

    Attributes:
        name: Its name in plans, and how Python spells it: `"abs"` is `col("x").abs()`,
            `"str.to_uppercase"` is `col("x").str.to_uppercase()`.
        doc: What it gives; one or two sentences. The first begins with what it returns.
        signature: From the argument types to the types it works on and returns (see `signatures`).
        polars: From Polars expressions (and options as keywords) to a Polars expression. It must not
            raise for any row: where it has no value it gives null, and `fault` says so.
        oracle: The plain-Python meaning: from values (and options as keywords) to a value; raises
            RowFault where a row has no value.
        flink: Flink SQL with `{0}`, `{1}`, option names in braces; or why there is none; or a function
            from the argument types and the options to one of these (see `spelling`).
        examples: `((arguments...), result)` or `((arguments...), {options}, result)`; a result that is
            the class RowFault means that the row is refused.
        null: `"propagate"`: any null argument gives null and `oracle` never sees one; `"own"`: the
            function sees nulls and decides; `"never"`: sees nulls and never gives one; `"first"`: sees
            nulls, and gives null exactly if the first argument is; `"all"`: exactly if all are;
            `"any"`: sees nulls, and gives none unless an argument is one.
        gives_null: With `"propagate"`: it may also give null for arguments that are not null. Or a function that
            says so of a signature and the options.
        fault: Like `polars`, but gives true for the rows that have no value; None if it never fails.
        typed: Whether `polars` and `fault` also take `types` and `returns` (logical types) as keywords.
        options: Constant keyword options and their defaults (`...` = must be given), in order.
        top: Whether it is also a function of `penstock` that takes several columns (`ps.coalesce`).
        deterministic: Whether equal arguments give equal results.
        guesses: Wrong names that people try; an error then names this one.
        parameters: Names of the arguments after the first, for keywords: `.clip(upper=3)`. An argument
            that is left out before one that is given is null.
    """

    name: str
    doc: str
    signature: Resolver
    polars: Callable[..., Any]
    oracle: Callable[..., Any]
    flink: Spelling | Callable[[Sequence[DType], Mapping[str, Any]], Spelling]
    examples: Sequence[tuple[Any, ...]]
    null: str = "propagate"
    gives_null: bool | Callable[[Signature, Mapping[str, Any]], bool] = False
    fault: Callable[..., Any] | None = None
    typed: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    top: bool = False
    deterministic: bool = True
    guesses: Sequence[str] = ()
    parameters: Sequence[str] = ()

    def spelling(self, types: Sequence[DType], options: Mapping[str, Any]) -> Spelling:
        """How Flink SQL says a call with arguments of these types; or why it cannot."""
        return self.flink if isinstance(self.flink, (str, NotOnFlink)) else self.flink(types, options)


Argument = int | tuple[int, int] | None
"""What an accumulator folds: the index of an argument, those of a pair, or none."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """How an aggregate keeps its accumulators in fixed words of state (see `state/words.py`).

    Attributes:
        kinds: Accumulators, each `(kind, index of the argument or None)`, such as `("sum", 0)`; of pairs `(kind, (0,
            1))`.
        finish: From what was read of the accumulators, in that order, to the pair (values, valid): an array and a
            boolean mask (None = all valid). Read per kind (arrays by slot): `count`: int64 n. `sum`: (int64 sums, bool
            fits, float64 sums). `float_sum`: (float64 sums, int64 counts). `min`, `max`: int64. `float_min`,
            `float_max`: float64. `variance`: (int64 counts of finite values, float64 means, float64 squared
            distances, int64 counts of others). `first`, `last`: (int64 values, bool valid); `float_first`,
            `float_last`: (float64 values, bool valid). `covariance`: (int64 counts of finite pairs, int64 counts of
            others, float64 means of both, squared distances of both, products of distances). A kind folds a row only
            if all arguments of the aggregate are not null. Integers, booleans and times arrive as int64 words: `values`
            may be int64 too and is converted to the declared type.
        fits: From what was read, whether each slot has a value at all: one that does not fit its type is none. None =
            all have.
    """

    kinds: tuple[tuple[str, Argument], ...]
    finish: Callable[..., tuple[Any, Any]]
    fits: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Sketched:
    """How an aggregate keeps a sketch.

    Attributes:
        shape: The kind and its parameters.
        merges: Whether it takes sketches, and not values.
        counts: Whether it gives the number of distinct values, and not the sketch.
        share: The share of the values that lie below what it gives: a quantile, and not the sketch.
    """

    shape: Shape
    merges: bool = False
    counts: bool = False
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """A function of the rows of a group.

    Null arguments are not added (the caller skips rows in which any argument is null), so `add` never
    sees one.

    Attributes:
        name: Its name in plans and in Python: `"mean"` is `col("x").mean()`.
        doc: What it gives; one or two sentences.
        arity: How many columns it takes: the first is the one it is called on.
        signature: From the argument types to the types it works on and returns.
        init: The meaning of an empty group, as a state (a value that `add` does not change in place).
        add: From a state and the arguments to the next state.
        merge: From the states of two parts of a group, the earlier first, to that of both.
        retract: From a state and arguments added before to the state without them; None if refused.
        result: From a state to the value; may raise RowFault.
        retraction: `"invertible"` (accumulators only), `"multiset"` (value -> count), or `"refused"`.
        polars: From Polars expressions (values in position order, no nulls) to an aggregating one.
        words: From the argument types to fixed accumulators, or None if it needs the values themselves.
            Used for append-only input, and for changing input if it is invertible.
        empty: The value of a group without rows that count: None, or 0 for counts.
        order_sensitive: Whether the order of rows matters.
        options: Constant options and defaults.
        flink: Flink SQL, or why there is none, or a function from the argument types and the options to one of these.
        examples: `([rows...], result)` where a row is a tuple of arguments, or `([rows...], {options}, result)`.
        guesses: Wrong names that people try.
        method: How Python spells it on a column, if not by its name; empty if it is no method.
        by: The aggregate of two columns that it is when `by=` names the second.
        gives_null: Whether it may be null of values that are not, such as a variance of one value.
        sketch: The sketch that state keeps instead of words or values, if it does.
        user: The calls of the user's class, if a user wrote it: state then keeps its objects.
    """

    name: str
    doc: str
    arity: int
    signature: Resolver
    init: Callable[..., Any]
    add: Callable[..., Any]
    merge: Callable[[Any, Any], Any]
    retract: Callable[..., Any] | None
    result: Callable[..., Any]
    retraction: str
    polars: Callable[..., Any]
    words: Callable[[Sequence[DType], Mapping[str, Any]], Words | None]
    flink: Spelling | Callable[[Sequence[DType], Mapping[str, Any]], Spelling]
    examples: Sequence[tuple[Any, ...]]
    empty: Any = None
    order_sensitive: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    guesses: Sequence[str] = ()
    method: str | None = None
    by: str | None = None
    gives_null: bool = False
    sketch: Callable[[Sequence[DType], Mapping[str, Any]], Sketched] | None = None
    user: Any = None

    def spelling(self, types: Sequence[DType], options: Mapping[str, Any]) -> Spelling:
        """How Flink SQL says it of arguments of these types; or why it cannot."""
        return self.flink if isinstance(self.flink, (str, NotOnFlink)) else self.flink(types, options)


def with_options(declared: Mapping[str, Any], given: Mapping[str, Any], name: str) -> tuple[tuple[str, Any], ...]:
    """All options of a call in declared order: the given ones, else their defaults.

    Raises:
        PlanError: If one is unknown or missing.
    """
    for key in given:
        if key not in declared:
            known = ", ".join(declared) or "none"
            raise PlanError(f'"{name}" has no option "{key}"', hint=f"options: {known}")
    chosen = {key: given.get(key, default) for key, default in declared.items()}
    for key, value in chosen.items():
        if value is ...:
            raise PlanError(f'"{name}" needs the option "{key}"')
    return tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in chosen.items())
