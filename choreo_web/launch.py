"""What `manage.py up` has to settle before Django reads its settings. Imports nothing of Django's."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

_EVERYWHERE = {"0.0.0.0", "::", ""}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `up`, the same for the look ahead here and for the command itself."""
    parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default: 127.0.0.1).")
    parser.add_argument("--port", type=_port, default=8000, help="Port to listen on (default: 8000).")
    parser.add_argument("--demo", action="store_true", help="Run the checkout example too, and feed it for 10 minutes.")


def prepare(arguments: Sequence[str]) -> None:
    """For `up`: make the environment that its options imply; what the environment already says stays.

    The public URL is where `up` listens; the demo's services are on this machine, where calls may go only when that is
    allowed. A stop that comes this early ends the process at once and in good order.
    """
    if list(arguments[:1]) != ["up"]:
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_arguments(parser)
    try:
        options, _ = parser.parse_known_args(arguments[1:])
    except (argparse.ArgumentError, SystemExit):
        return  # the command itself says what is wrong with them
    os.environ.setdefault("CHOREO_PUBLIC_URL", local_url(options.host, options.port))
    if options.demo:
        os.environ.setdefault("CHOREO_ALLOW_PRIVATE_CALLBACKS", "true")
        os.environ.setdefault("CHOREO_REPLAY_WINDOW", "20")  # a payment that cannot be undone calls for help soon


def local_url(host: str, port: int) -> str:
    """The URL under which a browser on this machine reaches a server that listens there."""
    name = "127.0.0.1" if host in _EVERYWHERE else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {port}")
    return port
