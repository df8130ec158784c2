"""``dead-letters``: reasons without values, one letter beside its mapping, and replays that say what is left."""

import itertools
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.laws.set_aside import SetAside, email, mistaken
from openfaith_sync_tests.ten_entities import MANIFESTS

ADDRESS = "anna.secret@example.org"
_numbers = itertools.count()

Church = Callable[..., SetAside]


@pytest.fixture
def church(module_database: Database, pco_manifest: Manifest) -> Church:
    """Makes churches in the shared database, each with dead letters of a mistaken manifest."""

    def make(*bodies: Any) -> SetAside:
        made = SetAside(module_database, OrgId(f"church-{next(_numbers)}"), pco_manifest)
        made.commit(*bodies or (email(1, address=ADDRESS), email(2), broken(3)), manifest=mistaken(pco_manifest))
        return made

    return make


def broken(number: int) -> dict[str, Any]:
    """Return an address that no manifest can map."""
    body = email(number, address=ADDRESS)
    body["relationships"]["person"]["data"] = None
    return body


def test_dead_letters_are_listed_by_reason_without_any_value(run_shared: Run, church: Church) -> None:
    grace = church()
    answer = run_shared("dead-letters", "list", grace.org)
    assert answer.exit_code == 0
    assert ADDRESS not in answer.output
    assert "person: expected a reference to a Persona (found a reference of another type)" in answer.stderr
    rows = json.loads(run_shared("dead-letters", "list", grace.org, "--json").stdout)
    assert [(row["entity"], row["field"], row["count"], row["replayable"]) for row in rows] == [
        ("pco/email", "person", 2, 2),
        ("pco/email", "person", 1, 1),
    ]
    for command in (rows[0]["show"], rows[1]["replay"]):
        assert command in answer.stderr
    null = ("dead-letters", "list", "--reason", "FOUND NULL", "--adapter", "pco", "--entity", "email", "--json")
    (row,) = (row for row in json.loads(run_shared(*null).stdout) if row["org"] == grace.org)
    assert row["count"] == 1
    none = run_shared("dead-letters", "list", grace.org, "--entity", "person")
    assert (none.exit_code, none.stderr) == (0, "there are no such dead letters\n")


def test_one_is_shown_beside_its_mapping_with_personal_values_only_on_request(run_shared: Run, church: Church) -> None:
    grace = church(broken(1))
    ((letter, pass_id),) = grace.fetch("SELECT dead_letter_id, pass_id FROM sync.dead_letters")
    hidden = run_shared("dead-letters", "show", str(letter))
    assert hidden.exit_code == 0
    assert ADDRESS not in hidden.output
    assert f"page 1 of pass {pass_id} (full, test)" in hidden.stdout
    assert f"dead-letters show {letter} --values" in hidden.stderr
    assert f"dead-letters replay {letter}" in hidden.stderr
    shown = json.loads(run_shared("dead-letters", "show", str(letter), "--json").stdout)
    assert "raw" not in shown
    assert shown["rejected_by_manifest"] == mistaken(grace.manifest).entity_fingerprint(grace.entity)
    assert shown["present_manifest"] == grace.manifest.entity_fingerprint(grace.entity)
    first, *others = shown["fields"]
    assert (first["field"], first["sent"]) == ("person", None)
    assert first["problem"] == "expected a reference to a Person (found null); rejects the record"
    path, line = first["manifest"].rsplit(":", 1)
    assert Path(path).read_text().splitlines()[int(line) - 1].strip().startswith("person: {target: person")
    fields = {field["field"]: field for field in others}
    assert fields["address"]["sent"] == fields["address"]["stored"] == "(string, hidden)"
    assert fields["address"]["column"] == "emails.address"
    # Whether it is the primary one says nothing of the person.
    assert fields["primary"]["stored"] is True
    revealed = json.loads(run_shared("dead-letters", "show", str(letter), "--values", "--json").stdout)
    assert revealed["raw"]["attributes"]["address"] == ADDRESS
    assert ADDRESS in [field["stored"] for field in revealed["fields"]]


def test_a_replay_says_what_it_stored_and_what_is_left(run_shared: Run, church: Church) -> None:
    grace = church()
    ((letter,),) = grace.fetch("SELECT dead_letter_id FROM sync.dead_letters WHERE external_id = '1'")
    answer = run_shared("dead-letters", "replay", str(letter), "--json")
    (row,) = json.loads(answer.stdout)
    assert (answer.exit_code, row["created"], row["still_failing"]) == (0, 1, 0)
    assert grace.waiting() == {"2", "3"}
    answer = run_shared("dead-letters", "replay", grace.org, "--all")
    assert answer.exit_code == 1
    assert f"pco/email still fails: openfaith-sync dead-letters list {grace.org}" in answer.stderr
    assert (grace.waiting(), set(grace.rows())) == ({"3"}, {"1", "2"})
    again = run_shared("dead-letters", "replay", str(letter))
    assert (again.exit_code, set(grace.rows())) == (0, {"1", "2"})


def test_the_command_that_a_group_names_replays_it_and_nothing_else(run_shared: Run, church: Church) -> None:
    grace = church()
    nobodys, others = sorted(
        json.loads(run_shared("dead-letters", "list", grace.org, "--json").stdout), key=lambda row: int(row["count"])
    )
    assert nobodys["reason"] == others["reason"]
    answer = run_shared(*shlex.split(others["replay"])[1:], "--json")
    (row,) = json.loads(answer.stdout)
    assert (answer.exit_code, row["replayed"], row["created"]) == (0, 2, 2)
    assert grace.waiting() == {"3"}


def test_what_has_no_whole_raw_record_is_said_and_left_to_a_full_sync(run_shared: Run, church: Church) -> None:
    grace = church(broken(1))
    ((letter,),) = grace.fetch("SELECT dead_letter_id FROM sync.dead_letters")
    grace.fetch("UPDATE sync.dead_letters SET is_whole = false RETURNING 1")
    read_again = f"openfaith-sync sync {grace.org} --adapter pco --entity email --mode full"
    for words in (["list", grace.org], ["show", str(letter)], ["replay", str(letter)], ["replay", grace.org, "--all"]):
        answer = run_shared("dead-letters", *words)
        assert read_again in answer.stderr
        assert answer.exit_code == (words[0] == "replay")
    grace.fetch("UPDATE sync.dead_letters SET resolved_at = now() RETURNING 1")
    answer = run_shared("dead-letters", "replay", str(letter))
    assert (answer.exit_code, answer.stderr) == (0, f"dead letter {letter} is resolved already\n")


def test_a_manifest_with_the_mistake_leaves_them_where_they_are(
    run_shared: Run, church: Church, tmp_path: Path
) -> None:
    grace = church(email(1))
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    people = tmp_path / "manifests" / "pco" / "people.yaml"
    text = people.read_text()
    right = "      person: {target: person, resource: Person, nullable: false, to: person_id, always: true}"
    assert text.count(right) > 1
    people.write_text(text.replace(right, right.replace("Person,", "Persona,")))
    wrong = {"OPENFAITH_MANIFESTS": str(tmp_path / "manifests")}
    answer = run_shared("dead-letters", "replay", grace.org, "--all", "--json", **wrong)
    assert (answer.exit_code, json.loads(answer.stdout)[0]["still_failing"]) == (1, 1)
    people.write_text(text)
    answer = run_shared("dead-letters", "replay", grace.org, "--all", "--json", **wrong)
    assert (answer.exit_code, json.loads(answer.stdout)[0]["created"]) == (0, 1)


@pytest.mark.parametrize("words", ["grace", "grace --all --entity email", "12 --adapter pco --json x", ""])
def test_what_is_replayed_must_be_said(run: Run, words: str) -> None:
    answer = run("dead-letters", "replay", *words.split())
    assert answer.exit_code == 2


@pytest.mark.parametrize("words", ["list nobody", "list nobody --json", "replay nobody --all"])
def test_an_org_that_is_not_there_is_an_error_and_not_one_without_dead_letters(run_shared: Run, words: str) -> None:
    answer = run_shared("dead-letters", *words.split())
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.startswith("openfaith-sync: there is no org 'nobody'; known orgs: ")


def test_a_dead_letter_that_is_not_there_is_said_in_a_line(run_shared: Run) -> None:
    for word in ("show", "replay"):
        answer = run_shared("dead-letters", word, "999999")
        assert answer.exit_code == 1
        expected = "there is no dead letter 999999; list them with: openfaith-sync dead-letters list"
        assert answer.stderr == f"openfaith-sync: {expected}\n"
