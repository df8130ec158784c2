"""What every part of a manifest is, and the texts that recur in it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

SnakeCase = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_/{}.-]*$")]
VersionDate = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
KeyPath = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
"""The way to a value inside a document, one key after the other, such as `meta.pagination.total`.
In XML an attribute of an element is a key with an @ before it, such as `campus.@id`."""


class Part(BaseModel):
    """Frozen, and strict about keys: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
