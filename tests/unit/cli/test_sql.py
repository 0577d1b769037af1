"""`penstock sql`: statements from a text, a file, a pipe, and a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from penstock.cli.failure import Guard
from penstock.cli.sql import Session, complete
from penstock.cli.sql_prompt import _completer, converse

ROWS = "CREATE TABLE t (k STRING, v BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');\n"
QUERY = "SELECT k, SUM(v) AS total FROM t GROUP BY k;\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    rows = [{"k": "a", "v": 1}, {"k": "b", "v": None}, {"k": "a", "v": 4}]
    Path("in.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def ran(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", "sql", *arguments]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False)


def test_a_pipe_a_text_and_a_file(folder: Path) -> None:
    Path("q.sql").write_text(ROWS + QUERY)
    for done in (ran(typed=ROWS + QUERY), ran("-e", ROWS + QUERY), ran("-f", "q.sql")):
        assert done.returncode == 0, done.stderr
        assert sorted(done.stdout.splitlines()[1:]) == ["a  5", "b  NULL"]


def test_forms(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Session("csv").run(ROWS + "SELECT k, v + 1 AS w FROM t WHERE v = 1;", "<t>")
    assert capsys.readouterr().out == "k,w\na,2\n"
    Session("json").run(ROWS + "SELECT * FROM t WHERE v = 4; SELECT * FROM t WHERE v > 4", "<t>")
    assert capsys.readouterr().out == '{"k":"a","v":4}\n'
    Session("table", 1).run(ROWS + "SELECT v FROM t", "<t>")
    shown = capsys.readouterr()
    assert shown.out == "v\n1\n"
    assert "2 rows more" in shown.err


def test_rows_that_were_refused_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Session().run(ROWS + "SELECT k, 4 / (v - 1) AS w FROM t WHERE v IS NOT NULL", "<t>")
    shown = capsys.readouterr()
    assert shown.out == "k  w\na  1\n"
    assert "1 row was refused: no value for (4 / (v - 1))" in shown.err


def test_an_insert_and_what_was_declared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = "CREATE TABLE o (k STRING, v BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');\n"
    session = Session()
    session.run(ROWS + sink, "<t>")
    session.run("INSERT INTO o SELECT * FROM t WHERE v > 1;", "<t>")
    assert "o: 1 rows" in capsys.readouterr().err
    session.run("SELECT * FROM o; SHOW TABLES; EXPLAIN SELECT k FROM t", "<t>")
    shown = capsys.readouterr().out
    assert "a  4" in shown
    assert "o\nt\n" in shown
    assert "select" in shown


def test_errors(folder: Path) -> None:
    done = ran("-e", f"{ROWS} SELECT 1; SELECT w FROM t; SELECT 2")
    assert done.returncode == 2
    assert '<text>:2:19: no column "w" in "t"' in done.stderr
    assert "^" in done.stderr
    assert "Traceback" not in done.stderr
    assert "2" not in done.stdout
    assert 'no format "xml"' in ran("--format", "xml").stderr
    assert 'there is no file "none.sql"' in ran("-f", "none.sql").stderr


ENDLESS = """CREATE TABLE g (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '50',
'fields.id.kind' = 'sequence', 'fields.id.start' = '7');
"""


@pytest.mark.slow
def test_an_endless_query_until_it_is_interrupted(folder: Path) -> None:
    command = [sys.executable, "-m", "penstock", "sql", "-e", f"{ENDLESS}SELECT id FROM g"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["+I[7]\n", "+I[8]\n"]
        os.kill(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0, told


# -- the terminal ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "whole"),
    [("", True), ("SELECT 1", False), ("SELECT 1;", True), ("SELECT ';", False), ("SELECT ';';", True),
     ("SELECT 1; -- done", True), ("SELECT 1 -- ;", False), ("/* ;", False), ("quit", True), ("help", True)],
)  # fmt: skip
def test_when_a_statement_has_ended(typed: str, whole: bool) -> None:
    assert complete(typed) is whole


def typed(session: Session, keys: str, **more: Any) -> None:
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    with create_pipe_input() as keyboard:
        keyboard.send_text(keys)
        converse(Guard(), session, input=keyboard, output=DummyOutput(), **more)


def test_a_conversation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = Session()
    session.interactive = True
    typed(session, ROWS.strip() + "\rSELECT v\rFROM tt;\rSELECT v\rFROM t WHERE k = 'b';\rhelp\rquit\r")
    shown = capsys.readouterr()
    assert 'no table "tt"; did you mean "t"?' in shown.err
    assert "v\nNULL\n" in shown.out
    assert "(1 row)" in shown.err
    assert "Statements end with ;" in shown.out
    assert "SELECT v" in (folder / "home/penstock/sql_history").read_text()


def test_completion(folder: Path) -> None:
    session = Session()
    session.run("CREATE TABLE payments (amount BIGINT) WITH ('connector' = 'blackhole')", "<t>")
    found = _completer(session).get_completions(Document("DESCRIBE paym"), CompleteEvent())
    assert [(one.text, one.start_position) for one in found] == [("payments", -4)]
    assert {"payments", "amount", "SELECT", "UPPER", "COUNT"} <= set(session.words())
