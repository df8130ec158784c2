"""A manifest whose entities lie several levels deep: the shipped one's products, and modules for these tests alone."""

import shutil
from pathlib import Path

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.ten_entities import MANIFESTS

PRODUCTS = """  services: {path: /services/v2, version: "2018-11-01"}
  giving: {path: /giving/v2, version: "2019-10-18"}
"""
SERVICES = """
module: services
product: services
entities:
  service_type:
    resource: ServiceType
    description: A kind of service.
    endpoints: {list: /service_types, get: "/service_types/{id}"}
    delta: {by: none, attribute: null}
    edges: [plans]
    attributes: {name: {type: string}, updated_at: {type: date_time}}
  plan:
    resource: Plan
    description: A plan of a service.
    endpoints: {list: "/service_types/{parent}/plans", get: "/service_types/{parent}/plans/{id}"}
    nested: {under: service_type}
    order_by: [sort_date, title, updated_at]
    filters: [updated_at]
    includes: [plan_times]
    scopes: [future, past]
    edges: [plan_times, team_members]
    delta: {by: filter, attribute: updated_at}
    sideload: {plan_times: plan_time}
    relationships:
      service_type: {target: service_type, resource: ServiceType, nullable: false, always: true}
      plan_times: {target: plan_time, resource: PlanTime, cardinality: many}
    attributes:
      sort_date: {type: date_time}
      title: {type: string}
      plan_people_count: {type: integer}
      updated_at: {type: date_time}
  plan_time:
    resource: PlanTime
    description: A time of a plan.
    endpoints:
      list: "/service_types/{service_type}/plans/{parent}/plan_times"
      get: "/service_types/{service_type}/plans/{parent}/plan_times/{id}"
    nested: {under: plan, members: plan_times, rides: true}
    delta: {by: none, attribute: null}
    relationships: {plan: {target: plan, resource: Plan, nullable: false}}
    attributes: {name: {type: string}, starts_at: {type: date_time}}
  plan_person:
    resource: PlanPerson
    description: A person who serves in a plan.
    endpoints:
      list: "/service_types/{service_type}/plans/{parent}/team_members"
      get: "/service_types/{service_type}/plans/{parent}/team_members/{id}"
    nested: {under: plan}
    includes: [person]
    delta: {by: none, attribute: null}
    relationships:
      plan: {target: plan, resource: Plan, nullable: false, always: true}
      person: {target: person, resource: Person, always: true}
    attributes: {status: {type: string}}
  song:
    resource: Song
    description: A song.
    endpoints: {list: /songs, get: "/songs/{id}"}
    variants: [{}, {"where[hidden]": "true"}]
    filters: [hidden, title]
    delta: {by: none, attribute: null}
    attributes: {hidden: {type: boolean}, title: {type: string}}
  media:
    resource: Media
    description: A video or picture.
    plural: media
    endpoints: {list: /media, get: "/media/{id}"}
    variants: [{filter: archived}, {filter: not_archived}]
    delta: {by: none, attribute: null}
    attributes: {archived_at: {type: date_time}, title: {type: string}}
"""
GIVING = """
module: giving
product: giving
entities:
  giving_organization:
    resource: Organization
    description: The church.
    endpoints: {list: /}
    singleton: true
    delta: {by: none, attribute: null}
    attributes: {name: {type: string}, time_zone: {type: string}}
  donation:
    resource: Donation
    description: A gift.
    sensitivity: sensitive
    endpoints: {list: /donations, get: "/donations/{id}"}
    order_by: [updated_at]
    filters: [updated_at]
    includes: [refund]
    edges: [refund]
    delta: {by: filter, attribute: updated_at}
    sideload: {refund: refund, refund.designation_refunds: designation_refund}
    relationships: {refund: {target: refund, resource: Refund}}
    attributes: {amount_cents: {type: integer}, amount_currency: {type: currency}, updated_at: {type: date_time}}
  refund:
    resource: Refund
    description: The refund of a gift.
    sensitivity: sensitive
    endpoints: {list: "/donations/{parent}/refund"}
    nested: {under: donation, members: refund, one: true, rides: true}
    includes: [designation_refunds]
    delta: {by: none, attribute: null}
    sideload: {designation_refunds: designation_refund}
    relationships:
      donation: {target: donation, resource: Donation, nullable: false}
      designation_refunds: {target: designation_refund, resource: DesignationRefund, cardinality: many}
    attributes: {amount_cents: {type: integer}, refunded_at: {type: date_time}}
  designation_refund:
    resource: DesignationRefund
    description: A part of a refund.
    sensitivity: sensitive
    endpoints: {list: "/refunds/{parent}/designation_refunds"}
    nested: {under: refund, members: designation_refunds, rides: true}
    delta: {by: none, attribute: null}
    relationships: {refund: {target: refund, resource: Refund, nullable: false}}
    attributes: {amount_cents: {type: integer}}
"""


def read_deep_manifest(folder: Path) -> Manifest:
    """Return the shipped manifest with services and giving instead of the modules of that name."""
    root = folder / "manifests"
    shutil.copytree(MANIFESTS, root)
    for module in (root / "pco").glob("*.yaml"):
        if module.stem not in ("adapter", "people"):
            module.unlink()
    adapter = root / "pco/adapter.yaml"
    before, _, after = adapter.read_text().partition("products:\n")
    kept = [line for line in after.splitlines(keepends=True) if not line.startswith(("  services:", "  giving:"))]
    adapter.write_text(f"{before}products:\n{PRODUCTS}{''.join(kept)}")
    (root / "pco/services.yaml").write_text(SERVICES)
    (root / "pco/giving.yaml").write_text(GIVING)
    return read_manifest(root, "pco")
