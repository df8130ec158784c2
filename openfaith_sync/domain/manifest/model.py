"""What every part of a manifest is, and the texts that recur in it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

SnakeCase = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_/{}.-]*$")]
VersionDate = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Part(BaseModel):
    """Frozen, and strict about keys: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
