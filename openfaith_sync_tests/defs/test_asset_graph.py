"""The asset graph as text: what a manifest becomes, for all to see."""

import dagster as dg

from openfaith_sync.defs.adapter_definitions import build_adapter
from openfaith_sync.defs.assets.entity_assets import build_entity_assets
from openfaith_sync.defs.resources.frame_io_manager import FRAMES
from openfaith_sync.defs.resources.partitions import org_partitions, register_org, unregister_org
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest

RESOURCES = {"database": dg.ResourceDefinition.none_resource(), FRAMES: dg.mem_io_manager}

PCO = """
pco/campus               pco_people
pco/household            pco_people
pco/person               pco_people
pco/address              pco_people  after pco/person
pco/email                pco_people  after pco/person
pco/phone_number         pco_people  after pco/person
pco/group                pco_groups
pco/event                pco_groups  after pco/group
pco/household_membership pco_people  after pco/household
pco/group_membership     pco_groups  after pco/group
"""


def draw(spec: dg.AssetSpec) -> str:
    after = sorted(dep.asset_key.to_user_string() for dep in spec.deps)
    line = f"{spec.key.to_user_string():<24} {spec.group_name:<10}"
    return f"{line}  after {', '.join(after)}" if after else line.rstrip()


def test_the_graph_is_what_the_manifest_says(pco_manifest: Manifest) -> None:
    drawn = "\n".join(map(draw, build_entity_assets(pco_manifest).specs))
    assert drawn.strip() == PCO.strip()


def test_a_soft_dependency_orders_but_binds_nothing(pco_manifest: Manifest) -> None:
    specs = {spec.key.path[-1]: spec for spec in build_entity_assets(pco_manifest).specs}
    assert not [*specs["person"].deps]
    assert [*specs].index("person") > max([*specs].index(soft) for soft in ("campus", "household"))
    text = specs["person"].metadata["soft_dependencies"]
    assert isinstance(text, dg.MarkdownMetadataValue)
    assert "`pco/household`: declared soft" in str(text.md_str)


def test_several_adapters_live_in_one_definitions(pco_manifest: Manifest) -> None:
    other_file = pco_manifest.adapter_file.model_copy(update={"adapter": "ccb", "title": "Church Community Builder"})
    other = pco_manifest.model_copy(update={"adapter_file": other_file})
    both = dg.Definitions.merge(build_adapter(pco_manifest), build_adapter(other), dg.Definitions(resources=RESOURCES))
    assert len(both.resolve_asset_graph().get_all_asset_keys()) == 2 * (len(pco_manifest.entities) + 1)
    assert {"pco_full_sync", "ccb_full_sync"} <= {job.name for job in both.resolve_all_job_defs()}


def test_the_full_sync_asks_every_entity_of_one_org_for_everything(pco_manifest: Manifest) -> None:
    definitions = dg.Definitions.merge(build_adapter(pco_manifest), dg.Definitions(resources=RESOURCES))
    job = definitions.resolve_job_def("pco_full_sync")
    assert job.partitions_def == org_partitions
    config = job.get_run_config_for_partition_key("grace")
    assert config["ops"] == {"pco": {"config": {"mode": "full"}}}


def test_an_org_comes_and_goes_as_a_partition() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        register_org(instance, OrgId("grace"))
        register_org(instance, OrgId("grace"))
        register_org(instance, OrgId("hope"))
        unregister_org(instance, OrgId("grace"))
        assert org_partitions.get_partition_keys(dynamic_partitions_store=instance) == ["hope"]
