"""How Choreo logs: one line an event, as JSON where a machine reads it."""

from typing import Any

import structlog
from structlog.typing import Processor


def configure(style: str, level: str) -> dict[str, Any]:
    """Set structlog up, and return Django's LOGGING. `style` is `console` or `json`."""
    told: list[Processor] = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *told,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(style)],
                "foreign_pre_chain": [structlog.contextvars.merge_contextvars, *told],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "celery": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "waitress.queue": {"level": "ERROR"},
        },
    }


def _rendering(style: str) -> list[Processor]:
    """Tracebacks are plain: the prettier ones tell the values of variables, and so what must stay secret."""
    if style == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
