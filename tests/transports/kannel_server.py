"""A real Kannel gateway on loopback ports, with its fakesmsc as the phone network behind it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers import end_with_parent, free_port, stop, wait_until

BEARERBOX, SMSBOX = "/usr/sbin/bearerbox", "/usr/sbin/smsbox"
FAKESMSC = "/usr/lib/kannel/test/fakesmsc"
USER, PASSWORD = "choreo", "secret"

_CONFIG = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {password}
smsbox-port = {boxes}
box-allow-ip = 127.0.0.1
sms-resend-freq = 1

group = smsc
smsc = fake
smsc-id = fake
port = {smsc}
connect-allow-ip = 127.0.0.1
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {boxes}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = {user}
password = {password}

group = sms-service
keyword = default
text = "none"
"""


@dataclass(frozen=True)
class Gateway:
    """A running gateway: where texts are pushed to, and the file in which fakesmsc tells what arrived."""

    port: int
    arrivals: Path

    @property
    def url(self) -> str:
        """As an operator writes it in CHOREO_SMS_URL."""
        return f"kannel://{USER}:{PASSWORD}@127.0.0.1:{self.port}/?from=Choreo"

    def arrived(self, text: str) -> bool:
        """Has this text come out at the other end?"""
        return text in self.arrivals.read_text("latin-1")


def missing_programs() -> list[str]:
    """What of it is not installed here."""
    return [program for program in (BEARERBOX, SMSBOX, FAKESMSC) if not os.access(program, os.X_OK)]


@contextmanager
def kannel() -> Iterator[Gateway]:
    """Start all three, wait until the phone network is connected, and end them by their PIDs."""
    ports = {name: free_port() for name in ("admin", "boxes", "smsc", "sendsms")}
    folder = Path(tempfile.mkdtemp(prefix="choreo-kannel-"))
    config = folder / "kannel.conf"
    config.write_text(_CONFIG.format(**ports, user=USER, password=PASSWORD))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        bearerbox = stack.enter_context(_process([BEARERBOX, str(config)], folder / "bearerbox"))
        wait_until(lambda: _listens(ports["smsc"]) and _listens(ports["boxes"]), "bearerbox", bearerbox)
        smsbox = stack.enter_context(_process([SMSBOX, str(config)], folder / "smsbox"))
        fake = [FAKESMSC, "-H", "127.0.0.1", "-r", str(ports["smsc"]), "-i", "0.1", "-m", "0"]
        fakesmsc = stack.enter_context(_process(fake, folder / "fakesmsc"))
        wait_until(lambda: _listens(ports["sendsms"]), "smsbox", smsbox)
        wait_until(lambda: _is_online(ports["admin"]), "fakesmsc", fakesmsc)
        yield Gateway(ports["sendsms"], folder / "fakesmsc")


@contextmanager
def _process(command: Sequence[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # fakesmsc ends with its standard input
            stdout=file,
            stderr=subprocess.STDOUT,
            preexec_fn=end_with_parent(),
        )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        stop(process)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _is_online(admin_port: int) -> bool:
    with suppress(httpx.HTTPError):
        url = f"http://127.0.0.1:{admin_port}/status.txt?password={PASSWORD}"
        return "(online" in httpx.get(url, trust_env=False).text
    return False
