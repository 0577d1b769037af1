"""Make the expected results of the golden cases again, on a real Flink: `python tools/flink_golden.py [CASE...]`.

A case is `functions/text`, `scripts/windows/tumble`, or the beginning of such a name; `--missing` takes only those
that have no result yet. One session cluster is started (`tests/services/flink.py`) and stopped at the end;
`tests/golden` says what a case is. Nothing here computes a result: what is written is what Flink gave.
"""

from __future__ import annotations

import argparse
import decimal
import json
import re
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))


from tests.golden import cases
from tests.services.flink import Flink, Session
from tests.services.process import StartFailed

Result = tuple[list[dict[str, Any]], list[tuple[str, list[Any]]]]
"""The columns, and the changes: kind and fields."""


def run(session: Session, statement: str, seconds: float = 120) -> Result:
    """Run a statement to its end.

    Raises:
        StartFailed: Flink refused it, or it failed.
    """
    until = time.monotonic() + seconds
    operation = ask(f"{session.url}/statements", {"statement": statement})["operationHandle"]
    columns: list[dict[str, Any]] = []
    changes: list[tuple[str, list[Any]]] = []
    token = 0
    while True:
        answer = ask(f"{session.url}/operations/{operation}/result/{token}?rowFormat=JSON")
        if answer["resultType"] == "EOS":
            break
        if answer["resultType"] == "NOT_READY":
            time.sleep(0.05)
        else:
            columns = answer["results"]["columns"]
            kinds = [type_of(column) for column in columns]
            for row in answer["results"]["data"]:
                changes.append((row["kind"], [exact(v, kind) for v, kind in zip(row["fields"], kinds, strict=True)]))
            token += 1
        if time.monotonic() > until:
            raise StartFailed(f"took too long: {statement}")
    ask(f"{session.url}/operations/{operation}/close", method="DELETE")
    return columns, changes


def ask(url: str, body: Any = None, method: str = "") -> Any:
    """What a REST endpoint answers; numbers with a point as they are written, for a double would lose digits."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method or None)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read(), parse_float=Written)
    except urllib.error.HTTPError as error:
        with error:
            raise StartFailed(error.read().decode(errors="replace")) from None


class Written(float):
    """A number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> Written:
        made = super().__new__(cls, text)
        made.text = text
        return made


def exact(value: Any, kind: str) -> Any:
    """A value as it is kept: a decimal as text, in full."""
    if value is None or not kind.startswith("DECIMAL"):
        return value
    text = value.text if isinstance(value, Written) else str(value)
    return f"{decimal.Decimal(text):f}"


def type_of(column: dict[str, Any]) -> str:
    """The type of a column as Flink writes it."""
    return spelled(column["logicalType"])


def spelled(kind: dict[str, Any]) -> str:
    """A type of the gateway's JSON in SQL, with NOT NULL."""
    name = kind["type"]
    match name:
        case "DECIMAL":
            name = f"DECIMAL({kind['precision']}, {kind['scale']})"
        case "CHAR" | "VARCHAR" | "BINARY" | "VARBINARY":
            longest = kind["length"] == 2**31 - 1
            name = {"VARCHAR": "STRING", "VARBINARY": "BYTES"}[name] if longest else f"{name}({kind['length']})"
        case "ARRAY" | "MULTISET":
            name = f"{name}<{spelled(kind['elementType'])}>"
        case "MAP":
            name = f"MAP<{spelled(kind['keyType'])}, {spelled(kind['valueType'])}>"
        case "ROW":
            fields = (f"`{one['name']}` {spelled(one['fieldType'])}" for one in kind["fields"])
            name = f"ROW<{', '.join(fields)}>"
        case _ if "precision" in kind:
            name = f"{name}({kind['precision']})"
    return name if kind["nullable"] else f"{name} NOT NULL"


def fold(changes: list[tuple[str, list[Any]]]) -> list[list[Any]]:
    """The rows that are there in the end, in order of their JSON."""
    bag: Counter[str] = Counter()
    for kind, fields in changes:
        bag[json.dumps(fields, ensure_ascii=False)] += 1 if kind in ("INSERT", "UPDATE_AFTER") else -1
    wrong = [row for row, count in bag.items() if count < 0]
    if wrong:
        raise SystemExit(f"taken back without having been there: {wrong}")
    return [json.loads(row) for row in sorted(bag.elements())]


def why(error: StartFailed) -> str:
    """The innermost reason in Flink's answer, one line."""
    causes = re.findall(r"Caused by: ([\w.$]+): ([^\\\n]*)", str(error))
    kind, text = causes[-1] if causes else ("", str(error)[-200:])
    return f"{kind.rpartition('.')[2]}: {text}"[:300]


# -- Functions --------------------------------------------------------------------------------------


def batch(session: Session, expressions: list[str]) -> list[dict[str, Any]]:
    """The results of expressions over the table, in as few queries as their errors allow."""
    listed = ",\n".join(f"{one} AS e{i}" for i, one in enumerate(expressions))
    try:
        columns, changes = run(session, f"SELECT id,\n{listed}\nFROM t")
    except StartFailed as error:
        if len(expressions) == 1:
            return [{"sql": expressions[0], "error": why(error)}]
        # A cut in halves costs 2 log n queries for each that fails.
        half = len(expressions) // 2
        return batch(session, expressions[:half]) + batch(session, expressions[half:])
    rows = sorted((fields for _, fields in changes), key=lambda fields: int(fields[0]))
    return [
        {"sql": one, "type": type_of(columns[i + 1]), "values": [row[i + 1] for row in rows]}
        for i, one in enumerate(expressions)
    ]


def functions(flink: Flink, family: str) -> None:
    """Write the results of a family, and the table that it is over."""
    folder = cases.FOLDER / "functions"
    with flink.session(parallelism__default="1") as session:
        for key, value in cases.settings(family).items():
            run(session, f"SET '{key}' = '{value}'")
        for statement in cases.statements_of((folder / "table.sql").read_text()):
            run(session, statement)
        columns, changes = run(session, "SELECT * FROM t")
        rows = sorted((fields for _, fields in changes), key=lambda fields: int(fields[0]))
        table = {"columns": [[c["name"], type_of(c)] for c in columns], "rows": rows}
        if not cases.settings(family):
            write(folder / "table.json", table)
        found: list[dict[str, Any]] = []
        wanted = cases.expressions(family)
        for start in range(0, len(wanted), 40):
            found += batch(session, wanted[start : start + 40])
    write(folder / f"{family}.json", found)
    print(f"functions/{family}: {len(found)} cases, {sum('error' in one for one in found)} of them errors")


# -- Scripts ----------------------------------------------------------------------------------------


def script(flink: Flink, case: cases.Script) -> None:
    """Write the result of a script."""
    *before, query = case.statements()
    result: dict[str, Any]
    with flink.session(parallelism__default="1") as session:
        try:
            for statement in before:
                run(session, statement)
            columns, changes = run(session, query)
        except StartFailed as error:
            result = {"error": why(error)}
        else:
            kinds = sorted({kind for kind, _ in changes})
            result = {
                "columns": [[c["name"], type_of(c)] for c in columns],
                "mode": "append" if kinds in ([], ["INSERT"]) else "updating",
                "rows": fold(changes),
            }
    write(case.expected_path, result)
    print(f"scripts/{case.name}: {result.get('error') or str(len(result['rows'])) + ' rows'}", flush=True)


def write(path: Path, value: Any) -> None:
    """One line per row or case, so that a change can be read."""
    match value:
        case list():
            text = "[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in value) + "\n]\n"
        case {"rows": list(rows), **head}:
            lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
            text = json.dumps(head, ensure_ascii=False)[:-1] + ',\n "rows": [\n' + lines + "\n]}\n"
        case _:
            text = json.dumps(value, ensure_ascii=False) + "\n"
    path.write_text(text)


def main() -> None:
    """Run the cases that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="*", help="functions/FAMILY, scripts/GROUP/NAME, or a beginning of one")
    parser.add_argument("--missing", action="store_true", help="only cases without a result")
    options = parser.parse_args()

    def wanted(name: str, path: Path) -> bool:
        chosen = not options.case or any(name.startswith(one) for one in options.case)
        return chosen and not (options.missing and path.exists())

    folder = cases.FOLDER / "functions"
    families = [one for one in cases.families() if wanted(f"functions/{one}", folder / f"{one}.json")]
    found = [one for one in cases.scripts() if wanted(f"scripts/{one.name}", one.expected_path)]
    if not families and not found:
        raise SystemExit("no case of that name")
    flink = Flink()
    try:
        flink.start()
        for family in families:
            functions(flink, family)
        for case in found:
            script(flink, case)
    finally:
        flink.close()


if __name__ == "__main__":
    main()
