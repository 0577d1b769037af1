"""Installing: whole or not at all, once, whoever else installs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from tests.house.sources import ROOT
from tests.services import install
from tests.services.fixtures import provide
from tests.services.process import Unavailable
from tests.services.test_process import Echo


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_SERVICES", str(tmp_path))
    return tmp_path


def test_a_folder_is_made_once() -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "a.jar").write_text("jar")

    first = install.installed("thing", make)
    assert install.installed("thing", make) == first
    assert (first / "a.jar").read_text() == "jar"
    assert len(made) == 1


@pytest.mark.parametrize("damage", ["shorter", "gone"])
def test_a_folder_that_is_damaged_is_made_again(damage: str) -> None:
    def make(folder: Path) -> None:
        (folder / "a.jar").write_text("jar")

    jar = install.installed("thing", make) / "a.jar"
    jar.write_text("j") if damage == "shorter" else jar.unlink()
    assert (install.installed("thing", make) / "a.jar").read_text() == "jar"


def test_what_fails_leaves_nothing_behind(cache: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "a.jar").write_text("half of a jar")
        raise Unavailable("no network")

    with pytest.raises(Unavailable):
        install.installed("thing", make)
    assert [path.name for path in cache.iterdir()] == [".thing.lock"]


def test_of_two_that_install_at_once_one_waits_for_the_other(cache: Path) -> None:
    code = (
        "import os, pathlib, sys, time\nfrom tests.services.install import installed\n"
        "def make(folder):\n    time.sleep(0.2)\n    (folder / 'who').write_text(str(os.getpid()))\n"
        "print((installed('thing', make) / 'who').read_text())"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    found = {one.communicate(timeout=60)[0] for one in both}
    assert len(found) == 1
    assert found.pop().strip() in {str(one.pid).encode() for one in both}


def test_an_installer_that_fails_says_why() -> None:
    with pytest.raises(Unavailable, match=r"ended with 3: error: the disk is full"):
        install.run([sys.executable, "-c", "print('well'); print('error: the disk is full'); raise SystemExit(3)"])
    with pytest.raises(Unavailable, match="no-such-program"):
        install.run(["no-such-program"])


class Missing(Echo):
    name: ClassVar[str] = "missing"

    @classmethod
    def install(cls) -> None:
        raise Unavailable("no network")


def test_a_server_that_cannot_be_had_skips_its_tests_and_fails_them_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no server missing: no network"):
        next(provide(Missing))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no server missing: no network"):
        next(provide(Missing))
