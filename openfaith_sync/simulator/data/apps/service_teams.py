"""What the plans of Services refer to: teams with their positions and people, songs with arrangements, tags, media."""

import random
from dataclasses import dataclass
from typing import Any

from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_date_text, to_text

_TEAMS = (
    ("Band", ("Drums", "Bass", "Keys", "Vocals", "Guitar")),
    ("Ushers", ("Door", "Aisle")),
    ("Tech", ("Audio", "Slides", "Camera")),
    ("Hosts", ("Coffee", "Welcome")),
    ("Prayer", ("Prayer", "Reader")),
)
_SONGS = ("Amazing Grace", "Be Thou My Vision", "How Great Thou Art", "Doxology", "Holy, Holy, Holy", "It Is Well")


@dataclass(frozen=True, slots=True)
class Team:
    """A team, its positions with their names, and who serves in it."""

    id: int
    positions: list[tuple[int, str]]
    people: list[int]

    def draw(self, rng: random.Random, count: int) -> list[tuple[int, str]]:
        """Return some of its people, each with the name of a position."""
        drawn = rng.sample(self.people, min(count, len(self.people)))
        return [(person, pick(rng, self.positions)[1]) for person in drawn]


def make_teams(filling: Filling, types: list[int]) -> dict[int, list[Team]]:
    """Make five teams for each service type, with people who serve; return them by type."""
    rng = filling.rng("teams")
    servants = rng.sample(filling.adults, min(len(filling.adults), filling.count(350, 8)))
    _make_servants(filling, servants)
    teams: dict[int, list[Team]] = {}
    for service_type in types:
        teams[service_type] = [_make_team(filling, rng, service_type, place, servants) for place in range(len(_TEAMS))]
    return teams


def _make_team(filling: Filling, rng: random.Random, service_type: int, place: int, servants: list[int]) -> Team:
    name, positions = _TEAMS[place]
    values = {"name": name, "archived_at": None, "deleted_at": None, "schedule_to": "plan", "sequence": place}
    links: dict[str, Any] = {"service_type": service_type, "service_types": [service_type]}
    team = filling.sheet("team").add({**links, "default_responds_to": some(rng, servants)}, values)
    sheet = filling.sheet("team_position")
    made = []
    for sequence, position in enumerate(positions):
        of_position = {"name": position, "sequence": sequence, "tags": [], "tag_groups": [], "negative_tag_groups": []}
        made.append((sheet.add({"team": team, "tags": [], "attachment_types": []}, of_position), position))
    people = rng.sample(servants, min(len(servants), filling.each(20, 4)))
    for person in people:
        of_person: dict[str, Any] = {"team": team, "person": person, "team_position": pick(rng, made)[0]}
        preference = {"schedule_preference": pick(rng, ("Once a month", "Every week")), "preferred_weeks": []}
        of_person["time_preference_options"] = []
        filling.sheet("person_team_position_assignment").add(of_person, preference)
    for leader in people[: 1 + place % 2]:
        filling.sheet("team_leader").add({"team": team, "person": leader}, {"send_responses_for_declines": True})
    return Team(team, made, people)


def _make_servants(filling: Filling, servants: list[int]) -> None:
    """Make Services' own rows for those who serve, and their blockouts."""
    rng = filling.rng("servants")
    group = filling.sheet("services_tag_group").add({"folder": None}, {"name": "Instruments", "tags_for": "person"})
    words = ("Guitar", "Drums", "Alto")
    tags = [filling.sheet("services_tag").add({"tag_group": group}, {"name": word}) for word in words]
    for person in servants:
        is_archived = rng.random() < 0.05
        values: dict[str, Any] = {
            "archived": is_archived,
            "archived_at": to_text(filling.now - 90 * DAY_SECONDS) if is_archived else None,
            "first_name": filling.text(person, "first_name"),
            "full_name": filling.text(person, "name"),
            "last_name": filling.text(person, "last_name"),
            "legacy_id": str(person % 1_000_000),
            "onboardings": [],
            "permissions": pick(rng, ("Scheduled Viewer", "Editor")),
            "status": "active",
        }
        links: dict[str, Any] = {"created_by": some(rng, servants), "updated_by": None, "current_folder": None}
        links["tags"] = [pick(rng, tags)] if rng.random() < 0.4 else []
        filling.sheet("services_person").add(links, values, number=person)
        if rng.random() < 0.5:
            _make_blockout(filling, rng, person)


def _make_blockout(filling: Filling, rng: random.Random, person: int) -> None:
    starts = filling.now + int((rng.random() - 0.5) * 200) * DAY_SECONDS
    repeats = rng.random() < 0.2
    values = {
        "starts_at": to_text(starts),
        "ends_at": to_text(starts + 3 * DAY_SECONDS),
        "reason": "Away",
        "repeat_frequency": "every_1" if repeats else "no_repeat",
        "repeat_until": to_date_text(starts + 200 * DAY_SECONDS) if repeats else None,
        "share": False,
    }
    blockout = filling.sheet("blockout").add({"person": person}, values)
    if repeats:
        filling.sheet("blockout_exception").add(
            {"blockout": blockout}, {"date": to_date_text(starts + 7 * DAY_SECONDS)}
        )


def make_songs(filling: Filling) -> list[tuple[int, int, int, str]]:
    """Make the songs with their arrangements and keys; return each with one of both and its title."""
    rng, songs = filling.rng("songs"), []
    for place in range(filling.count(400, 6)):
        title = f"{_SONGS[place % len(_SONGS)]} {place // len(_SONGS) + 1}"
        values = {
            "title": title,
            "author": "Traditional",
            "ccli_number": 1_000_000 + place,
            "hidden": rng.random() < 0.05,
        }
        at = filling.now - (1500 - place) * DAY_SECONDS
        song = filling.sheet("song").add({}, values, at)
        chosen = (0, 0)
        for version in range(1 + (rng.random() < 0.2)):
            about: dict[str, Any] = {
                "name": f"Version {version + 1}",
                "archived_at": None,
                "sequence": ["Verse 1", "Chorus"],
            }
            about |= {"length": 240, "meter": "4/4", "bpm": 72.5, "sequence_full": [], "sequence_short": ["V1", "C"]}
            links: dict[str, Any] = {"song": song, "created_by": some(rng, filling.adults), "updated_by": None}
            arrangement = filling.sheet("arrangement").add(links, about, at)
            for name in ("G", "A")[: 1 + (rng.random() < 0.3)]:
                of_key = {"name": "Default", "starting_key": name, "ending_key": name, "alternate_keys": None}
                chosen = (arrangement, filling.sheet("key").add({"arrangement": arrangement}, of_key, at))
        songs.append((song, *chosen, title))
    _make_media(filling)
    return songs


def _make_media(filling: Filling) -> None:
    """Make the library, every tenth title archived, and the templates of reports."""
    for place in range(36):
        template = {
            "title": f"Report {place + 1}",
            "body": "<html></html>",
            "type": "PlanReport",
            "default": place == 0,
        }
        filling.sheet("report_template").add({}, template)
    sheet = filling.sheet("media")
    for place in range(filling.count(80)):
        number = sheet.add({}, {"title": f"Countdown {place + 1}", "media_type": "video", "archived_at": None})
        if place % 10 == 9 and sheet.table:
            sheet.table.archived.add(number)
