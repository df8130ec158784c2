"""Build the checks of an adapter, and the asset that stands for each org's connection."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

import dagster as dg

from openfaith_sync.defs.checks.check_names import CONNECTION, CONNECTION_CHECKS
from openfaith_sync.defs.checks.check_states import States, find_states, report_of
from openfaith_sync.defs.checks.evaluations import build_evaluation
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.error_translation import dagster_failures
from openfaith_sync.defs.resources.partitions import org_partitions
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.problems.problem import ProblemKind
from openfaith_sync.domain.schedule.due_work import ALL
from openfaith_sync.store.admin.dagster_reports import Report, ReportKey, store_reports
from openfaith_sync.store.admin.org_figures import OrgFigures, load_dead_letter_ids, load_figures
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.connections.connections import list_connections, load_connection
from openfaith_sync.store.database.database import Database

IDS_SHOWN = 10


def build_connection_asset(manifest: Manifest) -> dg.AssetsDefinition:
    """Return the asset whose partition shows what is wrong with an org.

    Sensors never materialize it. A person may: that fails unless the org's connection can be used.
    """
    adapter, title = manifest.adapter, manifest.adapter_file.title

    @dg.asset(
        key=asset_key(adapter, CONNECTION),
        partitions_def=org_partitions,
        group_name=adapter,
        description=(
            f"Each org's connection to {title}. Its checks say what is wrong with the org, and which command helps. "
            "They are written when that changes, and once a day, without a run."
        ),
        kinds={"postgres", adapter},
        owners=["team:openfaith"],
        tags={"openfaith/adapter": adapter},
        # An org that uses other adapters only has no connection to this one.
        output_required=False,
    )
    def connection(
        context: dg.AssetExecutionContext, database: DatabaseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        with dagster_failures(context.retry_number):
            opened, org = database.open(), OrgId(context.partition_key)
            connected = {found.adapter for found in list_connections(opened, org)}
            if connected and adapter not in connected:
                return
            found = load_connection(opened, org, adapter)
            found.require_usable()
        yield dg.MaterializeResult(metadata={"source": dg.MetadataValue.url(found.base_url)})

    return connection


def build_check_specs(
    adapter: AdapterName, entity: EntityName, checks: Mapping[ProblemKind, str]
) -> list[dg.AssetCheckSpec]:
    """Return the specs of these checks on an entity's asset, or on that of the connection."""
    with warnings.catch_warnings():
        # Partitioned checks are a preview in Dagster 1.13, which warns about them at every load; without
        # partitions one org's result would hide that of all others. The version is pinned.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                kind.value,
                asset=asset_key(adapter, entity),
                description=description,
                partitions_def=org_partitions,
            )
            for kind, description in checks.items()
        ]


def build_connection_checks(manifest: Manifest) -> dg.AssetChecksDefinition:
    """Return the checks of each org's connection; sensors write their results, and a person may evaluate them."""
    specs = build_check_specs(manifest.adapter, CONNECTION, CONNECTION_CHECKS)

    @dg.multi_asset_check(name=f"{manifest.adapter}_checks", specs=specs, can_subset=True)
    def evaluate(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> Iterator[dg.AssetCheckResult]:
        with dagster_failures(context.retry_number):
            opened, org = database.open(), OrgId(context.partition_key)
            results = run_checks(opened, manifest.adapter, org, context.selected_asset_check_keys)
        yield from results

    return evaluate


def run_checks(
    database: Database, adapter: AdapterName, org: OrgId, selected: Iterable[dg.AssetCheckKey]
) -> list[dg.AssetCheckResult]:
    """Return the results of an org's selected checks, as they are now."""
    keys = [_report_key(org, check) for check in sorted(selected, key=lambda check: check.to_user_string())]
    if not keys:
        return []
    states = find_states(problem for problem in list_problems(database, org) if problem.adapter == adapter)
    results = [
        dg.AssetCheckResult(
            asset_key=found.asset_key,
            check_name=found.check_name,
            passed=found.passed,
            severity=found.severity,
            description=found.description,
            metadata=found.metadata,
        )
        for found in evaluate_checks(database, adapter, states, keys)
    ]
    store_reports(database, adapter, reports_of(states, keys), org)
    return results


def evaluate_checks(
    database: Database, adapter: AdapterName, states: States, keys: Sequence[ReportKey]
) -> list[dg.AssetCheckEvaluation]:
    """Return the evaluations of these checks, with the figures to plot."""
    figures = load_figures(database, adapter, {key.org for key in keys})
    return [
        build_evaluation(
            adapter,
            key,
            states.get(key, ()),
            figures.get(key.org, OrgFigures()),
            _find_ids(database, adapter, key) if key in states else (),
        )
        for key in keys
    ]


def reports_of(states: States, keys: Iterable[ReportKey]) -> dict[ReportKey, Report]:
    """Return what Dagster is told by these evaluations."""
    return {key: report_of(states.get(key, ())) for key in keys}


def _find_ids(database: Database, adapter: AdapterName, key: ReportKey) -> Sequence[str]:
    if key.name != ProblemKind.DEAD_LETTERS:
        return ()
    return load_dead_letter_ids(database, key.org, adapter, None if key.entity == ALL else key.entity, IDS_SHOWN)


def _report_key(org: OrgId, check: dg.AssetCheckKey) -> ReportKey:
    last = EntityName(check.asset_key.path[-1])
    return ReportKey(org, ALL if last == CONNECTION else last, check.name)
