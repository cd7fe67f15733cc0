"""What an input is, without importing the packages that define it: what nobody has imported, nobody has passed."""

import sys


def is_missing(entry: object) -> bool:
    """Whether it is None, NaN or pandas' NA: a missing value in a list or column."""
    pandas = sys.modules.get("pandas")
    absent = pandas is not None and entry is pandas.NA
    return entry is None or absent or (isinstance(entry, float) and entry != entry)


def is_table(given: object) -> bool:
    """Whether it is a DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(given, pandas.DataFrame)


def is_molecule(entry: object) -> bool:
    """Whether it is an RDKit molecule."""
    chem = sys.modules.get("rdkit.Chem")
    return chem is not None and isinstance(entry, chem.Mol)
