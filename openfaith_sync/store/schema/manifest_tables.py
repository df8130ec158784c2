"""The bookkeeping of source tables as SQLAlchemy metadata."""

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text

from openfaith_sync.store.schema.columns import ID, MOMENT, NOW, SYNC_SCHEMA, metadata, required


def add_manifest_tables() -> None:
    """Add the table of applied manifests to the metadata."""
    Table(
        "applied_manifests",
        metadata,
        required("adapter", ID, "The adapter; its tables lie in the schema of this name."),
        required("fingerprint", Text(), "Of the manifest and of how tables are made."),
        required("began_at", MOMENT, None, NOW),
        Column("applied_at", MOMENT, comment="When every table was there; null while some are not."),
        PrimaryKeyConstraint("adapter", "fingerprint"),
        schema=SYNC_SCHEMA,
        comment="The manifests whose tables were made here. A worker with any of them finds its tables.",
    )
