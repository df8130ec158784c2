"""Services: types and teams, songs, and the plans of two years and of the months ahead, with all that is in them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from openfaith_sync.simulator.data.apps.service_teams import Team, make_songs, make_teams
from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_seconds, to_text

_WEEK = 7 * DAY_SECONDS
_PAST_WEEKS = 104
# The church's clock is six hours behind; a plan's local times wear a false Z (docs/pco.md 7.4).
_OFFSET = -6 * 3600
_TYPES = (
    # Name, weekday from Monday, hours of its services, every so many weeks, plans ahead.
    ("Sunday Morning", 6, (9, 11), 1, 25),
    ("Youth", 2, (18,), 1, 18),
    ("Prayer Night", 4, (19,), 2, 9),
    ("Kids", 6, (9,), 3, 8),
    ("Saturday (closed)", 5, (17,), 0, 0),
)
_ITEMS = (
    "Welcome",
    "Song",
    "Song",
    "Song",
    "Reading",
    "Prayer",
    "Sermon",
    "Offering",
    "Song",
    "Notices",
    "Song",
    "Blessing",
)


@dataclass(frozen=True, slots=True)
class _Type:
    """A service type, and what its plans refer to."""

    id: int
    series: list[int]
    teams: list[Team]
    note_categories: list[int]
    item_categories: list[int]
    songs: list[tuple[int, int, int, str]]


def make_services(filling: Filling) -> None:
    """Make the services of a church, oldest first."""
    if not filling.has("plan") or not filling.adults:
        return
    rng = filling.rng("services")
    folders = [filling.sheet("folder").add({"parent": None, "ancestors": []}, {"name": "All"})]
    folders.append(filling.sheet("folder").add({"parent": folders[0], "ancestors": folders[:1]}, {"name": "North"}))
    songs = make_songs(filling)
    series = filling.names("series", *(f"Series {place + 1}" for place in range(20)))
    kinds = _TYPES * filling.count(1)
    types = [_make_type(filling, place, pick(rng, folders)) for place in range(len(kinds))]
    teams = make_teams(filling, types)
    for number, (_, weekday, hours, every, ahead) in zip(types, kinds, strict=True):
        own = _Type(number, series, teams[number], *_make_categories(filling, number), songs)
        past, next_ones = filling.weeks(_PAST_WEEKS), min(ahead, filling.weeks(ahead))
        start = filling.now - filling.now % _WEEK - past * _WEEK - 3 * DAY_SECONDS + weekday * DAY_SECONDS
        weeks = range(0, past + 1 + next_ones * every, every) if every else range(0)
        plans = [_make_plan(filling, own, start + week * _WEEK, hours) for week in weeks]
        _chain(filling, plans)


def _make_type(filling: Filling, place: int, folder: int) -> int:
    name, *_, every, _ = _TYPES[place % len(_TYPES)]
    closed = to_text(filling.now - 400 * DAY_SECONDS) if not every else None
    values = {"name": name, "sequence": place, "archived_at": closed, "deleted_at": None, "frequency": "Every 1 week"}
    values |= {"standard_item_types": [], "custom_item_types": []}
    number = filling.sheet("service_type").add({"parent": folder}, values, filling.now - 1500 * DAY_SECONDS)
    for day in (0, 6):
        option = {"day_of_week": day, "minute_of_day": 540, "sort_index": "1", "time_type": "TimePreferenceOption"}
        filling.sheet("time_preference_option").add({"service_type": number}, option)
    return number


def _make_categories(filling: Filling, service_type: int) -> tuple[list[int], list[int]]:
    found: list[list[int]] = []
    for entity, names in (
        ("plan_note_category", ("Audio", "Stage", "General")),
        ("item_note_category", ("Vocals", "Band", "Lights", "Slides")),
    ):
        sheet = filling.sheet(entity)
        links: dict[str, Any] = {"service_type": service_type, "teams": []}
        found.append(
            [sheet.add(links, {"name": name, "sequence": n, "deleted_at": None}) for n, name in enumerate(names)]
        )
    return found[0], found[1]


def _make_plan(filling: Filling, own: _Type, day: int, hours: tuple[int, ...]) -> int:
    rng = filling.rng(f"plan {own.id} {day}")
    first, last = day + hours[0] * 3600 - _OFFSET, day + hours[-1] * 3600 - _OFFSET
    made, is_past = first - 40 * DAY_SECONDS, first < filling.now
    series = some(rng, own.series, 0.8)
    values: dict[str, Any] = {
        "dates": to_text(first)[:10],
        "short_dates": to_text(first)[5:10],
        "files_expire_at": to_text(last + _OFFSET + 15 * DAY_SECONDS),
        "last_time_at": to_text(last + _OFFSET),
        "multi_day": False,
        "other_time_count": 0,
        "public": True,
        "rehearsal_time_count": 2,
        "reminders_disabled": False,
        "series_title": "Series" if series else None,
        "service_time_count": len(hours),
        "sort_date": to_text(first + _OFFSET),
        "title": pick(rng, (None, "Communion", "Baptism", "Guest speaker")),
    }
    author = some(rng, filling.adults)
    links: dict[str, Any] = {"service_type": own.id, "series": series, "created_by": author, "updated_by": author}
    plan = filling.sheet("plan").add(links, values, min(made, filling.now - DAY_SECONDS), min(first, filling.now))
    times = _make_times(filling, plan, hours, day, is_past=is_past)
    length = _make_items(filling, own, plan, times[-len(hours) :], is_past=is_past)
    people = _make_people(filling, own, plan, times, first)
    notes = [
        filling.sheet("plan_note").add(
            {"plan": plan, "created_by": author, "plan_note_category": pick(rng, own.note_categories), "teams": []},
            {"content": "Two handheld microphones.", "category_name": "Audio"},
            made,
        )
        for _ in range(2)
    ]
    needed = [] if is_past else _make_needed(filling, own, plan, times)
    counts = {"total_length": length, "items_count": len(_ITEMS), "plan_people_count": people}
    counts |= {"plan_notes_count": len(notes), "needed_positions_count": len(needed)}
    filling.sheet("plan").state(plan, counts)
    return plan


def _make_times(filling: Filling, plan: int, hours: tuple[int, ...], day: int, *, is_past: bool) -> list[int]:
    """Make two rehearsals and the services; these times are true ones."""
    spans = [
        ("Rehearsal", "rehearsal", day - 3 * DAY_SECONDS + 19 * 3600),
        ("Sound check", "rehearsal", day + 8 * 3600),
    ]
    spans += [(f"{hour}:00", "service", day + hour * 3600) for hour in hours]
    times = []
    for name, kind, local in spans:
        starts = local - _OFFSET
        live = is_past and kind == "service"
        values: dict[str, Any] = {
            "name": name,
            "time_type": kind,
            "starts_at": to_text(starts),
            "ends_at": to_text(starts + 4500),
            "live_starts_at": to_text(starts + 40) if live else None,
            "live_ends_at": to_text(starts + 4200) if live else None,
            "team_reminders": [],
        }
        links: dict[str, Any] = {"plan": plan, "assigned_teams": [], "assigned_positions": []}
        times.append(filling.sheet("plan_time").add(links, values, min(filling.now, starts - 40 * DAY_SECONDS)))
    return times


def _make_items(filling: Filling, own: _Type, plan: int, services: list[int], *, is_past: bool) -> int:
    rng, total = filling.rng(f"items {plan}"), 0
    for sequence, title in enumerate(_ITEMS):
        song, arrangement, key, name = pick(rng, own.songs) if title == "Song" else (None, None, None, title)
        length = 60 * (1 + int(rng.random() * (30 if title == "Sermon" else 6)))
        total += length
        values = {
            "item_type": "song" if song else "item",
            "key_name": "G" if song else None,
            "length": length,
            "sequence": sequence + 1,
            "service_position": "during",
            "title": name,
        }
        links: dict[str, Any] = {"plan": plan, "song": song, "arrangement": arrangement, "key": key}
        item = filling.sheet("item").add(links, values)
        if rng.random() < 0.5:
            category = pick(rng, own.item_categories)
            note: dict[str, Any] = {"item": item, "item_note_category": category}
            filling.sheet("item_note").add(note, {"category_name": "Vocals", "content": "Capo 2."})
        for time in services:
            of_time = {"exclude": False, "length": length, "length_offset": 0}
            live = to_text(filling.now - 1000) if is_past and sequence == 0 else None
            placed: dict[str, Any] = {"item": item, "plan_time": time, "plan": plan}
            filling.sheet("item_time").add(placed, {**of_time, "live_start_at": live, "live_end_at": live})
        if rng.random() < 0.1:
            to_team = rng.random() < 0.5 and bool(own.teams)
            who = pick(rng, own.teams).id if to_team else some(rng, filling.adults)
            assigned: dict[str, Any] = {"plan": plan, "item": item, "assignable": who}
            filling.sheet("item_assignment").add(assigned, {"assignable_type": "Team" if to_team else "Person"})
    return total


def _make_people(filling: Filling, own: _Type, plan: int, times: list[int], first: int) -> int:
    """Schedule about twenty people of the type's teams, each once a team, for most of the times."""
    rng, count = filling.rng(f"people {plan}"), 0
    for team in own.teams:
        for person, position in team.draw(rng, 20 // max(1, len(own.teams))):
            status = pick(rng, ("C", "C", "C", "C", "U", "D"))
            at = min(filling.now - 3600, first - int(5 + rng.random() * 30) * DAY_SECONDS)
            answered = at + int(rng.random() * (filling.now - at))
            values = {
                "decline_reason": "Away" if status == "D" else None,
                "name": filling.text(person, "name"),
                "notes": None,
                "prepare_notification": False,
                "status": status,
                "status_updated_at": to_text(answered) if status != "U" else None,
                "team_position_name": position,
            }
            links: dict[str, Any] = {
                "person": person,
                "plan": plan,
                "service_type": own.id,
                "team": team.id,
                "scheduled_by": some(rng, filling.adults),
                "responds_to": some(rng, filling.adults),
                "times": times,
                "service_times": times[2:],
                "time_preference_options": [],
            }
            scheduled = filling.sheet("plan_person").add(links, values, at, answered)
            count += 1
            for time in times:
                of_time: dict[str, Any] = {
                    "service_type": own.id,
                    "plan": plan,
                    "plan_time": time,
                    "plan_person": scheduled,
                }
                filling.sheet("plan_person_time").add(of_time, {"status": status}, at, answered)
            if status == "C" and first < filling.now - 7 * DAY_SECONDS:
                came: dict[str, Any] = {"plan": plan, "plan_time": times[-1], "plan_person": scheduled}
                checked = {"checked_in_at": to_text(first - 1800), "check_ins_event_id": "1"}
                filling.sheet("services_attendance").add(came, checked)
    return count


def _make_needed(filling: Filling, own: _Type, plan: int, times: list[int]) -> list[int]:
    sheet = filling.sheet("needed_position")
    return [
        sheet.add(
            {"team": team.id, "plan": plan, "time": times[-1], "time_preference_option": None},
            {"quantity": 1 + place, "scheduled_to": "plan", "team_position_name": team.positions[0][1]},
        )
        for place, team in enumerate(own.teams[:2])
    ]


def _chain(filling: Filling, plans: list[int]) -> None:
    """Link each plan to the one before and the one after it."""
    table = filling.world.tables["plan"]
    if not {"previous_plan", "next_plan"} <= table.link_position.keys():
        return
    ordered = sorted(plans, key=lambda number: to_seconds(table.value(table.rows[number], "sort_date")) or 0)
    for before, after in pairwise(ordered):
        table.rows[before].references[table.link_position["next_plan"]] = after
        table.back["next_plan"].setdefault(after, []).append(before)
        table.rows[after].references[table.link_position["previous_plan"]] = before
        table.back["previous_plan"].setdefault(before, []).append(after)
