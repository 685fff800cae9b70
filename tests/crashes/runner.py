"""The fork server: loads Django once, then plays one life of Choreo in a fresh child for every order.

`python -m tests.crashes.runner` reads orders from its standard input and answers each in one line. It never opens a
connection itself, so that a child inherits nothing of the life before. It ends with its input.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings

from tests.crashes.orders import Order

Tell = Callable[[dict[str, Any]], None]


def main() -> None:
    """Serve until the input ends."""
    _load()
    for line in sys.stdin:
        print(json.dumps(_in_child(json.loads(line))), flush=True)


def _load() -> None:
    """All that takes its time, so that no child has to do it again."""
    django.setup()
    options = settings.DATABASES["default"].get("OPTIONS", {})
    if "init_command" in options:  # what dies here is a process, not the machine: nothing has to reach the disk
        options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    from django.core.mail.utils import DNS_NAME

    from tests.crashes import faults, play

    del faults, play
    str(DNS_NAME)  # looked up once, else by every child


def _in_child(given: dict[str, Any]) -> dict[str, Any]:
    """Fork, let the child do what was asked, and collect what it told until it ended or was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _live(given, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = [json.loads(line) for line in pipe]
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    points = [line for line in told if "point" in line]
    return {
        "exit": code,
        "points": [line["point"] for line in points],
        "at": points[-1]["at"] if points else 0.0,
        "facts": next((line["facts"] for line in told if "facts" in line), None),
    }


def _live(given: dict[str, Any], pipe: int) -> None:
    """In the child: never returns."""
    code = 1
    try:
        if given.get("migrate"):
            _migrate()
        else:
            _play(Order.from_json(given), lambda line: _write(pipe, line))
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _write(pipe: int, line: dict[str, Any]) -> None:
    """Straight to the pipe: what was told stays told when the process dies the next moment."""
    rest = (json.dumps(line) + "\n").encode()
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    connections.close_all()  # so that SQLite leaves nothing but its one file


def _play(order: Order, tell: Tell) -> None:
    from django.db import connections

    from tests.crashes.faults import FAULTS
    from tests.crashes.play import World, prepare
    from tests.crashes.points import Points

    world = World(order)
    if order.fresh:
        prepare(order)
    points = Points(lambda label: tell({"point": label, "at": world.at}), order.kill)
    points.install()
    if order.fault:
        FAULTS[order.fault].breaks(world.now)
    tell({"facts": world.play().to_json()})
    connections.close_all()


if __name__ == "__main__":
    main()
