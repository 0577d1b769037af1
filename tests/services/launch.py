"""Become another program that ends when its parent does: `launch.py PARENT USER PROGRAM ARGUMENT...`.

Run as a program, before the server: what is set here stays over exec. It is a file of its own because
`preexec_fn` runs Python in a forked child of a process with threads, which may hang.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, user, program = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if user:
        import pwd

        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.environ.update(HOME=entry.pw_dir, USER=user, LOGNAME=user)
    if sys.platform == "linux":
        # After setuid, which would clear it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the test run ended before its server began")
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()
