"""Closed vocabularies: gender, status and country as canonical values.

An unknown word is not an error: the column stays empty (a status stays ``active``),
and the mapping keeps the source's word in the custom fields.
"""

from collections.abc import Callable
from functools import lru_cache

from openfaith_sync.domain.manifest.attribute import Parse

_GENDERS = {"male": "male", "m": "male", "female": "female", "f": "female"}

_STATUSES = {"active": "active", "inactive": "inactive"}

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
}
