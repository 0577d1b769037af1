"""Write `docs/guides/which-join.md`, with a picture of each join by a run: `python tools/draw_joins.py [--check]`."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import penstock as ps
from penstock.testing.driver import Driver
from penstock.testing.scene import Kept, Pushed

TARGET = Path(__file__).resolve().parents[1] / "docs" / "guides" / "which-join.md"

HEAD = """# Which join do I need?

Made by `tools/draw_joins.py`: every picture is a run. What the joins promise, their forms, late rows and costs are in
the [guide](joins.md). In all pictures the same rows come, one after the other, each a second or some after the one
before. The event time of a row and the clock are the same; the watermark is one second behind.

- Left rows `a1 x` have a name and a key. So have right rows, `b1 x`.
- `+ a1 b1` is sent: a pair, or a left row with nothing (`-`). `- a1 -` takes back what was sent.
"""

BEGUN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

ROWS = (
    (1, "left", "a1", "x"),
    (3, "right", "b1", "x"),
    (4, "left", "a2", "x"),
    (6, "left", "a3", "y"),
    (8, "right", "b2", "x"),
    (9, "left", "a4", "x"),
    (14, "right", "b3", "y"),
    (20, "left", "a5", "y"),
    (21, "right", "b4", "z"),
)
"""What comes: the second, the side, the name, the key."""


@dataclass(frozen=True)
class Picture:
    """A join and what is said of it.

    Attributes:
        title: What one wants.
        text: What it does.
        code: How it is written.
        build: Makes it of both sides.
    """

    title: str
    text: str
    code: str
    build: Callable[[Any, Any], Any]


PICTURES = (
    Picture(
        "All partners, whenever they come",
        "A regular inner join. It keeps all rows of both sides; `.state(ttl=)` bounds it.",
        'left.join(right, on="k")',
        lambda left, right: left.join(right, on="k"),
    ),
    Picture(
        "All left rows, with their partners as they come",
        "A regular left join is a Table: a row without a partner is sent at once, and taken back when one comes.",
        'left.join(right, on="k", how="left")',
        lambda left, right: left.join(right, on="k", how="left"),
    ),
    Picture(
        "Left rows that have a partner",
        "A semi join sends a left row once, however many partners it has; `anti` has those without.",
        'left.join(right, on="k", how="semi")',
        lambda left, right: left.join(right, on="k", how="semi"),
    ),
    Picture(
        "Partners that are near in time",
        "An interval join keeps a row while the watermark says that a partner may come. A left row without any is\n"
        "sent when that is over, once.",
        'left.join(right, on="k", within=("-2 s", "4 s"), how="left")',
        lambda left, right: left.join(right, on="k", within=("-2 s", "4 s"), how="left"),
    ),
    Picture(
        "Partners of the same window",
        "A window join sends all pairs of a window when the watermark passes its end.",
        'left.join(right, on="k", window=ps.tumbling("10 s"), how="left")',
        lambda left, right: left.join(right, on="k", window=ps.tumbling("10 s"), how="left"),
    ),
    Picture(
        "The version of that time",
        "A temporal join: each left row takes the version of its key that held at its event time, when the\n"
        "watermark is past it. The result does not depend on which came first.",
        'left.join(right.as_table("k"), on="k", as_of="event_time", how="left")',
        lambda left, right: left.join(right.as_table("k"), on="k", as_of="event_time", how="left"),
    ),
    Picture(
        "The nearest row in time",
        "An ASOF join: before (`backward`), after (`forward`) or on either side, within a tolerance.",
        'left.join_asof(right, by="k", strategy="nearest", tolerance="5 s")',
        lambda left, right: left.join_asof(right, by="k", strategy="nearest", tolerance="5 s"),
    ),
    Picture(
        "What is there when the row comes",
        "By processing time: a left row sees what the right side holds at that instant, comes out when the clock\n"
        "goes on, and is never corrected.",
        'left.join(right.as_table("k"), on="k", as_of="processing_time", load="none", how="left")',
        lambda left, right: left.join(right.as_table("k"), on="k", as_of="processing_time", load="none", how="left"),
    ),
    Picture(
        "A file, or a table that is loaded first",
        "As before, but left rows wait until the right side is read to its end. It is the default where there is an\n"
        "end. Conditions (`where=`) need no keys: ranges too, such as those of addresses.",
        'left.join(right.as_table("k"), on="k", as_of="processing_time", load="end", how="left")',
        lambda left, right: left.join(right.as_table("k"), on="k", as_of="processing_time", load="end", how="left"),
    ),
    Picture(
        "Keys of both sides, or of one only",
        "Set operations compare whole rows; `all=True` counts them.",
        'left.select("k").except_(right.select("k"))',
        lambda left, right: left.select("k").except_(right.select("k")),
    ),
)


def stream(name: str, column: str) -> Any:
    """One of the two sides."""
    columns = ps.Schema.of({"at": ps.Datetime("us", "UTC"), "k": ps.String, column: ps.String})
    return ps.read(Pushed(name=name, columns=columns), name=name, event_time="at", watermark="1 s")


def sent_text(row: dict[str, Any], sign: int, names: Sequence[str]) -> str:
    """A row that is sent, for people."""
    shown = " ".join("-" if row[name] is None else str(row[name]) for name in names)
    return f"{'+' if sign > 0 else '-'} {shown}"


def drawn(picture: Picture) -> str:
    """What comes and what is sent, line by line."""
    built = picture.build(stream("left", "a"), stream("right", "b"))
    driver = Driver(ps.Pipeline("picture", built.write(Kept(), name="out")))
    names = [name for name in ("a", "b") if name in built.columns] or ["k"]
    lines, seen, clock = [f"{'second':>6}  {'left':<6}{'right':<6}  sent"], 0, 0
    for second, side, name, key in (*ROWS, (22, "end", "", "")):
        driver.advance(dt.timedelta(seconds=second - clock))
        clock = second
        if side == "end":
            driver.end()
        else:
            column = "a" if side == "left" else "b"
            driver.push(side, [{"at": BEGUN + dt.timedelta(seconds=second), "k": key, column: name}])
        driver.step()
        changes = driver.changes()
        told = [sent_text(row, sign, names) for row, sign in changes[seen:]]
        seen = len(changes)
        came = f"{name} {key}" if name else "(end)"
        places = (came if side != "right" else "", came if side != "left" else "")
        lines.append(f"{second:>6}  {places[0]:<6}{places[1]:<6}  {', '.join(told)}".rstrip())
    return "\n".join(lines)


def page() -> str:
    """The page."""
    parts = [HEAD]
    for picture in PICTURES:
        parts.append(f"## {picture.title}\n\n{picture.text}\n\n    {picture.code}\n\n```text\n{drawn(picture)}\n```\n")
    return "\n".join(parts)


def main(arguments: Sequence[str]) -> int:
    """Write the page, or compare it with what is there."""
    made = page()
    if "--check" not in arguments:
        TARGET.write_text(made, encoding="utf-8")
        return 0
    if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != made:
        sys.stderr.write(f"{TARGET.name} is not what runs give: python tools/draw_joins.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
