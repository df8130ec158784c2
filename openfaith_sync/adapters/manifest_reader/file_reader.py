"""Reads one manifest file into its model, or reports its mistakes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml.error import YAMLError

from openfaith_sync.adapters.manifest_reader.manifest_mistakes import (
    WHOLE_FILE,
    Mistake,
    mistake_at,
    model_mistakes,
    repeated_keys,
    syntax_mistake,
)
from openfaith_sync.adapters.manifest_reader.yaml_text import YamlText
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.dialect_files import ADAPTER_FILES

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ManifestFile(Generic[T]):
    """One manifest file; ``content`` is ``None`` if it has mistakes."""

    path: Path
    text: YamlText
    content: T | None


def read_adapter_file(path: Path, mistakes: list[Mistake]) -> ManifestFile[AdapterFile] | None:
    """Return ``adapter.yaml`` in the model of its dialect, and add its mistakes to ``mistakes``."""
    file = read_text(path, AdapterFile, mistakes)
    if file is None:
        return None
    dialect = file.found.get("dialect")
    model = ADAPTER_FILES.get(dialect) if isinstance(dialect, str) else None
    if model is None:
        mistakes.append(mistake_at(path, file, ("dialect",), f"one of {', '.join(sorted(ADAPTER_FILES))}"))
        return ManifestFile(path, file, None)
    return _validated(path, file, model, mistakes)


def read_file(path: Path, model: type[T], mistakes: list[Mistake]) -> ManifestFile[T] | None:
    """Return one file, and add its mistakes to ``mistakes``; ``None`` if it is not a mapping."""
    text = read_text(path, model, mistakes)
    return None if text is None else _validated(path, text, model, mistakes)


def read_text(path: Path, model: type[BaseModel], mistakes: list[Mistake]) -> YamlText | None:
    """Return the text of a file, and add its mistakes to ``mistakes``; ``None`` if it is not a mapping."""
    try:
        text = YamlText(path.read_text(encoding="utf-8"))
    except OSError as error:
        mistakes.append(Mistake(str(path), 1, WHOLE_FILE, _unreadable(path, error), "a file that can be read"))
        return None
    except UnicodeDecodeError as error:
        mistakes.append(Mistake(str(path), 1, WHOLE_FILE, f"byte {error.start} is not UTF-8", "UTF-8 text"))
        return None
    except YAMLError as error:
        mistakes.append(syntax_mistake(path, error))
        return None
    mistakes.extend(repeated_keys(path, text))
    if not isinstance(text.found, dict):
        keys = ", ".join(model.model_fields)
        mistakes.append(mistake_at(path, text, (), f"a mapping with the keys {keys}"))
        return None
    return text


def _validated(path: Path, text: YamlText, model: type[T], mistakes: list[Mistake]) -> ManifestFile[T]:
    try:
        return ManifestFile(path, text, model.model_validate(text.found))
    except ValidationError as error:
        mistakes.extend(model_mistakes(path, text, model, error))
        return ManifestFile(path, text, None)


def _unreadable(path: Path, error: OSError) -> str:
    if path.is_dir():
        return "a folder"
    return "no such file" if isinstance(error, FileNotFoundError) else f"a file that is not readable: {error.strerror}"
