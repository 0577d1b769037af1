from __future__ import annotations

import json

import pytest

from penstock.plan.guarantee import RESTART
from tests.unit.cli.command import DELAYS, MEMORY


def test_a_check_shows_what_is_known(penstock):
    penstock.flights()
    ended = penstock("check", penstock.write("delays.py", DELAYS))
    assert (ended.code, ended.err) == (0, "")
    for part in (
        "read flights (files)",
        "[delays.py:5]",
        'time_hour  Datetime("us", "UTC") not null',
        "event time window_end; ends; may refuse rows: late, errors",
        "avg_delay     Float64",
        "delays (files): exactly once: each epoch is there whole and once, whatever is killed when",
        RESTART,
        "goes with its windows",
        "the same for the same input",
    ):
        assert part in ended.out
    assert not (penstock.folder / "out").exists()
    assert not (penstock.folder / ".penstock").exists()


def test_the_same_as_json(penstock):
    penstock.flights()
    found = json.loads(penstock("check", penstock.write("delays.py", DELAYS), "--json").out)
    assert found["pipeline"] == "delays"
    assert [node["verb"] for node in found["nodes"]] == ["read", "watermark", "filter", "window", "write"]
    assert [node["inputs"] for node in found["nodes"]] == [[], [1], [2], [3], [4]]
    window = found["nodes"][3]
    assert (window["mode"], window["event_time"], window["bounded"]) == ("append", "window_end", True)
    assert [column["name"] for column in window["columns"]] == [
        "origin", "window_start", "window_end", "flights", "avg_delay",
    ]  # fmt: skip
    assert found["outputs"][0]["delivery"] == "transactional"
    assert found["unbounded_state"] == []
    assert found["deterministic"] is True
    assert found["order_sensitive"] == []


def test_tables_keys_and_order(penstock):
    text = MEMORY.replace("rows.write(sink)", 'rows.group_by("k").agg(v=ps.col("v").first()).write(sink)')
    penstock.write("copy.py", text)
    found = json.loads(penstock("check", "copy.py", "--json").out)
    assert found["outputs"][0]["mode"] == "updating"
    assert found["outputs"][0]["key"] == ["k"]
    assert found["order_sensitive"] == ["group copy.py:6"]
    shown = penstock("check", "copy.py").out
    assert "Table keyed by k" in shown
    assert "depend on the order of rows: group copy.py:6" in shown


def test_state_without_bound_is_told(penstock):
    text = """
import penstock as ps
from penstock.connectors.blackhole import BlackholeSink
from penstock.connectors.files import FileSource

rows = ps.read(FileSource("in", format="json", watch="1 s"), schema={"k": ps.String})
pipeline = ps.Pipeline("endless", rows.group_by("k").agg(n=ps.count()).write(BlackholeSink()))
"""
    (penstock.folder / "in").mkdir()
    penstock.write("endless.py", text)
    assert "WITHOUT BOUND: group by k: one entry per key, for ever" in penstock("check", "endless.py").out
    penstock.write("strict.py", text.replace("BlackholeSink())", 'BlackholeSink()), unbounded="error"'))
    assert "state without bound" in penstock("check", "strict.py").refused()


def test_state_without_bound_is_foretold_from_a_sample(penstock):
    text = """
import penstock as ps
from penstock.connectors.blackhole import BlackholeSink
from penstock.connectors.generate import GenerateSource

source = GenerateSource({"n": "sequence", "k": {"kind": "int", "least": 1, "most": 40}}, rows=None)
rows = ps.read(source, name="rows")
every, few = rows.group_by("n").agg(c=ps.count()), rows.group_by("k").agg(c=ps.count())
outputs = [one.write(BlackholeSink(name), name=name) for one, name in ((every, "every"), (few, "few"))]
pipeline = ps.Pipeline("endless", *outputs)
"""
    penstock.write("endless.py", text)
    found = json.loads(penstock("check", "endless.py", "--sample", "4000", "--json").out)["forecast"]
    every, few = sorted(found["growths"], key=lambda one: -one["rows"])
    assert found["sampled"] >= 4_000
    assert every["rows"] == found["sampled"]
    assert (every["exponent"], few["rows"], few["exponent"]) == (1.0, 40, 0.0)
    (_, soon), (_, late) = every["foretold"]
    assert late == 100 * soon
    assert len({size for _, size in few["foretold"]}) == 1
    told = penstock("check", "endless.py", "--sample", "4000").out
    assert "growing as rows^1:" in told
    assert "growing as rows^0:" in told


def test_masked_columns_are_marked(penstock):
    text = MEMORY.replace('name="rows"', 'name="rows", mask={"k": "hash"}')
    assert "(masked: hash)" in penstock("check", penstock.write("copy.py", text)).out


# -- explain -------------------------------------------------------------------


def test_explain(penstock):
    penstock.write("copy.py", MEMORY)
    assert penstock("explain", "copy.py").out.startswith("pipeline copy (exactly-once)\nwrite memory (memory)\n")
    assert penstock("explain", "copy.py", "--as", "mermaid").out.startswith("flowchart LR\n")
    found = json.loads(penstock("explain", "copy.py", "--as", "json").out)
    assert [node["verb"] for node in found["nodes"]] == ["read", "write"]


def test_explain_in_the_languages_that_are_read(penstock):
    penstock.write("rows.csv", "a,b\n1,x\n")
    penstock.write("copy.sql", COPY)
    for form, ending in (("sql", "sql"), ("yaml", "yaml"), ("python", "py")):
        text = penstock("explain", "copy.sql", "--as", form).out
        penstock.write(f"copied.{ending}", text)
        stored = [penstock("explain", name, "--as", "json").out for name in ("copy.sql", f"copied.{ending}")]
        assert stored[0] == stored[1]


def test_what_has_no_spelling_is_named(penstock):
    penstock.write("copy.py", MEMORY)
    told = penstock("explain", "copy.py", "--as", "yaml").out
    assert "# rows is not written (read rows (memory)): its data are in the program that made the plan\n" in told


COPY = """
CREATE TABLE `rows` (a BIGINT, b STRING) WITH ('connector' = 'filesystem', 'path' = 'rows.csv', 'format' = 'csv');
CREATE TABLE sums (b STRING, total BIGINT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'print');
INSERT INTO sums SELECT b, SUM(a + 1) AS total FROM `rows` WHERE b LIKE 'x%' GROUP BY b;
"""


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("flink", "comes with the Flink engine"),
        ("mermaids", 'no form "mermaids"; did you mean "mermaid"?'),
    ],
)
def test_other_forms_are_refused(penstock, form, message):
    assert message in penstock("explain", penstock.write("copy.py", MEMORY), "--as", form).refused()


# -- connectors ----------------------------------------------------------------


def test_connectors_are_listed(penstock):
    ended = penstock("connectors")
    assert ended.code == 0
    lines = {line.split()[0]: line for line in ended.out.splitlines() if line.strip()}
    assert "source and sink" in lines["files"]
    assert " sink " in lines["blackhole"]
    found = json.loads(penstock("connectors", "--json").out)
    assert {one["name"] for one in found} >= {"files", "memory"}


def test_options_of_a_connector(penstock):
    ended = penstock("connectors", "files")
    assert "source: from penstock.connectors.files import FileSource" in ended.out
    assert "delivery: transactional; appends only" in ended.out
    path = next(line for line in ended.out.splitlines() if line.strip().startswith("path "))
    assert path.split()[:3] == ["path", "str", "required"]
    found = json.loads(penstock("connectors", "files", "--json").out)
    watch = next(one for one in found["source"]["options"] if one["name"] == "watch")
    assert (watch["type"], watch["required"], watch["default"], watch["example"]) == ("duration", False, None, "1 s")
    mode = next(one for one in found["sink"]["options"] if one["name"] == "mode")
    assert mode["choices"] == ["error", "append", "overwrite"]


def test_an_unknown_connector(penstock):
    assert 'no connector "file"; did you mean "files"?' in penstock("connectors", "file").refused()


SQL = """
SET 'table.exec.mini-batch.enabled' = 'true';
CREATE FUNCTION twice AS 'doubling.twice' LANGUAGE PYTHON;
CREATE TABLE orders (customer STRING, n BIGINT, at TIMESTAMP_LTZ(3), p AS PROCTIME(),
WATERMARK FOR at AS SOURCE_WATERMARK())
WITH ('connector' = 'filesystem', 'path' = '${IN}', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE totals (customer STRING, c BIGINT, m DOUBLE, PRIMARY KEY (customer) NOT ENFORCED)
WITH ('connector' = 'print');
CREATE TABLE firsts (customer STRING, n BIGINT) WITH ('connector' = 'log', 'name' = 'there');
INSERT INTO totals SELECT customer, COUNT(DISTINCT customer, n), `ps.agg.mean`(n) FROM orders
WHERE twice(n) > 4 GROUP BY customer;
INSERT INTO firsts SELECT customer, n FROM (
  SELECT /*+ STATE_TTL('orders' = '1 d') */ *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY p) AS rn FROM orders
) WHERE rn = 1;
"""


def _checked(penstock, text, *more):
    (penstock.folder / "rows").mkdir()
    penstock.write("rows/a.csv", "customer,n,at\n")
    penstock.write("doubling.py", "def twice(n: int) -> int:\n    return 2 * n\n")
    penstock.write("strange.sql", text)
    return penstock("check", "strange.sql", "--set", "IN=rows", *more)


def test_what_flink_would_refuse_of_a_text(penstock):
    found = json.loads(_checked(penstock, SQL, "--json").out)
    refused = found["flink"]["refuses"]
    assert [one["what"].split(" ")[0] for one in refused] == [
        "SOURCE_WATERMARK()",
        "the",
        "the",
        "COUNT",
        "`ps.agg.mean`",
    ]
    assert [one["where"].split(":")[1] for one in refused] == ["5", "6", "9", "10", "10"]
    otherwise = " ".join(one["what"] for one in found["flink"]["otherwise"])
    for part in ("twice is a function", "${IN} is filled in", "2 INSERTs are one pipeline", "STATE_TTL of a rank"):
        assert part in otherwise
    assert found["flink"]["here"] == ["SET 'table.exec.mini-batch.enabled' is without effect here"]
    (function,) = found["functions"]
    assert (function["name"], function["module"]) == ("twice", "doubling")
    assert found["clock_sensitive"] == ["dedup strange.sql:13:48"]
    assert found["outputs"][0]["columns"][1] == {"name": "c", "type": "BIGINT", "nullable": False, "mask": None}


def test_a_check_of_sql_is_in_the_words_of_sql(penstock):
    shown = _checked(penstock, SQL).out
    for part in (
        "at        TIMESTAMP_LTZ(3) not null",
        "columns as in",
        "changelog: insert, update, delete; key customer",
        "changelog: insert only",
        "dedup strange.sql:13:48: by customer, kept 1 days",
        "group strange.sql:10:20: by customer, one entry per key; the input ends",
        "twice of doubling (",
        "would refuse: COUNT takes one column in Flink; there: ",
        "[strange.sql:10:37]",
    ):
        assert part in shown


def test_a_text_of_flink_has_nothing_to_say(penstock):
    text = """
    CREATE TABLE orders (customer STRING, n BIGINT) WITH ('connector' = 'datagen');
    CREATE TABLE totals (customer STRING, n BIGINT, PRIMARY KEY (customer) NOT ENFORCED) WITH ('connector' = 'print');
    INSERT INTO totals SELECT customer, SUM(n) FROM orders GROUP BY customer;
    """
    penstock.write("plain.sql", text)
    shown = penstock("check", "plain.sql").out
    assert "nothing was found that it would refuse or do otherwise" in shown
    assert "by customer, WITHOUT BOUND" in shown
    assert "functions in Python" not in shown


def test_yaml_is_told_as_the_sql_that_it_is(penstock):
    penstock.write("rows.json", "")
    penstock.write(
        "means.yaml",
        """
pipeline: means
sources:
  rows: {connector: files, path: rows.json, format: json, schema: {k: STRING, n: BIGINT}}
streams:
  means:
    from: rows
    steps:
      - group_by: k
        agg: {m: AVG(n / 2)}
sinks:
  means: {from: means, connector: stdout, key: k, style: changes}
""",
    )
    ended = penstock("check", "means.yaml", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["flink"]["text"] == "explain --as sql"


def test_python_is_no_text_of_flink(penstock):
    penstock.flights()
    found = json.loads(penstock("check", penstock.write("delays.py", DELAYS), "--json").out)
    assert found["flink"] is None
    assert found["functions"] == []
