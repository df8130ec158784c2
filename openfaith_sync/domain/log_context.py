"""What a log line is about: the org, adapter, entity, pass and run of the sync that writes it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_context: ContextVar[Mapping[str, str | int]] = ContextVar("log_context", default=MappingProxyType({}))


@contextmanager
def log_context(**fields: str | int | None) -> Iterator[None]:
    """Add these fields to every line that is logged inside the block; one that is ``None`` is left out."""
    token = _context.set({**_context.get(), **{name: value for name, value in fields.items() if value is not None}})
    try:
        yield
    finally:
        _context.reset(token)


def current_log_context() -> Mapping[str, str | int]:
    """Return the fields of the blocks that this code runs in."""
    return _context.get()


def enter_log_context(fields: Mapping[str, str | int]) -> None:
    """Take over the fields of another thread, for as long as this one lives."""
    _context.set(fields)
