"""The query of a listing request, and the links of its response."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote_plus

DEFAULT_PAGE = 25


@dataclass(frozen=True, slots=True)
class Where:
    """One ``where[attribute]`` or ``where[attribute][operator]``."""

    name: str
    operator: str
    """``gt``, ``gte``, ``lt``, ``lte``, or empty for equality."""
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for; malformed parameters are treated as absent."""

    pairs: tuple[tuple[str, str], ...]
    """All parameters as received, sorted by key."""
    per_page: int
    offset: int
    order: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    wheres: tuple[Where, ...] = ()
    scopes: tuple[str, ...] = ()
    """The named selections of ``filter=``."""
    fields: tuple[tuple[str, frozenset[str]], ...] = field(default=())
    """The wire types, each with the requested names."""

    def link(self, url: str, offset: int | None = None) -> str:
        """Return the URL with these parameters, and with another offset if one is passed.

        Keys are sorted and their brackets left unescaped; values are escaped.
        """
        pairs = self.pairs
        if offset is not None:
            pairs = tuple(sorted([(k, v) for k, v in pairs if k != "offset"] + [("offset", str(offset))]))
        return url + ("?" + "&".join(f"{key}={quote_plus(value)}" for key, value in pairs) if pairs else "")

    def frame(self, url: str, total: int, count: int) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the links of a page, and the counts and offsets of its meta."""
        following = self.offset + self.per_page if self.offset + self.per_page < total else None
        before = max(0, self.offset - self.per_page) if self.offset else None
        links = {"self": self.link(url)}
        meta: dict[str, Any] = {"total_count": total, "count": count}
        for name, offset in (("prev", before), ("next", following)):
            if offset is not None:
                links[name] = self.link(url, offset)
                meta[name] = {"offset": offset}
        return links, meta


# Paging by offset repeats everything but the offset; polling repeats the whole query.
@lru_cache(maxsize=1024)
def parse_query(text: str, most: int) -> Query:
    """Parse a query string; ``most`` is the largest page size."""
    pairs = parse_qsl(text, keep_blank_values=True)
    per_page, offset = DEFAULT_PAGE, 0
    order: list[str] = []
    include: list[str] = []
    scopes: list[str] = []
    wheres: list[Where] = []
    fields: dict[str, frozenset[str]] = {}
    for key, value in pairs:
        if key == "per_page":
            per_page = _number(value, DEFAULT_PAGE)
        elif key == "offset":
            offset = max(0, _number(value, 0))
        elif key == "order":
            order += _names(value)
        elif key in ("include", "include[]"):
            include += _names(value)
        elif key in ("filter", "filter[]"):
            scopes += _names(value)
        elif key.startswith("where[") and key.endswith("]"):
            name, _, operator = key[6:-1].partition("][")
            wheres.append(Where(name, operator, value))
        elif key.startswith("fields[") and key.endswith("]"):
            fields[key[7:-1]] = frozenset(_names(value))
    return Query(
        pairs=tuple(sorted(pairs, key=lambda pair: pair[0])),
        per_page=min(per_page, most) if per_page >= 0 else 1,
        offset=offset,
        order=tuple(order),
        include=tuple(dict.fromkeys(include)),
        wheres=tuple(wheres),
        scopes=tuple(scopes),
        fields=tuple(sorted(fields.items(), key=lambda item: item[0])),
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str, otherwise: int) -> int:
    try:
        return int(text)
    except ValueError:
        return otherwise
