"""Overrides that the program writes: what they name comes back to the letter."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gnn_distill.overrides import override

TEXTS = [
    *("plain/path-1.csv", "/o'neil/a b", "null", "1e3", "a\\", "it's\\'"),
    *("${oc.env:HOME}", "[a,b]", 'a"b', "tau/é, x=1"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_value_comes_back_to_the_letter(text: str) -> None:
    parsed = OverridesParser.create().parse_override(override("key", text)).value()
    assert OmegaConf.create({"key": parsed}).key == text
