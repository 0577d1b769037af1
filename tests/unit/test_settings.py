from __future__ import annotations

import errno
import os

import pytest

from penstock.core.errors import PlanError, StartError, UnknownNameError
from penstock.core.failpoint import ACTIONS
from penstock.settings import RunOptions, Settings, line_of

FILE = """
[set]
days = 7
path = "${ROOT:data}/flights"

[run]
shards = 2

[profile.prod.set]
days = 30

[profile.prod.run]
state = "/var/lib/${NAME:penstock}"
shards = 4
""".lstrip()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "penstock.toml").write_text(FILE, encoding="utf-8")
    return tmp_path


def value(settings, name):
    found = settings.find(name)
    return None if found is None else found.value


# -- layers --------------------------------------------------------------------


def test_the_nearest_layer_holds(folder):
    def days(given=(), environment=None, profile=None):
        return value(Settings.read(folder, given, environment or {}, profile), "days")

    assert days() == 7
    assert days(profile="prod") == 30
    assert days(environment={"PENSTOCK_PROFILE": "prod"}) == 30
    assert days(environment={"days": "3"}, profile="prod") == "3"
    assert days(["days=1"], {"days": "3"}, "prod") == "1"


def test_options_too(folder):
    def options(profile=None, environment=None, **given):
        return Settings.read(folder, [], environment or {}, profile).options(**given)

    assert options() == RunOptions(shards=2)
    assert options("prod") == RunOptions(shards=4, state="/var/lib/penstock")
    assert options("prod", {"PENSTOCK_SHARDS": "8"}).shards == 8
    assert options("prod", {"PENSTOCK_SHARDS": "8"}, shards=1).shards == 1
    assert options(environment={"PENSTOCK_GUARDS": "1"}) == RunOptions(shards=2)


def test_the_file_is_looked_for_upward(folder, tmp_path, monkeypatch):
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    assert value(Settings.read(deep, [], {}), "days") == 7
    (folder / "a" / "penstock.toml").write_text("[set]\ndays = 1\n", encoding="utf-8")
    assert value(Settings.read(deep, [], {}), "days") == 1


def test_else_the_working_directory_has_it(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert value(Settings.read(elsewhere, [], {}), "days") == 7


def test_there_need_not_be_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.read(tmp_path, ["a=b=c", "e="], {})
    assert (value(settings, "a"), value(settings, "e"), value(settings, "x")) == ("b=c", "", None)
    assert settings.options() == RunOptions()
    with pytest.raises(PlanError, match=r'no profile "prod": there is no penstock\.toml'):
        Settings.read(tmp_path, [], {}, "prod")


# -- interpolation -------------------------------------------------------------


def test_references_are_replaced(folder):
    assert value(Settings.read(folder, [], {}), "path") == "data/flights"
    assert value(Settings.read(folder, ["ROOT=/a"], {"ROOT": "/b"}), "path") == "/a/flights"
    assert value(Settings.read(folder, [], {"ROOT": "/b"}), "path") == "/b/flights"
    assert value(Settings.read(folder, ["path=${days}-${days}-$${days}"], {}), "path") == "7-7-${days}"


def test_values_of_the_environment_are_as_they_are():
    settings = Settings({"a": "${PASSWORD}"}, {"PASSWORD": "x${y}"})
    found = settings.find("a")
    assert found is not None
    assert found.value == "x${y}"
    assert not found.shown


def test_lists_and_other_values_are_kept():
    settings = Settings({}, {}, {"set": {"a": ["${b}", 2], "b": 1, "c": True, "d": "${c}"}})
    assert value(settings, "a") == ["1", 2]
    assert value(settings, "d") == "true"


def test_a_reference_to_nothing(folder):
    with pytest.raises(PlanError) as refused:
        Settings.read(folder, ["x=${dais}"], {}).find("x")
    assert refused.value.message == '--set x asks for ${dais}, which is set nowhere; did you mean "days"?'
    (folder / "penstock.toml").write_text('[set]\n\nx = "${y}"\n', encoding="utf-8")
    with pytest.raises(PlanError, match=r"penstock\.toml:3: \[set\] x asks for \$\{y\}"):
        Settings.read(folder, [], {}).find("x")


def test_circles_are_found():
    settings = Settings({"a": "${b}", "b": "${a}"})
    with pytest.raises(PlanError, match="a -> b -> a refers to itself"):
        settings.find("a")


def test_what_is_asked_for_is_noted():
    settings = Settings({"a": "${b}", "b": "1", "c": "2"})
    settings.find("a")
    assert settings.unused() == ["c"]


# -- mistakes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sets]\nx = 1\n", r'penstock\.toml:1: no table "sets"; did you mean "set"\?'),
        ("\n[run]\nshard = 1\n", r'penstock\.toml:3: no option "shard"; did you mean "shards"\?'),
        ("[profile.prod.runs]\n", r'penstock\.toml:1: no table "runs"; did you mean "run"\?'),
        ("[profile.prod.run]\n\nstat = 'x'\n", r'penstock\.toml:3: no option "stat"; did you mean "state"\?'),
        ("set = 3\n", r"penstock\.toml:1: \[set\] is a table, found 3"),
        ("[run]\nshards = 'two'\n", r"penstock\.toml:2: \[run\] shards: .*int"),
        ("[run]\nshards = true\n", r"penstock\.toml:2: \[run\] shards: it takes a whole number"),
        ("[run]\nstate = 3\n", r"penstock\.toml:2: \[run\] state: it takes text"),
        ("[run]\ncheckpoint = 10\n", r"penstock\.toml:2: \[run\] checkpoint: "),
        ("[run]\nlatency = 'soon'\n", r'penstock\.toml:2: \[run\] latency: "soon" is not a duration'),
        ("[set]\nx = \n", r"penstock\.toml:2:5: Invalid value"),
        ("[set]\nx = 1\nx = 2\n", r"penstock\.toml:3:6: Cannot overwrite a value"),
    ],
)
def test_mistakes_in_the_file_name_their_line(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "penstock.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=message):
        Settings.read(tmp_path, [], {})


def test_an_unknown_profile(folder):
    with pytest.raises(UnknownNameError, match='no profile "prd"; did you mean "prod"'):
        Settings.read(folder, [], {}, "prd")


@pytest.mark.parametrize("text", ["days", "=3", ""])
def test_a_setting_is_a_pair(tmp_path, text):
    with pytest.raises(PlanError, match="--set takes name=value"):
        Settings.read(tmp_path, [text], {})


def test_a_file_that_cannot_be_read(folder, monkeypatch):
    def refuse():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setitem(ACTIONS, "files.open_read", refuse)
    with pytest.raises(StartError, match=r"cannot read .*penstock\.toml: Permission denied"):
        Settings.read(folder, [], {})


def test_a_file_that_is_no_text(folder):
    (folder / "penstock.toml").write_bytes(b"\xff")
    with pytest.raises(PlanError, match="is no UTF-8 text"):
        Settings.read(folder, [], {})


def test_a_wrong_option_does_not_tell_the_environment():
    settings = Settings({}, {"PASSWORD": "hunter2"}, {"run": {"shards": "${PASSWORD}"}})
    with pytest.raises(PlanError) as refused:
        settings.options()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "line"),
    [("a", 1), ("set", 2), ("set.x", 4), ("profile.a.set", 5), ("profile.a.set.y z", 6), ("b.c", 7), ("none", None)],
)
def test_lines_are_found(path, line):
    text = 'a = 1\n[ set ]\n# x = 1\nx = 2\n[profile."a".set]\n"y z" = 3\n[[b.c]]\n'
    where = line_of(text, path)
    assert (where.line if where else None) == line
