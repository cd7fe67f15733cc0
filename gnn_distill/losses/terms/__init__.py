"""Terms of the objective, a file a family: each yields those whose weight is not 0, so that others cost nothing."""

from gnn_distill.losses.own import own_terms
from gnn_distill.losses.published.terms import baseline_terms
from gnn_distill.losses.terms.alignment import alignment_terms
from gnn_distill.losses.terms.macro import macro_terms
from gnn_distill.losses.terms.micro import micro_terms
from gnn_distill.losses.terms.soft import soft_terms

FAMILIES = (soft_terms, micro_terms, macro_terms, alignment_terms, baseline_terms, own_terms)
