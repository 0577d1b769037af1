"""PostgreSQL, with logical decoding on."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import ClassVar

from tests.services import install
from tests.services.process import Service, Unavailable, free_port

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "logical",
    "max_replication_slots": "10",
    "max_wal_senders": "10",
    "max_prepared_transactions": "10",
    "shared_buffers": "64MB",
    # A process that is killed loses nothing that the kernel has; on a busy disk a restart takes 3 seconds less.
    "fsync": "off",
}


def programs() -> Path:
    """The folder of `initdb` and `postgres`; installed if there is none."""
    found = _find()
    if found is None:
        with install.locked("postgresql"):
            found = _find()
            if found is None:
                install.debian("postgresql")
                found = _find()
    if found is None:
        raise Unavailable("the package postgresql brought no initdb")
    return found


def _find() -> Path | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = [Path(program) for program in [shutil.which("initdb")] if program]
    for path in [*reversed(debian), *on_path]:
        folder = path.resolve().parent
        if (folder / "postgres").exists():
            return folder
    return None


class Postgres(Service):
    """A server with the superuser `postgres` and no passwords.

    Attributes:
        url: The database `postgres`, as a connection string; `url_of` gives another one's.
    """

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[int] = signal.SIGINT  # "fast": does not wait for clients

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.url = self.url_of("postgres")
        # It refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else ""

    def url_of(self, database: str) -> str:
        """The connection string of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @classmethod
    def install(cls) -> None:
        """The Debian package."""
        programs()

    def usage(self) -> str:
        """See `Service.usage`."""
        return f"postgres   psql {self.url}"

    def prepare(self) -> None:
        """Make the data folder."""
        bin_folder = programs()
        if self._user:
            shutil.chown(self.folder, self._user, self._user)
        data = self.folder / "data"
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        self.once("initdb", [bin_folder / "initdb", "-D", data, *options], user=self._user)
        settings = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write("".join(f"{key} = '{value}'\n" for key, value in settings.items()))

    def launch(self) -> None:
        """Start the server."""
        self.run("postgres", [programs() / "postgres", "-D", self.folder / "data"], user=self._user)

    def probe(self) -> None:
        """It takes a query."""
        import psycopg

        with psycopg.connect(self.url, connect_timeout=2) as connection:
            connection.execute("select 1")

    def create(self, database: str) -> None:
        """Make an empty database."""
        self._execute(f'create database "{database}"')

    def drop(self, database: str) -> None:
        """Drop a database with its replication slots, and close whoever is connected to it."""
        mine = "from pg_replication_slots where database = %s"
        self._execute(f"select pg_terminate_backend(active_pid) {mine} and active", database)
        self.wait_until_ready(lambda: self._execute(f"select pg_drop_replication_slot(slot_name) {mine}", database))
        self._execute(f'drop database "{database}" with (force)')

    def _execute(self, statement: str, *parameters: str) -> None:
        import psycopg

        with psycopg.connect(self.url, connect_timeout=10, autocommit=True) as connection:
            connection.execute(statement.encode(), parameters or None)
