"""Arrays, maps, rows and JSON of Flink SQL."""

from __future__ import annotations

from typing import Any

from penstock.core.dtypes import DType, Int32, String
from penstock.core.errors import PlanError
from penstock.expr.ast import Call
from penstock.expr.infer import Typed
from penstock.sql.entries import Build, Entry, Given, counted, entry
from penstock.sql.terms import call, common_of, constant, spelled, widened


def _array(given: Given) -> Typed:
    shared = common_of([arg.dtype for arg in given.args], "the elements of ARRAY")
    return call("sql.array", [widened(arg, shared) for arg in given.args])


def _map(given: Given) -> Typed:
    if len(given) % 2:
        raise PlanError(f"MAP takes keys and values in turn, found {len(given)} arguments")
    keys = common_of([arg.dtype for arg in given.args[::2]], "the keys of MAP")
    values = common_of([arg.dtype for arg in given.args[1::2]], "the values of MAP")
    return call("sql.map", [widened(arg, (keys, values)[i % 2]) for i, arg in enumerate(given.args)])


def _row(given: Given) -> Typed:
    names = given.options.get("names") or tuple(f"EXPR${i}" for i in range(len(given)))
    return call("struct", given.args, names=tuple(names))


def _contains(given: Given) -> Typed:
    return call("sql.array_contains", given.args)


def _kinds(positive: bool, kind: str | None) -> Build:
    def build(given: Given) -> Typed:
        known = call("sql.json_kind", given.args)
        if kind is None:
            return call("is_not_null" if positive else "is_null", [known])
        return call("eq_missing" if positive else "ne_missing", [known, constant(kind, String)])

    return build


def _exists(given: Given) -> Typed:
    if given.options.get("on_error", "FALSE") not in ("FALSE", "UNKNOWN"):
        raise PlanError("JSON_EXISTS is offered with FALSE ON ERROR")
    return call("sql.json_exists", given.args[:1], path=given.constant(1, "the path"))


def _value(given: Given) -> Typed:
    options: dict[str, Any] = {}
    for place in ("empty", "error"):
        default = given.options.get(f"default_{place}")
        if default is not None:
            options[f"on_{place}"] = Given((default,), given.session).constant(0, "the default")
        elif given.options.get(f"on_{place}", "NULL") != "NULL":
            raise PlanError(f"JSON_VALUE is offered with NULL or DEFAULT ON {place.upper()}")
    found = call("sql.json_value", given.args[:1], path=given.constant(1, "the path"), **options)
    returning: DType = given.options.get("returning", String)
    return found if returning == String else call("sql.cast", [found], dtype=returning, attempt=True)


def _query(given: Given) -> Typed:
    options = {key: given.options[key] for key in ("wrapper", "on_empty", "on_error") if key in given.options}
    for key in ("on_empty", "on_error"):
        if options.get(key, "NULL") not in ("NULL", "EMPTY ARRAY", "EMPTY OBJECT"):
            raise PlanError(
                f"JSON_QUERY is offered with NULL, EMPTY ARRAY or EMPTY OBJECT {key.upper().replace('_', ' ')}"
            )
    return call("sql.json_query", given.args[:1], path=given.constant(1, "the path"), **options)


_JSON = ("sql.json_object", "sql.json_array", "sql.json_query", "sql.json")


def _raw(args: tuple[Typed, ...]) -> tuple[bool, ...]:
    """Which arguments are JSON already: those that JSON functions give."""
    return tuple(isinstance(arg.term, Call) and arg.term.function in _JSON[:2] + _JSON[3:] for arg in args)


def _object(given: Given) -> Typed:
    if not given.args:
        return constant("{}", String)
    names = tuple(str(given.constant(i, "a name")) for i in range(0, len(given), 2))
    values = given.args[1::2]
    absent = given.options.get("on_null", "NULL") == "ABSENT"
    return call("sql.json_object", values, names=names, absent=absent, raw=_raw(values))


def _json_array(given: Given) -> Typed:
    if not given.args:
        return constant("[]", String)
    absent = given.options.get("on_null", "ABSENT") == "ABSENT"
    return call("sql.json_array", given.args, absent=absent, raw=_raw(given.args))


def _type_of(given: Given) -> Typed:
    return constant(spelled(given[0].dtype), String)


def _element(given: Given) -> Typed:
    return call("sql.item", [given[0], constant(1, Int32)])


ENTRIES: tuple[Entry, ...] = (
    entry("ARRAY", "x x*", _array),
    entry("MAP", "x x x*", _map),
    entry("ROW", "x x*", _row, "names"),
    entry("ITEM", "a w", "sql.item"),
    entry("ITEM", "m x", lambda given: call("map.get", given.args)),
    entry("CARDINALITY", "a", counted("list.len")),
    entry("CARDINALITY", "m", counted("map.len")),
    entry("ELEMENT", "a", _element),
    entry("ARRAY_APPEND", "a x", "sql.array_append"),
    entry("ARRAY_PREPEND", "a x", "sql.array_prepend"),
    entry("ARRAY_CONCAT", "a a*", "sql.array_concat"),
    entry("ARRAY_CONTAINS", "a x", _contains),
    entry("ARRAY_DISTINCT", "a", "list.unique"),
    entry("ARRAY_POSITION", "a x", "sql.array_position"),
    entry("ARRAY_REMOVE", "a x", "sql.array_remove"),
    entry("ARRAY_REVERSE", "a", "list.reverse"),
    entry("ARRAY_SLICE", "a i i?", "sql.array_slice"),
    entry("ARRAY_SORT", "a b? b?", "sql.array_sort"),
    entry("ARRAY_UNION", "a a", "sql.array_union"),
    entry("ARRAY_EXCEPT", "a a", "sql.array_except"),
    entry("ARRAY_INTERSECT", "a a", "sql.array_intersect"),
    entry("ARRAY_MAX", "a", "sql.array_max"),
    entry("ARRAY_MIN", "a", "sql.array_min"),
    entry("ARRAY_JOIN", "a s s?", "sql.array_join"),
    entry("MAP_KEYS", "m", "map.keys"),
    entry("MAP_VALUES", "m", "map.values"),
    entry("MAP_ENTRIES", "m", "sql.map_entries"),
    entry("MAP_FROM_ARRAYS", "a a", "sql.map_from_arrays"),
    entry("MAP_UNION", "m m*", "sql.map_union"),
    Entry(("IS JSON",), "s", _kinds(positive=True, kind=None)),
    Entry(("IS NOT JSON",), "s", _kinds(positive=False, kind=None)),
    Entry(("IS JSON VALUE",), "s", _kinds(positive=True, kind=None)),
    Entry(("IS NOT JSON VALUE",), "s", _kinds(positive=False, kind=None)),
    *(
        Entry((f"IS {'' if positive else 'NOT '}JSON {kind}",), "s", _kinds(positive=positive, kind=kind))
        for kind in ("OBJECT", "ARRAY", "SCALAR")
        for positive in (True, False)
    ),
    entry("JSON_EXISTS", "s s", _exists, "on_error"),
    entry("JSON_VALUE", "s s", _value, "returning on_empty on_error default_empty default_error"),
    entry("JSON_QUERY", "s s", _query, "wrapper on_empty on_error"),
    entry("JSON_OBJECT", "x*", _object, "on_null"),
    entry("JSON_ARRAY", "x*", _json_array, "on_null"),
    entry("JSON_STRING", "x", "sql.json_string"),
    entry("JSON_QUOTE", "s", "sql.json_quote"),
    entry("JSON_UNQUOTE", "s", "sql.json_unquote"),
    entry("JSON", "s", "sql.json"),
    entry("TYPEOF", "x", _type_of),
)
