"""The HTML pages that people see: plain, readable on a phone, and nothing in them comes from elsewhere.

Every value is escaped. The headers on all responses allow neither styles nor scripts (``app.py``).
"""

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

_TEMPLATES = Environment(
    loader=PackageLoader("openfaith_sync.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(status: int, title: str, text: str) -> HTMLResponse:
    """Return a page with a title and one paragraph."""
    return render(status, "page.html", title=title, text=text)


def render(status: int, template: str, **values: object) -> HTMLResponse:
    """Return the page of a template."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(values), status)
