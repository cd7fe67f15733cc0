"""What the code beside an exported model must know: the task, features, vocabularies, preparation and encodings."""

from collections.abc import Callable, Sequence
from typing import Any

from gnn_distill.data.assembly import molecules, molecules_ogb
from gnn_distill.data.task import Features
from gnn_distill.errors import UserError
from gnn_distill.models.flat_student import SIZES
from gnn_distill.models.predictor import Predictor

FAR = 10**6
"""A number outside every vocabulary."""


def check_exportable(predictor: Predictor) -> None:
    """Raise UserError for a student that is no function of flat tensors, saying why."""
    encoding, spec = predictor.encoding, predictor.spec
    why = None
    if predictor.can.reads_patches:
        why = "its tokens are parts of each graph, which the code that cuts graphs (METIS, BRICS, …) has to make"
    elif encoding.edge_hops and spec.edge_features is not None and predictor.can.reads_bias:
        why = "encoding.edge_hops walks along shortest paths, whose number and lengths depend on the data"
    elif predictor.pipeline.standardise != "none":
        standard = predictor.pipeline.standardise
        why = f"dataset.standardise={standard} reads a part of a molecule, which takes this package"
    if why:
        raise UserError(
            f"This student cannot be exported as flat tensors: {why}. Use format=hub, gnn_distill.load or predict."
        )


def settings_of(predictor: Predictor) -> dict[str, Any]:
    """The content of export.json: plain lists, strings and numbers."""
    spec, pipeline = predictor.spec, predictor.pipeline
    coded = {}
    if pipeline.smiles is not None:
        coding = molecules_ogb if pipeline.smiles == "ogb" else molecules
        coded = {"atoms": _vocabularies(coding.ATOM), "bonds": _vocabularies(coding.BOND)}
        codes = {"codes": molecules.CIP_CODES, "none": molecules.NO_CIP_CODE, "steps": molecules.CIP_STEPS}
        coded |= {"chirality": pipeline.chirality, "longest": molecules.LONGEST, "cip": codes}
    steps = ("drop_loops", "merge_edges", "add_reverses", "undirected", "normalize_features", "max_degree")
    return {
        **{key: getattr(spec, key) for key in ("name", "kind", "level", "target_names", "classes")},
        "inputs": inputs_of(predictor),
        "node_features": _described(spec.node_features),
        "edge_features": spec.edge_features and _described(spec.edge_features),
        "rwse": predictor.encoding.rwse,
        "lap_pe": predictor.encoding.lap_pe,
        "steps": {step: getattr(pipeline, step) for step in steps},
        "smiles": pipeline.smiles,
        **coded,
    }


def inputs_of(predictor: Predictor) -> list[str]:
    """The tensors that the student reads, in the order of `SIZES`."""
    encoding, read = predictor.encoding, {"x", "edge_index", "batch", "mask"}
    read |= {"edge_attr"} if predictor.student.reads_edges else set()
    read |= {"in_degree", "out_degree"} if encoding.degree else set()
    read |= {name for name in ("rwse", "lap_pe", "spd") if getattr(encoding, name)}
    return [name for name in SIZES if name in read]


def _described(features: Features) -> dict[str, Any]:
    return {"kind": features.kind, "sizes": features.sizes}


def _vocabularies(columns: Sequence[tuple]) -> list[dict[str, Any]]:
    """By column the code of each value, and of values below and above all of them."""
    return [_vocabulary(codes, *others) for _, codes, *others in columns]


def _vocabulary(codes: dict, other: Callable | None = None) -> dict[str, Any]:
    below, above = (other(-FAR), other(FAR)) if other else (len(codes), len(codes))
    return {"codes": {str(value): code for value, code in codes.items()}, "below": below, "above": above}
