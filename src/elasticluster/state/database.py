"""Databases that clusters can be stored in, SQLite and PostgreSQL: connections, locks, errors, versions.

A lock ends with the process that holds it. SQLite's is a file beside the database (:mod:`.lock`).
PostgreSQL's is an advisory lock of a session, and what is written under it goes through that very session:
a command whose connection broke, and with it its lock, can write nothing any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from elasticluster.engine.children import bequeath, keep
from elasticluster.engine.files import file_errors, make_private_directory, open_private
from elasticluster.exceptions import ClusterLocked, ConfigurationError, StateError
from elasticluster.state.checks import check_file
from elasticluster.state.lock import LAST_WILL, has_died, locked, process_lock, this_process

Upgrade: TypeAlias = Sequence[str]
"""Statements that bring the tables of one version to the next."""

METADATA = sa.MetaData()
_VERSION = sa.Table("elasticluster_schema", METADATA, sa.Column("version", sa.Integer, nullable=False))

_ADVISORY = 0x656C6173  # tells our advisory locks from those of other programs in the same database
_SCHEMA_LOCK = 0
_HOLDER_RE = re.compile(r"(?P<pid>\d+)@(?P<host>\S+) (?P<command>.*)", re.DOTALL)
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_PORT = 5432
_SECRET = ("password", "passfile", "sslpassword")
_POLITE = {"connect_timeout": 10, "keepalives_idle": 30}  # a lock's connection is silent for minutes
_ALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "6"}
"""How soon a server notices that a computer with a lock is gone: after a minute and a half, not two hours."""

_writing = threading.RLock()
"""Held by the thread that writes; the locks only keep processes apart."""


class Database(ABC):
    """A database with our tables, which are made on first use.

    Args:
        url: where it is.
        upgrades: steps that bring tables of older versions up to date; the first one is for version 1.
        arguments: what the driver is told besides the URL.

    Attributes:
        place: the same in words, without a password.
    """

    def __init__(self, url: sa.URL, upgrades: Sequence[Upgrade], arguments: Mapping[str, Any]) -> None:
        self.place = _shown(url)
        self._upgrades = upgrades
        self._prepared = False
        # No pool: a forked child would use the same connections as its parent.
        self.engine = sa.create_engine(url, poolclass=NullPool, connect_args=dict(arguments))

    @property
    @abstractmethod
    def identity(self) -> str:
        """What tells the database from others, however its URL is written."""

    @abstractmethod
    def exists(self) -> bool:
        """Return whether there may be something in it."""

    @abstractmethod
    def lock(self, cluster: str) -> AbstractContextManager[sa.Connection | None]:
        """Keep other processes off a cluster; within this process it can be taken again.

        Yields:
            the connection to write with as long as the lock lasts; None: any.

        Raises:
            ClusterLocked: another process holds it.
            StateError: the lock cannot be had.
        """

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection | None]:
        """Look at a database that is there; None if it has no tables of ours, which looking does not make."""
        with self.errors("read"):
            if not self._prepare(make=False):
                yield None
                return
            with self.engine.connect() as connection:
                yield connection

    @contextlib.contextmanager
    def writing(self, cluster: str, patience: float) -> Iterator[sa.Connection]:
        """Be the only writer of a cluster; all of what is written comes to be, durably, or nothing.

        Args:
            cluster: its name.
            patience: seconds to wait for another process that writes.

        Raises:
            ClusterLocked, StateError: as for :meth:`lock`.
        """
        with _writing, contextlib.ExitStack() as stack:
            locked_by = stack.enter_context(self._patiently(cluster, patience))
            stack.enter_context(self.errors("write"))
            if locked_by and locked_by.invalidated:  # it would be opened again, without the lock
                raise StateError(
                    f"Cannot write the database {self.place}: the connection broke, and with it the lock on "
                    f"cluster `{cluster}`.",
                    hint="Run the command again.",
                )
            connection = locked_by or stack.enter_context(self._connected(writes=True))
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def errors(self, verb: str) -> Iterator[None]:
        """Turn the database's errors into those of ours, which name it without its password."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as exc:
            why = str(getattr(exc, "orig", None) or exc).strip().partition("\n")[0]
            raise StateError(
                f"Cannot {verb} the database {self.place}: {why.rstrip('.')}.",
                hint="Check that it can be reached and that you may use it, then run the command again.",
            ) from exc

    @contextlib.contextmanager
    def _patiently(self, cluster: str, patience: float) -> Iterator[sa.Connection | None]:
        deadline = time.monotonic() + patience
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    connection = stack.enter_context(self.lock(cluster))
                    break
                except ClusterLocked:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(0.01)
            yield connection

    @contextlib.contextmanager
    def _connected(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        self._prepare()
        with self.engine.connect().execution_options(elasticluster_writes=writes) as connection:
            yield connection

    def _prepare(self, *, make: bool = True) -> bool:
        """Bring the tables up to date, once for each object; return whether there are any.

        Args:
            make: whether to make them if there are none.
        """
        if self._prepared:
            return True
        with self.engine.connect() as connection:
            stored = self._stored_version(connection)
        if stored is None and not make:
            return False
        if stored != 1 + len(self._upgrades):
            writer = self.engine.connect().execution_options(elasticluster_writes=True)
            with writer as connection, connection.begin():
                self._lock_schema(connection)
                self._upgrade(connection)
        self._prepared = True
        return True

    def _stored_version(self, connection: sa.Connection) -> int | None:
        if not sa.inspect(connection).has_table(_VERSION.name):
            return None
        return connection.scalar(sa.select(_VERSION.c.version))

    def _upgrade(self, connection: sa.Connection) -> None:
        current = 1 + len(self._upgrades)
        stored = self._stored_version(connection)
        if stored is None:
            METADATA.create_all(connection)
            connection.execute(sa.insert(_VERSION).values(version=current))
            return
        if stored > current:
            raise StateError(
                f"The database {self.place} was set up by a newer version of ElastiCluster "
                f"(schema version {stored}, this one knows up to {current}).",
                hint="Use that version for these clusters, or install it here.",
            )
        for statement in (line for step in self._upgrades[stored - 1 :] for line in step):
            connection.execute(sa.text(statement))
        if stored < current:
            connection.execute(sa.update(_VERSION).values(version=current))

    def _lock_schema(self, connection: sa.Connection) -> None:  # noqa: B027 - a writer may be alone already
        """Keep other processes from making or changing the tables until the transaction ends."""


class Sqlite(Database):
    """A file, for its owner only; one user's processes keep each other apart by files beside it."""

    def __init__(self, url: sa.URL, upgrades: Sequence[Upgrade]) -> None:
        if not url.database or url.database == ":memory:":
            raise ConfigurationError(
                f"The database URL '{_shown(url)}' names no file.",
                hint="Write sqlite:///PATH; in memory, clusters are remembered by MemRepository.",
            )
        if url.query:
            raise ConfigurationError(
                f"The database URL '{_shown(url)}' has options: {', '.join(sorted(url.query))}.",
                hint="Write sqlite:///PATH; what follows a `?` is not understood.",
            )
        self.path = Path(url.database).expanduser().resolve()  # by another name it would have another lock
        super().__init__(url.set(database=str(self.path)), upgrades, {"timeout": 30})
        sa.event.listen(self.engine, "connect", self._configure)
        sa.event.listen(self.engine, "begin", _begin)

    @property
    def identity(self) -> str:
        """The path of its file."""
        return f"sqlite:///{self.path}"

    def exists(self) -> bool:
        """Return whether there is such a file."""
        with file_errors("read", self.path):
            return self.path.exists()

    def lock(self, cluster: str) -> AbstractContextManager[None]:
        """Lock a file beside the database."""
        path = self.path.with_name(f"{self.path.name}.{cluster}.lock")
        return process_lock(path, cluster, lambda: False)

    def _prepare(self, *, make: bool = True) -> bool:
        check_file(self.path)
        if not self.path.exists():
            if not make:
                return False
            with file_errors("write", self.path):
                make_private_directory(self.path.parent)
                open_private(self.path, "ab").close()
            self._prepared = False
        return super()._prepare(make=make)

    def _configure(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin when we say so, those with DDL too
        connection.execute("PRAGMA synchronous = EXTRA")  # what is committed survives a power cut


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction; one that writes has to be the only one from its first look at the tables on."""
    writes = connection.get_execution_options().get("elasticluster_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@dataclass(slots=True)
class _Session:
    """A connection that holds a lock.

    Attributes:
        connection: it.
        descriptor: its socket; None where the driver does not tell.
        holders: how often the lock was taken in this process.
    """

    connection: sa.Connection
    descriptor: int | None = None
    holders: int = 0


_guard = threading.Lock()
_sessions: dict[tuple[str, str], _Session] = {}
_inherited: list[_Session] = []
"""Those of the parent of a forked process; closing them would end the parent's."""


class Postgres(Database):
    """A database on a server, which keeps apart the processes of all computers that use it."""

    def __init__(self, url: sa.URL, upgrades: Sequence[Upgrade]) -> None:
        libpq = url.get_driver_name().startswith("psycopg")
        arguments = {name: value for name, value in _POLITE.items() if libpq and name not in url.query}
        super().__init__(url, upgrades, arguments)

    @property
    def identity(self) -> str:
        """Host, port and name; users, drivers and options make no difference."""
        url = self.engine.url
        host = str(url.query.get("host") or (url.host or "localhost").lower())
        host = "localhost" if host in _LOOPBACK else host
        port = url.query.get("port") or url.port or _PORT
        return f"postgresql://{host}:{port}/{url.query.get('dbname') or url.database or url.username}"

    def exists(self) -> bool:
        """Return True: nobody but the server knows."""
        return True

    @contextlib.contextmanager
    def lock(self, cluster: str) -> Iterator[sa.Connection]:
        """Hold an advisory lock; it ends with the session, which ends with the process and its children."""
        where = (self.identity, cluster)
        with _guard:
            session = _sessions.get(where) or _sessions.setdefault(where, self._acquire(cluster))
            session.holders += 1
        try:
            yield session.connection
        finally:
            with _guard:
                session.holders -= 1
                if not session.holders and _sessions.get(where) is session:
                    del _sessions[where]
                    _close(session)

    def _acquire(self, cluster: str) -> _Session:
        with self.errors("lock a cluster in"):
            self._prepare()
            connection = self.engine.connect()
            try:
                self._wait(connection, cluster)
            except BaseException:
                connection.close()
                raise
        descriptor = _descriptor(connection)
        if descriptor is not None:
            bequeath(descriptor)
        return _Session(connection, descriptor)

    def _wait(self, connection: sa.Connection, cluster: str) -> None:
        """Take the lock; wait while it is held only by what is left of a command that is dead."""
        deadline = time.monotonic() + LAST_WILL
        keys = (_ADVISORY, _number(cluster))
        us = this_process()
        _set(connection, "application_name", f"{us['pid']}@{us['host']} {us['command']}")
        for name, value in _ALIVE.items():
            _set(connection, name, value)
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(*keys))):
            holder = _holder(connection, keys)
            connection.rollback()
            if time.monotonic() > deadline or not has_died(holder):
                raise locked(cluster, holder)
            time.sleep(0.05)
        connection.commit()

    def _lock_schema(self, connection: sa.Connection) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY, _SCHEMA_LOCK)))


def open_database(url: str, upgrades: Sequence[Upgrade]) -> Database:
    """Return a database; nobody is asked for anything yet.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://USER@HOST/DATABASE``, as SQLAlchemy writes them.
        upgrades: steps that bring tables of older versions up to date.

    Raises:
        ConfigurationError: it is no such URL, or a driver is missing.
    """
    try:
        found = sa.make_url(url)
        backend = found.get_backend_name()
        if backend == "sqlite":
            return Sqlite(found, upgrades)
        if backend in {"postgres", "postgresql"}:
            driver = found.drivername.partition("+")[2] or "psycopg"
            return Postgres(found.set(drivername=f"postgresql+{driver}"), upgrades)
    except (ImportError, NoSuchModuleError) as exc:
        raise ConfigurationError(
            f"The database {_shown(found)} needs a driver that is not installed: {exc}.",
            hint="For PostgreSQL: `pip install 'psycopg[binary]'`.",
        ) from exc
    except (ArgumentError, ValueError) as exc:
        raise ConfigurationError(
            "A database URL cannot be understood.", hint="Expected sqlite:///PATH or postgresql://HOST/NAME."
        ) from exc
    raise ConfigurationError(
        f"Clusters cannot be stored in a database of type '{backend}'.",
        hint="Expected sqlite:///PATH or postgresql://HOST/NAME.",
    )


def _shown(url: sa.URL) -> str:
    """Return a URL without its secrets, the same for every driver."""
    query = {key: value for key, value in url.query.items() if key not in _SECRET}
    plain = url.set(drivername=url.get_backend_name(), query=query)
    return sa.URL.create(
        plain.drivername,
        username=plain.username,
        host=plain.host,
        port=plain.port,
        database=plain.database,
        query=plain.query,
    ).render_as_string()


def _number(cluster: str) -> int:
    """Return the lock's number: two clusters that share one only wait for each other without need."""
    digest = hashlib.sha256(cluster.encode()).digest()
    return 1 + int.from_bytes(digest[:4], "big") % (2**31 - 1)


def _set(connection: sa.Connection, name: str, text: str) -> None:
    """Set a parameter of a session; of its name the server keeps the first 63 characters."""
    shown = text.encode("ascii", "replace").decode()
    connection.execute(sa.select(sa.func.set_config(name, shown, sa.false())))


def _holder(connection: sa.Connection, keys: tuple[int, int]) -> Mapping[str, Any]:
    """Return who holds an advisory lock, as it told; empty if it did not, or has just let go."""
    query = sa.text(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND classid = :first AND objid = :second AND objsubid = 2 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    told = connection.scalar(query, {"first": keys[0], "second": keys[1]})
    match = _HOLDER_RE.fullmatch(told or "")
    return {**match.groupdict(), "pid": int(match["pid"])} if match else {}


def _descriptor(connection: sa.Connection) -> int | None:
    fileno = getattr(connection.connection.driver_connection, "fileno", None)
    return int(fileno()) if fileno else None


def _close(session: _Session) -> None:
    """Let go of a lock; a connection that broke has done so."""
    if session.descriptor is not None:
        keep(session.descriptor)
    with contextlib.suppress(SQLAlchemyError):
        session.connection.close()


def _forget() -> None:
    """Leave locks and connections to the parent of a forked process."""
    global _guard  # noqa: PLW0603 - another thread of the parent may have held the old one for ever
    _guard = threading.Lock()
    _inherited.extend(_sessions.values())
    _sessions.clear()


os.register_at_fork(after_in_child=_forget)
