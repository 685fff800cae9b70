"""The settings of a test run: Choreo's own, read from an environment that this file makes, on the database that
`CHOREO_TEST_DATABASE` names (`postgresql`, the default, or `sqlite`)."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from choreo_web.ports import free_port

_folder = Path(tempfile.mkdtemp(prefix="choreo-tests-"))
_owner = os.getpid()


def _clean_up() -> None:
    if os.getpid() == _owner:  # not in a fork of the test process
        shutil.rmtree(_folder, ignore_errors=True)


atexit.register(_clean_up)

for name in [name for name in os.environ if name.startswith("CHOREO_") and name != "CHOREO_TEST_DATABASE"]:
    del os.environ[name]  # a developer's own settings must not bend a test
os.environ.pop("EMAIL_URL", None)
os.environ["CHOREO_DATA_DIR"] = str(_folder)
os.environ["CHOREO_LOG_LEVEL"] = "WARNING"

GIVEN_REDIS_URL = os.environ.pop("REDIS_URL", "")  # for the tests that ask for it; the rest has an in-process broker
GIVEN_DATABASE_URL = os.environ.pop("DATABASE_URL", "")
TEST_DATABASE = os.environ.get("CHOREO_TEST_DATABASE", "postgresql")
if TEST_DATABASE == "postgresql":
    os.environ["DATABASE_URL"] = GIVEN_DATABASE_URL or f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
elif TEST_DATABASE != "sqlite":
    raise ValueError(f"CHOREO_TEST_DATABASE must be postgresql or sqlite, not {TEST_DATABASE!r}.")
DATABASE_URL = os.environ.get("DATABASE_URL", "")

from choreo_web.settings import *  # noqa: E402, F403  the environment above has to be there first
from choreo_web.settings import DATABASES  # noqa: E402

if TEST_DATABASE == "sqlite":
    # In a file, as users run it: Django's default, a database in memory with a shared cache, locks in its own way.
    DATABASES["default"]["TEST"] = {"NAME": str(_folder / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 0  # threads of tests come and go, and must leave no connection behind

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # 100 times faster, and no secret is at stake
