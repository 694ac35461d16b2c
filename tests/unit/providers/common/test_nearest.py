"""What is said where a name is unknown to a cloud."""

from __future__ import annotations

import pytest

from elasticluster.providers.common.nearest import suggestion

MANY = [f"n{i:02}" for i in range(12)]


@pytest.mark.parametrize(
    ("wanted", "known", "what", "said"),
    [
        ("smal", ["tiny", "small"], "", "Did you mean 'small'? There are: small, tiny."),
        ("smal", ["tiny", "small"], "flavors", "Did you mean 'small'? These flavors exist: small, tiny."),
        ("huge", ["tiny", "", "tiny"], "flavors", "These flavors exist: tiny."),
        ("Small", ["small"], "", "Did you mean 'small'? There are: small."),
        ("x", [], "flavors", ""),
        ("zzz", MANY, "", f"There are: {', '.join(MANY[:10])} and 2 more."),
    ],
    ids=["nearest", "what they are", "none is near", "other case", "nothing is known", "many"],
)  # fmt: skip
def test_suggestion_names_the_nearest_and_some_of_the_others(
    wanted: str, known: list[str], what: str, said: str
) -> None:
    assert suggestion(wanted, known, what) == said
