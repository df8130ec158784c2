"""What every contender is told of the church: paths, columns, and the shape of a row.

Imported by the scripts beside it, which run in virtual environments of their own: the standard library only.
"""

PAGE = 100
IN_FLIGHT = 8
"""As many as the engine asks for at once (``pages_in_flight`` in the manifest)."""

_COMMON = {"created_at": "timestamp", "updated_at": "timestamp"}
COLUMNS = {
    "people": {
        **dict.fromkeys(
            (
                "accounting_administrator",
                "can_create_forms",
                "can_email_lists",
                "child",
                "passed_background_check",
                "site_administrator",
            ),
            "boolean",
        ),
        **dict.fromkeys(("grade", "graduation_year", "remote_id"), "integer"),
        **dict.fromkeys(("anniversary", "birthdate"), "date"),
        **dict.fromkeys(
            (
                "avatar",
                "demographic_avatar_url",
                "directory_status",
                "first_name",
                "gender",
                "given_name",
                "last_name",
                "login_identifier",
                "medical_notes",
                "membership",
                "middle_name",
                "name",
                "nickname",
                "people_permissions",
                "school_type",
                "status",
            ),
            "text",
        ),
        "inactivated_at": "timestamp",
        "resource_permission_flags": "json",
        **_COMMON,
    },
    "addresses": {
        **dict.fromkeys(
            ("city", "country_code", "country_name", "location", "state", "street_line_1", "street_line_2", "zip"),
            "text",
        ),
        "primary": "boolean",
        **_COMMON,
    },
    "emails": {"address": "text", "blocked": "boolean", "location": "text", "primary": "boolean", **_COMMON},
    "phone_numbers": {
        **dict.fromkeys(("carrier", "country_code", "e164", "international", "location", "national", "number"), "text"),
        "primary": "boolean",
        **_COMMON,
    },
}
"""The attributes of each entity, named as its path."""

TABLES = {"Person": "people", "Address": "addresses", "Email": "emails", "PhoneNumber": "phone_numbers"}
"""The entity of each type on the wire."""
REFERENCES = {"people": "primary_campus"} | dict.fromkeys(("addresses", "emails", "phone_numbers"), "person")
CHILDREN = ",".join(name for name in COLUMNS if name != "people")
"""What a listing of people can include."""


def flat(item: dict) -> dict:
    """Return one row: the id, all attributes, and the id of the one record that it belongs to."""
    reference = REFERENCES[TABLES[item["type"]]]
    to = item["relationships"][reference]["data"]
    return {"id": item["id"], **item["attributes"], f"{reference}_id": to["id"] if to else None}
