import os
import shutil
from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes
from openfaith_sync.domain.errors import UsageError
from openfaith_sync_tests.ten_entities import MANIFESTS

TITLE, OTHER_TITLE = "title: Planning Center Online", "title: Planning Centre Online"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of manifests, to be changed."""
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    return tmp_path / "manifests"


def change(path: Path, old: str, new: str) -> None:
    """Replace a text so that neither the file's size nor its time tells."""
    before = path.stat()
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_files_that_are_the_same_are_parsed_once(root: Path) -> None:
    first = read_manifest(root, "pco")
    assert read_manifest(root, "pco") is first
    assert read_manifest(MANIFESTS, "pco") is first


def test_a_changed_file_is_read_again_even_if_its_size_and_time_are_the_same(root: Path) -> None:
    read_manifest(root, "pco")
    change(root / "pco" / "adapter.yaml", TITLE, OTHER_TITLE)
    changed = read_manifest(root, "pco")
    assert changed.adapter_file.title == "Planning Centre Online"
    assert read_manifest(MANIFESTS, "pco").adapter_file.title == "Planning Center Online"
    assert read_manifest(root, "pco") == changed


@pytest.mark.parametrize("add", [True, False], ids=["added", "removed"])
def test_a_file_that_was_added_or_removed_is_noticed(root: Path, add: bool) -> None:
    path = root / "pco" / "groups.yaml"
    text = path.read_text(encoding="utf-8")
    if add:
        path.unlink()
    before = read_manifest(root, "pco")
    assert ("group" in before.entities) is not add
    if add:
        path.write_text(text, encoding="utf-8")
    else:
        path.unlink()
    assert ("group" in read_manifest(root, "pco").entities) is add


def test_mistakes_are_reported_each_time_and_gone_once_corrected(root: Path) -> None:
    first = read_manifest(root, "pco")
    change(root / "pco" / "adapter.yaml", TITLE, "titel: Planning Center Online")
    for _ in range(2):
        with pytest.raises(ManifestMistakes, match="title"):
            read_manifest(root, "pco")
    change(root / "pco" / "adapter.yaml", "titel: Planning Center Online", TITLE)
    assert read_manifest(root, "pco") == first


def test_an_adapter_whose_folder_is_gone_is_unknown(root: Path) -> None:
    read_manifest(root, "pco")
    shutil.rmtree(root / "pco")
    with pytest.raises(UsageError, match="no adapter 'pco'"):
        read_manifest(root, "pco")


def test_the_manifests_of_two_adapters_are_kept_side_by_side(root: Path) -> None:
    pco, breeze = read_manifest(root, "pco"), read_manifest(root, "breeze")
    assert (pco.adapter, breeze.adapter) == ("pco", "breeze")
    assert read_manifest(root, "pco") is pco
    assert read_manifest(root, "breeze") is breeze
