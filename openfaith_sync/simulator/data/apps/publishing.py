"""Publishing: channels, series and episodes, with their times, speakers and statistics."""

from typing import Any

from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_text

_WEEK = 7 * DAY_SECONDS
_EPISODES = 250


def make_publishing(filling: Filling) -> None:
    """Make the episodes of a church: one a week, the newest not yet published."""
    if not filling.has("episode"):
        return
    rng = filling.rng("publishing")
    channels = filling.names("channel", "Sunday Service", "Podcast")
    speakers = [
        filling.sheet("speaker").add({}, {"first_name": name, "last_name": "Lee", "formatted_name": f"{name} Lee"})
        for name in ("Ana", "Paul", "Ruth", "Micah", "Grace", "Noah")
    ]
    series = [
        filling.sheet("publishing_series").add(
            {"channel": pick(rng, channels)}, {"title": f"Series {place + 1}", "episodes_count": 0, "published": True}
        )
        for place in range(12)
    ]
    plans = filling.sheet("plan").ids()
    episodes = filling.weeks(_EPISODES)
    for place in range(episodes):
        starts = filling.now - (episodes - 2 - place) * _WEEK
        is_out = starts < filling.now
        plan = some(rng, plans, 0.5)
        values: dict[str, Any] = {
            "art": {},
            "library_video_url": f"https://videos.example.org/{place}",
            "page_actions": [],
            "published_live_at": to_text(starts) if is_out else None,
            "published_to_library_at": to_text(starts + DAY_SECONDS) if is_out else None,
            "sermon_audio": {},
            "services_plan_remote_identifier": str(plan) if plan else None,
            "stream_type": pick(rng, ("channel_default_livestream", "prerecorded")),
            "title": f"Sermon {place + 1}",
        }
        links: dict[str, Any] = {"channel": channels[place % 2], "series": series[place * len(series) // episodes]}
        episode = filling.sheet("episode").add(links, values, starts - 5 * DAY_SECONDS)
        for hour in (9, 11):
            span = {"starts_at": to_text(starts + hour * 3600), "ends_at": to_text(starts + hour * 3600 + 4500)}
            filling.sheet("episode_time").add({"episode": episode}, {**span, "caveats": []})
        link = {"title": "Notes", "kind": "link", "featured": False, "position": 1, "type": "Link"}
        filling.sheet("episode_resource").add({"episode": episode}, {**link, "url": "https://church.example.org/notes"})
        filling.sheet("speakership").add({"episode": episode, "speaker": pick(rng, speakers)})
        watched = [{"starts_at": to_text(starts + 32_400), "watch_count": int(rng.random() * 300)}]
        counts = {"times": watched, "library_watch_count": False, "live_watch_count": False, "title": values["title"]}
        published = {name: values[name] for name in ("published_live_at", "published_to_library_at")}
        of_channel: dict[str, Any] = {"channel": channels[place % 2]}
        filling.sheet("episode_statistics").add(of_channel, counts | published, number=episode)
    _count_episodes(filling)


def _count_episodes(filling: Filling) -> None:
    for entity, link, child in (("publishing_series", "series", "episode"), ("speaker", "speaker", "speakership")):
        table, children = filling.world.tables.get(entity), filling.world.tables.get(child)
        if table and children and "episodes_count" in table.position and link in children.back:
            for row in table.rows.values():
                row.values[table.position["episodes_count"]] = len(children.back[link].get(row.id, ()))
