"""A file of orgs is checked whole, with line numbers, and no message repeats what is in it."""

from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.org_file import FileMistake, OrgLine, read_orgs
from openfaith_sync.domain.connections.connection import BasicCredentials, BearerToken
from openfaith_sync.domain.errors import UsageError
from openfaith_sync_tests.ten_entities import MANIFESTS

BOTH = {name: read_manifest(MANIFESTS, name) for name in ("pco", "breeze")}
SECRET = "5ecret-of-nobody"
HEADER = "name,adapter,auth,credentials,base_url,time_zone,only"
YAML = f"""
- name: grace
  adapter: pco
  credentials: "id:{SECRET}"
  only: [people, group]
- name: hope
  adapter: breeze
  credentials: {SECRET}
  base_url: https://hope.breezechms.com
"""


def read(folder: Path, text: str, name: str = "orgs.csv") -> tuple[list[OrgLine], list[FileMistake]]:
    path = folder / name
    path.write_text(text)
    return read_orgs(path, BOTH)


def test_a_csv_file_becomes_orgs(tmp_path: Path) -> None:
    text = (
        f"\ufeff{HEADER}\r\n"
        f'grace,pco,,id:{SECRET},,America/Chicago,"people,group"\r\n'
        "\r\n"
        f"hope,breeze,token,{SECRET},https://hope.breezechms.com/,,\r\n"
        f"zion , pco,bearer,{SECRET}\r\n"
        "faith,pco,invite\r\n"
    )
    lines, mistakes = read(tmp_path, text)
    assert mistakes == []
    assert [(one.line, one.org, one.manifest.adapter) for one in lines] == [
        (2, "grace", "pco"), (4, "hope", "breeze"), (5, "zion", "pco"), (6, "faith", "pco"),
    ]  # fmt: skip
    grace, hope, zion, faith = lines
    assert (grace.credentials, grace.time_zone, grace.only) == (
        BasicCredentials("id", SECRET), "America/Chicago", "people,group",
    )  # fmt: skip
    assert (hope.credentials, hope.base_url) == (BearerToken(SECRET), "https://hope.breezechms.com")
    assert (zion.credentials, faith.credentials) == (BearerToken(SECRET), None)
    assert SECRET not in repr(lines)


def test_a_yaml_file_and_semicolons_are_the_same(tmp_path: Path) -> None:
    lines, mistakes = read(tmp_path, YAML, "orgs.yaml")
    assert mistakes == []
    assert [(one.line, one.org, one.only) for one in lines] == [(2, "grace", "people,group"), (6, "hope", None)]
    semicolons = f"name;adapter;credentials;base_url\ngrace;pco;id:{SECRET}\n"
    assert read(tmp_path, semicolons)[0][0].credentials == lines[0].credentials


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        ("Grace!,pco,,,,,", "name", "lower-case letters"),
        (",pco,,,,,", "name", "lower-case letters"),
        (f"grace,{SECRET},,,,,", "adapter", "one of breeze, pco"),
        ("grace,,,,,,", "adapter", "one of breeze, pco"),
        (f"grace,pco,{SECRET},,,,", "auth", "one of basic, bearer, token, invite"),
        ("grace,pco,basic,,,,", "credentials", "what basic needs"),
        (f"grace,pco,basic,{SECRET},,,", "credentials", "ID:SECRET"),
        (f"grace,pco,bearer,{SECRET} x,,,", "credentials", "without spaces"),
        (f"grace,breeze,basic,id:{SECRET},,,", "credentials", "token for breeze"),
        (f"grace,pco,,,ftp://{SECRET},,", "base_url", "http"),
        (f"grace,pco,,,,{SECRET},", "time_zone", "IANA"),
        (f"grace,pco,,,,,{SECRET}", "only", "modules (groups, people)"),
        (f"grace,pco,,,,,,{SECRET}", "line", "expected 7 values"),
        (f'grace,pco,,"{SECRET}', "line", "valid CSV"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_without_its_value(
    tmp_path: Path, row: str, column: str, said: str
) -> None:
    _, mistakes = read(tmp_path, f"{HEADER}\nfaith,pco\n{row}\n")
    assert [(one.line, one.column) for one in mistakes] == [(3, column)]
    assert said in mistakes[0].what
    assert SECRET not in str(mistakes)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    _, mistakes = read(tmp_path, f"{HEADER}\nGrace,nope,x\nhope,pco\n\nhope,pco\n")
    assert [(one.line, one.column) for one in mistakes] == [(2, "name"), (2, "adapter"), (2, "auth"), (5, "name")]
    assert mistakes[-1].what == "the same org and adapter as in line 3"


@pytest.mark.parametrize(
    ("text", "name", "places"),
    [
        (f"grace,{SECRET}\n", "orgs.csv", [(1, "column 1"), (1, "column 2"), (1, "header")]),
        ("name,adapter,name\ngrace,pco,x\n", "orgs.csv", [(1, "column 3")]),
        ("", "orgs.csv", [(1, "file")]),
        (f"grace: {SECRET}\n", "orgs.yaml", [(1, "file")]),
        (f"- name: grace\n  adapter: pco\n  {SECRET}: x\n", "orgs.yaml", [(3, "key")]),
        (f"- name: grace\n  adapter: pco\n  name: {SECRET}\n", "orgs.yaml", [(3, "line")]),
        (f"- name: grace\n  adapter: pco\n- {SECRET}\n", "orgs.yaml", [(3, "line")]),
        (f"- name: grace\n  x: {SECRET}: {SECRET}\n", "orgs.yaml", [(2, "line")]),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, name: str, places: list[tuple[int, str]]) -> None:
    _, mistakes = read(tmp_path, text, name)
    assert [(one.line, one.column) for one in mistakes] == places
    assert SECRET not in str(mistakes)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ends in"):
        read(tmp_path, "", "orgs.txt")
    with pytest.raises(UsageError, match="cannot be read"):
        read_orgs(tmp_path / "none.csv", BOTH)
    (tmp_path / "orgs.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        read_orgs(tmp_path / "orgs.csv", BOTH)
