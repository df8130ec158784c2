"""A manifest whose entities fill the canonical tables of fields, giving and attendance: the ten entities and more."""

import shutil
from pathlib import Path

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.ten_entities import MANIFESTS

MODULE = """
module: more
product: people
entities:

  organization:
    resource: Organization
    table: organizations
    description: The church.
    sensitivity: public
    endpoints: {list: /organizations}
    delta: {by: none, attribute: null}
    attributes:
      date_format: {type: string, to: date_format}

  field_definition:
    resource: FieldDefinition
    table: fields
    description: A custom field.
    sensitivity: public
    endpoints: {list: /field_definitions}
    delta: {by: none, attribute: null}
    attributes:
      name: {type: string, to: name}
      slug: {type: string, to: slug}
      data_type: {type: string, to: data_type, parse: field_type}
      sequence: {type: integer, to: position}
      deleted_at: {type: date_time, to: inactivated_at}

  field_option:
    resource: FieldOption
    table: field_options
    description: What can be chosen.
    sensitivity: public
    endpoints: {list: /field_options}
    delta: {by: none, attribute: null}
    relationships:
      field_definition: {target: field_definition, resource: FieldDefinition, to: field_id, nullable: false}
    attributes:
      value: {type: string, to: name}
      sequence: {type: integer, to: position}

  field_datum:
    resource: FieldDatum
    table: field_values
    description: A value of a custom field.
    endpoints: {list: /field_data}
    delta: {by: none, attribute: null}
    drop: [file]
    relationships:
      field_definition: {target: field_definition, resource: FieldDefinition, to: field_id, always: true}
      customizable:
        target: person
        resource: Person
        to: person_id
        others: {Household: household}
        columns: {Household: household_id}
        always: true
    attributes:
      value: {type: string, to: value}
      file_name: {type: string, to: file_name}
      updated_at: {type: date_time, to: updated_at}

  donation:
    resource: Donation
    table: donations
    description: A gift.
    sensitivity: sensitive
    endpoints: {list: /donations}
    delta: {by: none, attribute: null}
    relationships:
      person: {target: person, resource: Person, to: person_id, always: true}
    attributes:
      amount_cents: {type: integer, to: amount_cents}
      amount_currency: {type: currency, to: currency}
      memo: {type: string, describes: person}

  refund:
    resource: Refund
    table: refunds
    description: What was given back of a gift.
    sensitivity: sensitive
    endpoints: {list: /refunds}
    delta: {by: none, attribute: null}
    relationships:
      donation: {target: donation, resource: Donation, to: donation_id, always: true}
    attributes:
      amount_cents: {type: integer, to: amount_cents, parse: negative}

  event_time:
    resource: EventTime
    table: events
    plural: event_times
    description: A time at which people check in.
    sensitivity: public
    endpoints: {list: /event_times}
    delta: {by: none, attribute: null}
    constants: {kind: gathering}
    attributes:
      name: {type: string, to: name}
      starts_at: {type: date_time, to: starts_at}

  check_in:
    resource: CheckIn
    table: attendances
    plural: check_ins
    description: A visit.
    endpoints: {list: /check_ins}
    delta: {by: none, attribute: null}
    relationships:
      person: {target: person, resource: Person, to: person_id, always: true}
    attributes:
      kind: {type: string, to: kind, parse: attendance_kind}
      checked_out_at: {type: date_time, to: left_at}

  check_in_time:
    resource: CheckInTime
    table: attendances
    plural: check_in_times
    description: A visit, at one time of an event.
    endpoints: {list: /check_in_times}
    delta: {by: none, attribute: null}
    constants: {attended: true}
    relationships:
      check_in: {target: check_in, resource: CheckIn, to: check_in_id, always: true}
      event_time: {target: event_time, resource: EventTime, to: event_id, always: true}
    attributes:
      kind: {type: string, to: kind, parse: attendance_kind}

  attendance:
    resource: Attendance
    table: attendances
    description: Whether somebody came to a meeting of a group.
    endpoints: {list: /attendances}
    delta: {by: none, attribute: null}
    relationships:
      event: {target: event, resource: Event, to: event_id, always: true}
      person: {target: person, resource: Person, to: person_id, always: true}
    attributes:
      attended: {type: boolean, to: attended}
      role: {type: string, to: kind, parse: attendance_kind}

  headcount:
    resource: Headcount
    table: attendances
    plural: headcounts
    description: People who were counted.
    endpoints: {list: /headcounts}
    delta: {by: none, attribute: null}
    constants: {kind: headcount, attended: true}
    relationships:
      event_time: {target: event_time, resource: EventTime, to: event_id, always: true}
    attributes:
      total: {type: integer, to: count}
"""


def add_canonical(folder: Path, module: str = MODULE) -> Path:
    """Copy the manifests to a folder, add a module to PCO's, and return the folder."""
    root = folder / "manifests"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(MANIFESTS, root)
    (root / "pco/more.yaml").write_text(module)
    return root


def read_canonical(folder: Path, module: str = MODULE) -> Manifest:
    """Return PCO's manifest with entities that fill the canonical tables of fields, giving and attendance."""
    return read_manifest(add_canonical(folder, module), "pco")
