"""Resources that relationships reference but no entity of the manifest models."""

from typing import Any

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.simulator.data.timestamps import to_text

ORGANIZATION = "Organization"
PERSON_MERGER = EntityName("person_merger")
"""The merges of people, which clients read although no manifest syncs them as an entity."""
_FOUNDED_SECONDS = 1_300_000_000

_NAMES = {
    "GroupType": ("Small Groups", "Classes", "Teams", "Online"),
    "Location": ("Main Building", "Room 204", "The Garden House", "Chapel"),
}


def organization_id(seed: int) -> str:
    """Return the id of the church, always the same for a seed."""
    return str(400_000 + seed % 100_000)


def unmodelled_resource(resource: str, identity: str, url: str) -> dict[str, Any]:
    """Return a made-up resource, always the same for its id."""
    return {
        "type": resource,
        "id": identity,
        "attributes": _attributes(resource, identity),
        "relationships": {},
        "links": {"self": url},
    }


def _attributes(resource: str, identity: str) -> dict[str, Any]:
    if resource == ORGANIZATION:
        return {
            "avatar_url": None,
            "contact_website": "https://church.example.org",
            "country_code": "US",
            "created_at": to_text(_FOUNDED_SECONDS),
            "date_format": "%m/%d/%Y",
            "name": "Church of the Demonstration",
            "time_zone": "America/Chicago",
        }
    names = _NAMES.get(resource, (resource,))
    return {"name": names[sum(identity.encode()) % len(names)]}
