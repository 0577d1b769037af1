"""Functions that users write, in expressions: `@ps.udf`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.api.columns import NamedTerms
from penstock.api.frames import with_frames
from penstock.api.rows import free_name
from penstock.api.waiting import call_options
from penstock.core.dtypes import as_dtype
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.where import caller
from penstock.expr.ast import Apply, Column, Term
from penstock.expr.build import Expr, term_of
from penstock.expr.user_functions import UserFunction, annotated, is_async, reference
from penstock.operators.apply import Apply as ApplyNode
from penstock.operators.map_async import MapAsync
from penstock.plan.node import Node


class Udf:
    """A function that takes expressions and gives one; made by `udf`.

    Attributes:
        declared: The reference of the function, with its types.
    """

    def __init__(self, declared: UserFunction) -> None:
        self.declared = declared
        self.__doc__ = declared.function.__doc__
        self.__name__ = declared.name

    def __call__(self, *args: Any) -> Expr:
        """The value of the function for expressions and constants."""
        return Expr(Apply(self.declared, tuple(term_of(arg) for arg in args)))

    def __repr__(self) -> str:
        return f"<udf {self.declared.module}:{self.declared.qualname}>"


def udf(
    function: Callable[..., Any] | None = None,
    *,
    returns: Any = None,
    vectorized: bool = False,
    setup: Callable[[], Any] | None = None,
    deterministic: bool = True,
    version: str | None = None,
) -> Any:
    """Make a Python function one of expressions: `scored = rows.with_columns(p=score(col("amount")))`.

    A call that raises, or gives what is not of the declared type, sends its row to `errors` with the reason. A plan
    stores where the function is (`module:qualname`) and never its code; of a lambda and of a function inside of
    another it stores that they are such, and only the program that made them can read the plan again. What it gives
    is asked for again when a run goes on after a failure: a function with effects has them again.

    An `async def` is awaited beside the steps, 32 rows at a time, in order; a call may take a minute. Its rows wait as
    state meanwhile (see `MapAsync`; `map_async` has options), and are asked for again after a restart.

    Args:
        function: The function, if the decorator is written without arguments.
        returns: The type of what it gives; by default that of its return annotation.
        vectorized: It takes Polars series and gives one of as many values. Rows come in batches of any length, so each
            value may depend on its own row only. If a batch fails its halves are tried, down to the rows that fail.
        setup: Called once for each operator that calls the function, before its first row; what it gives
            is the first argument of every call.
        deterministic: False if equal arguments may give different results: such a function is refused over a Table.
        version: Names the state of its code; another one makes it another function to plans that are compared.

    Raises:
        PlanError: If a type is missing, or an annotation is no type.
        UnsupportedError: If it is an asynchronous generator, or both async and vectorized.
    """
    if function is None:
        return lambda given: udf(
            given, returns=returns, vectorized=vectorized, setup=setup, deterministic=deterministic, version=version
        )
    try:
        # The order matters: what cannot be called is refused before its annotations are looked at.
        found = reference(function, named=True, awaited=not vectorized)
        parameters, hint = annotated(function, skip=0 if setup is None else 1)
        if vectorized:
            parameters = tuple((name, dtype, True) for name, dtype, _ in parameters)
            hint = None if getattr(hint, "__module__", "").startswith("polars") else hint
        if returns is None and hint is None:
            shown = f"@ps.udf(returns=ps.Float64), or def {found.name}(...) -> float"
            raise PlanError(f"{found.name} does not say what it gives", hint=shown)
        declared = {
            "parameters": parameters,
            "returns": as_dtype(hint if returns is None else returns),
            "vectorized": vectorized,
            "setup": setup,
            "deterministic": deterministic,
            "version": version,
        }
        made = reference(function, named=True, awaited=True, **declared)
    except PlanError as refused:
        raise refused.at(caller()) from None
    return Udf(made)


def with_functions(node: Node, terms: NamedTerms) -> tuple[Node, NamedTerms]:
    """The rows with a column for each function of a frame and each of the user's, and the terms over these columns.

    Equal calls are one column. Rows stay as they are where there is neither.
    """
    node, terms = with_frames(node, terms)
    found: dict[Apply, str] = {}
    made = node

    def change(term: Term) -> Term:
        nonlocal made
        if not isinstance(term, Apply):
            return term
        if term not in found:
            found[term] = free_name("_udf", set(made.schema.names))
            made = _called(made, term, found[term])
        return Column(found[term])

    changed = tuple((name, term.rewrite(change)) for name, term in terms)
    return made, changed


def _called(rows: Node, term: Apply, column: str) -> Node:
    """The rows with a column that a function gives."""
    if not is_async(term.function.function):
        return ApplyNode(input=rows, column=column, function=term.function, args=term.args, where=caller())
    columns = Schema((Field(column, term.function.gives),))
    return MapAsync(
        input=rows, function=term.function, columns=columns, column=column, args=term.args, options=call_options(),
        where=caller(),
    )  # fmt: skip


def calls_of_verb(node: Node) -> list[Node]:
    """The nodes that one verb of the user made, the last first, if functions of the user are among them; else none."""
    parts: list[Node] = [node]
    if node.verb == "select" and getattr(node, "spelling", "") == "filter" and node.inputs[0].verb == "filter":
        parts.append(node.inputs[0])
    while (parts[-1].verb in ("select", "filter") or _adds(parts[-1])) and _adds(parts[-1].inputs[0]):
        parts.append(parts[-1].inputs[0])
    return parts if _adds(parts[-1]) else []


def _adds(node: Node) -> bool:
    """Whether a node adds the column of one call in an expression."""
    return node.verb == "apply" or (isinstance(node, MapAsync) and node.column is not None)
