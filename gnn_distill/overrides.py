"""Overrides of Hydra's that this program writes itself."""

import re

from hydra.core.override_parser.types import Quote, QuotedString

PLAIN = re.compile(r"[A-Za-z_][\w./-]*")


def override(key: str, text: object) -> str:
    """`key=value` whose value is `text` to the letter, in quotes where Hydra or OmegaConf would read it otherwise."""
    value = str(text)
    if not PLAIN.fullmatch(value) or value.lower() in ("null", "true", "false", "nan", "inf"):
        value = QuotedString(value.replace("${", r"\${"), Quote.single).with_quotes()
    return f"{key}={value}"
