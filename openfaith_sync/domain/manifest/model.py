"""The base model of a manifest, and the text formats that its models share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

SnakeCase = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=55)]
IncludePath = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$", max_length=80)]
"""The name of an include, of one or two levels, such as `refund.designation_refunds`."""
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_/{}.-]*$")]
VersionDate = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
KeyPath = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
"""The path of a value in a document, as keys with dots, such as `meta.pagination.total`.
In XML, an attribute of an element is a key with an @ before it, such as `campus.@id`."""


class ManifestModel(BaseModel):
    """A frozen part of a manifest; unknown keys are mistakes."""

    # Most models are validated as parts of others only: building a validator of their own for each of them
    # would take a tenth of a command's start.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)
