"""Random changes in the apps of a whole church."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.apps.giving import AMOUNTS
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.life import check_ins, gatherings, giving, people, services


@dataclass(frozen=True, slots=True)
class AppChange:
    """A kind of change, how often it is made among all, and the entities without which there is none."""

    name: str
    weight: int
    needs: frozenset[str]
    make: Callable[[SimulatedChurch, random.Random], object]


def any_id(church: SimulatedChurch, rng: random.Random, entity: str) -> int:
    """Return the id of some record.

    Raises:
        UsageError: There is none.
    """
    rows = church.table(entity).index(())
    if not len(rows):
        raise UsageError(f"there is no {entity}")
    place = int(rng.random() * len(rows))
    return rows.ids(place, place + 1)[0]


def _give(church: SimulatedChurch, rng: random.Random) -> None:
    funds = [any_id(church, rng, "fund") for _ in range(1 + int(rng.random() * 3))]
    parts = [[fund, pick(rng, AMOUNTS)] for fund in dict.fromkeys(funds)]
    batch = any_id(church, rng, "batch") if rng.random() < 0.5 else None
    is_open = batch and church.table("batch").value(church.row("batch", batch), "status") == "in_progress"
    giving.give(church, parts, any_id(church, rng, "giving_person"), batch if is_open else None)


def _refund(church: SimulatedChurch, rng: random.Random) -> None:
    gift = any_id(church, rng, "donation")
    given = church.table("donation").value(church.row("donation", gift), "amount_cents")
    giving.refund(church, gift, None if rng.random() < 0.6 else max(1, int(given * rng.random())))


def _void(church: SimulatedChurch, rng: random.Random) -> None:
    giving.void(church, any_id(church, rng, "donation"))


def _split(church: SimulatedChurch, rng: random.Random) -> None:
    gift = any_id(church, rng, "donation")
    given = church.table("donation").value(church.row("donation", gift), "amount_cents")
    first, second = any_id(church, rng, "fund"), any_id(church, rng, "fund")
    giving.resplit(church, gift, [[first, given // 3], [second, given - given // 3]])


def _move_gift(church: SimulatedChurch, rng: random.Random) -> None:
    giving.move_gift(church, any_id(church, rng, "donation"), any_id(church, rng, "batch"))


def _commit(church: SimulatedChurch, rng: random.Random) -> None:
    giving.commit_batch(church, any_id(church, rng, "batch"))


def _check_in(church: SimulatedChurch, rng: random.Random) -> None:
    person = any_id(church, rng, "person") if rng.random() < 0.9 else None
    kind = pick(rng, ("Regular", "Regular", "Guest", "Volunteer")) if person else "Guest"
    check_ins.check_in(church, any_id(church, rng, "event_time"), person, kind)


def _check_out(church: SimulatedChurch, rng: random.Random) -> None:
    check_ins.check_out(church, any_id(church, rng, "check_in"))


def _remove_check_in(church: SimulatedChurch, rng: random.Random) -> None:
    check_ins.remove_check_in(church, any_id(church, rng, "check_in"))


def _edit_field(church: SimulatedChurch, rng: random.Random) -> None:
    value = None if rng.random() < 0.2 else f"Value {int(rng.random() * 1000)}"
    people.edit_field(church, any_id(church, rng, "field_definition"), any_id(church, rng, "person"), value)


def _refresh_list(church: SimulatedChurch, rng: random.Random) -> None:
    wanted = sorted({any_id(church, rng, "person") for _ in range(int(rng.random() * 20))})
    people.refresh_list(church, any_id(church, rng, "list"), wanted)


def _move_card(church: SimulatedChurch, rng: random.Random) -> None:
    people.move_card(church, any_id(church, rng, "workflow_card"), stage=pick(rng, ("completed", "removed", "ready")))


def _submit_form(church: SimulatedChurch, rng: random.Random) -> None:
    people.submit_form(church, any_id(church, rng, "form"), any_id(church, rng, "person"))


def _schedule(church: SimulatedChurch, rng: random.Random) -> None:
    services.schedule(church, any_id(church, rng, "plan"), any_id(church, rng, "person"), any_id(church, rng, "team"))


def _answer(church: SimulatedChurch, rng: random.Random) -> None:
    services.answer(church, any_id(church, rng, "plan_person"), pick(rng, ("C", "C", "D")))


def _unschedule(church: SimulatedChurch, rng: random.Random) -> None:
    services.unschedule(church, any_id(church, rng, "plan_person"))


def _add_item(church: SimulatedChurch, rng: random.Random) -> None:
    services.add_item(church, any_id(church, rng, "plan"), "Extra song", note="Softly.")


def _hold_meeting(church: SimulatedChurch, rng: random.Random) -> None:
    present = sorted({any_id(church, rng, "person") for _ in range(2)})
    gatherings.hold_meeting(church, any_id(church, rng, "event"), present, visitors=len(present))


def _archive_group(church: SimulatedChurch, rng: random.Random) -> None:
    gatherings.archive_group(church, any_id(church, rng, "group"), restore=rng.random() < 0.5)


def _register(church: SimulatedChurch, rng: random.Random) -> None:
    gatherings.register(church, any_id(church, rng, "signup"), [any_id(church, rng, "person")])


_GIVING = frozenset({"donation", "designation", "fund", "batch", "refund", "designation_refund", "giving_person"})
_STATION = frozenset({"check_in", "check_in_time", "event_time", "event_period", "person"})
_ROTA = frozenset({"plan", "plan_person", "plan_time", "team", "person"})
APP_CHANGES = (
    AppChange("give", 12, _GIVING, _give),
    AppChange("refund", 5, _GIVING, _refund),
    AppChange("void", 3, _GIVING, _void),
    AppChange("split", 4, _GIVING, _split),
    AppChange("move gift", 4, _GIVING, _move_gift),
    AppChange("commit batch", 2, _GIVING, _commit),
    AppChange("check in", 10, _STATION, _check_in),
    AppChange("check out", 5, _STATION, _check_out),
    AppChange("remove check-in", 2, _STATION, _remove_check_in),
    AppChange("edit field", 10, frozenset({"field_datum", "field_definition", "person"}), _edit_field),
    AppChange("refresh list", 3, frozenset({"list", "list_result", "person"}), _refresh_list),
    AppChange("move card", 4, frozenset({"workflow_card"}), _move_card),
    AppChange("submit form", 3, frozenset({"form", "form_submission", "person"}), _submit_form),
    AppChange("schedule", 5, _ROTA, _schedule),
    AppChange("answer", 5, _ROTA, _answer),
    AppChange("unschedule", 2, _ROTA, _unschedule),
    AppChange("add item", 3, frozenset({"plan", "item"}), _add_item),
    AppChange("hold meeting", 4, frozenset({"event", "attendance", "group_membership", "person"}), _hold_meeting),
    AppChange("archive group", 1, frozenset({"group", "group_enrollment"}), _archive_group),
    AppChange("register", 3, frozenset({"signup", "attendee", "person"}), _register),
)
