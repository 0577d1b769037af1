"""What the keys of steps take: each kind reads a value of the tree, and says in JSON schema what it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.api.references import lookup
from penstock.api.stream import Stream, stream
from penstock.core.errors import PlanError, UnknownNameError, nearest
from penstock.core.timespan import duration
from penstock.core.where import standing_at
from penstock.expr.build import Expr
from penstock.sql.terms import Session
from penstock.yaml import expressions
from penstock.yaml.tree import Mapping, Node, Scalar, Sequence, typed, where, wrong


@dataclass
class Context:
    """What values are read in.

    Attributes:
        session: The zone.
        find: The stream of a name.
        rows: The stream that the step is about.
        other: The right side of a join, once it has been read.
        place: What is read, for messages: `filter`.
    """

    session: Session
    find: Callable[[Scalar, str], Stream]
    rows: Any = None
    other: Any = None
    place: str = ""


@dataclass(frozen=True)
class Kind:
    """What a value may be.

    Attributes:
        name: What it is called in messages: `a duration`.
        read: From the tree to what a verb takes.
        schema: The same in JSON schema.
    """

    name: str
    read: Callable[[Node, Context], Any]
    schema: dict[str, Any]

    def of(self, node: Node, context: Context) -> Any:
        """The value.

        Raises:
            PlanError: If it does not fit, with its place.
        """
        try:
            with standing_at(where(node)):
                return self.read(node, context)
        except PlanError as refused:
            raise refused.at(where(node)) from None


@dataclass(frozen=True)
class Key:
    """One key of a mapping.

    Attributes:
        name: Its name.
        kind: What it takes.
        doc: What it does.
        needed: Whether it must be there.
    """

    name: str
    kind: Kind
    doc: str = field(default="", compare=False)
    needed: bool = False


# -- reading -------------------------------------------------------------------


def filled(node: Scalar) -> str:
    """The text of a value with settings in the place of `${NAME}`."""
    if "${" not in node.raw:
        return node.raw
    try:
        return lookup()(node.raw, "the value")
    except PlanError as refused:
        refused.where = where(node)
        raise


def plain(node: Node, what: str) -> Any:
    """The value of a scalar: a text, number, true, false or null.

    Raises:
        PlanError: If it is a list or a mapping.
    """
    if not isinstance(node, Scalar):
        raise wrong(node, f"expected {what}, found a {'list' if isinstance(node, Sequence) else 'mapping'}")
    text = filled(node)
    # Inside of { } a variable must be in quotes: it may stand for a number all the same.
    return typed(text) if node.plain or text != node.raw else text


def text(node: Node, what: str = "a text") -> str:
    """A text; a number is one as it is written.

    Raises:
        PlanError: If there is none.
    """
    if plain(node, what) is None or not isinstance(node, Scalar):
        raise wrong(node, f"expected {what}, found nothing")
    return filled(node)


def mapping(node: Node, what: str, hint: str | None = None) -> Mapping:
    """A mapping.

    Raises:
        PlanError: If it is none.
    """
    if not isinstance(node, Mapping):
        found = "a list" if isinstance(node, Sequence) else f'"{node.raw}"' if node.raw else "nothing"
        raise wrong(node, f"expected {what}, found {found}", hint)
    return node


COMMA = 'a comma ends a value inside of { } and [ ]: put it in quotes, such as "MOD(a, 2)"'
"""The hint where a comma of SQL has become one of YAML."""


def unknown(at: Scalar, kind: str, known: Iterable[str], inside: str | None = None) -> UnknownNameError:
    """A key that does not exist, with its place and the nearest that does."""
    hint = COMMA if at.raw.count(")") > at.raw.count("(") else None
    return UnknownNameError(kind, at.raw, known, inside=inside, where=where(at), hint=hint)


def check_keys(node: Mapping, known: Iterable[str], inside: str | None = None) -> None:
    """Refuse keys that do not exist.

    Raises:
        UnknownNameError: If there is one, with its place and the nearest that does.
    """
    names = list(known)
    for name, at in node.keys.items():
        if name not in names:
            raise unknown(at, "key", names, inside)


def read_keys(node: Mapping, keys: Iterable[Key], context: Context, inside: str) -> dict[str, Any]:
    """The values of a mapping by its keys.

    Raises:
        PlanError: If a key does not exist, is missing, or has a value that does not fit.
    """
    declared = {one.name: one for one in keys}
    check_keys(node, declared, inside)
    for one in declared.values():
        if one.needed and one.name not in node.items:
            raise wrong(node, f'the key "{one.name}" is missing', one.doc or None)
    found = {}
    for name in sorted(node.items, key=list(declared).index):  # what comes later may be about what came before
        context.place = name
        found[name] = declared[name].kind.of(node.items[name], context)
    return found


def _items(node: Node) -> list[Node]:
    return node.items if isinstance(node, Sequence) else [node]


def _flag(node: Node, context: Context) -> bool:
    value = plain(node, "true or false")
    if not isinstance(value, bool):
        raise wrong(node, f'"{context.place}" is true or false, found {value!r}')
    return value


def _count(node: Node, context: Context) -> int:
    value = plain(node, "a number")
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(node, f'"{context.place}" takes a whole number, found {value!r}')
    return value


def _number(node: Node, context: Context) -> float:
    value = plain(node, "a number")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(node, f'"{context.place}" takes a number, found {value!r}')
    return float(value)


def _span(node: Node, context: Context) -> str:
    value = text(node, "a duration")
    if value not in ("0", "-0"):
        duration(value)
    return value


def _span_or_zero(node: Node, context: Context) -> Any:
    value = _span(node, context)
    return 0 if value in ("0", "-0") else value


def _between(node: Node, context: Context) -> tuple[Any, Any]:
    items = _items(node)
    if len(items) != 2:
        raise wrong(node, f'"{context.place}" takes two durations', "within: [-10 min, 5 min]")
    return _span_or_zero(items[0], context), _span_or_zero(items[1], context)


def _excerpt(node: Node, what: str = "an expression") -> expressions.Excerpt:
    if not isinstance(node, Scalar):
        raise wrong(node, f"expected {what}, found a {'list' if isinstance(node, Sequence) else 'mapping'}")
    return expressions.excerpt(node, filled(node))


def _expression(node: Node, context: Context) -> Expr:
    return Expr(expressions.term(_excerpt(node), context.rows.node, context.session, context.place))


def _conditions(node: Node, context: Context) -> list[Expr]:
    return [_expression(one, context) for one in _items(node)]


def _texts_of(node: Node) -> list[tuple[str, expressions.Excerpt]]:
    """Names with expressions: `[a, {b: x + 1}]`, `{a: x}` or `a`."""
    found: list[tuple[str, expressions.Excerpt]] = []
    seen: dict[str, Node] = {}
    for item in _items(node):
        pairs: list[tuple[str, Node, Node]]
        if isinstance(item, Mapping):
            pairs = [(name, item.keys[name], value) for name, value in item.items.items()]
        else:
            pairs = [(_column_name(text(item, "a column")), item, item)]
        for name, at, value in pairs:
            if name in seen:
                raise wrong(at, f'two columns have the name "{name}"')
            seen[name] = at
            found.append((name, _excerpt(value)))
    return found


def _column_name(name: str) -> str:
    return name[1:-1].replace("``", "`") if name[:1] == name[-1:] == "`" and len(name) > 2 else name


def _columns(node: Node, context: Context) -> list[Expr]:
    below, terms = expressions.columns(_texts_of(node), context.rows.node, context.session, context.place)
    context.rows = stream(below)
    return [Expr(term, name) for name, term in terms]


def _expectations(node: Node, context: Context) -> dict[str, Expr]:
    pairs = mapping(node, "names with conditions", "expect: {paid: amount > 0}")
    return {name: _expression(value, context) for name, value in pairs.items.items()}


def _aggregates(node: Node, context: Context) -> list[Expr]:
    mapping(node, "names with aggregates", "agg: {n: COUNT(*)}")
    made = []
    for name, found in _texts_of(node):
        made.append(Expr(expressions.aggregate(found, context.rows.node, context.session), name))
    return made


def _name(node: Node, context: Context) -> str:
    return _column_name(text(node, "a name"))


def _column(node: Node, context: Context) -> str:
    name = _column_name(text(node, "a column"))
    if name not in context.rows.schema:
        raise UnknownNameError("column", name, context.rows.schema.names, where=where(node))
    return name


def _column_names(node: Node, context: Context) -> list[str]:
    found = [_column(one, context) for one in _items(node)]
    if len(set(found)) < len(found):
        raise wrong(node, "a column is named twice")
    return found


def _order(node: Node, context: Context) -> list[Any]:
    return [_expression(one, context) for one in _items(node)]


def _other_keys(node: Node, context: Context) -> list[Expr]:
    return _order(node, replace(context, rows=context.other))


def _pair_condition(node: Node, context: Context) -> Expr:
    return Expr(expressions.of_pair(_excerpt(node), context.rows.node, context.other.node, context.session))


def _flags(node: Node, context: Context) -> Any:
    return [_flag(one, context) for one in node.items] if isinstance(node, Sequence) else _flag(node, context)


def _renames(node: Node, context: Context) -> dict[str, str]:
    pairs = mapping(node, "old names with new ones", "rename: {old: new}")
    for name, at in pairs.keys.items():
        _column(at, context)
        text(pairs.items[name], "a name")
    return {name: _name(value, context) for name, value in pairs.items.items()}


def _types(node: Node, context: Context) -> Any:
    pairs = mapping(node, "columns with types", "{id: BIGINT, name: STRING}")
    return expressions.schema([(n, _excerpt(value, "a type")) for n, value in pairs.items.items()], context.session)


def _values(node: Node, context: Context) -> Any:
    if isinstance(node, Scalar):
        return plain(node, "a value")
    pairs = mapping(node, "a value, or columns with values", "fill_null: {amount: 0}")
    for at in pairs.keys.values():
        _column(at, context)
    return {name: plain(value, "a value") for name, value in pairs.items.items()}


def _stream(node: Node, context: Context) -> Stream:
    name = text(node, "the name of a source or stream")
    assert isinstance(node, Scalar)
    context.other = context.find(node, name)
    found: Stream = context.other
    return found


def _streams(node: Node, context: Context) -> list[Stream]:
    return [_stream(one, context) for one in _items(node)]


def _plain_texts(node: Node, context: Context) -> dict[str, str]:
    return {name: text(value) for name, value in mapping(node, "names with texts").items.items()}


def choice(*values: str) -> Kind:
    """One of a few words."""

    def read(node: Node, context: Context) -> str:
        found = text(node)
        if found not in values:
            guess = nearest(found, values)
            told = None if guess else f"there are: {', '.join(values)}"
            raise wrong(node, f'"{context.place}" cannot be "{found}"{guess}', told)
        return found

    return Kind(" or ".join(values), read, {"enum": list(values)})


_TEXT: dict[str, Any] = {"type": "string"}
_PLAIN: dict[str, Any] = {"type": ["string", "number", "boolean"]}


def many(one: dict[str, Any]) -> dict[str, Any]:
    """One, or a list of several, in JSON schema."""
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def by_name(one: dict[str, Any]) -> dict[str, Any]:
    """Names with values, in JSON schema."""
    return {"type": "object", "additionalProperties": one, "minProperties": 1}


TEXT = Kind("a text", lambda node, context: text(node), _TEXT)
FLAG = Kind("true or false", _flag, {"type": "boolean"})
FLAGS = Kind("true or false, or one for each", _flags, many({"type": "boolean"}))
COUNT = Kind("a whole number", _count, {"type": ["integer", "string"]})
NUMBER = Kind("a number", _number, {"type": ["number", "string"]})
SPAN = Kind("a duration", _span, _TEXT)
BETWEEN = Kind("two durations", _between, {"type": "array", "minItems": 2, "maxItems": 2})
EXPRESSION = Kind("an expression", _expression, _PLAIN)
CONDITIONS = Kind("a condition, or several", _conditions, many(_PLAIN))
COLUMNS = Kind("columns", _columns, {"anyOf": [by_name(_PLAIN), many({"anyOf": [_TEXT, by_name(_PLAIN)]})]})
EXPECTATIONS = Kind("names with conditions", _expectations, by_name(_PLAIN))
AGGREGATES = Kind("names with aggregates", _aggregates, by_name(_PLAIN))
NAME = Kind("a name", _name, _TEXT)
COLUMN = Kind("a column", _column, _TEXT)
NAMES = Kind("columns", _column_names, many(_TEXT))
ORDER = Kind("columns or expressions", _order, many(_TEXT))
OTHER_KEYS = Kind("columns of the other side", _other_keys, many(_TEXT))
PAIR_CONDITION = Kind("a condition", _pair_condition, _PLAIN)
RENAMES = Kind("old names with new ones", _renames, by_name(_TEXT))
TYPES = Kind("columns with types in SQL", _types, by_name(_TEXT))
VALUES = Kind("a value, or columns with values", _values, {"anyOf": [_PLAIN, by_name(_PLAIN)]})
STREAM = Kind("a source or stream", _stream, _TEXT)
STREAMS = Kind("sources or streams", _streams, many(_TEXT))
TEXTS = Kind("names with texts", _plain_texts, by_name(_TEXT))
