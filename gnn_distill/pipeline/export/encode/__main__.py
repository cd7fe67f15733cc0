"""`python -m encode SMILES ...`: a line for each with what the model beside this folder predicts."""

import sys

from . import load

for smiles, values in zip(sys.argv[1:], load()(sys.argv[1:]), strict=True):
    print(smiles, *(f"{value:.6g}" for value in values), sep="\t")
