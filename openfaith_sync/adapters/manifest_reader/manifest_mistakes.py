"""Mistakes in a manifest, each with file, line, key, what was found and what was expected."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.error import YAMLError

from openfaith_sync.adapters.manifest_reader.manifest_schemas import known_keys
from openfaith_sync.adapters.manifest_reader.yaml_text import YamlText
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.problem import Key, ManifestProblem, ManifestProblems

WHOLE_FILE = "(file)"


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake in a manifest file."""

    file: str
    line: int
    key: str
    found: str
    expected: str

    def __str__(self) -> str:
        """Return ``file:line: key: found …, expected …``, which editors can jump to."""
        return f"{self.file}:{self.line}: {self.key}: found {self.found}, expected {self.expected}"


class ManifestMistakes(DefinitionError):
    """A manifest has mistakes; contains all of them."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        """Store the mistakes; the message has one line for each."""
        self.mistakes = sorted(set(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))


def mistake_at(path: Path, text: YamlText, key: Key, expected: str, found: str | None = None) -> Mistake:
    """Return the mistake at a key; ``found`` defaults to the value in the text."""
    name = ".".join(key) or WHOLE_FILE
    return Mistake(str(path), text.line(key), name, found or text.shown(key), expected)


def syntax_mistake(path: Path, error: YAMLError) -> Mistake:
    """Return the mistake for a text that is not valid YAML."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    context = getattr(error, "context", None)
    found = f"{problem} ({context})" if context else problem
    return Mistake(str(path), mark.line + 1 if mark else 1, WHOLE_FILE, found, "valid YAML")


def repeated_keys(path: Path, text: YamlText) -> Iterator[Mistake]:
    """Yield a mistake for every repeated key: YAML would silently use only one of them."""
    for again in text.repetitions():
        found = f"this key again (first on line {again.first_line})"
        yield Mistake(str(path), again.line, ".".join(again.key), found, "each key once")


def model_mistakes(path: Path, text: YamlText, model: type[BaseModel], error: ValidationError) -> Iterator[Mistake]:
    """Yield the mistakes that a pydantic model finds in a text."""
    for problem in error.errors():
        # pydantic marks an invalid key of a mapping with "[key]" as the last step.
        key = tuple(str(part) for part in problem["loc"] if part != "[key]")
        if problem["type"] == "value_error":
            for found in _own_problems(problem):
                yield problem_at(path, text, key, found)
        elif problem["type"] == "extra_forbidden":
            keys = ", ".join(known_keys(model, key[:-1]))
            yield mistake_at(path, text, key, f"one of the keys {keys}", "an unknown key")
        elif "[key]" in problem["loc"]:
            yield mistake_at(path, text, key, f"as key {_expected(problem)}", repr(key[-1]))
        else:
            yield mistake_at(path, text, key, _expected(problem))


def problem_at(path: Path, text: YamlText, above: Key, problem: ManifestProblem) -> Mistake:
    """Return the mistake for a problem that one of our own checks found below a key."""
    return mistake_at(path, text, (*above, *problem.key), problem.expected, problem.found)


def _own_problems(details: ErrorDetails) -> tuple[ManifestProblem, ...]:
    """Return the problems that our own checks found; they raise no other error."""
    error = details["ctx"]["error"]
    assert isinstance(error, ManifestProblems)
    return error.problems


def _expected(problem: ErrorDetails) -> str:
    kind, details = problem["type"], problem.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return f"a text that matches {details['pattern']}"
    if kind in ("enum", "literal_error"):
        return f"one of {str(details['expected']).replace(' or ', ', ')}"
    message = problem["msg"].removeprefix("Input should be ")
    return _EXPECTED.get(kind) or str(message[0].lower() + message[1:])


_EXPECTED = {
    "missing": "this key to be present",
    "string_type": "a text (in quotes if it looks like a number, a date, true or false)",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
"""Messages for pydantic's error types, for a person who writes YAML."""
