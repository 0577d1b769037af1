"""Files as a source: what a path means, bad rows where they are, reading on at any position."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.connectors.files import FileSink, FileSource
from penstock.connectors.formats import FORMATS
from penstock.core import dtypes as d
from penstock.core import failpoint
from penstock.core.errors import PlanError, SourceError, StartError, UnknownNameError, UnsupportedError
from penstock.core.schema import Schema
from penstock.core.spec import configure
from penstock.testing.conform import check_source, sealed
from tests.unit.connectors.samples import polls, rows_of, wanted, write_request

FRAME = pl.DataFrame({"k": list("abcde"), "n": range(5)})
SCHEMA = Schema.of(dict(FRAME.schema))
formats = pytest.mark.parametrize("format", FORMATS)


def texts(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(path.name.replace("_csv", ".csv").replace("_json", ".json"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def values(source, request=None, position=None, size=1000):
    rows, bad = rows_of(source, request or wanted(source.schema()), position, size)
    assert bad == []
    return [row for _, row in rows]


def out(folder, *epochs, format="json", mode="error", first=0):
    writer = FileSink(folder, format=format, mode=mode).writer(write_request(SCHEMA))
    for epoch, frame in enumerate(epochs, first):
        writer.write(frame, None)
        writer.commit([sealed(writer, epoch)])
    writer.close()
    return writer


@formats
def test_it_keeps_the_contract_of_sources(tmp_path, format):
    out(tmp_path / "x", FRAME[:2], FRAME[2:], format=format)
    check_source(FileSource(tmp_path / "x"), expected=FRAME.to_dicts())
    check_source(FileSource(tmp_path / "x", split_files=True), expected=FRAME.to_dicts())
    check_source(FileSource(tmp_path / "x" / "part-00000000-*"), expected=FRAME[:2].to_dicts())


def test_a_directory_is_read_in_order_of_names_with_all_below_it(tmp_path):
    texts(tmp_path, b_csv="n\n2\n", a_csv="n\n1\n", sub__c_csv="n\n3\n", _hidden_csv="n\n9\n")
    texts(tmp_path / ".staged", x_csv="n\n9\n")
    (tmp_path / "README.md").write_text("not data")
    assert values(FileSource(tmp_path)) == [(1,), (2,), (3,)]
    assert FileSource(tmp_path).default_name() == tmp_path.name


def test_the_order_may_be_that_of_time(tmp_path):
    texts(tmp_path, a_csv="n\n1\n", b_csv="n\n2\n", c_csv="n\n3\n")
    for name, moment in (("a.csv", 30), ("b.csv", 10), ("c.csv", 10)):
        os.utime(tmp_path / name, (moment, moment))
    assert values(FileSource(tmp_path, order="time")) == [(2,), (3,), (1,)]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", [1, 2]), ("[ab].csv", [1, 2]), ("[!a].csv", [2]), ("?.csv", [1, 2]), ("**/*.csv", [1, 2, 3, 4]),
        ("s*/*.csv", [3]), ("sub/**", [3, 4]), ("sub/deep/d.csv", [4]), ("**/d.csv", [4]),
    ],
)  # fmt: skip
def test_a_pattern_chooses_files(tmp_path, pattern, found):
    texts(tmp_path, a_csv="n\n1\n", b_csv="n\n2\n", sub__c_csv="n\n3\n", sub__deep__d_csv="n\n4\n")
    assert values(FileSource(tmp_path / pattern)) == [(n,) for n in found]


def test_a_name_with_signs_of_a_pattern_is_a_name_if_it_is_there(tmp_path):
    texts(tmp_path, **{"a[1]_csv": "n\n1\n", "a1_csv": "n\n2\n"})
    assert values(FileSource(tmp_path / "a[1].csv")) == [(1,)]


def test_offsets_go_on_from_file_to_file_and_bad_rows_have_theirs(tmp_path):
    texts(tmp_path, a_csv="n\n1\nx\n", b_csv="n\n", c_csv="n\ny\n2\n")
    rows, bad = rows_of(FileSource(tmp_path), wanted({"n": d.Int64}), rows=1)
    assert rows == [(0, (1,)), (3, (2,))]
    assert [(row.offset, Path(row.reason.split(":")[0]).name) for row in bad] == [(1, "a.csv"), (2, "c.csv")]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["1", "22", "x", ""]), max_size=4), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_reading_goes_on_at_every_position(tmp_path_factory, contents, size, other_size):
    folder = tmp_path_factory.mktemp("x")
    for place, rows in enumerate(contents):
        (folder / f"{place}.csv").write_text("n,m\n" + "".join(f"{row},\n" for row in rows))
    source, request = FileSource(folder), wanted({"n": d.Int64})
    whole_rows, whole_bad = rows_of(source, request)
    reader = source.reader(source.splits()[0], None, request)
    seen, seen_bad = 0, 0
    for polled in polls(reader, size):
        seen, seen_bad = seen + polled.frame.height, seen_bad + len(polled.bad)
        rest, rest_bad = rows_of(source, request, json.loads(json.dumps(polled.position)), other_size)
        assert rest == whole_rows[seen:]
        assert rest_bad == whole_bad[seen_bad:]
    assert (seen, seen_bad) == (len(whole_rows), len(whole_bad))


def test_files_that_change_under_a_position_are_an_error(tmp_path):
    texts(tmp_path, b_csv="n\n1\n2\n", c_csv="n\n3\n")
    source = FileSource(tmp_path)
    reader = source.reader(source.splits()[0], None, wanted({"n": d.Int64}))
    position = reader.poll(1).position
    reader.close()
    texts(tmp_path, a_csv="n\n0\n")
    with pytest.raises(SourceError, match=r'0 files came before "b.csv" when it was read, now there are 1'):
        values(source, position=position)
    (tmp_path / "b.csv").unlink()
    with pytest.raises(SourceError, match=r'the file "b.csv", where reading must go on, is not there'):
        values(source, position=position)


def test_a_watched_directory_gives_files_that_come_later_whatever_their_names(tmp_path):
    texts(tmp_path, m_csv="n\n1\n")
    source = FileSource(tmp_path, watch="2 s")
    request = wanted({"n": d.Int64})
    reader = source.reader(source.splits()[0], None, request)
    assert (source.bounded, reader.retry_after_us) == (False, 2_000_000)
    first = polls(reader, 10)
    assert not reader.ended
    texts(tmp_path, z_csv="n\n3\n", a_csv="n\n2\n")
    second = polls(reader, 10)
    assert [polled.frame["n"].to_list() for polled in (*first, *second)] == [[1], [2], [3]]
    assert [polled.offsets for polled in second] == [((1, 1),), ((2, 1),)]
    texts(tmp_path, b_csv="n\n4\n")
    again = source.reader(source.splits()[0], json.loads(json.dumps(second[0].position)), request)
    assert [polled.frame["n"].to_list() for polled in polls(again, 10)] == [[4], [3]]


def test_a_watched_directory_may_be_empty_at_first_and_forgets_files_that_are_gone(tmp_path):
    source = FileSource(tmp_path, format="csv", watch="1 s")
    reader = source.reader(source.splits()[0], None, wanted({"n": d.Int64}))
    assert reader.poll(10) is None
    for place in range(3):
        texts(tmp_path, **{f"{place}_csv": f"n\n{place}\n"})
        polled = reader.poll(10)
        assert polled.frame["n"].to_list() == [place]
        assert len(polled.position["done"]) <= 1
        (tmp_path / f"{place}.csv").unlink()
        assert reader.poll(10) is None


def test_what_is_not_there_is_said_when_the_plan_is_built_and_at_the_start(tmp_path):
    texts(tmp_path, flights_csv="n\n1\n")
    source = FileSource(tmp_path / "flight.csv")
    for error, action in ((PlanError, source.schema), (StartError, source.splits)):
        with pytest.raises(error, match=r'no file or directory ".*flight.csv"; did you mean "flights.csv"'):
            action()
    with pytest.raises(StartError, match=r'no directory ".*gone"'):
        FileSource(tmp_path / "gone" / "*.csv").splits()
    with pytest.raises(StartError, match="there are no files to read"):
        FileSource(tmp_path / "*.json").splits()
    with pytest.raises(PlanError, match=r"no files in .* to take the columns from"):
        FileSource(tmp_path / "*.json", format="json").schema()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to the superuser")
def test_what_may_not_be_read_is_said_at_the_start(tmp_path):
    texts(tmp_path, a_csv="n\n1\n")
    (tmp_path / "a.csv").chmod(0)
    with pytest.raises(StartError, match="permission denied"):
        FileSource(tmp_path / "a.csv").splits()
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(StartError, match="Permission denied"):
        FileSource(tmp_path / "closed").splits()


def test_a_directory_that_cannot_be_listed_is_said_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setitem(failpoint.ACTIONS, "files.entries", failpoint.KINDS["eio"])
    with pytest.raises(StartError, match=r"cannot read .*: Input/output error"):
        FileSource(tmp_path).splits()


@pytest.mark.parametrize("step", ["files.open_read", "files.read"])
def test_a_file_that_cannot_be_read_is_an_error_with_its_name(tmp_path, monkeypatch, step):
    texts(tmp_path, a_csv="n\n1\n")
    monkeypatch.setitem(failpoint.ACTIONS, step, failpoint.KINDS["eio"])
    with pytest.raises(SourceError, match=r'cannot read ".*a.csv": Input/output error'):
        values(FileSource(tmp_path / "a.csv"), wanted({"n": d.Int64}))


def test_the_format_must_be_clear(tmp_path):
    texts(tmp_path, a_csv="n\n1\n", b_json='{"n": 1}\n')
    with pytest.raises(PlanError, match=r"files of several formats: .*a.csv.* and .*b.json"):
        FileSource(tmp_path).schema()
    (tmp_path / "data.txt").write_text("n\n7\n")
    with pytest.raises(PlanError, match=r"data.txt.* does not say its format"):
        FileSource(tmp_path / "data.txt").schema()
    assert values(FileSource(tmp_path / "data.txt", format="csv")) == [(7,)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(PlanError, match="there are no files in"):
        FileSource(tmp_path / "empty").schema()


def test_files_whose_endings_say_their_delimiter_are_told_how_they_are_read(tmp_path):
    (tmp_path / "data.tsv").write_text("n\tm\n7\t8\n")
    with pytest.raises(PlanError, match="does not say its format") as refused:
        FileSource(tmp_path / "data.tsv").schema()
    assert refused.value.hint == r'format="csv", delimiter="\t"'
    assert values(FileSource(tmp_path / "data.tsv", format="csv", delimiter="\t")) == [(7, 8)]


def test_options_reach_the_format(tmp_path):
    texts(tmp_path, a_csv="1;NA\n2;'x;y'\n")
    source = FileSource(tmp_path / "a.csv", delimiter=";", header=False, null="NA", quote="'")
    assert values(source) == [(1, None), (2, "x;y")]
    parsed = configure(FileSource, {"path": "x.csv", "header": "false", "format": "csv", "watch": "1 s"})
    assert parsed == FileSource("x.csv", header=False, format="csv", watch="1 s")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"format": "cvs"}, UnknownNameError, 'no format "cvs"; did you mean "csv"'),
        ({"format": "parquet", "delimiter": ";"}, UnknownNameError, 'no parquet option "delimiter"'),
        ({"order": "size"}, UnknownNameError, 'no order "size"'),
        ({"watch": "0 s"}, PlanError, "how often to look"),
        ({"watch": "1 s", "split_files": True}, UnsupportedError, "splits of their own"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(options, error, message):
    with pytest.raises(error, match=message):
        FileSource("x", **options)
