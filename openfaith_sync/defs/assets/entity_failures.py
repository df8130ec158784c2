"""Show which entities of a run failed, and why: each in the log as it fails, and all in the step's failure."""

import logging

import dagster as dg

from openfaith_sync.defs.resources.error_translation import advise
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import AdapterName, EntityName
from openfaith_sync.engine.org_sync import EntityOutcome


class FailedEntities:
    """The failed and skipped entities of one run."""

    def __init__(self, log: logging.Logger, adapter: AdapterName, total: int) -> None:
        """Begin with none of this many entities."""
        self._log = log
        self._adapter = adapter
        self._total = total
        self._names: dict[str, list[EntityName]] = {}
        self._count = 0
        self.cause: SyncError | None = None
        """The first error, for its traceback."""

    def __bool__(self) -> bool:
        """Return whether any entity failed."""
        return self._count > 0

    def add(self, outcome: EntityOutcome) -> None:
        """Add an entity; a reason is logged when it first occurs, since an outage fails all entities alike."""
        reason = self._describe(outcome)
        self._count += 1
        self.cause = self.cause or outcome.error
        if reason not in self._names:
            self._log.error("%s: %s", self._name(outcome.entity), reason)
        self._names.setdefault(reason, []).append(outcome.entity)

    def summarize(self) -> dg.Failure:
        """Return the step's failure, with what became of each entity and what to do about it."""
        lines = [f"{', '.join(map(self._name, names))}: {reason}" for reason, names in self._names.items()]
        if self._total > 1:
            others = "; all others are synced" if self._count < self._total else ""
            lines.insert(0, f"{self._count} of {self._total} entities failed{others}")
        metadata: dict[str, dg.MetadataValue] = {"failed_entities": dg.MetadataValue.int(self._count)}
        for reason, names in self._names.items():
            metadata |= {self._name(name): dg.MetadataValue.text(reason) for name in names}
        if self.cause is not None:
            metadata["kind"] = dg.MetadataValue.text(type(self.cause).__name__)
        return dg.Failure(description="\n".join(lines), metadata=metadata, allow_retries=False)

    def _name(self, entity: EntityName) -> str:
        return f"{self._adapter}/{entity}"

    def _describe(self, outcome: EntityOutcome) -> str:
        if outcome.error is None:
            return f"skipped, because {self._name(outcome.skipped_because or outcome.entity)} failed"
        return f"{outcome.error} ({advise(outcome.error)})"
