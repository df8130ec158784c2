"""How the columns of canonical tables are declared: by their type and sensitivity, each with a comment."""

from openfaith_sync.domain.record_tables import Column, ColumnType
from openfaith_sync.domain.sensitivity import Sensitivity

PUBLIC, PERSONAL, SENSITIVE = Sensitivity.PUBLIC, Sensitivity.PERSONAL, Sensitivity.SENSITIVE


def text(sensitivity: Sensitivity, /, **described: str) -> tuple[Column, ...]:
    """Return columns of text."""
    return typed(ColumnType.TEXT, sensitivity, **described)


def typed(kind: ColumnType, sensitivity: Sensitivity, /, **described: str) -> tuple[Column, ...]:
    """Return columns of a type."""
    return tuple(Column(name, kind, sensitivity, comment=said) for name, said in described.items())


def owner(sensitivity: Sensitivity = PUBLIC, /, **described: str) -> tuple[Column, ...]:
    """Return references to what a row belongs to: it is erased with that."""
    return tuple(
        Column(name, ColumnType.REFERENCE, sensitivity, is_owner=True, comment=said) for name, said in described.items()
    )


def reference(sensitivity: Sensitivity = PUBLIC, /, **described: str) -> tuple[Column, ...]:
    """Return references to other records."""
    return typed(ColumnType.REFERENCE, sensitivity, **described)


def severed(**described: str) -> tuple[Column, ...]:
    """Return sensitive references that are emptied when their target is erased: the row stays, without it."""
    return tuple(
        Column(name, ColumnType.REFERENCE, SENSITIVE, is_severed=True, comment=said) for name, said in described.items()
    )
