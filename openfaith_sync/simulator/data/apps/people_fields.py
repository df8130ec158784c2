"""People's custom fields, in every type that the source has, and the words that people are described with."""

from typing import Any

from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_date_text, to_text

_TYPES = ("string", "text", "select", "checkboxes", "date", "number", "boolean", "file", "header")
_FIELDS = 40
_CHOICES = ("Red", "Green", "Blue", "Yellow")
_LOOKUPS = {
    "marital_status": ("Single", "Married", "Widowed"),
    "name_prefix": ("Mr.", "Mrs.", "Dr.", "Rev."),
    "name_suffix": ("Jr.", "Sr.", "III"),
    "inactive_reason": ("Moved away", "Deceased", "No contact"),
    "membership_type": ("Member", "Regular Attender", "Visitor", "Former Member"),
}


def make_lookups(filling: Filling) -> None:
    """Make the lists of words; people draw theirs from them by themselves."""
    for entity, words in _LOOKUPS.items():
        filling.names(entity, *words)
    for place, name in enumerate(("Oak Elementary", "Lake Middle", "Hill High")):
        values = {"value": name, "sequence": place, "school_types": [("elementary", "middle", "high")[place]]}
        filling.sheet("school_option").add(
            {}, {**values, "beginning_grade": str(place * 4), "ending_grade": str(place * 4 + 4)}
        )
    table = filling.world.tables.get("campus")
    for campus in table.rows if table else ():
        for hour in (9, 11):
            links: dict[str, Any] = {"campus": campus}
            filling.sheet("service_time").add(links, {"day": "sunday", "start_time": hour * 3600, "description": None})


def make_fields(filling: Filling) -> None:
    """Make the definitions, three of them deleted, and three data for each person."""
    rng = filling.rng("fields")
    tabs = [
        filling.sheet("tab").add({}, {"name": name, "slug": name.lower(), "sequence": place})
        for place, name in enumerate(("Membership", "Skills", "Children", "Private"))
    ]
    definitions = [_make_definition(filling, place, tabs[place % len(tabs)]) for place in range(_FIELDS)]
    table = filling.world.tables.get("household")
    households = list(table.rows) if table else []
    asked = [one for one in definitions if one[1] != "header"]
    for _ in range(filling.count(5200, 6)):
        field, kind, options = pick(rng, asked)
        owner = some(rng, households) if rng.random() < 0.03 else pick(rng, filling.people)
        at = filling.now - int(rng.random() ** 2 * 900) * DAY_SECONDS - int(rng.random() * DAY_SECONDS)
        # A field with check boxes has one datum for each box that is ticked.
        ticked = rng.sample(options, 1 + int(rng.random() * 3)) if kind == "checkboxes" else [some(rng, options)]
        for option in ticked:
            values = _datum(kind, rng.random(), _CHOICES[options.index(option)] if option in options else None, at)
            links: dict[str, Any] = {"field_definition": field, "customizable": owner, "field_option": option}
            filling.sheet("field_datum").add(links, values, at)


def _make_definition(filling: Filling, place: int, tab: int) -> tuple[int, str, list[int]]:
    kind = _TYPES[place % len(_TYPES)]
    if kind == "header" and place > len(_TYPES):
        kind = "checkboxes"
    deleted = to_text(filling.now - 60 * DAY_SECONDS) if place % 13 == 12 else None
    values = {
        "data_type": kind,
        "name": f"Field {place + 1}" if place else "Baptized on",
        "slug": f"field_{place + 1}",
        "sequence": place,
        "config": None,
        "deleted_at": deleted,
        "tab_id": tab,
    }
    definition = filling.sheet("field_definition").add({"tab": tab}, values)
    options = [
        filling.sheet("field_option").add({"field_definition": definition}, {"value": value, "sequence": sequence})
        for sequence, value in enumerate(_CHOICES if kind in ("select", "checkboxes") else ())
    ]
    return definition, kind, options


def _datum(kind: str, draw: float, choice: str | None, at: int) -> dict[str, Any]:
    """Return the value of a datum: always a text, also of numbers and dates."""
    value = {
        "text": "A longer text. " * (1 + int(draw * 5)),
        "date": to_date_text(at),
        "number": str(int(draw * 1000)),
        "boolean": "true" if draw < 0.7 else "false",
        "file": None,
    }.get(kind, f"Value {int(draw * 1000)}")
    empty: dict[str, Any] = {"file": {"url": None}, "file_content_type": None, "file_name": None, "file_size": None}
    if kind == "file":
        link = f"https://files.example.org/{int(draw * 1e6)}?signature=secret"
        empty = {
            "file": {"url": link},
            "file_content_type": "application/pdf",
            "file_name": "form.pdf",
            "file_size": 2048,
        }
    return {"value": choice or value, **empty}
