"""Giving: five years of gifts with their splits, batches, fees and refunds; recurring gifts, pledges and campaigns."""

import random
from typing import Any

from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.tables import TextId
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_date_text, to_text
from openfaith_sync.simulator.data.unmodelled_resources import organization_id

_WEEK = 7 * DAY_SECONDS
_WEEKS = 260
_FUNDS = [
    "General",
    "Building",
    "Missions",
    "Benevolence",
    "Youth",
    "Camp",
    "Worship",
    "Food-Pantry",
    "Christmas",
    "Scholarships",
    "Media",
    "Seniors",
    "Outreach",
    "Easter",
    "Memorial",
]
_LABELS = ("online", "tithe", "matched", "event", "memorial", "campaign", "stock", "first-time")
AMOUNTS = (1000, 2000, 2500, 5000, 5000, 7550, 10_000, 10_000, 12_345, 20_000, 25_000, 50_000, 100_000, 250_000)
_USD = "USD"


class _Books:
    """The books while they are written: what gifts refer to, and the sums that follow from them."""

    def __init__(self, filling: Filling) -> None:
        self.filling, self.rng = filling, filling.rng("giving")
        self.funds = _funds(filling)
        self.labels = [filling.sheet("giving_label").add({}, {"slug": slug}) for slug in _LABELS]
        self.sources = _sources(filling)
        givers = self.rng.sample(filling.adults, -(-len(filling.adults) // 2))
        self.givers, self.regulars = givers, givers[: max(1, len(givers) // 5)]
        self.first: dict[int, int] = {}
        """When each giver gave first."""
        self.has_refund = False
        self.recurring: list[tuple[int, int, int]] = []
        """Each recurring gift with its giver and its amount."""

    def campus(self) -> int | None:
        table = self.filling.world.tables.get("campus")
        return some(self.rng, list(table.rows) if table else [], 0.7)


def make_giving(filling: Filling) -> None:
    """Write the books of a church, oldest gifts first."""
    if not filling.has("donation") or not filling.adults:
        return
    organization = {"name": "Church of the Demonstration", "time_zone": "America/Chicago", "text2give_enabled": True}
    number = int(organization_id(filling.seed))
    filling.sheet("giving_organization").add({}, organization, number=number)
    books = _Books(filling)
    _make_recurring(books)
    groups = [
        filling.sheet("batch_group").add(
            {"owner": some(books.rng, filling.adults)}, {"status": "committed", "committed": True, **_sum(0, "total")}
        )
        for _ in range(filling.count(20))
    ]
    weeks = filling.weeks(_WEEKS)
    for week in range(weeks):
        _make_week(books, filling.now - (weeks - week) * _WEEK, groups[week * len(groups) // weeks])
    _make_people(books)
    _make_pledges(books)
    _add_up_groups(filling)


def _make_week(books: _Books, start: int, group: int) -> None:
    """Make the gifts of one week: online as they come, cash and checks of Sunday in batches."""
    filling, rng = books.filling, books.rng
    # December brings nearly twice as much as August.
    season = (1.0, 0.9, 1.1, 1.2, 0.95, 0.9, 0.8, 0.75, 1.0, 1.0, 1.1, 1.9)[int(to_date_text(start)[5:7]) - 1]
    age_weeks = (filling.now - start) // _WEEK
    total = filling.count(173 * season)
    batches = [
        _make_batch(books, start, age_weeks, group) for _ in range(2 + (rng.random() < 0.7) if total > 20 else 1)
    ]
    sums = dict.fromkeys(batches, 0)
    counts = dict.fromkeys(batches, 0)
    recurring = [gift for gift in books.recurring if rng.random() < 0.25]
    for place in range(total):
        at = start + int(place * _WEEK / total)
        repeated = recurring[place] if place < len(recurring) else None
        if repeated or rng.random() < 0.55:
            _make_gift(books, at, None, "succeeded", repeated)
        else:
            batch = pick(rng, batches)
            amount = _make_gift(books, at, batch, "succeeded" if age_weeks > 2 else "pending", None)
            sums[batch] += amount
            counts[batch] += 1
    for batch in batches:
        values = {**_sum(sums[batch], "total"), "donations_count": counts[batch]}
        filling.sheet("batch").state(batch, values)


def _make_batch(books: _Books, start: int, age_weeks: int, group: int) -> int:
    committed = to_text(start + 8 * DAY_SECONDS) if age_weeks > 2 else None
    status = "committed" if committed else ("updating" if age_weeks == 2 else "in_progress")
    values = {"status": status, "committed_at": committed, "description": f"Sunday {to_date_text(start)}"}
    links: dict[str, Any] = {
        "batch_group": group if books.rng.random() < 0.5 else None,
        "owner": some(books.rng, books.filling.adults),
    }
    return books.filling.sheet("batch").add(links, values, start, start + min(9, age_weeks) * DAY_SECONDS)


def _make_gift(books: _Books, at: int, batch: int | None, status: str, repeated: tuple[int, int, int] | None) -> int:
    filling, rng = books.filling, books.rng
    is_online = batch is None
    amount = repeated[2] if repeated else pick(rng, AMOUNTS) + int(rng.random() < 0.1) * int(rng.random() * 99)
    person: int | None = repeated[1] if repeated else pick(rng, books.regulars if rng.random() < 0.6 else books.givers)
    if not is_online and rng.random() < 0.06:
        person = None  # Cash without a name.
    if is_online and not repeated and rng.random() < 0.01:
        status = "failed"
    received = at
    is_check = not is_online and rng.random() < 0.6
    if is_check and status == "pending" and rng.random() < 0.1:
        received = filling.now + int(rng.random() * 40) * DAY_SECONDS  # A post-dated check.
    # Even the smallest church has a gift that was refunded.
    is_refunded = is_online and status == "succeeded" and (rng.random() < 0.0066 or not books.has_refund)
    books.has_refund |= is_refunded
    if person is not None:
        books.first.setdefault(person, received)
    # To commit a batch stamps all its gifts in the same second.
    changed = at + 2 * DAY_SECONDS if is_online else at // _WEEK * _WEEK + 8 * DAY_SECONDS
    refunded_at = min(filling.now, at + int(rng.random() * 30) * DAY_SECONDS) if is_refunded else None
    values = _gift_values(rng, amount, is_online=is_online, is_check=is_check)
    values |= {
        "completed_at": to_text(received + 60) if status == "succeeded" else None,
        "payment_check_dated_at": to_date_text(received) if is_check else None,
        "payment_status": status,
        "received_at": to_text(received),
        "refundable": is_online and status == "succeeded" and not is_refunded,
        "refunded": is_refunded,
    }
    links: dict[str, Any] = {
        "batch": batch,
        "campus": books.campus(),
        "labels": [pick(rng, books.labels)] if rng.random() < 0.15 else [],
        "payment_source": books.sources[0] if is_online else pick(rng, books.sources),
        "person": person,
        "recurring_donation": repeated[0] if repeated else None,
    }
    gift = filling.sheet("donation").add(links, values, at, min(filling.now, refunded_at or changed))
    parts = _make_parts(books, gift, amount, values["fee_cents"])
    if rng.random() < 0.02:
        filling.sheet("giving_note").add({"donation": gift}, {"body": "Please send a receipt."}, at)
    if refunded_at is not None:
        _make_refund(books, gift, parts, refunded_at)
    return amount


def _gift_values(rng: random.Random, amount: int, *, is_online: bool, is_check: bool) -> dict[str, Any]:
    method = ("card" if rng.random() < 0.7 else "ach") if is_online else ("check" if is_check else "cash")
    is_card = method == "card"
    return {
        "amount_cents": amount,
        "amount_currency": _USD,
        "fee_cents": -(amount * 215 // 10_000 + 30) if is_card else 0,
        "fee_covered": is_card and rng.random() < 0.3,
        "fee_currency": _USD,
        "memo": "For the roof" if rng.random() < 0.02 else None,
        "payment_brand": pick(rng, ("Visa", "Mastercard", "Amex")) if is_card else None,
        "payment_channel": "stripe" if is_online else "batch",
        "payment_check_number": 1000 + int(rng.random() * 9000) if is_check else None,
        "payment_last4": f"{int(rng.random() * 10_000):04}" if is_online else None,
        "payment_method": method,
        "payment_method_sub": pick(rng, ("credit", "debit")) if is_card else None,
    }


def _make_parts(books: _Books, gift: int, amount: int, fee: int) -> list[tuple[int, int]]:
    """Split a gift between funds, to the cent, and return the parts with their amounts."""
    rng, share = books.rng, books.rng.random()
    count = 1 if share < 0.88 else 2 if share < 0.97 else 3
    shares = [amount // count] * (count - 1)
    fees = [fee // count] * (count - 1)
    parts: list[tuple[int, int]] = []
    for part, own_fee in zip([*shares, amount - sum(shares)], [*fees, fee - sum(fees)], strict=True):
        values = {"amount_cents": part, "amount_currency": _USD, "fee_cents": own_fee}
        fund = books.funds[0] if not parts and rng.random() < 0.7 else pick(rng, books.funds)
        parts.append((books.filling.sheet("designation").add({"donation": gift, "fund": fund}, values), part))
    return parts


def _make_refund(books: _Books, gift: int, parts: list[tuple[int, int]], at: int) -> None:
    """Refund a gift whole or in part; the amounts are negative, as on the wire."""
    share = 1.0 if books.rng.random() < 0.8 else 0.5
    amounts = [-int(amount * share) for _, amount in parts]
    values = {"refunded_at": to_text(at), "fee_cents": 0, "fee_currency": _USD, **_sum(sum(amounts), "amount")}
    refund = books.filling.sheet("refund").add({"donation": gift}, values, at, at)
    for (part, _), amount in zip(parts, amounts, strict=True):
        of_part = {"fee_cents": 0, **_sum(amount, "amount")}
        books.filling.sheet("designation_refund").add({"refund": refund, "designation": part}, of_part)


def _make_recurring(books: _Books) -> None:
    filling, rng = books.filling, books.rng
    for giver in rng.sample(books.givers, min(len(books.givers), filling.count(160))):
        amount = pick(rng, AMOUNTS[:11])
        began = filling.now - int(rng.random() * _WEEKS * _WEEK)
        values = {
            **_sum(amount, "amount"),
            "last_donation_received_at": to_text(filling.now - int(rng.random() * 30) * DAY_SECONDS),
            "next_occurrence": to_text(filling.now + int(rng.random() * 30) * DAY_SECONDS),
            "release_hold_at": None,
            "schedule": {"type": "Monthly", "day": 1 + int(rng.random() * 28)},
            "status": pick(rng, ("active", "active", "active", "indefinite_hold", "temporary_hold")),
        }
        gift = filling.sheet("recurring_donation").add({"person": giver}, values, began)
        parts = [amount] if rng.random() < 0.9 else [amount // 2, amount - amount // 2]
        for part in parts:
            links: dict[str, Any] = {"recurring_donation": gift, "fund": pick(rng, books.funds)}
            filling.sheet("recurring_donation_designation").add(links, _sum(part, "amount"))
        books.recurring.append((gift, giver, amount))


def _make_people(books: _Books) -> None:
    """Add everybody who gave, and some who only looked at the app."""
    filling = books.filling
    others = [number for number in books.givers if number not in books.first]
    for place, number in enumerate([*books.first, *others]):
        first = books.first.get(number)
        values = {"donor_number": place + 1, "first_donated_at": to_text(first) if first else None}
        links: dict[str, Any] = {"primary_campus": books.campus()}
        filling.sheet("giving_person").add(links, values, number=number)


def _make_pledges(books: _Books) -> None:
    filling, rng = books.filling, books.rng
    for place in range(4):
        began = filling.now - (4 - place) * 50 * _WEEK
        values = {
            "name": f"Campaign {place + 1}",
            "goal_cents": 50_000_000,
            "goal_currency": _USD,
            "starts_at": to_text(began),
            "ends_at": to_text(began + 40 * _WEEK),
            "show_goal_in_church_center": True,
        }
        fund = books.funds[place % len(books.funds)]
        campaign = filling.sheet("pledge_campaign").add({"fund": fund}, values, began)
        for giver in rng.sample(books.givers, min(len(books.givers), filling.count(62))):
            amount = 10 * pick(rng, AMOUNTS)
            joint = some(rng, books.givers, 0.2)
            links: dict[str, Any] = {"person": giver, "pledge_campaign": campaign, "joint_giver": joint}
            given = {"donated_total_cents": int(amount * rng.random()), **_sum(amount, "amount")}
            given |= {"joint_giver_amount_cents": amount // 2 if joint else None}
            given |= {"joint_giver_donated_total_cents": amount // 4 if joint else None}
            filling.sheet("pledge").add(links, given, began + int(rng.random() * 100) * DAY_SECONDS)
    for _ in range(filling.count(60)):
        at = filling.now - int(rng.random() * _WEEKS * _WEEK)
        value = None if rng.random() < 0.3 else pick(rng, AMOUNTS) * 10
        kind = {"fair_market_value_cents": value, "fair_market_value_currency": _USD, "received_on": to_date_text(at)}
        giver = pick(rng, books.givers)
        of_kind: dict[str, Any] = {"fund": pick(rng, books.funds), "person": giver, "campus": books.campus()}
        filling.sheet("in_kind_donation").add(of_kind, {**kind, "description": "A used van"}, at)


def _add_up_groups(filling: Filling) -> None:
    groups, batches = filling.world.tables.get("batch_group"), filling.world.tables.get("batch")
    if groups is None or batches is None or "total_cents" not in groups.position:
        return
    for group in groups.rows.values():
        below = [batches.rows[number] for number in batches.back["batch_group"].get(group.id, ())]
        group.values[groups.position["total_cents"]] = sum(batches.value(batch, "total_cents") for batch in below)
        is_committed = all(batches.value(batch, "status") == "committed" for batch in below)
        for name, value in (("committed", is_committed), ("status", "committed" if is_committed else "in_progress")):
            group.values[groups.position[name]] = value


def _funds(filling: Filling) -> list[int]:
    sheet = filling.sheet("fund")
    return [
        sheet.add(
            {},
            {
                "name": name,
                "slug": name.lower(),
                "default": place == 0,
                "deletable": place > 0,
                "ledger_code": f"4{place:03}",
                "visibility": "everywhere" if place < 12 else "hidden",
                "description": f"What is given for {name.lower()}.",
                "color": "#1f77b4",
            },
            filling.now - (_WEEKS - place) * _WEEK,
        )
        for place, name in enumerate(_FUNDS)
    ]


def _sources(filling: Filling) -> list[int]:
    sheet = filling.sheet("payment_source")
    # Planning Center's own id is a word.
    own = sheet.add({}, {"name": "Planning Center", "status": "active"}, number=TextId(1, "planning_center"))
    return [own, *(sheet.add({}, {"name": name, "status": "active"}) for name in ("Paper", "Text-to-give"))]


def _sum(cents: int, name: str) -> dict[str, Any]:
    return {f"{name}_cents": cents, f"{name}_currency": _USD}
