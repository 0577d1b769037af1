"""Words that only one place may use: the clock, files, threads, chance and the network are reached by seams."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache

from tests.house.sources import Finding, Source, dotted, evaluated


def words(text: str, prefix: str = "") -> tuple[str, ...]:
    """The words of a text, each behind a prefix."""
    return tuple(prefix + word for word in text.split())


BANNED: dict[str, tuple[tuple[str, ...], str]] = {
    "clock": (
        words("time.* datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today")
        + words("datetime.datetime.utcfromtimestamp"),
        "ask the Clock that is passed in (penstock.core.clock)",
    ),
    "chance": (
        words("random.* secrets.* uuid.uuid1 uuid.uuid4 os.urandom os.getrandom numpy.random.*"),
        "draw from a generator with a seed that is passed in",
    ),
    "files": (
        words("builtins.open io.open mmap.* shutil.* tempfile.* glob.* fileinput.*")
        + words("open fdopen read write close remove unlink rename renames replace fsync fdatasync mkdir", "os.")
        + words("makedirs rmdir removedirs listdir scandir walk fwalk stat lstat fstat link symlink readlink", "os.")
        + words("truncate ftruncate utime chmod chown access mkfifo", "os.")
        + words("exists isfile isdir getsize getmtime islink realpath", "os.path."),
        "use penstock.core.files, where each durable step can be made to fail",
    ),
    "threads": (
        words("threading.* _thread.* concurrent.futures.* multiprocessing.* asyncio.* queue.* subprocess.*")
        + words("os.fork os.system os.popen os.kill signal.signal signal.setitimer"),
        "use penstock.core.threads (and Signal of penstock.core.clock to wait)",
    ),
    "network": (
        words("socket.* ssl.* http.* urllib.request.* ftplib.* smtplib.* xmlrpc.*"),
        "reach the network from a connector, and list that in tests/house/banned.py with its reason",
    ),
    "print": (words("builtins.print builtins.input"), "return the text; penstock.cli writes it"),
    "code": (
        words("eval exec compile __import__ breakpoint", "builtins.")
        + words("pickle.* marshal.* shelve.* dill.* cloudpickle.* yaml.load yaml.unsafe_load"),
        "store values as JSON (penstock.plan.serde) and name functions by reference; nothing stored may run",
    ),
    "decode": (
        words("polars.read_* polars.scan_* pyarrow.parquet.* pyarrow.csv.* pyarrow.json.* pyarrow.feather.*"),
        "read through a connector and its format (penstock.connectors.formats)",
    ),
    "encode": ((), "write through a sink and its format (penstock.connectors.formats)"),
}
"""By group: dotted names (with `*`), and what to write instead."""

SEEDED = frozenset(words("random.Random numpy.random.default_rng numpy.random.Generator numpy.random.PCG64"))
"""Generators: good with a seed, banned without an argument."""

PATH_METHODS = frozenset(
    words("read_text write_text read_bytes write_bytes unlink rmdir mkdir touch symlink_to hardlink_to iterdir rglob")
    + words("is_file is_dir lstat")
)
"""Methods that touch files, whatever they are called on."""

FRAME_METHODS = frozenset(
    words("write_parquet write_csv write_ipc write_ipc_stream write_ndjson write_json write_database write_delta")
    + words("sink_parquet sink_csv sink_ipc sink_ndjson")
)
"""Methods that write a frame."""

PATH_METHODS_OF_PATHS = frozenset(words("open exists stat rename replace glob chmod"))
"""Methods that touch files when they are called on what looks like a path by its name."""

_LOOKS_LIKE_PATH = re.compile(r"(^|_)(path|file|directory|folder|root)$|^Path$")

ALLOWED: dict[tuple[str, str], str] = {
    ("core/clock.py", "clock"): "is the seam",
    ("core/disk.py", "files"): "is the seam",
    ("core/files.py", "files"): "is what goes through the seam",
    ("core/memory.py", "files"): "is the seam to memory, and to scratch files that have no name",
    ("testing/simulation/*", "files"): "is the seam, simulated",
    ("core/disk.py", "chance"): "names of staged files differ between processes that know nothing of each other",
    ("core/scheduling.py", "threads"): "is the seam",
    ("testing/simulation/*", "threads"): "is the seam, simulated",
    ("core/positioned.py", "files"): "is the seam",
    ("core/threads.py", "threads"): "tells a process how it is asked to end",
    ("core/processes.py", "threads"): "is the seam",
    ("core/coroutines.py", "threads"): "is the seam",
    ("testing/reactive/stage.py", "threads"): "tells in which thread a signal comes",
    ("flow/home.py", "threads"): "tells whether a call comes from the thread of the event loop",
    ("flow/clock.py", "threads"): "waits by futures of the event loop, which cost a third of an event",
    ("flow/tasks.py", "threads"): "tells whether anybody asked for a cancellation",
    ("testing/virtual.py", "threads"): "asks the event loop whether all tasks wait",
    ("core/failpoint.py", "files"): "tells which points a process has passed, when a test asks for it",
    ("control/*", "network"): "is the endpoint of a running pipeline, on loopback, and who asks it",
    ("connectors/http.py", "network"): "asks a service, in the thread of a call",
    ("core/failpoint.py", "threads"): "kills this process when a test asks for it",
    ("kernels/_jit.py", "threads"): "one lock around numba's compiler; kernels import nothing of ours",
    ("cli.py", "print"): "is where text for people goes out",
    ("cli/*", "print"): "is where text for people goes out",
    ("runner.py", "print"): "`show` is asked to print",
    ("connectors/*", "decode"): "is where bytes become frames",
}
"""Files (with `*`) that may use a group of banned words, and why."""


def allowance(name: str, group: str) -> tuple[str, str] | None:
    """The entry of ALLOWED that lets a file use a group."""
    return next((key for key in ALLOWED if key[1] == group and fnmatchcase(name, key[0])), None)


@cache
def uses(source: Source) -> tuple[tuple[str, int, str], ...]:
    """All uses of banned words: group, line, the word."""
    return tuple(_uses(source))


def _uses(source: Source) -> Iterator[tuple[str, int, str]]:
    bound = _bound(source)
    seeded = {
        id(call.func) for call in ast.walk(source.tree) if isinstance(call, ast.Call) and (call.args or call.keywords)
    }
    called = {id(call.func) for call in ast.walk(source.tree) if isinstance(call, ast.Call)}
    for node in evaluated(source.tree):
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        name = dotted(source, node)
        if name is None and isinstance(node, ast.Name) and node.id not in bound and hasattr(builtins, node.id):
            name = f"builtins.{node.id}"
        if name is None:
            group = _group_of_method(node) if isinstance(node, ast.Attribute) and id(node) in called else None
            if group:
                yield group, node.lineno, ast.unparse(node)
        elif name not in SEEDED or (id(node) in called and id(node) not in seeded):
            for group, (words, _) in BANNED.items():
                if any(fnmatchcase(name, word) for word in words):
                    yield group, node.lineno, name.removeprefix("builtins.")


def findings(source: Source) -> Iterator[Finding]:
    """Banned words in a file that may not use them."""
    for group, line, word in uses(source):
        if allowance(source.name, group) is None:
            yield source.find(line, f"`{word}` is banned here", BANNED[group][1])
    for node in ast.walk(source.tree):
        if isinstance(node, ast.keyword) and node.arg == "shell" and not _is(node.value, False):
            yield source.find(node.value.lineno, "`shell=` starts a shell", "pass a list of arguments")


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _bound(source: Source) -> set[str]:
    """Names that the file binds itself, so that they are not the built-in ones."""
    found = set(source.imports)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _group_of_method(node: ast.Attribute) -> str | None:
    if node.attr in FRAME_METHODS:
        return "encode"
    if node.attr in PATH_METHODS:
        return "files"
    base = node.value.func if isinstance(node.value, ast.Call) else node.value
    last = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
    return "files" if node.attr in PATH_METHODS_OF_PATHS and _LOOKS_LIKE_PATH.search(last) else None
