"""What happens in Giving: gifts, splits, refunds, voids, batches that are moved between and committed."""

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.tables import Row
from openfaith_sync.simulator.life.actions import Action, Json, below, known, make, state

_USD = "USD"


def give(
    church: SimulatedChurch,
    parts: list[list[int]],
    person: int | None = None,
    batch: int | None = None,
    received_at: str | None = None,
) -> Json:
    """Add a gift of some cents to each of some funds: ``parts`` are pairs of a fund and an amount."""
    now = church.now()
    values = {
        **_amount(sum(cents for _, cents in parts)),
        "completed_at": None if batch else now,
        "fee_cents": 0,
        "fee_currency": _USD,
        "payment_channel": "batch" if batch else "stripe",
        "payment_method": "cash" if batch else "card",
        "payment_status": "pending" if batch else "succeeded",
        "received_at": received_at or now,
        "refundable": not batch,
    }
    links: Json = {"person": person, "batch": batch, "labels": []}
    gift = make(church, "donation", links, values)
    if gift is None:
        raise UsageError("the manifest has no donations")
    _split(church, gift, parts)
    _add_up(church, batch)
    if person is not None:
        _note_first(church, person)
    return {"id": str(gift)}


def resplit(church: SimulatedChurch, donation: int, parts: list[list[int]]) -> Json:
    """Divide a gift otherwise; the amount stays, and neither the gift's stamp nor an event shows it."""
    given = church.table("donation").value(church.row("donation", donation), "amount_cents")
    if sum(cents for _, cents in parts) != given:
        raise UsageError(f"the parts are not the gift of {given}")
    if below(church, "refund", "donation", donation):
        raise UsageError("a refunded gift cannot be divided otherwise")
    for row in below(church, "designation", "donation", donation):
        church.delete("designation", row.id)
    _split(church, donation, parts)
    return {"id": str(donation)}


def refund(church: SimulatedChurch, donation: int, cents: int | None = None, *, stamps: bool = False) -> Json:
    """Refund a gift, or some cents of it; each fund bears its share, to the cent.

    Whether that moves the gift's stamp is not documented, so it does not unless asked to; an event tells it.
    """
    row, table = church.row("donation", donation), church.table("donation")
    given = table.value(row, "amount_cents")
    back = given if cents is None else cents
    if not 0 < back <= given or table.value(row, "payment_status") != "succeeded":
        raise UsageError(f"{back} of {given} cannot be refunded")
    if below(church, "refund", "donation", donation):
        raise UsageError("a gift is refunded once at most")
    values = {**_amount(-back), "refunded_at": church.now(), "fee_cents": 0, "fee_currency": _USD}
    made = make(church, "refund", {"donation": donation}, values)
    designations = below(church, "designation", "donation", donation)
    left = back
    for place, part in enumerate(designations):
        amount = church.table("designation").value(part, "amount_cents")
        share = left if place == len(designations) - 1 else min(left, back * amount // given)
        left -= share
        make(church, "designation_refund", {"refund": made, "designation": part.id}, _amount(-share) | {"fee_cents": 0})
    church.change("donation", donation, known(table, {"refunded": True, "refundable": False}), touch=stamps)
    if not stamps:
        church.announce("updated", table, row)
    return {"id": str(made)}


def void(church: SimulatedChurch, donation: int) -> Json:
    """Delete a gift with all that belongs to it."""
    batch = _batch_of(church, donation)
    church.delete("donation", donation)
    _add_up(church, batch)
    return {"id": str(donation)}


def move_gift(church: SimulatedChurch, donation: int, batch: int | None) -> Json:
    """Move a gift to another batch, or to none."""
    before = _batch_of(church, donation)
    church.change("donation", donation, {}, {"batch": batch})
    for affected in (before, batch):
        _add_up(church, affected)
    return {"id": str(donation)}


def commit_batch(church: SimulatedChurch, batch: int, gifts: int | None = None) -> Json:
    """Commit a batch: its gifts succeed, all in the same second; with ``gifts``, only so many are done so far."""
    pending = [
        row for row in _gifts(church, batch) if church.table("donation").value(row, "payment_status") == "pending"
    ]
    table, now = church.table("donation"), church.now()
    for row in pending[:gifts]:
        church.change("donation", row.id, known(table, {"payment_status": "succeeded", "completed_at": now}))
    is_done = gifts is None or gifts >= len(pending)
    values = {"status": "committed", "committed_at": now} if is_done else {"status": "updating"}
    church.change("batch", batch, known(church.table("batch"), values))
    return {"id": str(batch)}


def delete_fund(church: SimulatedChurch, fund: int) -> Json:
    """Delete a fund; what was given to it still names it."""
    table, row = church.table("fund"), church.row("fund", fund)
    church.announce("destroyed", table, row)
    table.remove(row)
    return {"id": str(fund)}


def _split(church: SimulatedChurch, gift: int, parts: list[list[int]]) -> None:
    for fund, cents in parts:
        make(church, "designation", {"donation": gift, "fund": fund}, _amount(cents) | {"fee_cents": 0})


def _note_first(church: SimulatedChurch, person: int) -> None:
    table = church.world.tables.get("giving_person")
    row = table.rows.get(person) if table else None
    if table and row and "first_donated_at" in table.position and table.value(row, "first_donated_at") is None:
        state(church, "giving_person", person, {"first_donated_at": church.now()})
        church.announce("first_donated", table, row)


def _batch_of(church: SimulatedChurch, donation: int) -> int | None:
    table, row = church.table("donation"), church.row("donation", donation)
    batch = table.reference(row, "batch") if "batch" in table.link_position else None
    return batch if isinstance(batch, int) else None


def _gifts(church: SimulatedChurch, batch: int) -> list[Row]:
    return below(church, "donation", "batch", batch)


def _add_up(church: SimulatedChurch, batch: int | None) -> None:
    """Set the sum of a batch and of its group."""
    if batch is None or "batch" not in church.world.tables:
        return
    gifts, table = _gifts(church, batch), church.table("batch")
    total = sum(church.table("donation").value(row, "amount_cents") for row in gifts)
    church.change("batch", batch, known(table, {"total_cents": total, "donations_count": len(gifts)}))
    group = table.reference(church.row("batch", batch), "batch_group") if "batch_group" in table.link_position else None
    if isinstance(group, int) and "batch_group" in church.world.tables:
        batches = below(church, "batch", "batch_group", group)
        state(church, "batch_group", group, {"total_cents": sum(table.value(one, "total_cents") for one in batches)})


def _amount(cents: int) -> Json:
    return {"amount_cents": cents, "amount_currency": _USD}


GIVING: dict[str, Action] = {
    "give": give,
    "resplit": resplit,
    "refund": refund,
    "void": void,
    "move_gift": move_gift,
    "commit_batch": commit_batch,
    "delete_fund": delete_fund,
}
