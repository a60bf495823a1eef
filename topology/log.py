"""Logs as key-values (structlog), the standard library's loggers included; secrets are never given to a logger."""

import logging
import sys

import structlog

from topology.settings import Log
from topology.terminal import printable

TALKATIVE = {
    "aiokafka": "a line for each request",
    "ccxt": "at debug, the key, the signature and the answer of each request",
    "urllib3": "at debug, the address of each request with its signature",
}
"""Libraries of which only warnings are written, and what they would write."""


def _quietly(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Take from what is logged what a terminal would obey: much of it came from outside."""
    return {name: printable(value, lines=True) if isinstance(value, str) else value for name, value in event.items()}


def configure(log: Log, stage: str) -> None:
    """Send every log line of this process to stderr, in the chosen form, with the stage's name on it."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if log.format == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *([] if log.format == "json" else [_quietly]),  # JSON has escapes of its own
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(stage=stage)


def logger() -> structlog.stdlib.BoundLogger:
    """Return a logger; its calls take an event in words and key-values."""
    log: structlog.stdlib.BoundLogger = structlog.get_logger()
    return log
