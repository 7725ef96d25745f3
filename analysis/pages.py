"""Templates filled in, and figures as elements of a page. Nothing that a storage holds becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from . import tables
from .words import explained

TEMPLATES = Path(__file__).with_name("templates")


def environment(*folders: Path, **more: Any) -> jinja2.Environment:
    """Templates of these folders, and ours; in HTML what they show is escaped, but for what is Markup already."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        **more,
    )
    made.filters |= {
        "md": tables.in_markdown,
        "code": tables.code_in_markdown,
        "explained": explained,
        "data": data,
    }
    return made


def rendered(template: str, said: Mapping[str, Any]) -> str:
    """The text of a template of ours."""
    return environment().get_template(template).render(said)


def inline(svg: bytes) -> Markup:
    """An SVG file as an element of a page, as wide as there is room."""
    text = svg.decode()
    element = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img" width="100%"', text[text.index("<svg") :], count=1
    )
    return Markup(element.replace(' height="', ' data-height="', 1))


def data(value: Any) -> Markup:
    """A value as JSON inside a <script>, which nothing in it can end."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))


def scripts(*sources: str) -> tuple[list[Markup], str]:
    """Scripts to stand in a page as they are, and what its Content-Security-Policy says to let only these run."""
    hashes = [base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources]
    return [Markup(source) for source in sources], " ".join(f"'sha256-{one}'" for one in hashes)


def as_image(svg: bytes, alt: str, width: int) -> Markup:
    """An SVG file as an <img> that holds it: of several on a page no id means another one's, and no script runs.

    `width`, in CSS px, counts where a viewer, such as GitHub's of notebooks, leaves styles out.
    """
    data = base64.b64encode(svg).decode()
    return Markup('<img alt="{}" width="{}" src="data:image/svg+xml;base64,{}">').format(alt, width, data)
