"""Any config: its hash knows neither the order of keys nor places, and any other value."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gnn_distill.storage.provenance import LOCATION_SECTIONS, RESULT_NEUTRAL, config_hash

NAMES = st.text("abcde_", min_size=1, max_size=5)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab1.- \"':,é", max_size=4)
SECTIONS = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
CONFIGS = st.dictionaries(NAMES, SECTIONS, min_size=1, max_size=4)


def hashed(values: dict[str, Any]) -> str:
    return config_hash(OmegaConf.create(values))


def backwards(values: Any) -> Any:
    """The same with the keys of all dictionaries in the opposite order; lists keep theirs."""
    if isinstance(values, dict):
        return {key: backwards(values[key]) for key in reversed(values)}
    return [*map(backwards, values)] if isinstance(values, list) else values


@given(CONFIGS)
def test_the_order_of_keys_does_not_matter(values: dict[str, Any]) -> None:
    assert hashed(backwards(values)) == hashed(values)


def spots(values: Any) -> list[tuple[Any, Any]]:
    """Every dictionary or list, with each of its keys or places, however deep."""
    places = list(values) if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
    return [spot for place in places for spot in ((values, place), *spots(values[place]))]


@given(CONFIGS, st.data())
def test_any_other_value_changes_it(values: dict[str, Any], data: st.DataObject) -> None:
    before = hashed(values)
    holder, place = data.draw(st.sampled_from(spots(values)), label="where")
    old = holder[place]
    holder[place] = data.draw(VALUES.filter(lambda new: repr(new) != repr(old)), label="new")
    assert hashed(values) != before
    holder[place] = old
    assert hashed(values) == before
    del holder[place]
    assert hashed(values) != before


@given(CONFIGS, SECTIONS)
def test_places_and_means_do_not_matter(values: dict[str, Any], section: Any) -> None:
    values |= {"trainer": {"max_epochs": 3}}
    more = dict.fromkeys(LOCATION_SECTIONS, section)
    for key in RESULT_NEUTRAL:
        head, _, name = key.rpartition(".")
        more |= {head: {**values[head], name: section}} if head else {name: section}
    assert hashed(values | more) == hashed(values)
