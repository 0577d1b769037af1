"""`make services`: real servers on this machine, for trying things out, until Ctrl-C.

`--install` only installs what they need. `--flink` is for Flink too, which is 330 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from types import FrameType

from tests.services.flink import Flink
from tests.services.install import cache_folder
from tests.services.kafka import Kafka
from tests.services.postgres import Postgres
from tests.services.process import Service, StartFailed, Unavailable
from tests.services.s3 import S3

KINDS: dict[str, type[Service]] = {kind.name: kind for kind in (Kafka, Postgres, S3, Flink)}


def main(arguments: list[str] | None = None) -> int:
    """Install, or start and wait."""
    parser = argparse.ArgumentParser(prog="make services", description=__doc__)
    parser.add_argument("--install", action="store_true", help="only install")
    parser.add_argument("--flink", action="store_true", help="Flink too")
    parser.add_argument("only", nargs="*", help=f"of {', '.join(KINDS)}: only these")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.only) - set(KINDS)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(KINDS)}")
    names = options.only or [name for name in KINDS if name != "flink" or options.flink]
    kinds = [KINDS[name] for name in names]
    return install(kinds) if options.install else serve(kinds)


def install(kinds: list[type[Service]]) -> int:
    """Install what is missing. What cannot be had is an error only in CI: elsewhere its tests are skipped."""
    missing = 0
    for kind in kinds:
        began = time.monotonic()
        try:
            kind.install()
        except Unavailable as error:
            missing += 1
            print(f"{kind.name}: cannot be had: {error}", file=sys.stderr)
        else:
            print(f"{kind.name}: installed ({time.monotonic() - began:.1f} s)")
    print(f"cache: {cache_folder()}")
    return 1 if missing and os.environ.get("CI") else 0


def serve(kinds: list[type[Service]]) -> int:
    """Start, say how to use them, and wait for Ctrl-C or the end of one."""
    signal.signal(signal.SIGTERM, _interrupt)
    with contextlib.ExitStack() as stack:
        services = []
        try:
            for kind in kinds:
                began = time.monotonic()
                services.append(stack.enter_context(kind()))
                print(f"{kind.name}: up ({time.monotonic() - began:.1f} s), data and logs in {services[-1].folder}")
            print()
            for service in services:
                print(service.usage())
            print("\nCtrl-C stops them and removes their data.", flush=True)
            while all(service.running for service in services):
                time.sleep(0.5)
        except KeyboardInterrupt:
            print("\nstopping", flush=True)
            return 0
        except (Unavailable, StartFailed) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        print("error: a server has ended:", file=sys.stderr)
        print("\n".join(child.tail() for one in services for child in one.processes if not child.running))
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
