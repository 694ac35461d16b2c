"""How Sphinx builds the manual: ``sphinx-build -c docs . build/site``.

The source folder is the whole checkout, so that files that people read there (HACKING.md, the READMEs of
roles and examples) are pages of the site as they are, and links between them hold in both places.
"""

from importlib.metadata import version as version_of
from typing import Any

from sphinx.application import Sphinx

project = "ElastiCluster"
copyright = "the ElastiCluster developers; GNU General Public License, version 3 or later"  # noqa: A001
version = release = version_of("elasticluster")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "CHANGELOG.md",
    "HACKING.md",
    "examples/*/README.md",
    "src/elasticluster/playbooks/roles/*/README.md",
]
exclude_patterns = [".*", "build", "docs/_templates"]
templates_path = ["_templates"]

myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
suppress_warnings = ["ref.python"]  # `type[…]` in a signature is taken for an attribute called type

html_theme = "furo"
html_title = f"ElastiCluster {version}"
html_additional_pages = {"index": "to-the-manual.html"}  # a server's first page is the one called index.html
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Let Sphinx read our docstrings as they are meant."""
    app.connect("autodoc-process-docstring", protect_properties, priority=100)


def protect_properties(_app: Sphinx, what: str, *args: Any) -> None:
    """Put an empty comment first: Napoleon would take what is before a colon there for a type."""
    if what in {"attribute", "data", "property"}:
        lines: list[str] = args[-1]
        lines[:0] = ["..", ""]
