"""Manifests of a file sink: whole epochs for readers, one writer at a time, and what becomes of those that are late."""

from __future__ import annotations

import json
import os

import polars as pl
import pytest

from penstock.connectors import _file_log
from penstock.connectors._file_log import FileLog, LogError
from penstock.connectors._file_retention import Retention
from penstock.connectors._file_stage import Layout
from penstock.connectors._file_writer import FileWriter
from penstock.connectors.base import Split, WriteRequest, seal
from penstock.connectors.files import FileSink, FileSource
from penstock.connectors.formats import format_of
from penstock.core import failpoint
from penstock.core.errors import SinkError, SourceError, StartError, StateError, SupersededError
from penstock.core.schema import Schema
from penstock.testing import ManualClock
from penstock.testing.conform import check_source, sealed
from tests.unit.connectors.samples import polls, rows_of, shown, staged, wanted

FRAME = pl.DataFrame({"k": list("abcde"), "n": range(5)})
SCHEMA = Schema.of(dict(FRAME.schema))


def opened(folder, *, fresh=True, pipeline="conformance", **options):
    return FileSink(folder, **options).writer(WriteRequest(SCHEMA, (), False, pipeline, fresh))


def prepared(writer, epoch, frame=FRAME):
    writer.write(frame, None)
    return sealed(writer, epoch)


def publish(writer, epoch, frame=FRAME):
    made = prepared(writer, epoch, frame)
    writer.commit([made])
    return made


def numbers(source, request=None):
    rows, bad = rows_of(source, request or wanted(SCHEMA))
    assert bad == []
    return [row[1] for _, row in rows]


def manifests(folder):
    return [name.removeprefix("_penstock/") for name in sorted(os.listdir(folder / "_penstock")) if "json" in name]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


# -- what they say -------------------------------------------------------------


def test_a_manifest_names_the_files_of_its_epoch_and_the_token(tmp_path):
    made = publish(opened(tmp_path), 7)
    assert manifests(tmp_path) == ["epoch-00000000.json", "epoch-00000001.json"]
    fence, epoch = (json.loads((tmp_path / "_penstock" / name).read_text()) for name in manifests(tmp_path))
    assert fence["owner"] == "conformance"
    assert fence["files"] == []
    (file,) = epoch["files"]
    assert epoch["token"] == list(made.token)
    assert (file["name"], file["rows"]) == (shown(tmp_path)[0], 5)
    assert file["bytes"] == (tmp_path / file["name"]).stat().st_size
    assert file["digest"][:12] in file["name"]


def test_the_last_token_is_that_of_the_newest_epoch_also_of_one_without_rows(tmp_path):
    writer = opened(tmp_path)
    assert writer.last_token() is None
    publish(writer, 3)
    made = publish(writer, 4, FRAME.clear())
    assert writer.last_token() == made.token
    assert opened(tmp_path, fresh=False).last_token() == made.token
    assert made.token.rows == 0


def test_a_run_that_starts_anew_has_no_token_though_a_former_one_has(tmp_path):
    publish(opened(tmp_path), 7)
    for mode in ("append", "overwrite"):
        assert opened(tmp_path, mode=mode).last_token() is None
        # And none if it is killed before its first epoch, and resumes.
        assert opened(tmp_path, mode=mode, fresh=False).last_token() is None


def test_the_number_of_manifests_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(_file_log, "GATHERED", 5)
    writer = opened(tmp_path)
    for epoch in range(23):
        publish(writer, epoch, FRAME[epoch % 5 : epoch % 5 + 1])
        assert len(manifests(tmp_path)) <= 6
        assert numbers(FileSource(tmp_path)) == [n % 5 for n in range(epoch + 1)]
    assert sum(name.startswith("list") for name in manifests(tmp_path)) == 1
    assert opened(tmp_path, fresh=False).last_token().epoch == 22


# -- readers -------------------------------------------------------------------


@pytest.mark.parametrize("format", ["json", "parquet"])
def test_a_directory_with_manifests_keeps_the_contract_of_sources(tmp_path, format):
    writer = opened(tmp_path, format=format, roll_rows=2)
    for epoch in range(3):
        publish(writer, epoch, FRAME[epoch:])
    rows = [row for epoch in range(3) for row in FRAME[epoch:].to_dicts()]
    check_source(FileSource(tmp_path), expected=rows)
    check_source(FileSource(tmp_path, watch="10 ms"), expected=rows, most_rows=len(rows))
    check_source(FileSource(tmp_path, split_files=True), expected=rows)
    check_source(FileSource(tmp_path, manifests=False), expected=rows)


def test_only_what_manifests_name_is_read(tmp_path):
    publish(opened(tmp_path), 0, FRAME[:2])
    (tmp_path / "aaa.json").write_text('{"k": "x", "n": 99}\n')
    assert numbers(FileSource(tmp_path)) == [0, 1]
    assert numbers(FileSource(tmp_path, manifests=False)) == [99, 0, 1]
    assert numbers(FileSource(tmp_path / "*.json")) == [99, 0, 1]


@pytest.mark.parametrize("step", ["files.publish", "files.linked", "sink.published", "sink.before_manifest"])
def test_an_epoch_of_several_files_is_seen_whole_or_not_at_all(tmp_path, monkeypatch, step):
    writer = opened(tmp_path, roll_rows=1)
    publish(writer, 0, FRAME[:1])
    made = prepared(writer, 1, FRAME[1:])
    with monkeypatch.context() as patch:
        patch.setitem(failpoint.ACTIONS, step, failpoint.KINDS["eio"])
        with pytest.raises(SinkError):
            writer.commit([made])
    assert numbers(FileSource(tmp_path)) == [0]
    assert all((tmp_path / name).read_text().endswith("}\n") for name in shown(tmp_path))
    writer.commit([made])
    assert numbers(FileSource(tmp_path)) == list(range(5))


def test_a_watching_reader_sees_epochs_in_order_and_remembers_one_number(tmp_path):
    writer = opened(tmp_path, roll_rows=2)
    publish(writer, 0, FRAME[:3])
    source = FileSource(tmp_path, watch="1 s")
    reader = source.reader(source.splits()[0], None, wanted(SCHEMA))
    first = polls(reader, 10)
    publish(writer, 1, FRAME[3:])
    second = polls(reader, 10)
    assert [row for polled in (*first, *second) for row in polled.frame["n"]] == list(range(5))
    assert all("done" not in polled.position for polled in second)
    again = source.reader(source.splits()[0], json.loads(json.dumps(first[0].position)), wanted(SCHEMA))
    assert [row for polled in polls(again, 10) for row in polled.frame["n"]] == [2, 3, 4]


def test_a_reader_takes_no_notice_of_manifests_that_are_gathered(tmp_path, monkeypatch):
    monkeypatch.setattr(_file_log, "GATHERED", 3)
    writer = opened(tmp_path)
    source = FileSource(tmp_path, format="json", watch="1 s")
    reader, found = source.reader(source.splits()[0], None, wanted(SCHEMA)), []
    for epoch in range(20):
        publish(writer, epoch, FRAME[epoch % 5 : epoch % 5 + 1])
        if epoch % 7 == 0 or epoch == 19:
            found += [row for polled in polls(reader, 10) for row in polled.frame["n"]]
    assert found == [epoch % 5 for epoch in range(20)]


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "newer"])
def test_a_manifest_that_cannot_be_used_is_said(tmp_path, damage):
    writer = opened(tmp_path)
    for epoch in range(3):
        publish(writer, epoch)
    path = tmp_path / "_penstock" / "epoch-00000002.json"
    text = path.read_text()
    if damage == "gone":
        path.unlink()
    elif damage == "newer":
        path.write_text(json.dumps(json.loads(text) | {"version": 9}))
    else:
        path.write_text(text[:-30] if damage == "cut" else text.replace('"rows": 5', '"rows": 6'))
    why = {"gone": "is missing", "newer": "newer Penstock"}.get(damage, "is damaged")
    with pytest.raises(StartError, match=rf"epoch-00000002.json.*{why}"):
        FileSource(tmp_path).splits()
    with pytest.raises(StartError, match=why):
        opened(tmp_path, fresh=False)


def test_a_manifest_cannot_name_files_outside_of_its_directory(tmp_path):
    publish(opened(tmp_path / "x"), 0)
    path = tmp_path / "x" / "_penstock" / "epoch-00000001.json"
    body = json.loads(path.read_text())
    for name in ("../secret.json", "/etc/passwd", "a/../../b"):
        body.pop("digest", None)
        body["files"][0]["name"] = name
        path.write_text(json.dumps({"digest": _file_log._digest(body), **body}))
        with pytest.raises(LogError, match="outside of the directory"):
            FileLog(tmp_path / "x").refresh()


def test_a_file_that_is_not_what_its_manifest_says_is_an_error(tmp_path):
    publish(opened(tmp_path), 0)
    path = tmp_path / shown(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SourceError, match="its manifest says"):
        numbers(FileSource(tmp_path))
    path.unlink()
    with pytest.raises(StartError, match="it is not there any more"):
        numbers(FileSource(tmp_path))
    source = FileSource(tmp_path)
    reader = source.reader(Split(source.path), None, wanted(SCHEMA))
    with pytest.raises(SourceError, match="was removed before it was read"):
        reader.poll(10)


# -- runs that start anew ------------------------------------------------------


def test_overwriting_shows_the_former_rows_or_the_new_ones(tmp_path, monkeypatch):
    writer = opened(tmp_path)
    publish(writer, 0, FRAME[:1])
    publish(writer, 1, FRAME[1:2])
    writer = opened(tmp_path, mode="overwrite")
    made = prepared(writer, 0, FRAME[2:])
    writer.last_token()
    with monkeypatch.context() as patch:
        patch.setitem(failpoint.ACTIONS, "sink.manifest_made", lambda: seen.append(numbers(FileSource(tmp_path))))
        patch.setitem(failpoint.ACTIONS, "sink.before_manifest", lambda: seen.append(numbers(FileSource(tmp_path))))
        seen = []
        writer.commit([made])
    assert seen == [[0, 1], [2, 3, 4]]
    assert len(shown(tmp_path)) == 1


def test_a_reader_in_the_midst_of_what_is_overwritten_is_told(tmp_path):
    publish(opened(tmp_path), 0)
    source = FileSource(tmp_path, watch="1 s")
    reader = source.reader(source.splits()[0], None, wanted(SCHEMA))
    position = reader.poll(2).position
    reader.poll(10)
    publish(opened(tmp_path, mode="overwrite"), 0)
    with pytest.raises(SourceError, match="was replaced by another run"):
        reader.poll(10)
    with pytest.raises(SourceError, match="was replaced by another run"):
        source.reader(source.splits()[0], position, wanted(SCHEMA))


def test_appending_to_files_without_manifests_keeps_them(tmp_path):
    (tmp_path / "old.json").write_text('{"k": "x", "n": 99}\n')
    (tmp_path / "notes.txt").write_text("not rows")
    publish(opened(tmp_path, mode="append"), 0, FRAME[:1])
    assert numbers(FileSource(tmp_path)) == [99, 0]
    publish(opened(tmp_path, mode="overwrite"), 0, FRAME[1:2])
    assert numbers(FileSource(tmp_path)) == [1]
    assert "old.json" in shown(tmp_path)


def test_another_pipelines_directory_is_not_resumed_into(tmp_path):
    first = opened(tmp_path, pipeline="one")
    publish(first, 0)
    publish(opened(tmp_path, pipeline="two", mode="append"), 0)
    with pytest.raises(StateError, match='holds a newer run of the pipeline "two"'):
        opened(tmp_path, pipeline="one", fresh=False).last_token()


def test_an_epoch_that_was_published_with_other_content_is_not_passed_over(tmp_path):
    publish(opened(tmp_path), 0, FRAME[:1])
    resumed = opened(tmp_path, fresh=False)
    with pytest.raises(SupersededError, match="with other content"):
        publish(resumed, 0, FRAME[:2])
    assert numbers(FileSource(tmp_path)) == [0]


# -- one writer at a time ------------------------------------------------------


def test_a_zombie_publishes_nothing_once_another_has_taken_over(tmp_path):
    zombie = opened(tmp_path)
    made = [publish(zombie, 0, FRAME[:1]), prepared(zombie, 1, FRAME[1:2])]
    unsealed = zombie.prepare(2)
    zombie.write(FRAME[3:], None)
    successor = opened(tmp_path, fresh=False)
    assert successor.last_token() == made[0].token
    for publishes in (made, made[1:]):
        with pytest.raises(SupersededError, match="another process has taken over"):
            zombie.commit(publishes)
    successor.commit(made[1:])
    publish(successor, 2, FRAME[2:3])
    publish(successor, 3, FRAME[3:4])
    with pytest.raises(SupersededError):
        zombie.commit([made[1]])
    with pytest.raises(SupersededError):
        zombie.last_token()
    late = seal("conformance", 2, unsealed())
    with pytest.raises(SupersededError):
        zombie.commit([late])
    zombie.close()
    assert numbers(FileSource(tmp_path)) == numbers(FileSource(tmp_path, manifests=False)) == [0, 1, 2, 3]
    assert staged(tmp_path) == []


STEPS = ["sink.before_publish", "files.publish", "files.linked", "sink.published", "sink.before_manifest"]


@pytest.mark.parametrize("gathered", [3, 64])
@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_sleeps_while_it_publishes_wakes_up_too_late(tmp_path, monkeypatch, step, gathered):
    monkeypatch.setattr(_file_log, "GATHERED", gathered)
    zombie = opened(tmp_path, roll_rows=2)
    made = [publish(zombie, 0, FRAME[:1]), prepared(zombie, 1, FRAME[1:])]

    def successor():
        failpoint.ACTIONS.pop(step)
        writer = opened(tmp_path, fresh=False, roll_rows=2)
        assert writer.last_token() == made[0].token
        writer.commit(made[1:])
        for epoch in range(2, 7):
            publish(writer, epoch, FRAME[epoch % 5 : epoch % 5 + 1])

    monkeypatch.setitem(failpoint.ACTIONS, step, successor)
    with pytest.raises(SupersededError):
        zombie.commit(made[1:])
    zombie.close()
    expected = [0, 1, 2, 3, 4, 2, 3, 4, 0, 1]
    assert numbers(FileSource(tmp_path)) == numbers(FileSource(tmp_path, manifests=False)) == expected
    assert staged(tmp_path) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_sleeps_while_a_new_run_overwrites_shows_nothing(tmp_path, monkeypatch, step):
    zombie = opened(tmp_path)
    publish(zombie, 0, FRAME[:1])
    made = prepared(zombie, 1, FRAME[1:])

    def successor():
        failpoint.ACTIONS.pop(step)
        publish(opened(tmp_path, mode="overwrite"), 0, FRAME[3:])

    monkeypatch.setitem(failpoint.ACTIONS, step, successor)
    with pytest.raises(SupersededError):
        zombie.commit([made])
    assert numbers(FileSource(tmp_path)) == numbers(FileSource(tmp_path, manifests=False)) == [3, 4]


def test_of_two_writers_that_open_at_once_one_goes_on(tmp_path, monkeypatch):
    publish(opened(tmp_path), 0, FRAME[:1])
    one, other = opened(tmp_path, fresh=False), opened(tmp_path, fresh=False)

    def meanwhile():
        failpoint.ACTIONS.pop("sink.before_fence")
        other.last_token()

    monkeypatch.setitem(failpoint.ACTIONS, "sink.before_fence", meanwhile)
    assert one.last_token().epoch == 0
    publish(one, 1, FRAME[1:2])
    with pytest.raises(SupersededError):
        publish(other, 1, FRAME[2:3])
    assert numbers(FileSource(tmp_path)) == [0, 1]


def test_staged_files_of_epochs_that_wait_are_kept_until_a_later_one_is_out(tmp_path):
    first = opened(tmp_path)
    made = [prepared(first, epoch, FRAME[epoch : epoch + 1]) for epoch in range(3)]
    first.write(FRAME, None)
    assert len(staged(tmp_path)) == 4
    second = opened(tmp_path, fresh=False)
    publishes = prepared(second, 3, FRAME[3:4])
    for one in (*made, publishes):
        second.commit([one])
    assert staged(tmp_path) == []
    assert numbers(FileSource(tmp_path)) == [0, 1, 2, 3]


# -- what is kept --------------------------------------------------------------


def test_the_oldest_epochs_go_when_there_are_more_bytes_than_are_kept(tmp_path):
    writer = opened(tmp_path, keep=45)
    for epoch in range(5):
        publish(writer, epoch, FRAME[epoch : epoch + 1])  # 16 bytes each
    publish(writer, 5, FRAME.clear())
    assert numbers(FileSource(tmp_path)) == numbers(FileSource(tmp_path, manifests=False)) == [3, 4]
    publish(writer, 6)
    assert numbers(FileSource(tmp_path)) == list(range(5))
    assert len(shown(tmp_path)) == 1


def test_the_oldest_epochs_go_when_they_are_older_than_is_kept(tmp_path):
    clock = ManualClock()
    layout = Layout(format_of("json", {}))
    request = WriteRequest(SCHEMA, (), False, "conformance")
    writer = FileWriter(tmp_path, layout, "error", Retention(span=10_000_000), request, clock)
    for epoch in range(5):
        publish(writer, epoch, FRAME[epoch : epoch + 1])
        clock.advance("4 s")
    assert numbers(FileSource(tmp_path)) == [2, 3, 4]
    clock.advance("1 h")
    publish(writer, 5, FRAME.clear())
    assert numbers(FileSource(tmp_path)) == [4]


def test_a_reader_that_is_too_far_behind_is_told_and_one_that_is_not_goes_on(tmp_path):
    writer = opened(tmp_path, keep=35, roll_rows=1)
    source = FileSource(tmp_path, format="json", watch="1 s")
    publish(writer, 0, FRAME[:2])
    first = polls(source.reader(source.splits()[0], None, wanted(SCHEMA)), 10)
    publish(writer, 1, FRAME[2:4])
    again = source.reader(source.splits()[0], first[-1].position, wanted(SCHEMA))
    assert [row for polled in polls(again, 10) for row in polled.frame["n"]] == [2, 3]
    with pytest.raises(SourceError, match="removed before they were read"):
        source.reader(source.splits()[0], first[0].position, wanted(SCHEMA))
    publish(writer, 2, FRAME[:2])
    with pytest.raises(SourceError, match="removed before they were read"):
        source.reader(source.splits()[0], first[-1].position, wanted(SCHEMA))


# -- what fails ----------------------------------------------------------------


def test_a_directory_that_is_removed_under_a_writer_is_said(tmp_path):
    writer = opened(tmp_path / "x")
    publish(writer, 0)
    made = prepared(writer, 1)
    os.rename(tmp_path / "x", tmp_path / "y")
    with pytest.raises(SinkError, match=r"cannot write to .*: all manifests were removed while they were in use"):
        writer.commit([made])
    with pytest.raises(SinkError):
        publish(writer, 2)
    assert not (tmp_path / "x").exists() or shown(tmp_path / "x") == []


def test_a_staged_file_that_somebody_removed_is_said(tmp_path):
    writer = opened(tmp_path)
    made = prepared(writer, 0)
    os.remove(tmp_path / staged(tmp_path)[0])
    with pytest.raises(SinkError, match="No such file"):
        writer.commit([made])
    assert shown(tmp_path) == []


class Failing(dict):
    """Of all failpoints that are passed, the one of a number fails."""

    def __init__(self, left, kind):
        super().__init__(any=None)
        self.left, self.kind = left, kind

    def get(self, name, default=None):
        self.left -= 1
        return failpoint.KINDS[self.kind] if self.left == -1 else None


@pytest.mark.parametrize("kind", ["enospc", "eio"])
def test_every_step_may_fail_once_and_is_done_by_another_try(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(_file_log, "GATHERED", 2)

    steps, failed = 0, True
    while failed:
        folder, failed = tmp_path / str(steps), False
        writer = opened(folder, roll_rows=2, keep=70)
        publish(writer, 0, FRAME)
        made = [prepared(writer, 1, FRAME[:1]), prepared(writer, 2, FRAME[1:4])]
        with monkeypatch.context() as patch:
            patch.setattr(failpoint, "ACTIONS", Failing(steps, kind))
            try:
                writer.commit(made)
            except SinkError:
                failed = True
        assert numbers(FileSource(folder)) in ([0, 1, 2, 3, 4], [0], [0, 1, 2, 3])
        writer = opened(folder, fresh=False, roll_rows=2, keep=70)
        token = writer.last_token()
        writer.commit([one for one in made if one.token.epoch > token.epoch])
        assert numbers(FileSource(folder)) == numbers(FileSource(folder, manifests=False)) == [0, 1, 2, 3]
        steps += 1
    assert steps > 25


@pytest.mark.parametrize("kind", ["enospc", "eio"])
def test_every_step_of_writing_may_fail_and_leaves_nothing(tmp_path, monkeypatch, kind):
    steps, failed = 0, True
    while failed:
        folder, failed = tmp_path / str(steps), False
        writer = opened(folder, partition_by="k", roll_rows=1)
        with monkeypatch.context() as patch:
            patch.setattr(failpoint, "ACTIONS", Failing(steps, kind))
            try:
                writer.write(FRAME, None)
                writer.write(FRAME, None)
                sealed(writer, 0)
            except SinkError:
                failed = True
        if failed:
            assert staged(folder) == []
            assert shown(folder) == []
            # What was refused is given up; the writer itself is as it was.
            publish(writer, 1, FRAME[:2])
            assert numbers(FileSource(folder), wanted(SCHEMA)) == [0, 1]
        writer.close()
        steps += 1
    assert steps > 40


def test_who_opens_a_sink_anew_and_does_not_take_over_changes_nothing(tmp_path):
    # Two fresh starts at once, of which one loses the takeover: it has wiped the winner's token before.
    winner = opened(tmp_path)
    loser = opened(tmp_path)
    publish(winner, 7, FRAME[:1])
    loser.close()
    assert opened(tmp_path, fresh=False).last_token().epoch == 7


def test_who_begins_anew_after_a_newer_run_has_published_ends(tmp_path):
    # It took over first, was held up before it came to its outputs, and a successor has gone on with its epoch.
    stale = opened(tmp_path, mode="append")
    successor = opened(tmp_path, fresh=False)
    publish(successor, 1, FRAME[:1])
    with pytest.raises(SupersededError, match="another process has taken over"):
        stale.last_token()
    stale.close()
    publish(successor, 2, FRAME[1:2])
    assert numbers(FileSource(tmp_path)) == [0, 1]


def test_a_newer_run_is_known_whatever_its_number(tmp_path):
    # The state directory of the run that was seen is gone: numbers begin at zero again.
    former = opened(tmp_path)
    former.write(FRAME[:1], None)
    former.commit([seal("conformance", 60, former.prepare(60)(), incarnation=57)])
    stale, successor = (opened(tmp_path, mode="append") for _ in range(2))
    publish(successor, 1, FRAME[1:2])
    with pytest.raises(SupersededError, match="another process has taken over"):
        stale.last_token()
    assert opened(tmp_path, fresh=False).last_token().epoch == 1


def test_a_run_that_was_seen_and_goes_on_is_not_a_newer_one(tmp_path):
    former = opened(tmp_path)
    publish(former, 0, FRAME[:1])
    writer = opened(tmp_path, mode="append")
    publish(former, 1, FRAME[1:2])
    assert writer.last_token() is None
    publish(writer, 0, FRAME[2:3])
    assert numbers(FileSource(tmp_path)) == [0, 1, 2]


def test_files_are_adopted_once_by_runs_that_begin_together(tmp_path, monkeypatch):
    FRAME[:2].write_ndjson(tmp_path / "old.json")
    first, second = (opened(tmp_path, mode="append") for _ in range(2))

    def other():
        failpoint.ACTIONS.pop("sink.before_fence")
        first.last_token()

    monkeypatch.setitem(failpoint.ACTIONS, "sink.before_fence", other)
    publish(second, 0, FRAME[2:3])
    assert numbers(FileSource(tmp_path)) == [0, 1, 2]


def test_files_of_an_epoch_that_was_lost_do_not_stay(tmp_path, monkeypatch):
    # They have their names, the checkpoint that knew them is damaged, and their rows come again in another epoch.
    writer = opened(tmp_path)
    publish(writer, 0, FRAME[:1])
    with monkeypatch.context() as patch:
        patch.setitem(failpoint.ACTIONS, "sink.published", failpoint.KINDS["eio"])
        with pytest.raises(SinkError):
            writer.commit([prepared(writer, 1, FRAME[1:3])])
    writer.close()
    assert numbers(FileSource(tmp_path, manifests=False)) == [0, 1, 2]
    writer = opened(tmp_path, fresh=False)
    writer.last_token()
    publish(writer, 1, FRAME[1:2])
    publish(writer, 2, FRAME[2:4])
    assert numbers(FileSource(tmp_path)) == numbers(FileSource(tmp_path, manifests=False)) == [0, 1, 2, 3]


def test_staged_files_stay_until_their_names_are_durable(tmp_path, monkeypatch):
    # A power cut may keep the removal of one name and lose the other name: neither would be left.
    writer = opened(tmp_path)
    made = prepared(writer, 0, FRAME)
    writer.last_token()
    seen = []
    with monkeypatch.context() as patch:
        patch.setitem(failpoint.ACTIONS, "files.linked", lambda: seen.append(len(staged(tmp_path))))
        patch.setitem(failpoint.ACTIONS, "files.sync_directory", lambda: seen.append(len(staged(tmp_path))))
        patch.setitem(failpoint.ACTIONS, "sink.published", lambda: seen.append(len(staged(tmp_path))))
        writer.commit([made])
    assert seen[:3] == [1, 1, 0]
    writer.close()


def test_a_zombie_removes_nothing_of_its_successor(tmp_path, monkeypatch):
    zombie = opened(tmp_path)
    zombie.last_token()
    made = [prepared(zombie, 0, FRAME[:1])]

    def successor():
        failpoint.ACTIONS.pop("sink.manifest_made")
        writer = opened(tmp_path, fresh=False)
        writer.last_token()
        publish(writer, 1, FRAME[1:3])

    monkeypatch.setitem(failpoint.ACTIONS, "sink.manifest_made", successor)
    with pytest.raises(SupersededError):
        zombie.commit(made)
    assert numbers(FileSource(tmp_path)) == numbers(FileSource(tmp_path, manifests=False)) == [0, 1, 2]
