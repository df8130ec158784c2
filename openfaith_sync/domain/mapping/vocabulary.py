"""Closed vocabularies: gender, status and country as canonical values.

An unknown word is not an error: the column stays empty (a status stays ``active``),
and the mapping keeps the source's word in the custom fields.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from openfaith_sync.domain.manifest.attribute import Parse

_GENDERS = {"male": "male", "m": "male", "female": "female", "f": "female"}

_STATUSES = {"active": "active", "inactive": "inactive"}

_FIELD_TYPES = {
    **dict.fromkeys(("string", "text", "paragraph", "single_line"), "text"),
    **dict.fromkeys(("select", "dropdown", "multiple_choice", "pulldown"), "select"),
    **dict.fromkeys(("checkboxes", "checkbox"), "checkboxes"),
}
# People whom a group does not know as members yet are guests of its meeting.
_ATTENDANCE_KINDS = {
    **dict.fromkeys(("member", "leader", "applicant"), "regular"),
    **dict.fromkeys(("visitor", "non_member", "non-member"), "guest"),
}
_RESPONSES = {
    **dict.fromkeys(("c", "confirmed", "accepted"), "confirmed"),
    **dict.fromkeys(("d", "declined"), "declined"),
    **dict.fromkeys(("u", "unconfirmed"), "unconfirmed"),
}

# Codes that ISO 3166-1 sets aside without giving them to a country, but which
# people and libphonenumber use: the United Kingdom and Kosovo.
_CODES_IN_USE = {"UK": "GB", "XK": "XK"}


@lru_cache(maxsize=256)
def parse_gender(text: str) -> str | None:
    """Return ``male``, ``female`` or nothing."""
    return _GENDERS.get(text.strip().lower())


@lru_cache(maxsize=256)
def parse_status(text: str) -> str:
    """Return ``inactive`` only when the source says so; a pending record is active."""
    return _STATUSES.get(text.strip().lower(), "active")


@lru_cache(maxsize=256)
def parse_field_type(text: str) -> str:
    """Return the type of a custom field: ``text``, ``select``, ``checkboxes``, or the source's own word."""
    return _parse_word(text, _FIELD_TYPES)


@lru_cache(maxsize=256)
def parse_attendance_kind(text: str) -> str:
    """Return as what somebody came: ``regular``, ``guest``, or the source's own word, such as ``volunteer``."""
    return _parse_word(text, _ATTENDANCE_KINDS)


@lru_cache(maxsize=256)
def parse_response(text: str) -> str:
    """Return ``confirmed``, ``declined``, ``unconfirmed``, or the source's own word."""
    return _parse_word(text, _RESPONSES)


def _parse_word(text: str, known: Mapping[str, str]) -> str:
    word = text.strip().lower()
    return known.get(word, word)


@lru_cache(maxsize=1024)
def parse_country(text: str) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a country's code or English name."""
    # Reading its tables takes 20 ms, and only one in many processes meets a country.
    import pycountry  # noqa: PLC0415

    word = text.strip()
    if word.upper() in _CODES_IN_USE:
        return _CODES_IN_USE[word.upper()]
    try:
        return str(pycountry.countries.lookup(word).alpha_2)
    except LookupError:
        return None


TEXT_PARSERS: dict[Parse, Callable[[str], str | None]] = {
    Parse.GENDER: parse_gender,
    Parse.STATUS: parse_status,
    Parse.COUNTRY: parse_country,
    Parse.FIELD_TYPE: parse_field_type,
    Parse.ATTENDANCE_KIND: parse_attendance_kind,
    Parse.RESPONSE: parse_response,
}
