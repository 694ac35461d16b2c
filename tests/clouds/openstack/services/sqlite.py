"""What the services need so that many threads and processes can share SQLite files."""

from __future__ import annotations

from typing import Any

WAIT = 60_000  # milliseconds


def tune() -> None:
    """Write ahead, wait for locks, and let a writer take the lock when its transaction begins.

    oslo.db begins with a deferred BEGIN; where such a transaction then has to write what another has
    written since, SQLite says "database is locked" at once, however long one would wait.
    """
    from oslo_db.sqlalchemy import enginefacade
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _set_up)
    event.listen(Engine, "before_cursor_execute", _begin_now, retval=True)
    factory = enginefacade._TransactionFactory
    make = factory._create_session

    def make_session(self: Any, mode: Any, bind: Any = None) -> Any:
        session = make(self, mode, bind)
        if mode is enginefacade._WRITER:
            _lock_at_begin(session)
        return session

    factory._create_session = make_session


def _set_up(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=OFF", f"busy_timeout={WAIT}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _lock_at_begin(session: Any) -> None:
    begin = session.begin

    def begin_now(*args: Any, **options: Any) -> Any:
        transaction = begin(*args, **options)
        session.connection(execution_options={"immediate": True})
        return transaction

    session.begin = begin_now


def _begin_now(
    connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any
) -> tuple[str, Any]:
    if statement == "BEGIN" and connection.get_execution_options().get("immediate"):
        statement = "BEGIN IMMEDIATE"
    return statement, parameters
