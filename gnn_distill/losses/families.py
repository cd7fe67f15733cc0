"""The families of terms, a file each: each yields its terms whose weight is not 0, so that others cost nothing.

Apart from objective.py, so that a teacher, which learns from labels alone, does not depend on this code.
"""

from gnn_distill.losses.alignment import alignment_terms
from gnn_distill.losses.macro import macro_terms
from gnn_distill.losses.micro import micro_terms
from gnn_distill.losses.own import own_terms
from gnn_distill.losses.published.terms import baseline_terms
from gnn_distill.losses.soft import soft_terms

FAMILIES = (soft_terms, micro_terms, macro_terms, alignment_terms, baseline_terms, own_terms)
