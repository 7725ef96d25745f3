"""Templates filled in, and figures as elements of a page. Nothing that a storage holds becomes markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from . import tables
from .words import explained

TEMPLATES = Path(__file__).with_name("templates")


def rendered(template: str, said: Mapping[str, Any]) -> str:
    """The text of a template; in HTML all that is `said` is escaped, but for what is Markup already."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": tables.in_markdown, "code": tables.code_in_markdown, "explained": explained}
    return environment.get_template(template).render(said)


def inline(svg: bytes) -> Markup:
    """An SVG file as an element of a page, as wide as there is room."""
    text = svg.decode()
    element = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img" width="100%"', text[text.index("<svg") :], count=1
    )
    return Markup(element.replace(' height="', ' data-height="', 1))
