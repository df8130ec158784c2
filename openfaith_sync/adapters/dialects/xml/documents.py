"""XML documents: rows are elements of one name below a collection, anywhere in the document."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator

import httpx

from openfaith_sync.adapters.dialects.plain.documents import value_below
from openfaith_sync.domain.errors import DefinitionError, MalformedAnswer
from openfaith_sync.domain.manifest.dialect_files import XmlFile
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest

TEXT = "#text"
"""The key of an element's own text, if it also has attributes or children."""
_PARSED = "openfaith_sync.document"


class XmlDocuments:
    """XML as the manifest describes it; implements ``Documents``.

    An element without attributes and children becomes its text, or ``None`` if that is blank. Any other element
    becomes a mapping: attributes by their name with an @ before it, children by their name, repeated ones as a list.
    """

    media_type = "application/xml"

    def __init__(self, manifest: Manifest) -> None:
        """Read the paths of rows from the manifest.

        Raises:
            DefinitionError: The manifest is for another dialect.
        """
        if not isinstance(manifest.adapter_file, XmlFile):
            raise DefinitionError(f"the {manifest.adapter} manifest does not use the xml dialect")
        self._keys = manifest.adapter_file

    def parse(self, response: httpx.Response) -> ET.Element:
        """Return the root element; each response is parsed once."""
        if _PARSED not in response.extensions:
            response.extensions[_PARSED] = _parse(response)
        found: ET.Element = response.extensions[_PARSED]
        return found

    def may_state_error(self, response: httpx.Response) -> bool:
        """Return whether the body contains an element whose name begins with ``error``."""
        return b"<error" in response.content

    def rows_of(self, entity: Entity, document: ET.Element) -> list[object]:
        """Return the rows of a listing."""
        collection, row = self._names_of(entity)
        found = next(document.iter(collection), None)
        if found is None:
            if any(True for path in self._keys.empty for _ in _values_at(document, path)):
                return []
            raise MalformedAnswer(f"the source's response has no element {collection!r}")
        rows = [_value(element) for element in found.findall(row)]
        stated = found.get(self._keys.row_count) if self._keys.row_count else None
        if stated is not None and stated != str(len(rows)):
            raise MalformedAnswer(f"the source's response has {len(rows)} rows, but states that it has {stated[:20]}")
        return rows

    def record_of(self, entity: Entity, document: ET.Element) -> object:
        """Return the record of a single read: the only row of a listing."""
        rows = self.rows_of(entity, document)
        if len(rows) != 1:
            raise MalformedAnswer(f"the source's response has {len(rows)} rows, expected one {entity.name}")
        return rows[0]

    def value_at(self, document: ET.Element, path: str) -> object:
        """Return the first value at a path; the first element of the path may be anywhere in the document."""
        return next((value for value in _values_at(document, path) if value is not None), None)

    def _names_of(self, entity: Entity) -> tuple[str, str]:
        collection, _, row = str(entity.rows or self._keys.rows).rpartition(".")
        if not collection:
            raise DefinitionError(f"rows of {entity.name}: expected the collection's element and the rows', with a dot")
        return collection, row


def _parse(response: httpx.Response) -> ET.Element:
    kind = response.headers.get("content-type", "")
    if "xml" not in kind.lower():
        raise MalformedAnswer(f"the source answered {response.status_code} with {kind or 'no content type'}, not XML")
    # No source needs a document type, and the entities that one declares can expand without limit.
    if b"<!DOCTYPE" in response.content[:4096] or b"<!ENTITY" in response.content[:4096]:
        raise MalformedAnswer("the source answered with XML that declares a document type")
    try:
        return ET.fromstring(response.content)  # noqa: S314  without a document type there are no entities
    except ET.ParseError as error:
        raise MalformedAnswer(f"the source answered with {len(response.content)} bytes of broken XML") from error


def _values_at(document: ET.Element, path: str) -> Iterator[object]:
    first, _, rest = path.partition(".")
    for element in document.iter(first):
        yield value_below(_value(element), rest) if rest else _value(element)


def _value(element: ET.Element) -> object:
    text = (element.text or "").strip() or None
    if not element.attrib and not len(element):
        return text
    found: dict[str, object] = {f"@{name}": value for name, value in element.attrib.items()}
    if text is not None:
        found[TEXT] = text
    for child in element:
        _add(found, child.tag, _value(child))
    return found


def _add(found: dict[str, object], name: str, value: object) -> None:
    if name not in found:
        found[name] = value
        return
    known = found[name]
    found[name] = [*known, value] if isinstance(known, list) else [known, value]
