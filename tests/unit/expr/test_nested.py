"""Lists, structs, maps and JSON: by plain meaning and by Polars alike."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core import dtypes as t
from penstock.core.errors import PlanError, UnknownNameError
from penstock.expr import json_text
from penstock.expr.build import Expr, col, struct
from tests.unit.expr.both import FAULT, both, each, typed_of

NUMBERS = st.integers(-50, 50) | st.integers(-(2**63), 2**63 - 1)
# Multiples of a quarter add up exactly, in any order; -0.0 equals 0.0, and which of the two stays is not promised.
FLOATS = st.integers(-1000, 1000).map(lambda n: n / 4) | st.sampled_from([math.nan, math.inf])


def lists_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | st.lists(st.none() | values, max_size=6), min_size=1, max_size=8)


x = col("x").list
ANY_LIST = [
    x.len(), x.first(), x.last(), x.get(0), x.get(-2), x.get(9), x.reverse(), x.drop_nulls(), x.slice(1), x.slice(-2),
    x.slice(-9, 7), x.slice(2, 1), x.slice(7, 2), x.head(2), x.tail(2), x.tail(0), x.concat(col("x")), col("x")[1],
]  # fmt: skip
ORDERED = [
    x.min(), x.max(), x.sort(), x.sort(descending=True), x.sort(nulls_last=True), x.unique(), x.n_unique(),
    x.sort(descending=True, nulls_last=True),
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(lists_of(NUMBERS))
def test_lists_of_integers(rows: list[Any]) -> None:
    for expression in (*ANY_LIST, *ORDERED, x.sum(), x.contains(3), x.contains(x.first())):
        each(expression, rows, t.List(t.Int64))


@settings(max_examples=25, deadline=None)
@given(lists_of(FLOATS))
def test_lists_of_floats(rows: list[Any]) -> None:
    for expression in (*ORDERED, x.sum(), x.mean(), x.contains(math.nan), x.contains(1)):
        each(expression, rows, t.List(t.Float64))


@settings(max_examples=30, deadline=None)
@given(lists_of(st.text(max_size=3)))
def test_lists_of_strings(rows: list[Any]) -> None:
    for expression in (*ANY_LIST, *ORDERED, x.join("-"), x.contains("a")):
        each(expression, rows, t.List(t.String))


@pytest.mark.parametrize(
    ("inner", "values"),
    [
        (t.UInt8, [200, 100, None, 1]),
        (t.UInt64, [2**63 - 2, 1]),
        (t.Boolean, [True, None, False]),
        (t.Decimal(10, 2), [D("1.10"), D("2.20"), None]),
        (t.Float32, [1.5, 2.25]),
    ],
)
def test_sums_and_means_of_other_numbers(inner: t.DType, values: list[Any]) -> None:
    for expression in (x.sum(), x.mean(), x.min(), x.max(), x.sort()):
        each(expression, [values, [], [None], None], t.List(inner))


def test_a_sum_of_durations_is_a_duration() -> None:
    assert each(x.sum(), [[dt.timedelta(1), dt.timedelta(2)]], t.List(t.Duration("us"))) == [dt.timedelta(3)]


def test_a_sum_that_does_not_fit_is_refused() -> None:
    assert each(x.sum(), [[2**63 - 1, 1, -1], [2**63 - 1, 1], [-(2**63), -1]], t.List(t.Int64)) == [
        2**63 - 1,
        FAULT,
        FAULT,
    ]


def test_elements_of_lists_of_lists_and_structs() -> None:
    nested = t.List(t.List(t.Int64))
    assert each(x.first()[0], [[[1, 2], []], [[]], []], nested) == [1, None, None]
    structs = t.List(t.Struct({"a": t.Int64}))
    assert each(col("x")[-1]["a"], [[{"a": 1}, {"a": 2}], [None], None], structs) == [2, None, None]
    each(x.reverse(), [[{"a": 1}, {"a": 2}], [None], None], structs)


def test_indices_may_be_columns() -> None:
    rows = [{"x": [1, 2, 3], "i": i} for i in (-4, -3, -1, 0, 2, 3, None)]
    assert both(x.get(col("i")), rows, x=t.List(t.Int64), i=t.Int8) == [None, 1, 3, 1, 3, None, None]


# -- Structs and maps -------------------------------------------------------------------------------

PERSON = t.Struct({"name": t.String, "age": t.Int64})


def test_structs_are_built_and_taken_apart() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": None, "b": None}]
    made = struct(number=col("a"), text=col("b"))
    assert both(made, rows, a=t.Int64, b=t.String) == [{"number": 1, "text": "x"}, {"number": None, "text": None}]
    assert both(made.struct.field("text"), rows, a=t.Int64, b=t.String) == ["x", None]
    assert not typed_of(made, a=t.Int64, b=t.String).nullable
    assert typed_of(struct("a", col("b").alias("c")), a=t.Int64, b=t.String).dtype == t.Struct(
        {"a": t.Int64, "c": t.String}
    )
    with pytest.raises(PlanError, match="one name"):
        typed_of(struct("a", a=col("b")), a=t.Int64, b=t.String)
    with pytest.raises(PlanError, match="no name"):
        struct(1)


def test_fields_of_structs() -> None:
    values = [{"name": "Ada", "age": 36}, {"name": None, "age": 1}, None]
    assert each(col("x").struct.field("name"), values, PERSON) == ["Ada", None, None]
    assert each(col("x")["age"], values, PERSON) == [36, 1, None]


PRICES = t.Map(t.String, t.Float64)


def test_maps() -> None:
    values = [{"pear": 3.0, "fig": None}, {}, None]
    m = col("x").map
    assert each(m.get("pear"), values, PRICES) == [3.0, None, None]
    assert each(col("x")["fig"], values, PRICES) == [None, None, None]
    assert each(m.contains_key("fig"), values, PRICES) == [True, False, None]
    assert each(m.keys(), values, PRICES) == [["pear", "fig"], [], None]
    assert each(m.values(), values, PRICES) == [[3.0, None], [], None]
    assert each(m.len(), values, PRICES) == [2, 0, None]


def test_keys_of_maps_may_be_columns_and_numbers() -> None:
    rows = [{"x": {1: "a", 2: "b"}, "k": k} for k in (1, 3, None)]
    types = {"x": t.Map(t.Int64, t.String), "k": t.Int8}
    assert both(col("x").map.get(col("k")), rows, **types) == ["a", None, None]
    assert both(col("x").map.contains_key(col("k")), rows, **types) == [True, False, None]
    assert both(col("x")[2], rows, **types) == ["b"] * 3


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        (col("x")["a"], t.List(t.Int64)), (col("x")[0], PERSON), (col("x")[True], t.List(t.Int64)),
        (col("x")[0], t.Int64), (col("x")[1], PRICES), (col("x").map.get(1), PRICES),
        (col("x").struct.field("a"), t.Int64),
        (x.sum(), t.List(t.String)), (x.sort(), t.List(PERSON)), (x.contains("a"), t.List(t.Int64)),
        (x.join(","), t.List(t.Int64)), (x.slice(0, -1), t.List(t.Int64)), (x.concat(col("y")), t.List(t.Int64)),
        (col("x")[-1], t.Json), (col("x")["a\\b"], t.Json), (col("x").json.get("$.*"), t.Json),
        (col("x").json.get("a"), t.Json), (col("x").json.get("$.a["), t.Json), (col("x").json.get("$[-1]"), t.Json),
        (col("x").to_json(), t.Binary), (col("x").to_json(), t.Struct({})),
        (struct(a=col("x"), b=col("x"))["c"], t.Int64),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_mean_anything_is_refused_when_the_plan_is_built(expression: Expr, dtype: t.DType) -> None:
    with pytest.raises(PlanError):
        typed_of(expression, x=dtype, y=t.List(t.String))


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match='did you mean "name"'):
        typed_of(col("x")["nam"], x=PERSON)


# -- JSON -------------------------------------------------------------------------------------------

# Numbers of more digits, or far exponents, Polars may read with another last digit.
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=4)
    | st.integers(-(10**9), 10**9).map(lambda n: n / 1000) | st.sampled_from(["[1]", "{}", "null", "12", 1e16, -0.0])
)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "", "x y", "é", "it's", 'say"', "0", "a.b", "$"])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
PATHS = (
    "$", "$.a", "$.a.b", "$[0]", "$.a[1]", "$['x y']", '$["it\'s"]', "$['say\"']", "$.é", "$['']", "$['a.b'].a",
)  # fmt: skip


def texts_of(value: Any, indent: int | None, ascii_only: bool) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=ascii_only)


DOCUMENTS = st.builds(texts_of, VALUES, st.sampled_from([None, 1]), st.booleans())
ODD = [
    "", " ", "{", "nul", "null", " null\n", "NaN", "-Infinity", "1e999", "-0", "01", "1.", ".5", "[1,]", '{"a":1,}',
    "1 2", "\ufeff1", '"\\ud800"', '"\\ud83d\\ude00"', '"\\x"', '"a\tb"', '{"a":1,"a":2}', "[" * 127 + "]" * 127,
    "[" * 128 + "]" * 128, "18446744073709551616", "-9223372036854775809", "1E5", '{"a":"{\\"b\\":1}"}', "\u00a01",
    "'a'", '["\\u0000\\u001f\x7f\u2028/\\/"]', "1" * 30, '{"a":' + "[" * 126 + "]" * 126 + "}",
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | DOCUMENTS | DOCUMENTS.map(lambda text: text[1:]), min_size=1, max_size=6))
@example(ODD)
def test_json_by_path(rows: list[Any]) -> None:
    j = col("x").json
    each(j.is_valid(), rows, t.String)
    for path in PATHS:
        for expression in (j.path_match(path), j.value(path), j.array_length(path), j.keys(path)):
            each(expression, rows, t.String)


@settings(max_examples=40, deadline=None)
@given(st.lists(DOCUMENTS, min_size=1, max_size=6))
def test_elements_of_json_are_json(rows: list[Any]) -> None:
    found = each(col("x")["a"]["b"], rows, t.Json)
    assert typed_of(col("x")["a"]["b"], x=t.Json).dtype == t.Json
    for row, text in zip(rows, found, strict=True):
        value = json.loads(row)
        for name in ("a", "b"):
            value = value.get(name) if isinstance(value, dict) else None
            value = json.loads(value) if isinstance(value, str) and name == "a" and value[:1] == "{" else value
        assert text == (value if isinstance(value, str) or value is None else json_text.write(value)) or "-0.0" in row
    each(col("x")[0]["it's"], rows, t.Json)


def test_elements_of_json_compare_and_convert() -> None:
    rows = ['{"user": {"id": 7, "name": "bob"}}', "{}", None]
    assert each(col("x")["user"]["id"].cast(t.Int64), rows, t.Json) == [7, None, None]
    assert each(col("x")["user"]["name"] == "bob", rows, t.Json) == [True, None, None]


VALUES_OF = t.Struct({"a": t.Int64, "f": t.Float64, "s": t.String, "l": t.List(t.Boolean), "d": t.Date})


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.none() | st.fixed_dictionaries({
            "a": st.none() | st.integers(-(2**63), 2**63 - 1), "f": st.none() | st.floats(), "s": st.none() | st.text(),
            "l": st.none() | st.lists(st.none() | st.booleans()), "d": st.none() | st.dates(),
        }),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_to_json(rows: list[Any]) -> None:
    texts = each(col("x").to_json(), rows, VALUES_OF)
    for row, text in zip(rows, texts, strict=True):
        assert text is None or json_text.is_valid(text)
        assert text is None or json.loads(text)["a"] == row["a"]
    for name, dtype in VALUES_OF.fields:
        each(col("x").to_json(), [row and row[name] for row in rows], dtype)


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        (t.Decimal(10, 2), D("1.50"), '"1.50"'),
        (t.Datetime("us"), dt.datetime(2024, 1, 2, 3), '"2024-01-02 03:00:00.000000"'),
        (t.Datetime("ms", "UTC"), dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC), '"2024-01-02 03:00:00.000+00:00"'),
        (t.List(t.Struct({"a": t.Float32})), [{"a": 1.5}, None], '[{"a":1.5},null]'),
        (t.Float32, 0.10000000149011612, "0.1"),
        (t.Time, dt.time(1, 2), '"01:02:00.000000"'),
        (t.List(t.Duration("us")), [dt.timedelta(1)], '["P1D"]'),
        (t.UInt64, 2**64 - 1, "18446744073709551615"),
    ],
)
def test_to_json_of_other_types(dtype: t.DType, value: Any, text: str) -> None:
    assert each(col("x").to_json(), [value, None], dtype) == [text, None]
