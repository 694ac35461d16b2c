"""Our tags as clouds keep them: texts by name, each name with our prefix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from elasticluster.model import Tags

PREFIX = "elasticluster."
"""Beginning of the name of every tag that we write."""

EMPTY = {PREFIX + field.name: "" for field in fields(Tags)}
"""Tags that say nothing; what carries them is not ours."""


def to_strings(tags: Tags) -> dict[str, str]:
    """Return tags as texts by name; empty ones are left out."""
    return {PREFIX + name: value for name, value in asdict(tags).items() if value}


def to_tags(strings: Mapping[str, str]) -> Tags:
    """Return the tags among texts by name; those that are missing are empty."""
    return Tags(**{field.name: strings.get(PREFIX + field.name, "") for field in fields(Tags)})
