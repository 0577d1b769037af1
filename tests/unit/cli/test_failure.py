from __future__ import annotations

import json

import pytest

from penstock.cli import terminal
from penstock.cli.failure import Guard
from penstock.core.errors import InvariantError, JobError, PlanError, SourceError
from penstock.core.failpoint import ACTIONS
from penstock.plan import pipeline
from tests.unit.cli.command import MEMORY

SECRET = "hunter2-swordfish"

GUARDED = """
from dataclasses import dataclass

import penstock as ps
from penstock.connectors.base import Source, Split
from penstock.connectors.memory import MemorySink, MemorySource
from penstock.core import errors
from penstock.core.spec import option

ROWS = MemorySource([{{"v": 1}}])

@dataclass(frozen=True, kw_only=True)
class Service(Source):
    connector = "service"
    bounded = True

    url: str = option(doc="Where it is.")
    token: ps.secret = option(doc="Lets in.", secret=True)

    def schema(self):
        return ROWS.schema()

    def splits(self):
        {splits}

    def reader(self, split, position, request):
        {reader}
        return ROWS.reader(split, position, request)

rows = ps.read(Service(url="https://example.org", token=ps.secret("SERVICE_TOKEN")), name="rows")
pipeline = ps.Pipeline("guarded", rows.write(MemorySink()))
"""


def guarded(splits='return [Split("0")]', reader=""):
    return GUARDED.format(splits=splits, reader=reader)


# -- secrets -------------------------------------------------------------------


@pytest.fixture
def service(penstock, monkeypatch):
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    return penstock


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "guarded.py"],
        ["explain", "guarded.py", "--as", "json"],
        ["explain", "guarded.py", "--as", "mermaid"],
        ["check", "guarded.py"],
        ["check", "guarded.py", "--json"],
        ["run", "guarded.py", "--json"],
    ],
)
def test_a_secret_is_never_shown(service, arguments):
    service.write("guarded.py", guarded())
    ended = service(*arguments)
    assert ended.code == 0, ended.err
    assert SECRET not in ended.out + ended.err
    if arguments[-1] == "json" and arguments[0] == "explain":
        assert "secret:SERVICE_TOKEN" in ended.out


@pytest.mark.parametrize("error", ["ps.StartError", "ps.JobError", "ValueError", "OSError"])
@pytest.mark.parametrize("place", ["splits", "reader"])
def test_not_in_errors_either(service, error, place):
    failing = {place: f'raise {error}(f"401 for {{self.token.reveal()}}")'}
    ended = service("run", service.write("guarded.py", guarded(**failing)))
    assert "401 for secret:SERVICE_TOKEN" in ended.refused(ended.code)
    assert ended.code in (1, 2)
    assert SECRET not in ended.out + ended.err


def test_not_in_a_report_of_a_crash(service):
    reader = 'raise errors.InvariantError(f"401 for {self.token.reveal()}")'
    ended = service("run", service.write("guarded.py", guarded(reader=reader)))
    assert "this is a bug in Penstock: 401 for secret:SERVICE_TOKEN" in ended.refused(1)
    report = (service.folder / ".penstock" / "guarded" / "crash.txt").read_text(encoding="utf-8")
    assert "Traceback" in report
    assert "SERVICE_TOKEN" in report
    assert SECRET not in report + ended.err


def test_a_secret_that_is_nowhere_is_a_start_error(penstock, monkeypatch):
    monkeypatch.delenv("SERVICE_TOKEN", raising=False)
    splits = "self.token.reveal()"
    refused = penstock("run", penstock.write("guarded.py", guarded(splits=splits))).refused()
    assert 'no secret "SERVICE_TOKEN"' in refused
    assert "set the environment variable SERVICE_TOKEN" in refused


def test_what_is_too_short_for_a_secret_is_left_alone(monkeypatch, penstock):
    monkeypatch.setenv("SERVICE_TOKEN", "o")
    penstock.write("guarded.py", guarded())
    assert "memory" in penstock("explain", "guarded.py").out


# -- whose error it is ---------------------------------------------------------


def test_an_error_in_a_users_connector_shows_the_users_line(service):
    ended = service("run", service.write("guarded.py", guarded(reader="{}['x']")))
    refused = ended.refused()
    assert refused.startswith("guarded.py:27: KeyError: 'x'")
    assert refused.count("\n") == 3


def code_of(failure, capsys):
    with pytest.raises(SystemExit) as ended, Guard():
        raise failure
    return ended.value.code, capsys.readouterr().err


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch):
    monkeypatch.setattr(terminal, "redaction", terminal.Redaction())


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (PlanError("wrong", hint="right"), 2, "error: wrong\n\nhint: right\n"),
        (SourceError("gone"), 1, "error: gone\n"),
        (PermissionError(13, "Permission denied", "x"), 2, "error: Permission denied: x\n"),
        (MemoryError(), 2, "error: there is not enough memory\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_codes(failure, code, text, capsys):
    assert code_of(failure, capsys) == (code, text)


def test_a_reader_that_has_gone(capsys):
    failure = JobError("the pipeline failed: BrokenPipeError")
    failure.__cause__ = BrokenPipeError(32, "Broken pipe")
    assert code_of(failure, capsys) == (1, "error: nobody reads the standard output any more\n")


def test_an_expected_failure_of_the_world_is_no_bug(capsys):
    failure = JobError("the pipeline failed: OSError: no")
    failure.__cause__ = OSError("no")
    assert code_of(failure, capsys) == (1, "error: the pipeline failed: OSError: no\n")


@pytest.mark.parametrize("failure", [InvariantError("two and two are five"), BaseException("panicked")])
def test_a_bug_leaves_a_report(failure, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text = code_of(failure, capsys)
    assert code == 1
    assert "this is a bug in Penstock" in text
    assert "Traceback" not in text
    assert str(failure) in (tmp_path / ".penstock" / "crash.txt").read_text(encoding="utf-8")


def test_a_bug_in_our_code_under_the_users_is_told_with_the_users_line(penstock, monkeypatch):
    monkeypatch.setattr(pipeline, "_NAME", None)
    ended = penstock("check", penstock.write("copy.py", MEMORY))
    assert ended.refused(1).startswith("copy.py:6: this is a bug in Penstock: AttributeError: ")
    report = (penstock.folder / ".penstock" / "crash.txt").read_text(encoding="utf-8")
    assert "command check copy.py" in report
    assert "python 3." in report
    assert ".penstock/crash.txt" in ended.err


def test_a_report_that_cannot_be_written_is_shown(penstock, monkeypatch):
    def refuse():
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(pipeline, "_NAME", None)
    monkeypatch.setitem(ACTIONS, "files.make_directory", refuse)
    ended = penstock("check", penstock.write("copy.py", MEMORY))
    assert ended.code == 1
    assert "Traceback" in ended.err
    assert "The traceback is above" in ended.err


def test_json_is_valid_beside_secrets(service):
    service.write("guarded.py", guarded())
    json.loads(service("check", "guarded.py", "--json").out)
