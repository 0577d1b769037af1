from __future__ import annotations

import pytest

from penstock.cli.load import Target
from tests.unit.cli.command import DELAYS, MEMORY


@pytest.mark.parametrize(
    ("text", "file", "name"),
    [
        ("delays.py", "delays.py", None),
        ("delays.py:daily", "delays.py", "daily"),
        ("package.module:daily", "package.module", "daily"),
        (r"C:\work\delays.py", r"C:\work\delays.py", None),
        (r"C:\work\delays.py:daily", r"C:\work\delays.py", "daily"),
        ("a:b/delays.py", "a:b/delays.py", None),
    ],
)
def test_targets(text, file, name):
    assert Target.of(text) == Target(file, name)


# -- what is found -------------------------------------------------------------

TWO = MEMORY.replace("pipeline = ", "one = ") + 'two = ps.Pipeline("second", rows.write(MemorySink()))\n'


def test_one_pipeline_is_found_by_any_name(penstock):
    penstock.write("copy.py", MEMORY.replace("pipeline = ", "anything = other = "))
    assert "pipeline copy" in penstock("explain", "copy.py").out


def test_of_several_one_must_be_named(penstock):
    penstock.write("copies.py", TWO)
    refused = penstock("check", "copies.py").refused()
    assert '"copies.py" has several pipelines: one, two' in refused
    assert "copies.py:one" in refused
    assert penstock("explain", "copies.py:two").out.startswith("pipeline second")
    assert 'no pipeline "tow"; did you mean "two"?' in penstock("check", "copies.py:tow").refused()
    assert "is no pipeline but a MemorySink" in penstock("check", "copies.py:sink").refused()


def test_a_module_of_this_folder(penstock):
    penstock.write("copy_it.py", MEMORY)
    assert penstock("explain", "copy_it").out.startswith("pipeline copy")


def test_a_file_imports_from_its_own_folder(penstock):
    penstock.write("deep/shared.py", "NAME = 'from-shared'\n")
    penstock.write("deep/copy.py", "import shared\n" + MEMORY.replace('"copy"', "shared.NAME"))
    assert penstock("explain", "deep/copy.py").out.startswith("pipeline from-shared")
    assert not list(penstock.folder.rglob("__pycache__"))


def test_a_file_may_have_the_name_of_a_module(penstock):
    penstock.write("json.py", MEMORY)
    assert penstock("check", "json.py", "--json").code == 0


def test_what_is_under_main_does_not_run(penstock):
    penstock.write("copy.py", MEMORY + 'if __name__ == "__main__":\n    raise SystemExit(7)\n')
    assert penstock("explain", "copy.py").code == 0


def test_classes_with_annotations_work(penstock):
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n" + MEMORY
    row = "@dataclass\nclass Row:\n    k: str\n    v: int\n"
    text = text.replace("rows = ps.read(", f"{row}rows = ps.read(schema=Row, source=")
    assert penstock("check", penstock.write("copy.py", text)).code == 0


# -- bad input -----------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "check", "explain"])
def test_a_missing_file(penstock, command):
    penstock.write("delays.py", MEMORY)
    assert penstock(command, "delay.py").refused() == 'there is no file "delay.py"; did you mean "delays.py"?\n'
    assert 'there is no file or module "nothing_like_it"' in penstock(command, "nothing_like_it").refused()
    assert "is a directory" in penstock(command, "./").refused()


@pytest.mark.parametrize("name", ["delays.yaml", "delays.yml"])
def test_a_file_in_yaml(penstock, name):
    assert '"' + name + '" is empty' in penstock("run", penstock.write(name, "")).refused()
    assert "is one pipeline" in penstock("run", f"{name}:other").refused()


def test_a_file_that_cannot_be_read(penstock):
    (penstock.folder / "folder.py").mkdir()
    assert '"folder.py" is a directory' in penstock("run", "folder.py").refused()


def test_an_unknown_column(penstock):
    penstock.flights()
    text = DELAYS.replace('col("dep_delay").is_not_null()', 'col("dep_dela").is_not_null()')
    refused = penstock("run", penstock.write("delays.py", text)).refused()
    assert refused == 'delays.py:9: no column "dep_dela" in "flights"; did you mean "dep_delay"?\n'


def test_a_wrong_verb(penstock):
    penstock.write("copy.py", MEMORY.replace("rows.write", "rows.unique().write"))
    refused = penstock("check", "copy.py").refused()
    assert refused.startswith("copy.py:6: ")
    assert "unique" in refused


def test_a_syntax_error(penstock):
    penstock.write("copy.py", MEMORY.replace("sink = MemorySink()", "sink = = 1"))
    refused = penstock("check", "copy.py").refused()
    assert refused == "copy.py:5: invalid syntax\n\n  sink = = 1\n         ^\n"


def test_an_error_in_the_users_code_shows_the_users_lines_only(penstock):
    penstock.write("shared.py", "def ratio(n):\n    return 1 / n\n")
    penstock.write("copy.py", "import shared\n\nHALF = shared.ratio(0)\n")
    refused = penstock("run", "copy.py").refused()
    assert refused == (
        "shared.py:2: ZeroDivisionError: division by zero\n\n"
        "  copy.py:3: HALF = shared.ratio(0)\n"
        "  shared.py:2: return 1 / n\n"
    )


def test_an_error_in_a_library_shows_the_users_line(penstock):
    refused = penstock("run", penstock.write("copy.py", "import json\n\njson.loads('{')\n")).refused()
    assert refused.startswith("copy.py:3: JSONDecodeError: ")
    assert "decoder.py" not in refused


def test_a_missing_import(penstock):
    refused = penstock("run", penstock.write("copy.py", "import no_such_package\n")).refused()
    assert refused.startswith("copy.py:1: ModuleNotFoundError: No module named 'no_such_package'")


@pytest.mark.parametrize(
    "line", ["from penstock import pattern", "from penstock import View", "import penstock.events"]
)
def test_an_import_of_what_is_planned_says_so(penstock, line):
    refused = penstock("run", penstock.write("copy.py", f"{line}\n")).refused()
    assert refused.startswith("copy.py:1: ")
    assert "it is planned and not offered yet" in refused
    assert "\nhint: " in refused


def test_a_file_that_ends_the_program(penstock):
    refused = penstock("run", penstock.write("copy.py", "import sys\nsys.exit(0)\n")).refused()
    assert refused.startswith("copy.py:2: the file ends the program while it is loaded")


def test_a_file_that_runs_its_pipeline_is_told_so(penstock):
    refused = penstock("run", penstock.write("copy.py", MEMORY + "ps.run(pipeline)\n")).refused()
    assert refused.startswith("copy.py:7: the file runs its pipeline while it is loaded")
    assert 'if __name__ == "__main__":' in refused


def test_a_file_without_a_pipeline(penstock):
    assert '"copy.py" has no pipeline' in penstock("run", penstock.write("copy.py", "x = 1\n")).refused()
    text = "def pipelines():\n    pass\n"
    assert 'did you mean "pipelines"?' in penstock("run", penstock.write("other.py", text)).refused()


# -- functions and settings ----------------------------------------------------

MAKER = MEMORY.replace("pipeline = ", "def pipeline(days: int, name: str = 'x') -> ps.Pipeline:\n    return ")


def test_a_missing_setting(penstock):
    refused = penstock("check", penstock.write("copy.py", MAKER)).refused()
    assert refused == 'copy.py:6: the setting "days" is missing: pipeline() asks for it\n\nhint: --set days=...\n'


def test_an_unknown_setting(penstock):
    refused = penstock("check", penstock.write("copy.py", MAKER), "--set", "dais=3").refused()
    assert refused == 'no setting "dais" of pipeline(); did you mean "days"?\n'


def test_a_setting_of_a_wrong_type(penstock):
    refused = penstock("check", penstock.write("copy.py", MAKER), "--set", "days=few").refused()
    assert refused == '--set days is int, found "few"\n'


def test_a_function_that_makes_something_else(penstock):
    refused = penstock("check", penstock.write("copy.py", "def pipeline():\n    return 5\n")).refused()
    assert refused.startswith("copy.py:1: copy.py: pipeline() gives a int, not a pipeline")


def test_an_error_in_the_function_shows_its_line(penstock):
    text = "def pipeline(days: int = 1):\n    return [][days]\n"
    assert penstock("check", penstock.write("copy.py", text)).refused().startswith("copy.py:2: IndexError: ")
