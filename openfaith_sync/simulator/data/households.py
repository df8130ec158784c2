"""Realistic families: households, people, addresses, e-mails and phone numbers."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openfaith_sync.simulator.data import word_lists as words
from openfaith_sync.simulator.data.ordering import fold
from openfaith_sync.simulator.data.record_makers import NewRecord, TimestampSequence, id_sequence, pick
from openfaith_sync.simulator.data.tables import Reference

_SIZES = (1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 6)
_ADULTS = 2
_PHOTO = "https://avatars.planningcenteronline.com/uploads/initials"
_CHILD_BIRTH, _ADULT_BIRTH = (2009, 2025), (1932, 2004)
_NO_HOUSEHOLD_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Member:
    """Values that the records of one person share."""

    id: int
    name: str
    is_child: bool
    times: dict[str, str]


class Families:
    """Makes a given number of people, family by family, with all their related records."""

    def __init__(self, people: int, seed: int, campuses: list[int]) -> None:
        """Draw people's campuses from these."""
        self._rng = random.Random(f"{seed}:{people}:families")  # noqa: S311  invented people need no secrecy
        self._people, self._campuses = people, campuses
        self._times = TimestampSequence(self._rng, people)
        self._person_ids = id_sequence(seed, "person", people)
        self._household_ids = id_sequence(seed, "household", people)
        # Addresses and e-mails share ids, as at the source: ids are unique by entity only.
        self._address_ids = id_sequence(seed, "contact", 2 * people)
        self._email_ids = id_sequence(seed, "contact", 2 * people)
        self._phone_ids = id_sequence(seed, "phone", 2 * people)

    def records(self) -> Iterator[NewRecord]:
        """Yield all records, family by family."""
        left = self._people
        while left:
            size = min(left, pick(self._rng, _SIZES))
            left -= size
            yield from self._family(size)

    def _family(self, size: int) -> Iterator[NewRecord]:
        rng = self._rng
        last, campus = pick(rng, words.LAST), self._campus()
        city, street = pick(rng, words.CITIES), f"{int(rng.random() * 9900) + 1} {pick(rng, words.STREETS)}"
        members: list[_Member] = []
        for place in range(size):
            is_child = place >= _ADULTS or (place == 1 and rng.random() < _NO_HOUSEHOLD_SHARE)
            person, member = self._person(last, campus, is_child=is_child)
            members.append(member)
            yield person
            yield from self._addresses(member, city, street)
            yield from self._emails(member, last)
            yield from self._phones(member, city[3])
        if size > 1 or rng.random() >= _NO_HOUSEHOLD_SHARE:
            yield self._household(last, members)

    def _campus(self) -> int | None:
        return pick(self._rng, self._campuses) if self._campuses and self._rng.random() < 0.7 else None  # noqa: PLR2004

    def _person(self, last: str, campus: int | None, *, is_child: bool) -> tuple[NewRecord, _Member]:
        rng = self._rng
        number = next(self._person_ids)
        is_female = rng.random() < 0.5  # noqa: PLR2004
        given = pick(rng, words.FEMALE if is_female else words.MALE)
        nickname = pick(rng, words.NICKNAMES) if rng.random() < 0.06 else None  # noqa: PLR2004
        name = f"{nickname or given} {last}"
        times = self._times.draw()
        is_active = rng.random() >= 0.19  # noqa: PLR2004
        photo = f"{_PHOTO}/{given[0]}{last[0]}.png"
        attributes = {
            **_childhood(rng, is_child=is_child),
            **_rights(rng, is_child=is_child),
            **times,
            "anniversary": None if is_child or rng.random() < 0.7 else _day(rng, 1960, 2025),  # noqa: PLR2004
            "avatar": photo,
            "birthdate": _birthdate(rng, is_child=is_child),
            "demographic_avatar_url": photo,
            "first_name": given,
            "gender": None if rng.random() < 0.08 else ("Female" if is_female else "Male"),  # noqa: PLR2004
            "given_name": given if nickname else None,
            "inactivated_at": None if is_active else times["updated_at"],
            "last_name": last,
            "medical_notes": _medical_notes(rng),
            "membership": None if rng.random() < 0.35 else pick(rng, words.MEMBERSHIPS),  # noqa: PLR2004
            "middle_name": None if rng.random() < 0.7 else pick(rng, words.FEMALE if is_female else words.MALE),  # noqa: PLR2004
            "name": name,
            "nickname": nickname,
            "remote_id": None if rng.random() < 0.8 else int(rng.random() * 1e6),  # noqa: PLR2004
            "status": "active" if is_active else "inactive",
        }
        record = NewRecord("person", number, attributes, {"primary_campus": campus})
        return record, _Member(number, name, is_child, times)

    def _household(self, last: str, members: list[_Member]) -> NewRecord:
        contact = members[0]
        attributes = {
            **self._times.after(contact.times["created_at"]),
            "avatar": f"{_PHOTO}/{last[0]}.png",
            "member_count": len(members),
            "name": f"{last} Household",
            "primary_contact_id": str(contact.id),
            "primary_contact_name": contact.name,
        }
        links: dict[str, Reference] = {"people": [member.id for member in members], "primary_contact": contact.id}
        return NewRecord("household", next(self._household_ids), attributes, links)

    def _addresses(self, member: _Member, city: tuple[str, ...], street: str) -> Iterator[NewRecord]:
        rng = self._rng
        for place in range(_count(rng, (0.08, 0.92))):
            town, state, zip_start, country_code, country_name = pick(rng, words.CITIES) if place else city
            attributes = {
                **self._times.beside(member.times),
                "city": town,
                "country_code": country_code,
                "country_name": country_name,
                "location": pick(rng, words.LOCATIONS) if place else "Home",
                "primary": place == 0,
                "state": state,
                "street_line_1": street,
                "street_line_2": pick(rng, words.SECOND_LINES) if rng.random() < 0.15 else None,  # noqa: PLR2004
                "zip": f"{zip_start}{int(rng.random() * 90) + 10}" if rng.random() < 0.96 else None,  # noqa: PLR2004
            }
            yield NewRecord("address", next(self._address_ids), attributes, {"person": member.id})

    def _emails(self, member: _Member, last: str) -> Iterator[NewRecord]:
        rng = self._rng
        shares = (0.8, 0.98) if member.is_child else (0.08, 0.55, 0.92)
        local = fold(f"{member.name.split()[0]}.{last}").replace(" ", "").replace("’", "").replace("'", "")
        for place in range(_count(rng, shares)):
            attributes = {
                **self._times.beside(member.times),
                "address": f"{local}{member.id % 1000 + place}@{pick(rng, words.MAIL_HOSTS)}",
                "blocked": rng.random() < 0.01,  # noqa: PLR2004
                "location": pick(rng, words.LOCATIONS) if place else "Home",
                "primary": place == 0,
            }
            yield NewRecord("email", next(self._email_ids), attributes, {"person": member.id})

    def _phones(self, member: _Member, country: str) -> Iterator[NewRecord]:
        rng = self._rng
        for place in range(_count(rng, (0.75, 0.98) if member.is_child else (0.06, 0.7))):
            attributes = self._times.beside(member.times) | _number(rng, country)
            attributes |= {"location": "Mobile" if not place else pick(rng, words.LOCATIONS), "primary": place == 0}
            yield NewRecord("phone_number", next(self._phone_ids), attributes, {"person": member.id})


def _count(rng: random.Random, shares: tuple[float, ...]) -> int:
    """Return how many of a thing a person has; the shares are of people with none, at most one, and so on."""
    share = rng.random()
    return sum(share >= bound for bound in shares)


def _day(rng: random.Random, first: int, last: int) -> str:
    span = last - first + 1
    return f"{first + int(rng.random() * span)}-{int(rng.random() * 12) + 1:02}-{int(rng.random() * 28) + 1:02}"


def _birthdate(rng: random.Random, *, is_child: bool) -> str | None:
    if rng.random() < (0.1 if is_child else 0.4):
        return None
    return _day(rng, *(_CHILD_BIRTH if is_child else _ADULT_BIRTH))


def _medical_notes(rng: random.Random) -> str | None:
    if rng.random() < 0.95:  # noqa: PLR2004
        return None
    # A few notes are very long, as real ones are.
    return pick(rng, words.NOTES) * (40 if rng.random() < 0.1 else 1)  # noqa: PLR2004


def _childhood(rng: random.Random, *, is_child: bool) -> dict[str, Any]:
    if not is_child:
        return {"child": False, "grade": None, "graduation_year": None, "school_type": None}
    grade = int(rng.random() * 14) - 1
    return {
        "child": True,
        "grade": grade,
        "graduation_year": 2026 + 12 - grade,
        "school_type": words.SCHOOL_TYPES[max(0, grade) // 5],
    }


def _rights(rng: random.Random, *, is_child: bool) -> dict[str, Any]:
    is_admin = not is_child and rng.random() < 0.01  # noqa: PLR2004
    return {
        "accounting_administrator": is_admin,
        "can_create_forms": is_admin,
        "can_email_lists": is_admin,
        "directory_shared_info": {},
        "directory_status": "no_access",
        "login_identifier": None,
        "mfa_configured": is_admin,
        "passed_background_check": not is_child and rng.random() < 0.1,  # noqa: PLR2004
        "people_permissions": "Manager" if is_admin else None,
        "resource_permission_flags": {"can_access_workflows": is_admin},
        "site_administrator": is_admin,
        "stripe_customer_identifier": None,
    }


def _number(rng: random.Random, country: str) -> dict[str, Any]:
    if rng.random() < 0.03:  # noqa: PLR2004
        empty = {"carrier": None, "country_code": country, "e164": None, "formatted_number": None}
        return empty | {"international": None, "national": None, "number": ""}
    digits = f"{200 + int(rng.random() * 700)}55501{int(rng.random() * 90) + 10}"
    national = f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
    return {
        "carrier": pick(rng, words.CARRIERS) if rng.random() < 0.2 else None,  # noqa: PLR2004
        "country_code": "US",
        "e164": f"+1{digits}",
        "formatted_number": national,
        "international": f"+1 {digits[:3]}-{digits[3:6]}-{digits[6:]}",
        "national": national,
        "number": national,
    }
