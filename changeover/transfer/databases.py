"""Databases of the systems file, opened lazily; every way in which opening fails has its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from changeover.errors import Mistake, Setback

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from changeover.runbook.systems import DatabaseEntry

#: Seconds until a server that does not answer is called unreachable.
CONNECT_TIMEOUT_S: Final = 10

_DRIVERS: Final = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "oracle": "oracle+oracledb",
}
_CONNECT_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "pymysql": {"connect_timeout": CONNECT_TIMEOUT_S, "charset": "utf8mb4"},
    "psycopg": {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "changeover",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    },
    "pysqlite": {"timeout": 30.0},
}


@dataclass(eq=False)
class DatabaseAddressWrong(Mistake):
    """The URL of a database cannot be used."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"database {self.name}: {self.why}"

    @property
    def hint(self) -> str:
        return "write a SQLAlchemy URL such as mysql+pymysql://crm@db-1/crm, and the password as a reference in `password:`"


@dataclass(eq=False)
class DriverMissing(Mistake):
    """The Python driver of a database is not installed."""

    name: str
    driver: str

    def __str__(self) -> str:
        return f"database {self.name} needs the driver {self.driver}, which is not installed"

    @property
    def hint(self) -> str:
        return f"install it beside changeover: pip install {self.driver}"


@dataclass(eq=False)
class DatabaseUnreachable(Setback):
    """Nothing answers at the address of a database."""

    name: str
    where: str
    why: str

    def __str__(self) -> str:
        return f"database {self.name} does not answer at {self.where}: {self.why}"

    @property
    def hint(self) -> str:
        return "is the server up, and is its port open from this machine?"


@dataclass(eq=False)
class DatabaseRefusedLogin(Setback):
    """A database knows another password, or no such user."""

    name: str
    user: str

    def __str__(self) -> str:
        return f"database {self.name} refuses the login of {self.user or 'nobody'}"

    @property
    def hint(self) -> str:
        return "check the user in `url:` and the reference in `password:` of the systems file"


@dataclass(eq=False)
class DatabaseUnknown(Setback):
    """The server answers, but has no database of that name (or no such file)."""

    name: str
    database: str

    def __str__(self) -> str:
        return f"database {self.name}: there is no {self.database}"

    @property
    def hint(self) -> str:
        return "check the last part of `url:` in the systems file; changeover never creates a database"


@dataclass(eq=False)
class DatabaseForbidden(Setback):
    """The server lets its user in, but not into the database; whether that is there it does not say."""

    name: str
    user: str
    database: str

    def __str__(self) -> str:
        return f"database {self.name} does not let {self.user} into {self.database}"

    @property
    def hint(self) -> str:
        return (
            f"let its administrator grant {self.user} what is needed there, or check the last part of `url:` in the systems file"
        )


@dataclass(eq=False)
class StatementFailed(Setback):
    """A database refused a statement, or the connection died under it."""

    name: str
    statement: str
    why: str

    def __str__(self) -> str:
        return f"database {self.name}: {self.why} (in: {self.statement})"


@dataclass(eq=False)
class SecretNotSent(Mistake):
    """A database could only be reached elsewhere by sending its password there."""

    name: str

    def __str__(self) -> str:
        return f"database {self.name}: its password is no reference, and no password is sent through a cluster"

    @property
    def hint(self) -> str:
        return "write `password: env:NAME` or `file:PATH` in the systems file, and let every worker have it under that name"


@dataclass(frozen=True, slots=True)
class Reference:
    """What may pass through other hands: a database without its password, which is found where it is opened."""

    name: str
    url: str
    password: str  # a reference
    options: Mapping[str, Any]

    def open(self) -> OpenDatabase:
        """A database of one's own; nothing is connected yet. Raises SecretMissing."""
        from changeover.runbook.systems import DatabaseEntry  # noqa: PLC0415 - only a worker needs it
        from changeover.secrets import Secrets  # noqa: PLC0415

        password = Secrets(Path.cwd()).resolve(self.password) if self.password else ""
        return open_database(self.name, DatabaseEntry(url=self.url, options=self.options), password)


@dataclass(frozen=True, slots=True)
class Address:
    """All that a process needs to open a database, the password too: for pipes between processes, never for a screen."""

    name: str
    url: str = field(repr=False)
    options: Mapping[str, Any]
    password: str = ""  # the reference behind the password in the URL

    def by_reference(self) -> Reference:
        """The same without the password. Raises SecretNotSent."""
        url = sa.make_url(self.url)
        if url.password and not self.password:
            raise SecretNotSent(self.name)
        bare = sa.URL.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query)
        return Reference(self.name, bare.render_as_string(hide_password=False), self.password, self.options)

    def open(self) -> OpenDatabase:
        """A database of one's own; nothing is connected yet."""
        from changeover.runbook.systems import DatabaseEntry  # noqa: PLC0415 - only a worker needs it

        return open_database(self.name, DatabaseEntry(url=self.url, options=self.options), "")


class OpenDatabase:
    """A database of the systems file; connects on first use. Close it."""

    def __init__(self, name: str, engine: sa.Engine, address: Address | None = None) -> None:
        self._name = name
        self._engine = engine
        #: How another process opens it.
        self.address = address

    @property
    def name(self) -> str:
        """Its name in the systems file."""
        return self._name

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine behind it."""
        return self._engine

    def scalar(self, statement: str, /, **values: object) -> Any:
        """The only value of the first row; None when there is no row."""
        with _said(self._name, statement), self._engine.connect() as connection:
            return connection.execute(sa.text(statement), values).scalar()

    def rows(self, statement: str, /, **values: object) -> list[dict[str, Any]]:
        """The rows, as dictionaries."""
        with _said(self._name, statement), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(statement), values).mappings()]

    def execute(self, statement: str, /, **values: object) -> int:
        """Run it in a transaction of its own; the number of affected rows (-1 when the driver cannot tell)."""
        with _said(self._name, statement), self._engine.begin() as connection:
            return connection.execute(sa.text(statement), values).rowcount

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


@dataclass(frozen=True, slots=True)
class _said:  # noqa: N801 - reads as a word in `with`
    """Turns what SQLAlchemy raises into a Setback with the database's name."""

    name: str
    statement: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SQLAlchemyError):
            raise StatementFailed(self.name, shortened(self.statement), reason(error)) from error


def shortened(statement: str, limit: int = 120) -> str:
    """One line of a statement."""
    line = " ".join(statement.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def reason(error: BaseException) -> str:
    """What the server said, in one line, without the driver's wrapping, and without the row at which it happened."""
    error = _first(error)
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    arguments = [str(part) for part in cause.args if isinstance(part, str)]
    text = (arguments[-1] if arguments else str(cause)).split("\nLINE ")[0].split("\nCONTEXT:")[0]
    said = " ".join(text.split())
    return said or type(cause).__name__


def _first(error: BaseException) -> BaseException:
    """What came before a savepoint was missing: a full disk, for one, takes the whole transaction with its savepoints."""
    earlier: BaseException | None = error
    while earlier is not None and "savepoint" in str(error).lower():
        if isinstance(earlier, DBAPIError) and "no such savepoint" not in str(earlier.orig):
            return earlier
        earlier = earlier.__context__
    return error


def open_database(name: str, entry: DatabaseEntry, password: str, *, base: Path | None = None) -> OpenDatabase:
    """The database *name*; nothing is connected yet. A relative SQLite path is relative to *base*.

    Raises:
        DatabaseAddressWrong: the URL cannot be used.
        DriverMissing: its driver is not installed.
    """
    url = _address(name, entry.url, password, base)
    more: dict[str, Any] = {"poolclass": QueuePool} if url.database != ":memory:" else {}
    if url.drivername.endswith("+pymysql"):
        more["paramstyle"] = "pyformat"  # counting places, SQLAlchemy takes a column called %(x)s for one
    try:
        arguments = {**_CONNECT_ARGUMENTS.get(url.get_driver_name(), {}), **entry.options}
        engine = sa.create_engine(url, connect_args=arguments, hide_parameters=True, pool_pre_ping=True, **more)
    except ModuleNotFoundError as error:
        raise DriverMissing(name, error.name or url.get_driver_name()) from error
    except NoSuchModuleError as error:
        raise DatabaseAddressWrong(name, f"there is no database system called {url.drivername!r}") from error

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: object, positional: Any, keywords: Any) -> DBAPIConnection:
        if url.get_backend_name() == "sqlite":
            _refuse_missing_file(name, url)
        try:
            return dialect.connect(*positional, **keywords)  # type: ignore[no-any-return]
        except dialect.loaded_dbapi.Error as error:
            raise _why_not(name, url, error) from error

    return OpenDatabase(
        name, engine, Address(name, url.render_as_string(hide_password=False), dict(entry.options), entry.password)
    )


def _address(name: str, text: str, password: str, base: Path | None) -> sa.URL:
    try:
        url = sa.make_url(text)
    except ArgumentError as error:
        raise DatabaseAddressWrong(name, "its URL cannot be read") from error
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if password:
        url = url.set(password=password)
    path = url.database
    if url.get_backend_name() == "sqlite" and base is not None and path and path != ":memory:" and not path.startswith("file:"):
        url = url.set(database=str(base / path))
    return url


def _refuse_missing_file(name: str, url: sa.URL) -> None:
    path = url.database
    if path and path != ":memory:" and not path.startswith("file:") and not Path(path).is_file():
        raise DatabaseUnknown(name, f"file {path}")


_LOGIN: Final = re.compile(
    r"authentication failed|no password supplied|role .* does not exist|access denied for user", re.IGNORECASE
)
_NO_DATABASE: Final = re.compile(r"database .* does not exist|unknown database", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(r"access denied for user .* to database|permission denied for database", re.IGNORECASE)


def _why_not(name: str, url: sa.URL, error: Exception) -> Setback:
    said = " ".join(str(error.args[-1] if error.args else error).split())
    if _FORBIDDEN.search(said):
        return DatabaseForbidden(name, url.username or "", url.database or "")
    if _NO_DATABASE.search(said):
        return DatabaseUnknown(name, f"database {url.database}")
    if _LOGIN.search(said):
        return DatabaseRefusedLogin(name, url.username or "")
    where = url.database or "" if url.get_backend_name() == "sqlite" else f"{url.host}:{url.port or 'its usual port'}"
    password = str(url.password) if url.password else ""
    return DatabaseUnreachable(name, where, said.replace(password, "••••••") if password else said)
