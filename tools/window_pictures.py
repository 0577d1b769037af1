"""Draw what each window sends and when, from a run: `python tools/window_pictures.py [--check]`.

Every page of `docs/windows` with a line `<!-- rows: ... -->` has a block of Python that defines `windows(rows)`: what
is made of a stream. The tool runs it over these rows, one step after each, and writes the picture as text between
`<!-- picture -->` and `<!-- end -->`, and as `NAME.svg` beside the page. What a line of rows has:

    a@4         the row "a" with the event time of second 4; `x/a@4`: of the key "x"
    +5s         the clock moves on by so much
    1:a@4       a row of another split of the source; without a number it is 0
    silent:1    the split is silent from here on
    watermark=2s, watermark=none    the bound; first of all
    open        the input does not end
    unit=3h     what stands for a second; behind the bound
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import penstock as ps
from penstock.api.stream import stream
from penstock.core.schema import Schema
from penstock.core.timespan import END, NEVER, SECOND, duration, from_datetime, to_datetime
from penstock.testing.driver import Driver, ManualClock
from penstock.testing.oracle import BEGINNING
from penstock.testing.scene import Kept, Pushed

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "windows"
COLUMNS = {"key": ps.String, "name": ps.String, "at": ps.Datetime("us", "UTC")}
BOUNDS = ("window_start", "window_end")
_BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ROWS = re.compile(r"^<!-- rows: (.*?) -->$", re.MULTILINE)
_PICTURE = re.compile(r"(?<=^<!-- picture -->\n).*?(?=^<!-- end -->$)", re.DOTALL | re.MULTILINE)
_ROW = re.compile(r"(?:(?P<split>\d+):)?(?:(?P<key>\w+)/)?(?P<name>\w+)@(?P<at>-?[\d.]+)")


@dataclass
class Sent:
    """A row that was sent, or taken back.

    Attributes:
        diff: +1 or -1.
        begin: When its window begins, in seconds; None if it has no bounds.
        end: When it ends.
        text: Its other columns.
        closed: Whether the end belongs to the window.
    """

    diff: int
    begin: float | None
    end: float | None
    text: str
    closed: bool = False


@dataclass
class Moment:
    """A step of the run.

    Attributes:
        label: What came.
        at: Where on the axis of time, in seconds; None = nowhere.
        watermark: How far time has come after it, in seconds; None if it is not known, or at the end.
        sent: What it sent.
        late: Whether a row was late.
        clock: Whether the position is that of the clock.
    """

    label: str
    at: float | None
    watermark: float | None
    sent: list[Sent] = field(default_factory=list)
    late: bool = False
    clock: bool = False


def moments(build: Any, script: str) -> list[Moment]:
    """What a run over the rows of a page gives, step by step."""
    words = script.split()
    bound = words.pop(0).removeprefix("watermark=")
    unit = duration(duration_text(words.pop(0)[5:])) if words[0].startswith("unit=") else SECOND
    ends = "open" not in words
    splits = 1 + max((int(found["split"] or 0) for word in words if (found := _ROW.fullmatch(word))), default=0)
    source = Pushed(name="rows", columns=Schema.of(COLUMNS), ends=ends)
    rows = ps.read(source, name="rows", event_time="at", watermark=None if bound == "none" else duration_text(bound))
    made = build(rows)
    pipeline = ps.Pipeline("picture", stream(made.node).write(Kept(), name="out"))
    driver = Driver(pipeline, splits={"rows": splits}, clock=ManualClock(BEGINNING))
    bounds = [name for name in BOUNDS if name in made.schema]
    closed = made.node.facts.time == "window_end" and not made.node.facts.time_shift
    by_clock = getattr(made.node, "clock", False)
    found, driver = [], driver.step()
    for word in [*words, *(["end"] if ends else [])]:
        if word == "open":
            continue
        late, step = len(driver.late), driver.caught.step
        label, at, clock = _do(driver, word, unit)
        driver.step()
        known = NEVER < driver.watermark < END and not by_clock
        now = (driver.watermark - BEGINNING) / unit if known else None
        moment = Moment(label, _now(driver) if by_clock and at is not None else at, now, clock=clock)
        moment.sent = [_sent(row, diff, bounds, closed, unit) for row, diff in driver.changes(step=step)]
        moment.late = len(driver.late) > late
        found.append(moment)
    return found


def duration_text(text: str) -> str:
    """`2s` as a duration: `2 s`."""
    return re.sub(r"(?<=\d)(?=[a-z])", " ", text)


def _now(driver: Driver) -> float:
    return (driver.clock.now() - BEGINNING) / SECOND


def _do(driver: Driver, word: str, unit: int) -> tuple[str, float | None, bool]:
    """Let something happen; its label, its place, and whether it is the clock that moves."""
    if word == "end":
        driver.end()
        return "end", None, False
    if word.startswith("+"):
        driver.advance(duration_text(word[1:]))
        return f"clock {_now(driver):g} s", _now(driver), True
    if word.startswith("silent:"):
        driver.silence("rows", split=int(word.partition(":")[2]))
        return f"split {word.partition(':')[2]} silent", None, False
    found = _ROW.fullmatch(word)
    assert found is not None, word
    at = to_datetime(BEGINNING + int(float(found["at"]) * unit))
    row = {"key": found["key"], "name": found["name"], "at": at}
    driver.push("rows", [row], split=int(found["split"] or 0))
    key = f"{found['key']}/" if found["key"] else ""
    split = f" (split {found['split']})" if found["split"] else ""
    return f"{key}{found['name']}{split}", float(found["at"]), False


def _sent(row: dict[str, Any], diff: int, bounds: Sequence[str], closed: bool, unit: int) -> Sent:
    places = [(from_datetime(row[name]) - BEGINNING) / unit for name in bounds] or [None, None]
    texts = [str(value) for name, value in row.items() if name not in bounds and name != "at" and value is not None]
    return Sent(diff, places[0], places[1], " ".join(texts), closed)


# -- as text -------------------------------------------------------------------


def as_text(found: Sequence[Moment]) -> str:
    """A line per row with its place in time, and below it what it sent."""
    first, last = extent(found)
    width, left = 2, max(len(moment.label) for moment in found) + 2

    def column(second: float) -> int:
        return left + round((second - first) * width)

    ticks = [second for second in range(int(first), int(last) + 1) if second % 5 == 0]
    axis = " " * (column(last) + 6)
    for second in ticks:
        axis = _put(axis, column(second), str(second))
    lines = [axis.rstrip()]
    for moment in found:
        line = moment.label
        if moment.at is not None:
            line = _put(line, column(moment.at), "c" if moment.clock else "*")
        notes = ["late"] if moment.late else []
        if moment.watermark is not None and moment.watermark >= first:
            line = _put(line, column(moment.watermark), "|", over=False)
        lines.append((line.ljust(column(last) + 2) + "  " + "".join(notes)).rstrip())
        for sent in moment.sent:
            lines.append(_bar(sent, column, column(last) + 2))
    return "\n".join(lines)


def _put(line: str, place: int, text: str, *, over: bool = True) -> str:
    line = line.ljust(place + len(text))
    if not over and line[place] != " ":
        return line
    return line[:place] + text + line[place + len(text) :]


def _bar(sent: Sent, column: Any, right: int) -> str:
    verb = "+" if sent.diff > 0 else "-"
    if sent.begin is None or sent.end is None:
        return " " * right + f"  {verb} {sent.text}"
    begin, end = column(sent.begin), column(sent.end)
    bar = "[" + "-" * max(0, end - begin - 1) + ("]" if sent.closed else ")")
    return f"{' ' * begin}{bar}".ljust(right) + f"  {verb} {sent.text}"


def extent(found: Sequence[Moment]) -> tuple[float, float]:
    """The first and the last second of a picture."""
    places = [moment.at for moment in found if moment.at is not None]
    places += [
        place for moment in found for sent in moment.sent for place in (sent.begin, sent.end) if place is not None
    ]
    return min(0.0, *places) // 1, max(places)


# -- as SVG --------------------------------------------------------------------

ROW, SECOND_WIDTH, LEFT = 22, 22, 110


def as_svg(found: Sequence[Moment]) -> str:
    """Time from left to right, what came from top to bottom: rows, the watermark, and windows where they were sent."""
    first, last = extent(found)
    lines: list[tuple[Moment, Sent | None]] = []
    for moment in found:
        lines += [(moment, None), *((moment, sent) for sent in moment.sent)]
    width, height = int(LEFT + (last - first) * SECOND_WIDTH + 150), ROW * (len(lines) + 2)

    def x(second: float) -> float:
        return LEFT + (second - first) * SECOND_WIDTH

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for second in range(int(first), int(last) + 1):
        if second % 5 == 0:
            parts.append(_line(x(second), ROW, x(second), height - ROW / 2, "#ddd"))
            parts.append(f'<text x="{x(second):g}" y="14" text-anchor="middle">{second} s</text>')
    parts += _watermark(lines, x, last)
    for number, (moment, sent) in enumerate(lines):
        y = ROW * (number + 1.5)
        parts += _of_moment(moment, x, y) if sent is None else _of_sent(sent, x, y, x(last))
    return "\n".join([*parts, "</svg>", ""])


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}"/>'


def _watermark(lines: Sequence[tuple[Moment, Sent | None]], x: Any, last: float) -> Iterator[str]:
    places = [
        (x(min(moment.watermark, last)), ROW * (number + 1.5))
        for number, (moment, sent) in enumerate(lines)
        if moment.watermark is not None and x(moment.watermark) >= LEFT
    ]
    if len(places) > 1:
        points = " ".join(f"{a:g},{b:g}" for a, b in places)
        yield f'<polyline points="{points}" fill="none" stroke="#c60" stroke-dasharray="4 3"/>'


def _of_moment(moment: Moment, x: Any, y: float) -> Iterator[str]:
    yield f'<text x="6" y="{y + 4:g}">{escape(moment.label)}</text>'
    if moment.at is not None:
        colour = "#999" if moment.clock else "#c00" if moment.late else "#06c"
        yield f'<circle cx="{x(moment.at):g}" cy="{y:g}" r="4" fill="{colour}"/>'
        if moment.late:
            yield f'<text x="{x(moment.at) + 8:g}" y="{y + 4:g}" fill="#c00">late</text>'


def _of_sent(sent: Sent, x: Any, y: float, right: float) -> Iterator[str]:
    fill = "#cde6cd" if sent.diff > 0 else "#f3cccc"
    text = escape(("" if sent.diff > 0 else "back: ") + sent.text)
    if sent.begin is None or sent.end is None:
        yield f'<text x="{right + 12:g}" y="{y + 4:g}">{text}</text>'
        return
    yield (
        f'<rect x="{x(sent.begin):g}" y="{y - 8:g}" width="{max(2, x(sent.end) - x(sent.begin)):g}" height="16" '
        f'fill="{fill}" stroke="#666"/>'
    )
    yield f'<text x="{x(sent.begin) + 5:g}" y="{y + 4:g}">{text}</text>'


# -- pages ---------------------------------------------------------------------


def drawn(page: Path) -> tuple[str, str] | None:
    """A page with its picture as it should be, and its picture as SVG; None if it has none."""
    text = page.read_text(encoding="utf-8")
    rows, block = _ROWS.search(text), _BLOCK.search(text)
    if rows is None or block is None:
        return None
    names: dict[str, Any] = {"ps": ps}
    exec(compile(block[1], str(page), "exec"), names)
    found = moments(names["windows"], rows[1])
    picture = f"```text\n{as_text(found)}\n```\n\n![{page.stem}]({page.stem}.svg)\n"
    return _PICTURE.sub(lambda _: picture, text), as_svg(found)


def main(arguments: Sequence[str]) -> int:
    """Write what differs, or with `--check` say so."""
    behind = []
    for page in sorted(FOLDER.glob("*.md")):
        made = drawn(page)
        if made is None:
            continue
        for path, text in ((page, made[0]), (page.with_suffix(".svg"), made[1])):
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                behind.append(path.name)
                if "--check" not in arguments:
                    path.write_text(text, encoding="utf-8")
    if behind and "--check" in arguments:
        print(f"not what a run gives: {', '.join(behind)}; run python tools/window_pictures.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
