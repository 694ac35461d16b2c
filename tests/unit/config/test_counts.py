import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticluster.config.counts import parse_node_counts
from elasticluster.exceptions import UsageError

KINDS = ("frontend", "compute")


def message(text: str, kinds: tuple[str, ...] | None = KINDS) -> str:
    with pytest.raises(UsageError) as caught:
        parse_node_counts(text, kinds)
    return caught.value.message


def test_counts_are_read_in_order() -> None:
    counts = parse_node_counts(" 10:hadoop-data , 0:compute,1:frontend ")
    assert list(counts.items()) == [("hadoop-data", 10), ("compute", 0), ("frontend", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "--nodes: expected NUMBER:KIND, not ''"),
        ("2compute", "--nodes: expected NUMBER:KIND, not '2compute'"),
        ("2:", "--nodes: expected NUMBER:KIND, not '2:'"),
        (":compute", "--nodes: expected NUMBER:KIND, not ':compute'"),
        ("2:compute,", "--nodes: expected NUMBER:KIND, not ''"),
        ("two:compute", "--nodes: 'two:compute': expected a whole number, not 'two'"),
        ("1.5:compute", "--nodes: '1.5:compute': expected a whole number, not '1.5'"),
        ("-1:compute", "--nodes: '-1:compute': expected 0 or more nodes, not -1"),
        ("100001:compute", "--nodes: '100001:compute': expected 100000 nodes at most, not 100001"),
        ("2:compte", "--nodes: there is no kind of node 'compte'; did you mean 'compute'?"),
        ("2:gpu", "--nodes: there is no kind of node 'gpu'"),
        ("2:compute,3:compute", "--nodes: kind 'compute' comes twice"),
        (
            "x,-1:compute",
            "--nodes: expected NUMBER:KIND, not 'x'\n--nodes: '-1:compute': expected 0 or more nodes, not -1",
        ),
    ],
)
def test_wrong_counts_are_told_exactly(text: str, expected: str) -> None:
    assert message(text) == expected


def test_without_known_kinds_a_kind_must_only_be_legal() -> None:
    assert parse_node_counts("1:gpu") == {"gpu": 1}
    assert message("1:gpu2", None).startswith("--nodes: 'gpu2' cannot be a kind of node")


def test_hint_names_the_option_and_the_kinds() -> None:
    with pytest.raises(UsageError) as caught:
        parse_node_counts("x", KINDS, option="--add")
    assert caught.value.message == "--add: expected NUMBER:KIND, not 'x'"
    assert caught.value.hint == (
        "Write for example --add 2:compute,1:frontend.\nKinds of nodes here: frontend, compute."
    )


@given(text=st.text() | st.from_regex(r"(-?[0-9]{1,30}:[a-z0-9-]*,?){0,4}", fullmatch=True))
def test_any_text_gives_counts_or_a_usage_error(text: str) -> None:
    try:
        counts = parse_node_counts(text)
    except UsageError:
        return
    assert counts
    assert all(number >= 0 for number in counts.values())
