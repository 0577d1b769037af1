"""What stored state becomes under a changed plan, by the command line and in Python."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.command import Command

HEAD = """
import penstock as ps
from penstock import col
from penstock.connectors.files import FileSink
from penstock.connectors.generate import GenerateSource

FIELDS = {"n": "sequence", "k": {"kind": "int", "least": 0, "most": 4}, "v": {"kind": "int", "least": -9, "most": 99},
    "name": {"kind": "string", "least": 2, "most": 2}, "at": {"kind": "time", "step": "10 ms", "disorder": "0 s"}}

def rows(named=None):
    source = GenerateSource(FIELDS, rows=ROWS, split_count=2, seed=3)
    read = ps.read(source, event_time="at", watermark="0 s", name="rows")
    return (read.state(named) if named else read).with_columns(w=ps.when(col("v") > 0).then(col("v")))

def out(stream, name):
    return stream.write(FileSink("out/" + name, format="json", mode="append"), name=name)
"""


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys, monkeypatch)


@pytest.fixture
def begun(command):
    """Runs one program in part, and gives what tries another one on its state."""

    def begin(body, shards=1):
        write(command, body, bounded=False)
        run_part(command, shards)

        def change(other):
            write(command, other)

        return change

    return begin


def write(command, body, bounded=True):
    command.write("p.py", HEAD.replace("ROWS", "400") + body)


def run_part(command, shards):
    """Run until some epochs are stored, and stop."""
    from penstock.cli.load import load
    from penstock.cli.opened import settings_of
    from penstock.engine.job import Job
    from tests.unit.engine.models import options

    loaded = load("p.py", settings_of([], None))
    made = Job(loaded.pipeline, options(command.folder / ".penstock" / "p", step=40, shards=shards))
    seal = made._parts.loop.seal

    def sealed():
        seal()
        made._parts.epochs.wait()
        if made._parts.loop.sealed >= 4:
            made.stop()

    made._parts.loop.seal = sealed
    made.run()
    assert made.status().state == "stopped"


def becomes(command, *more, code=0):
    ended = command("migrate", "p.py", "--json", *more)
    assert ended.code == code, ended.err
    found = json.loads(ended.out[ended.out.index("[") :])
    return {one["operator"]: (one["verdict"], "; ".join(one["details"])) for one in found}


def written(command, name):
    lines = []
    for path in sorted((command.folder / "out" / name).glob("part-*.json")):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
    return lines


def final(command, name="totals"):
    """The last value of each key of a changelog."""
    return {row["k"]: row for row in written(command, name) if row["op"] in ("+I", "+U")}


def group(aggregates, filtered="col('n') >= 0", key="'k'"):
    return f"""
totals = rows().filter({filtered}).group_by({key}).agg({aggregates})
pipeline = ps.Pipeline("p", out(totals.changelog(), "totals"))
"""


def window(aggregates, size="1 s", key="'k'"):
    return f"""
totals = rows().group_by({key}).window(ps.tumbling("{size}")).agg({aggregates})
pipeline = ps.Pipeline("p", out(totals, "totals"))
"""


BOTH = "n=ps.count(), total=col('v').sum()"
GROUP, WINDOW = "totals/group-1", "totals/window-1"


def name_of(body):
    return WINDOW if ".window(" in body else GROUP


CHANGES = {
    "kept": (BOTH, BOTH, "kept", ""),
    "added": (BOTH, BOTH + ", top=col('w').max(), more=ps.count()", "migrated", '"more" is added'),
    "added without nulls": (BOTH, BOTH + ", top=col('v').max()", "rebuilt", "declared without nulls"),
    "removed": (BOTH, "total=col('v').sum()", "migrated", '"n" is removed'),
    "reordered": (BOTH, "total=col('v').sum(), n=ps.count()", "migrated", "another order"),
    "widened": ("top=col('v').cast(ps.Int16).max()", "top=col('v').cast(ps.Int32).max()", "migrated", "widened"),
    "kept otherwise": ("top=col('v').cast(ps.Int16).max()", "top=col('v').max()", "rebuilt", "kept in another way"),
    "as wide": ("total=col('v').cast(ps.Int16).sum()", "total=col('v').sum()", "kept", ""),
    "values": (
        "n=ps.count(), middle=col('v').median(), total=col('v').sum()",
        "middle=col('v').median(), low=col('w').median(), n=ps.count()",
        "migrated",
        '"low" is added',
    ),
    "values reordered": (
        "a=col('v').median(), b=col('n').median()",
        "b=col('n').median(), a=col('v').median()",
        "migrated",
        "order",
    ),
    "another": ("a=col('v').sum()", "a=col('v').max()", "rebuilt", "another aggregate"),
}
"""Aggregates before and after, what becomes of their state, and why."""


@pytest.mark.parametrize("make", [group, window])
@pytest.mark.parametrize(
    ("change", "shards"),
    [(name, 1) for name in CHANGES] + [(name, 3) for name in CHANGES if CHANGES[name][2] == "migrated"],
)
def test_aggregates(begun, command, make, change, shards):
    before, after, verdict, why = CHANGES[change]
    start = begun(make(before), shards)
    start(make(after))
    found = becomes(command, code=3 if verdict == "rebuilt" else 0)
    assert found[name_of(make(after))][0] == verdict
    assert why in found[name_of(make(after))][1]
    ended = command("run", "p.py", "-q")
    if verdict == "rebuilt":
        assert "would be lost" in ended.refused(3)
        assert command("migrate", "p.py", "--approve").code == 0
        ended = command("run", "p.py", "-q")
    assert ended.code == 0, ended.err
    check(command, make, after, verdict)


def check(command, make, after, verdict):
    """What has gone on with state gives what a run of the new program alone gives, but for what is new."""
    if verdict == "rebuilt":
        return
    got = written(command, "totals")
    command.write("whole.py", (HEAD.replace("ROWS", "400") + make(after)).replace("out/", "whole/"))
    assert command("run", "whole.py", "-q", "--state", "whole-state").code == 0
    whole = []
    for path in sorted((command.folder / "whole" / "totals").glob("part-*.json")):
        whole += [json.loads(line) for line in path.read_text().splitlines()]
    key = ("k", "window_start") if make is window else ("k",)
    last = {tuple(row[name] for name in key): row for row in got}
    assert len(last) > 3
    for row in whole:
        mine = last[tuple(row[name] for name in key)]
        for name in ("n", "total", "top", "middle", "a", "b"):
            if name in row and not (name == "top" and "more" in row) and (make is group or name in mine):
                last_whole = {tuple(r[k] for k in key): r for r in whole}[tuple(row[k] for k in key)]
                assert mine[name] == last_whole[name], (name, mine, last_whole)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (group(BOTH), group(BOTH, key="'name'"), "keys differ"),
        (window(BOTH), window(BOTH, size="2 s"), "windows differ"),
    ],
    ids=["key", "window"],
)
def test_rebuilt(begun, command, before, after, why):
    begun(before)(after)
    assert becomes(command, code=3)[name_of(before)] == ("rebuilt", why)
    assert why in command("run", "p.py", "-q").refused(3)
    assert command("migrate", "p.py", "--approve").code == 0
    assert {verdict for verdict, _ in becomes(command).values()} == {"kept"}
    assert command("run", "p.py", "-q").code == 0


def test_a_changed_constant_keeps_state(begun, command):
    begun(group(BOTH))(group(BOTH, filtered="col('n') >= 1"))
    assert becomes(command)[GROUP] == ("kept", "")
    assert command("run", "p.py", "-q").code == 0
    assert sum(row["n"] for row in final(command).values()) == 400


TWO = """
taken = rows("taken")
totals = taken.group_by("k").agg(n=ps.count())
counts = taken.group_by("name").agg(n=ps.count())
pipeline = ps.Pipeline("p", out(totals.changelog(), "totals"), out(counts.changelog(), "counts"))
"""
ONE = """
totals = rows("taken").group_by("k").agg(n=ps.count())
pipeline = ps.Pipeline("p", out(totals.changelog(), "totals"))
"""


def test_an_output_that_is_removed_and_one_that_is_added(begun, command):
    begun(TWO)(ONE)
    found = becomes(command, code=3)
    assert found["counts/group-1"] == ("dropped", "nothing in the plan takes it")
    assert found[GROUP] == ("kept", "")
    assert "counts" not in found, "what is published is not lost"
    assert "counts/group-1 dropped" in command("run", "p.py", "-q").refused(3)
    assert command("migrate", "p.py", "--approve").code == 0
    write(command, TWO)
    assert becomes(command)["counts/group-1"] == ("new", "begins empty")
    assert command("run", "p.py", "-q").code == 0, "it begins anew, by the mode of its sink"
    assert sum(row["n"] for row in final(command).values()) == 400


def test_a_source_that_is_removed_is_not_forgotten_in_silence(begun, command):
    begun(TWO)(ONE.replace('"taken"', ""))
    found = becomes(command, code=3)
    assert found["taken"] == ("dropped", "nothing in the plan takes it")
    assert found["taken/read"] == ("dropped", "how far it was read is forgotten")
    assert "how far it was read is forgotten" in command("run", "p.py", "-q").refused(3)


MOVED = """
totals = rows("taken").group_by("k").agg(n=ps.count()).state("by k")
pipeline = ps.Pipeline("p", out(totals{then}.changelog(), "{output}"))
"""


def test_a_named_state_moves_with_its_verb(begun, command):
    begun(MOVED.format(then="", output="totals"))(MOVED.format(then=".filter(col('n') >= 0)", output="elsewhere"))
    found = becomes(command)
    assert found["by k"] == ("kept", "")
    assert command("run", "p.py", "-q").code == 0
    assert sum(row["n"] for row in final(command, "elsewhere").values()) == 400


def test_from_a_savepoint(begun, command):
    from penstock.checkpoint.store import open_store

    begun(group(BOTH))(group(BOTH, key="'name'"))
    store = open_store(command.folder / ".penstock" / "p")
    number = store.manifests()[-1]
    store.create_savepoint("before", number)
    store.close()
    assert becomes(command, "--from", "before", code=3)[GROUP][0] == "rebuilt"
    assert command("migrate", "p.py", "--from", "before", "--approve").code == 0
    assert command("run", "p.py", "-q").code == 0
    assert "there is no checkpoint" in command("migrate", "p.py", "--from", "gone").refused(2)


def test_a_setting_is_filled_in_before_anything_is_compared(command):
    body = group(BOTH).replace(
        'out(totals.changelog(), "totals")',
        ('totals.changelog().write(FileSink("${PLACE:out}/totals", format="json", mode="append"), name="totals")'),
    )
    write(command, body)
    run_part_filled(command)
    assert becomes(command)[GROUP] == ("kept", "")
    assert command("migrate", "p.py", "--approve").code == 0


def run_part_filled(command):
    from penstock.api.references import resolved
    from penstock.cli.load import load
    from penstock.cli.opened import settings_of
    from tests.unit.engine.models import job

    loaded = load("p.py", settings_of([], None))
    made = resolved(loaded.pipeline, loaded.settings.fill)
    job(made, command.folder / ".penstock" / "p", step=40, stop_after=3).run()


def test_nothing_is_stored(command):
    write(command, group(BOTH))
    assert "nothing is stored" in command("migrate", "p.py").refused(2)


def bounded(ttl):
    return f"""
totals = rows().group_by("k").agg(n=ps.count(), total=col("v").sum()).state("t", ttl={ttl})
pipeline = ps.Pipeline("p", out(totals.changelog(), "totals"))
"""


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("None", "'1 h'", "keys expire, counted from here on"),
        ("'1 h'", "None", "keys expire no more"),
        ("'1 h'", "ps.processing_time('1 h')", "keys expire, counted from here on"),
        ("'1 h'", "'2 h'", ""),
    ],
)
@pytest.mark.parametrize("shards", [1, 3])
def test_a_time_to_live(begun, command, before, after, why, shards):
    change = begun(bounded(before), shards)
    change(bounded(after))
    assert becomes(command)["t"] == ("migrated" if why else "kept", why)
    assert command("run", "p.py", "-q").code == 0
    whole = final(command)
    assert sum(row["n"] for row in whole.values()) == 400
    assert len(whole) == 5


def test_keys_of_a_state_that_gets_a_time_to_live_expire(begun, command):
    """Rows come every 10 ms: those of a key are far less than a second apart, so that none begins anew."""
    change = begun(bounded("None"))
    change(bounded("'1 s'"))
    assert command("run", "p.py", "-q").code == 0
    assert sum(row["n"] for row in final(command).values()) == 400
