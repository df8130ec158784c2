"""Reads one manifest file into its model, or into the mistakes that it holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from openfaith_sync.adapters.manifest_reader.manifest_mistakes import (
    WHOLE_FILE,
    Mistake,
    mistake_at,
    model_mistakes,
    repeated_keys,
    syntax_mistake,
)
from openfaith_sync.adapters.manifest_reader.yaml_text import YamlText

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class PartFile(Generic[T]):
    """One manifest file; ``part`` is missing when it holds mistakes."""

    path: Path
    text: YamlText
    part: T | None


def read_part(path: Path, model: type[T], mistakes: list[Mistake]) -> PartFile[T] | None:
    """Read one file, adding its mistakes; ``None`` when not even its keys can be known."""
    try:
        text = YamlText(path.read_text(encoding="utf-8"))
    except OSError as error:
        mistakes.append(Mistake(str(path), 1, WHOLE_FILE, _unreadable(path, error), "a file that can be read"))
        return None
    except UnicodeDecodeError as error:
        mistakes.append(Mistake(str(path), 1, WHOLE_FILE, f"byte {error.start} is not UTF-8", "UTF-8 text"))
        return None
    except yaml.YAMLError as error:
        mistakes.append(syntax_mistake(path, error))
        return None
    mistakes.extend(repeated_keys(path, text))
    if not isinstance(text.found, dict):
        keys = ", ".join(model.model_fields)
        mistakes.append(mistake_at(path, text, (), f"a mapping with the keys {keys}"))
        return None
    try:
        return PartFile(path, text, model.model_validate(text.found))
    except ValidationError as error:
        mistakes.extend(model_mistakes(path, text, model, error))
        return PartFile(path, text, None)


def _unreadable(path: Path, error: OSError) -> str:
    if path.is_dir():
        return "a folder"
    return "no such file" if isinstance(error, FileNotFoundError) else f"a file that is not readable: {error.strerror}"
