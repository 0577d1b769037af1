"""JSON lines: round trips, bad rows where they are, the grammar against Python's, cuts anywhere."""

from __future__ import annotations

import json
import math

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from penstock.connectors.base import ReadRequest
from penstock.connectors.formats import _blocks
from penstock.connectors.formats.json import JsonFormat
from penstock.core import dtypes as d
from penstock.core.errors import PlanError, SinkError, SourceError
from penstock.core.schema import Field, Schema
from penstock.testing.conform import check_format
from tests.unit.connectors.samples import EVERY_TYPE, numbers, read, refused, schema_of, wanted, written

JSON = JsonFormat()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def lines(tmp_path, text, name="x.json"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def one(tmp_path, dtype, *values, **more):
    """What is read of JSON values of one field: the values, and the reasons of bad rows."""
    path = lines(tmp_path, "".join(f'{{"a": {value}}}\n' for value in values))
    chunk = read(JSON, path, wanted({"a": dtype}, **more))
    return chunk.frame["a"].to_list(), refused(chunk)


def test_every_type_comes_back(tmp_path):
    path = written(JSON, tmp_path / "x.json", EVERY_TYPE)
    assert_frame_equal(read(JSON, path, wanted(schema_of(EVERY_TYPE))).frame, EVERY_TYPE)


def test_every_line_that_is_written_is_json_for_others_too(tmp_path):
    path = written(JSON, tmp_path / "x.json", EVERY_TYPE)
    first, second, _ = [json.loads(line) for line in path.read_text().splitlines()]
    assert first["text"] == EVERY_TYPE["text"][0]
    assert first["instant"] == "2020-01-01T01:02:03.000004Z"
    assert first["zoned"] == "2020-01-01T01:02:03-05:00"
    assert (first["infinite"], second["float"]) == ("Infinity", "NaN")
    assert first["map"] == {"a": 1, "b": None}
    assert set(second) == set(EVERY_TYPE.columns)


def test_it_keeps_the_contract_of_formats(tmp_path):
    check_format(JSON, tmp_path, EVERY_TYPE)


def test_documents_are_kept_as_they_stand(tmp_path):
    documents = ['{"x": [1, {}]}', None, '"a"', "1.50", "true"]
    schema = Schema.of({"j": d.Json})
    path = written(JSON, tmp_path / "x.json", pl.DataFrame({"j": documents}), schema)
    assert read(JSON, path, wanted(schema)).frame["j"].to_list() == documents
    spread = written(JSON, tmp_path / "y.json", pl.DataFrame({"j": ["[1,\n2]"]}), schema)
    assert read(JSON, spread, wanted(schema)).frame["j"].to_list() == ["[1, 2]"]
    with pytest.raises(SinkError, match='column "j" holds a text that is no JSON'):
        written(JSON, tmp_path / "z.json", pl.DataFrame({"j": ["{"]}), schema)


def test_missing_fields_are_null_and_unknown_ones_passed_over(tmp_path):
    path = lines(tmp_path, '{"b": "x"}\n{"z": {"deep": [1, "}"]}, "a": 1}\n{}\n')
    request = wanted({"a": d.Int64, "b": d.String})
    assert read(JSON, path, request).frame.rows() == [(None, "x"), (1, None), (None, None)]
    chunk = read(JSON, path, wanted({"a": d.Int64, "b": d.String}, extra="forbid"))
    assert refused(chunk) == [(1, '2: the field "z" is not declared')]


def test_undeclared_fields_are_found_when_few_columns_are_wanted(tmp_path):
    request = ReadRequest(Schema.of({"a": d.Int64, "b": d.String}), ("b",), "forbid")
    chunk = read(JSON, lines(tmp_path, '{"a": 1, "b": "x"}\n{"c": 1}\n'), request)
    assert chunk.frame.rows() == [("x",)]
    assert [row.offset for row in chunk.bad] == [1]


def test_blank_lines_mark_and_carriage_returns_are_no_rows(tmp_path):
    path = lines(tmp_path, b'\xef\xbb\xbf{"a": 1}\r\n\r\n \t\n{"a": 2}')
    chunk = read(JSON, path, wanted({"a": d.Int64}))
    assert chunk.frame.rows() == [(1,), (2,)]
    assert numbers(chunk.rows) == [0, 1]


def test_bad_rows_say_line_and_reason_and_keep_their_text(tmp_path):
    text = '{"a": 1}\n{"a": "x"}\n\n{"a": 2\n[1]\nnull\n{"a": 3} {"a": 4}\n{"a": 5, "a": 6}\n{"a": NaN}\n{"a": 7}\n'
    chunk = read(JSON, lines(tmp_path, text), wanted({"a": d.Int64}))
    assert chunk.frame.rows() == [(1,), (7,)]
    assert numbers(chunk.rows) == [0, 8]
    assert refused(chunk) == [
        (1, '2: column "a": "x" is not an Int64'),
        (2, "4: malformed JSON at character 8: it ends too early"),
        (3, "5: malformed JSON at character 1: not an object"),
        (4, "6: malformed JSON at character 1: not an object"),
        (5, "7: malformed JSON at character 10: more text behind the value"),
        (6, '8: the field "a" is there twice'),
        (7, "9: malformed JSON at character 7: unexpected character"),
    ]
    assert chunk.bad[1].raw == '{"a": 2'


def test_what_is_no_utf8_is_a_bad_row(tmp_path):
    chunk = read(JSON, lines(tmp_path, b'{"a": "\xff"}\n{"a": "\xc3\xa9"}\n'), wanted({"a": d.String}))
    assert chunk.frame.rows() == [("é",)]
    assert refused(chunk) == [(0, "1: not UTF-8")]
    assert chunk.bad[0].raw == '{"a": "\\xff"}'


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (d.Int64, ["1.0", "1e2", '"1"', "true", "9223372036854775808", "-9223372036854775809", "[]"]),
        (d.UInt64, ["-1", "18446744073709551616", "1.5"]),
        (d.Int8, ["128", "-129"]),
        (d.Float64, ['"1"', "1e400", "-1e400", '"inf"', "true"]),
        (d.Boolean, ["1", '"true"', "0"]),
        (d.String, ["1", "true", "{}", '"\\ud800"', '"\\x"', '"\t"']),
        (d.Decimal(4, 1), ["1.25", "12345", '"x"', "true"]),
        (d.Date, ['"2020-02-30"', '"20200101"', "5"]),
        (d.Datetime("us", "UTC"), ['"2020"', '"2020-01-01T00:00:60Z"', '"2020-01-01T00:00:00Z "', "0"]),
        (d.Datetime("us"), ['"2020-01-01T00:00:00Z"']),
        (d.List(d.Int64), ["{}", "1", '["a"]', "[1.5]", "[[1]]"]),
        (d.Struct({"x": d.Int64}), ["[]", '{"x": "a"}', '{"x": 1, "x": 2}']),
        (d.Map(d.String, d.Int64), ["[]", '{"x": "a"}', '{"x": 1, "x": 2}']),
        (d.Map(d.Int64, d.Int64), ['{"x": 1}']),
        (d.Binary, ['"!"', "1"]),
    ],
)
def test_what_is_no_value_of_the_type_is_refused(tmp_path, dtype, values):
    found, bad = one(tmp_path, dtype, *values)
    assert found == []
    assert len(bad) == len(values)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (d.Int64, ["-9223372036854775808", "-0", "null"], [-(2**63), 0, None]),
        (d.UInt64, ["18446744073709551615"], [2**64 - 1]),
        (d.Float64, ["1", "-0.0", "1e5", '"NaN"', '"-Infinity"'], [1.0, -0.0, 1e5, math.nan, -math.inf]),
        (d.String, ['"\\u00e9\\n\\"\\/"', '"\\ud83d\\ude00"', '""'], ['é\n"/', "😀", ""]),
        (d.List(d.List(d.Int64)), ["[[1,null],[],null]", "[ ]", "null"], [[[1, None], [], None], [], None]),
        (d.Struct({"x": d.Int64, "y": d.Struct({"z": d.Date})}), ['{"y": {}}'], [{"x": None, "y": {"z": None}}]),
        (d.Map(d.Int64, d.List(d.Boolean)), ['{"1": [true, false], "2": null}'], [{1: [True, False], 2: None}]),
    ],
)  # fmt: skip
def test_values_are_read_exactly(tmp_path, dtype, values, expected):
    found, bad = one(tmp_path, dtype, *values)
    assert bad == []
    assert repr(found) == repr(expected)


def test_keys_may_have_escapes(tmp_path):
    path = lines(tmp_path, '{"\\u0061": 1, "b\\\\\\n": 2}\n')
    assert read(JSON, path, wanted({"a": d.Int64, "b\\\n": d.Int64})).frame.rows() == [(1, 2)]


def test_nesting_has_a_limit(tmp_path):
    deep = lines(tmp_path, '{"a": ' + "[" * 511 + "]" * 511 + "}\n" + '{"a": ' + "[" * 512 + "]" * 512 + "}\n")
    chunk = read(JSON, deep, wanted({"a": d.Json}))
    assert chunk.frame.height == 1
    assert "nested more than 512 deep" in chunk.bad[0].reason


def test_a_null_where_there_must_be_none_is_a_bad_row(tmp_path):
    schema = Schema((Field("a", d.Int64, nullable=False),))
    chunk = read(JSON, lines(tmp_path, '{"a": 1}\n{"a": null}\n{}\n'), wanted(schema))
    assert [row.offset for row in chunk.bad] == [1, 2]


def test_a_line_that_is_too_long_is_one_bad_row(tmp_path, monkeypatch):
    monkeypatch.setattr("penstock.connectors.formats.json.LONGEST_RECORD", 100)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 64)
    text = f'{{"a": "x"}}\n{{"a": "{"y" * 1000}"}}\n{{"a": "z"}}\n{{"a": "{"q" * 1000}"}}'
    chunk = read(JSON, lines(tmp_path, text), wanted({"a": d.String}))
    assert chunk.frame.rows() == [("x",), ("z",)]
    assert refused(chunk) == [(1, "2: longer than 100 bytes"), (3, "4: longer than 100 bytes")]
    assert all(len(row.raw) <= 101 for row in chunk.bad)


def test_types_are_inferred_as_the_reader_reads_them(tmp_path):
    rows = [
        {"n": 1, "x": 1, "t": "a", "at": "2020-01-01T00:00:00Z", "l": [1], "s": {"p": 1}, "mixed": 1, "special": "NaN"},
        {"n": None, "x": 1.5, "t": None, "at": None, "l": [None, 2], "s": {"q": "r"}, "mixed": "a", "special": 1.5},
        {"nothing": None, "day": "2020-01-01", "empty": []},
    ]
    path = lines(tmp_path, "".join(json.dumps(row) + "\n" for row in rows) + "no json\n")
    assert {field.name: field.dtype for field in JSON.infer(path)} == {
        "n": d.Int64, "x": d.Float64, "t": d.String, "at": d.Datetime("us", "UTC"), "l": d.List(d.Int64),
        "s": d.Struct({"p": d.Int64, "q": d.String}), "mixed": d.Json, "special": d.Float64, "nothing": d.Json,
        "day": d.Date, "empty": d.List(d.Json),
    }  # fmt: skip
    with pytest.raises(PlanError, match="holds no JSON objects"):
        JSON.infer(lines(tmp_path, "[1]\n"))


texts = st.text(st.characters(codec="utf-8"), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def refuse(word):
    raise ValueError(word)


def is_json_object(text):
    try:
        return isinstance(json.loads(text, parse_constant=refuse), dict)
    except (ValueError, RecursionError):
        return False


@settings(max_examples=200, deadline=None)
@given(
    value=values,
    ascii_only=st.booleans(),
    cut=st.integers(0, 40),
    length=st.integers(0, 2),
    put=st.text('{}[]:,"\\0123456789.eE+-tfnu \t', max_size=2),
)
@example(value=0, ascii_only=True, cut=5, length=0, put="")
def test_the_grammar_is_that_of_json(folder, value, ascii_only, cut, length, put):
    text = json.dumps({"a": value}, ensure_ascii=ascii_only)
    text = text[:cut] + put + text[cut + length :]
    path = lines(folder, text + "\n")
    chunk = read(JSON, path, wanted({"zz": d.Json}))
    if "\\ud" in text.lower():
        return  # Python takes half of a surrogate pair
    assert chunk.frame.height + len(chunk.bad) == (0 if not text.strip() else 1)
    if text.strip():
        assert (chunk.frame.height == 1) == is_json_object(text), text


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"a": st.text(st.characters(codec="utf-8"), max_size=5), "b": values}), max_size=5
    ),
    block=st.integers(1, 40),
    size=st.integers(1, 4),
    first=st.integers(0, 5),
)
def test_what_another_program_writes_is_read_whatever_the_cuts(folder, rows, block, size, first):
    path = lines(folder, "\n".join(json.dumps(row) for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "BLOCK_BYTES", block)
        chunk = read(JSON, path, wanted({"a": d.String, "b": d.Json}), first, size)
    assert chunk.bad == ()
    found = [{"a": a, "b": None if b is None else json.loads(b)} for a, b in chunk.frame.rows()]
    assert found == rows[first:]
    assert numbers(chunk.rows) == list(range(first, len(rows)))


@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(
        st.binary(max_size=12) | st.sampled_from([b'{"a": 1}', b'{"a": "x"}', b'{"a": [1,', b"{}"]), max_size=6
    ),
    block=st.integers(1, 30),
)
def test_any_bytes_are_rows_or_bad_rows_and_cuts_do_not_show(folder, data, block):
    path = lines(folder, b" " + b"\n".join(data))
    whole = read(JSON, path, wanted({"a": d.Int64}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "BLOCK_BYTES", block)
        cut = read(JSON, path, wanted({"a": d.Int64}), rows=1)
    assert cut.frame.rows() == whole.frame.rows()
    assert cut.bad == whole.bad
    assert sorted([*numbers(whole.rows), *(row.offset for row in whole.bad)]) == list(range(whole.next_row))


@pytest.mark.parametrize(
    "text",
    ['[{"a": 1}, {"a": 2}]', '[\n  {"a": 1},\n  {"a": 2}\n]\n', '[{"a": 1},\n{"a": 2}]\n', ' [{\n "a": 1\n}]'],
)
def test_an_array_of_objects_is_an_error_with_a_way_out(tmp_path, text):
    path = lines(tmp_path, text)
    with pytest.raises(SourceError, match="is one JSON array, not JSON lines") as refused_:
        JSON.infer(path)
    assert "jq -c" in refused_.value.hint
    with pytest.raises(SourceError, match="is one JSON array"):
        read(JSON, path, wanted({"a": d.Int64}))


@pytest.mark.parametrize("first", ["[", '[{"a": 1}', "[1, 2]", "[]"])
def test_a_first_line_that_is_damaged_is_a_bad_row(tmp_path, first):
    chunk = read(JSON, lines(tmp_path, f'{first}\n"x"\n{{"a": 2}}\n'), wanted({"a": d.Int64}))
    assert chunk.frame["a"].to_list() == [2]
    assert len(refused(chunk)) == 2


def test_large_whole_numbers_keep_their_digits(tmp_path):
    rows = [{"a": 2**64 - 1, "b": 10**37 + 1}, {"a": 1, "b": -1}]
    path = lines(tmp_path, "".join(f"{json.dumps(row)}\n" for row in rows))
    schema = JSON.infer(path)
    assert [field.dtype for field in schema] == [d.UInt64, d.Decimal(38, 0)]
    assert read(JSON, path, wanted({f.name: f.dtype for f in schema})).frame.to_dicts() == rows
