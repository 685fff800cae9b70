"""Every setting of Choreo, read from the environment in this one file; a bad value stops the start and says why."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.utils.csp import CSP

from choreo_web.keys import kept_key
from choreo_web.logs import configure as configure_logs
from choreo_web.theme import INDIGO

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def _int(name: str, default: int, low: int, high: int) -> int:
    """A whole number from the environment, within `low`…`high`, or a start that fails and says what was wrong."""
    try:
        value: int = env.int(name, default=default)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {env.str(name)!r}.") from error
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name} must be between {low} and {high}, not {value}.")
    return value


def _bool(name: str, default: bool = False) -> bool:
    """`true/false`, `yes/no`, `on/off` or `1/0`; anything else is an error rather than a silent no."""
    word = env.str(name, default=str(default)).strip().lower()
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "off", "0", ""}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {word!r}.")


def _choice(name: str, default: str, choices: set[str]) -> str:
    value: str = env.str(name, default=default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(sorted(choices))}, not {value!r}.")
    return value


def _url(name: str, default: str, schemes: set[str]) -> str:
    value: str = env.str(name, default=default)
    if value and urlsplit(value).scheme not in schemes:
        raise ImproperlyConfigured(f"{name} must be a URL that starts with {' or '.join(sorted(schemes))}://.")
    return value


DATA_DIR = Path(env.str("CHOREO_DATA_DIR", default=str(BASE_DIR / "var"))).expanduser().resolve()
SECRET_KEY = env.str("CHOREO_SECRET_KEY", default="") or kept_key(DATA_DIR)
SECRET_KEY_FALLBACKS = env.list("CHOREO_SECRET_KEY_FALLBACKS", default=[])
DEBUG = _bool("CHOREO_DEBUG")

# --- Choreo's own -----------------------------------------------------------------------------------------------------
CHOREO_PUBLIC_URL = _url("CHOREO_PUBLIC_URL", "http://127.0.0.1:8000", {"http", "https"}).rstrip("/")
CHOREO_DEFAULT_JOB_MAX_TTL = _int("CHOREO_DEFAULT_JOB_MAX_TTL", 300, 1, 31 * 86400)
CHOREO_MAX_BODY_BYTES = _int("CHOREO_MAX_BODY_BYTES", 256 * 1024, 1024, 64 * 1024 * 1024)
CHOREO_SWEEP_SECONDS = _int("CHOREO_SWEEP_SECONDS", 1, 1, 3600)
CHOREO_REPLAY_WINDOW = _int("CHOREO_REPLAY_WINDOW", 86400, 1, 31 * 86400)
CHOREO_CALLS_PER_SERVICE = _int("CHOREO_CALLS_PER_SERVICE", 4, 1, 100)
CHOREO_PROGRESS_PUBLIC = _bool("CHOREO_PROGRESS_PUBLIC")
CHOREO_ALLOW_PRIVATE_CALLBACKS = _bool("CHOREO_ALLOW_PRIVATE_CALLBACKS")
CHOREO_VOCABULARY = _choice("CHOREO_VOCABULARY", "closed", {"open", "closed"})
CHOREO_SMS_URL = _url("CHOREO_SMS_URL", "console://", {"twilio", "kannel", "console"})
CHOREO_SMS_FALLBACK_URL = _url("CHOREO_SMS_FALLBACK_URL", "", {"twilio", "kannel", "console"})
CHOREO_ONCALL_EMAIL = env.str("CHOREO_ONCALL_EMAIL", default="")
CHOREO_ONCALL_SMS = env.str("CHOREO_ONCALL_SMS", default="")
CHOREO_ADMIN_PASSWORD = env.str("CHOREO_ADMIN_PASSWORD", default="")  # of the first operator, at the first start
CHOREO_MAIL_FROM = env.str("CHOREO_MAIL_FROM", default="Choreo <choreo@localhost>")

# --- Django -----------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = [
    *env.list("CHOREO_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]),
    urlsplit(CHOREO_PUBLIC_URL).hostname or "localhost",
]
CSRF_TRUSTED_ORIGINS = [CHOREO_PUBLIC_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CHOREO_PUBLIC_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _bool("CHOREO_BEHIND_PROXY") else None
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]  # TLS ends at a proxy: HSTS and redirects are its affair
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.NONCE, CSP.UNSAFE_EVAL],  # Unfold's Alpine evaluates its attributes
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],  # Unfold's theme and bars that are as wide as a number
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.SELF],
}
SECURE_REFERRER_POLICY = "same-origin"
ROOT_URLCONF = "choreo_web.urls"
WSGI_APPLICATION = "choreo_web.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
APPEND_SLASH = True  # the admin's habit; the API's own paths have no slash and are matched exactly
DATA_UPLOAD_MAX_MEMORY_SIZE = CHOREO_MAX_BODY_BYTES + 1024 * 1024

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "choreo_web",
    "jobs",
    "escalation",
]
MIDDLEWARE = [
    "jobs.api.middleware.CorrelationMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # assets come out of the installed packages: nothing to collect before the first start

# --- Database ---------------------------------------------------------------------------------------------------------
try:
    _database: dict[str, Any] = env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'choreo.sqlite3'}")
except (ValueError, KeyError) as error:
    raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}") from error
if _database["ENGINE"] == "django.db.backends.sqlite3":
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    _database["OPTIONS"] = {
        # A reader never blocks the writer (WAL); a writer takes its lock when it begins (IMMEDIATE), so that two
        # of them queue up instead of failing halfway; every commit is on disk before it is answered (FULL).
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    # A server that vanished without a word is noticed within half a minute; the system's own patience lasts for hours.
    _silence = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
    _database["OPTIONS"] = {"connect_timeout": 5} | _silence | _database.get("OPTIONS", {})
else:
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL or SQLite database.")
DATABASES = {"default": _database}
_ONE_WRITER = _database["ENGINE"] == "django.db.backends.sqlite3"
CHOREO_CALL_THREADS = _int("CHOREO_CALL_THREADS", 4 if _ONE_WRITER else 16, 2, 200)  # of each worker process

# --- Celery -----------------------------------------------------------------------------------------------------------
REDIS_URL = _url("REDIS_URL", "", {"redis", "rediss", "unix"})
CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    # Rows are the queue, so nothing waits for a lost message: redeliver early, and let no dead peer hold a socket. A
    # consumer whose broker is silent for longer than the health check's interval gets a new connection.
    {"visibility_timeout": 300, "socket_timeout": 5, "socket_connect_timeout": 2, "socket_keepalive": True}
    | {"health_check_interval": 5}
    if REDIS_URL
    else {"polling_interval": 0.05}
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_PUBLISH_RETRY = False  # a wake-up that cannot be sent is dropped at once: the next sweep does its work
CELERY_TASK_DEFAULT_QUEUE = "choreo"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_TIMEZONE = "UTC"

# --- Mail -------------------------------------------------------------------------------------------------------------
MAIL_IS_PRINTED = not env.str("EMAIL_URL", default="")


def _mailer() -> dict[str, Any]:
    """The one mailer, from EMAIL_URL; a server that hangs loses its turn after 10 s."""
    config = env.email_url("EMAIL_URL", default="consolemail://")
    if config["EMAIL_BACKEND"] != "django.core.mail.backends.smtp.EmailBackend":
        return {"BACKEND": config["EMAIL_BACKEND"]}
    return {
        "BACKEND": config["EMAIL_BACKEND"],
        "OPTIONS": {
            "host": config["EMAIL_HOST"],
            "port": config["EMAIL_PORT"] or 25,
            "username": config["EMAIL_HOST_USER"] or "",
            "password": config["EMAIL_HOST_PASSWORD"] or "",
            "use_tls": config.get("EMAIL_USE_TLS", False),
            "use_ssl": config.get("EMAIL_USE_SSL", False),
            "timeout": 10,
        },
    }


MAILERS = {"default": _mailer()}
DEFAULT_FROM_EMAIL = SERVER_EMAIL = CHOREO_MAIL_FROM

# --- REST framework ---------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jobs.api.authentication.TokenOrOperator"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["jobs.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "jobs.api.problems.exception_handler",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": False,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Choreo",
    "DESCRIPTION": "Progress, deadlines, reverts and calls for help for services that have no conductor.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "DEFAULT_GENERATOR_CLASS": "jobs.api.openapi.document.Generator",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# --- The operator UI --------------------------------------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Choreo",
    "SITE_HEADER": "Choreo",
    "SITE_SUBHEADER": "see, bound and undo",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "choreo_web.navigation.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": "choreo_web.navigation.sidebar"},
    "STYLES": [lambda request: static("jobs/operator.css")],
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("jobs/favicon.svg")},
    ],
    "SCRIPTS": [lambda request: static("jobs/operator.js")],
    "COLORS": {"primary": INDIGO},
}

# --- Logging ----------------------------------------------------------------------------------------------------------
LOGGING = configure_logs(
    _choice("CHOREO_LOG_FORMAT", "console", {"console", "json"}),
    _choice("CHOREO_LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}),
)
