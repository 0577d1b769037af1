"""Write docs/reference/functions.md from the declarations of functions and aggregates; `--check` only compares.

Run: `python tools/gen_reference.py [--check]`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from penstock.core.dtypes import DType
from penstock.core.errors import PlanError
from penstock.expr import aggregates, functions
from penstock.expr.ast import literal
from penstock.expr.function import Aggregate, Function, NotOnFlink, RowFault, with_options

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "functions.md"

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "eq": "==",
    "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|",
}  # fmt: skip
PREFIX = {"neg": "-", "not": "~"}

HEAD = """# Functions and aggregates

<!-- Written by tools/gen_reference.py from the declarations in src/penstock/expr: change those. -->

`x`, `y` are columns or other expressions; constants are written as they are. Each example is a test: it gives the
same by plain Python, by Polars and in every step size. *Error row* means that the row leaves by `.errors()`.

"""


def main(arguments: Sequence[str]) -> int:
    """Write the page, or say whether it is up to date."""
    text = page()
    if "--check" not in arguments:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.name} is not what the declarations say: run python tools/gen_reference.py", file=sys.stderr)
    return 1


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    listed = [f"`{name}`" for name in sorted([*functions.FUNCTIONS, *aggregates.AGGREGATES])]
    parts.append(
        f"{len(functions.FUNCTIONS)} functions, {len(aggregates.AGGREGATES)} aggregates: {', '.join(listed)}.\n"
    )
    for family in functions.FAMILIES:
        parts.append(f"\n## {title(family)}\n")
        parts += [of_function(function) for function in family.FUNCTIONS]
    for family in aggregates.FAMILIES:
        parts.append(f"\n## Aggregates: {lower_first(title(family))}\n")
        parts += [of_aggregate(aggregate) for aggregate in family.AGGREGATES]
    return "".join(parts)


def title(family: Any) -> str:
    """The first sentence of a module."""
    return (inspect.getdoc(family) or family.__name__).partition("\n")[0].partition(". ")[0].rstrip(".")


def lower_first(text: str) -> str:
    """The text with a small first letter."""
    return text[:1].lower() + text[1:]


# -- Functions -------------------------------------------------------------------------------------


def of_function(function: Function) -> str:
    """The entry of a function."""
    examples = [(e[0], e[1] if len(e) == 3 else {}, e[-1]) for e in function.examples]
    rows = [(call(function, args, options), result) for args, options, result in examples]
    spelled: list[str] = []
    for args, options, _ in examples:
        chosen = dict(with_options(function.options, options, function.name))
        text = flink(function.spelling([literal(a).dtype for a in args], chosen))
        spelled += [text] if text not in spelled else []
    return entry(function.name, signature(function), function.doc, rows, spelled)


def signature(function: Function) -> str:
    """How a function is called."""
    count = max(len(example[0]) for example in function.examples)
    names = [*function.parameters, "y", "z"][: count - 1]
    options = [name if default is ... else f"{name}={default!r}" for name, default in function.options.items()]
    if function.name in INFIX:
        return f"x {INFIX[function.name]} y"
    if function.name in PREFIX:
        return f"{PREFIX[function.name]}x"
    if function.top:
        return f"ps.{function.name}({', '.join(['x', *names, '...', *options])})"
    if function.name == "is_in":
        return "x.is_in([y, z, ...])"
    if function.name == "get_item":
        return "x[key]"
    return f"x.{function.name}({', '.join([*names, *options])})"


def call(function: Function, args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """An example as it would be written."""
    values = [plain(value) for value in args]
    given = [f"{name}={plain(value)}" for name, value in options.items()]
    if function.name in INFIX and len(args) == 2:
        return f"{values[0]} {INFIX[function.name]} {values[1]}"
    if function.name in PREFIX:
        return f"{PREFIX[function.name]}({values[0]})"
    if function.name == "is_in":
        return f"({values[0]}).is_in([{', '.join(values[1:])}])"
    if function.top or not values:
        return f"{function.name}({', '.join([*values, *given])})"
    return f"({values[0]}).{function.name}({', '.join([*values[1:], *given])})"


def plain(value: Any) -> str:
    """A value as text, fit for a cell of a table."""
    if value is RowFault:
        return "*error row*"
    return repr(value).replace("datetime.", "").replace("|", "\\|").replace("\n", "\\n")


def flink(spelling: str | NotOnFlink) -> str:
    """What Flink says, or why it does not."""
    if isinstance(spelling, NotOnFlink):
        return f"not there ({spelling.reason})"
    named = re.sub(r"\{(\d)\}", lambda place: "xyzuvw"[int(place[1])], spelling)
    return f"`{re.sub('[{}]', '', named)}`"


def entry(name: str, usage: str, doc: str, rows: Sequence[tuple[str, Any]], spelled: Sequence[str]) -> str:
    """A heading, what it gives, examples, Flink."""
    lines = [f"\n### {name}\n", f"`{usage}`\n", f"{doc}\n", "| example | gives |", "|---|---|"]
    for text, result in rows:
        shown = plain(result)
        lines.append(f"| {code(text)} | {shown if result is RowFault else code(shown)} |")
    lines.append(f"\nFlink: {'; '.join(spelled)}\n")
    return "\n".join(lines)


def code(text: str) -> str:
    """Text as code, also if there are backticks in it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


# -- Aggregates ------------------------------------------------------------------------------------


def of_aggregate(aggregate: Aggregate) -> str:
    """The entry of an aggregate."""
    examples = [(e[0], e[1] if len(e) == 3 else {}, e[-1]) for e in aggregate.examples]
    rows = [(rows_text(rows, options), result) for rows, options, result in examples]
    return entry(aggregate.name, usage(aggregate), aggregate.doc, rows, aggregate_on_flink(aggregate))


def usage(aggregate: Aggregate) -> str:
    """How an aggregate is called."""
    options = [name if default is ... else f"{name}={default!r}" for name, default in aggregate.options.items()]
    others = ["y", "z"][: max(0, aggregate.arity - 1)]
    start = "ps." if aggregate.arity == 0 else "x."
    return f"{start}{getattr(aggregate, 'method', None) or aggregate.name}({', '.join([*others, *options])})"


def rows_text(rows: Sequence[tuple[Any, ...]], options: Mapping[str, Any]) -> str:
    """The rows of an example."""
    shown = ", ".join(plain(row[0]) if len(row) == 1 else plain(tuple(row)) for row in rows)
    given = "".join(f", {name}={plain(value)}" for name, value in options.items())
    return f"[{shown}]{given}"


def aggregate_on_flink(aggregate: Aggregate) -> list[str]:
    """What Flink says for the types of the examples."""
    if isinstance(aggregate.flink, (str, NotOnFlink)):
        return [flink(aggregate.flink)]
    found: list[str] = []
    for example in aggregate.examples:
        if not example[0]:
            continue
        types: list[DType] = [literal(value).dtype for value in example[0][0]]
        options = dict(with_options(aggregate.options, example[1] if len(example) == 3 else {}, aggregate.name))
        try:
            text = flink(aggregate.flink(types, options))
        except PlanError as refused:
            text = refused.message
        found += [text] if text not in found else []
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
