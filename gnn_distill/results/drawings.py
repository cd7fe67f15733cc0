"""Graphs as pictures inside a page: molecules by RDKit, others by a layout of springs; nodes and edges in colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from markupsafe import Markup, escape

from gnn_distill.results.explanations import Explained
from gnn_distill.results.inline import framed, molecule_svg

WIDTH, HEIGHT = 320, 220
FOR, AGAINST, SHARE = (0x5A, 0xAE, 0x61), (0x99, 0x70, 0xAB), (0xE0, 0x8E, 0x3C)
"""Colours of the largest value: green and purple of ColorBrewer's PRGn, which colour-blind readers tell apart, and
orange; light enough for black letters."""
LARGEST_LAYOUT = 300
"""Nodes up to which springs are laid out; larger graphs stand on a circle."""
RADIUS = 0.42
"""Of the disc behind an atom, in Å."""


@dataclass(frozen=True)
class Colouring:
    """Values of nodes and edges as colours; the strongest has its full colour, 0 is white."""

    nodes: Float[np.ndarray, " nodes"]
    edges: Float[np.ndarray, " edges"] | None
    positive: tuple[int, int, int] = FOR

    @cached_property
    def most(self) -> float:
        """The largest value, without its sign."""
        return float(max(np.abs(part).max(initial=0.0) for part in (self.nodes, self.edges) if part is not None)) or 1.0

    def colour(self, value: float) -> tuple[float, float, float]:
        """White for 0, else towards the colour of its sign, from 0 to 1 for each of red, green and blue."""
        share, full = min(abs(value) / self.most, 1.0), self.positive if value > 0 else AGAINST
        return tuple(1 - share * (1 - part / 255) for part in full)


def draw(one: Explained, colouring: Colouring, alt: str) -> Markup:
    """The graph as an <svg> element with the values in colours; their numbers appear where the pointer rests."""
    return _molecule(one, colouring, alt) if one.smiles else framed(_graph(one, colouring), WIDTH, HEIGHT, alt)


def _molecule(one: Explained, colouring: Colouring, alt: str) -> Markup:
    from rdkit.Chem.Draw import rdMolDraw2D

    from gnn_distill.data.assembly.molecules import parse

    molecule = parse(one.smiles)
    atoms = {atom: colouring.colour(value) for atom, value in enumerate(colouring.nodes.tolist())}
    bonds = {}
    if colouring.edges is not None:
        for ends, value in zip(one.edges.tolist(), colouring.edges.tolist(), strict=True):
            bonds[molecule.GetBondBetweenAtoms(*ends).GetIdx()] = colouring.colour(value)
    canvas = rdMolDraw2D.MolDraw2DSVG(WIDTH, HEIGHT)
    options = canvas.drawOptions()
    options.useBWAtomPalette()
    options.clearBackground, options.fillHighlights, options.atomHighlightsAreCircles = False, True, True
    options.highlightRadius, options.bondLineWidth = RADIUS, 1
    rdMolDraw2D.PrepareAndDrawMolecule(
        *(canvas, molecule, ""),
        **{"highlightAtoms": list(atoms), "highlightBonds": list(bonds)},
        **{"highlightAtomColors": atoms, "highlightBondColors": bonds},
    )
    places = [canvas.GetDrawCoords(atom) for atom in range(molecule.GetNumAtoms())]
    marks = [
        _told(f'<circle cx="{place.x:.1f}" cy="{place.y:.1f}" r="6" fill="transparent"', "circle", name, value)
        for place, name, value in zip(places, one.names, colouring.nodes.tolist(), strict=True)
    ]
    return molecule_svg(canvas, alt, "".join(marks))


def _told(start: str, element: str, name: str, value: float) -> str:
    """An element whose name and value appear where the pointer rests."""
    return f"{start}><title>{escape(name)}: {value:.3g}</title></{element}>"


def _graph(one: Explained, colouring: Colouring) -> str:
    size = min(11.0, 60 / max(len(one.atoms), 1) ** 0.5)
    places = layout(len(one.atoms), one.edges.tolist()) if one.root is None else rings(one.hops, one.edges)
    places = 16 + places * (np.array([WIDTH, HEIGHT]) - 32)
    values = [None] * len(one.edges) if colouring.edges is None else colouring.edges.tolist()
    parts = []
    for (a, b), value in zip(one.edges.tolist(), values, strict=True):
        ends = f'x1="{places[a, 0]:.1f}" y1="{places[a, 1]:.1f}" x2="{places[b, 0]:.1f}" y2="{places[b, 1]:.1f}"'
        if value is not None:
            start = f'<line {ends} stroke="{_hex(colouring.colour(value))}" stroke-width="6"'
            parts.append(_told(start, "line", f"edge {a}, {b}", value))
        parts.append(f'<line {ends} stroke="#888888" stroke-width="1" pointer-events="none"/>')
    for node, ((x, y), value) in enumerate(zip(places, colouring.nodes.tolist(), strict=True)):
        fill = _hex(colouring.colour(value))
        stroke = 'stroke="#22252a" stroke-width="3"' if node == one.root else 'stroke="#888888"'
        start = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="{fill}" {stroke}'
        parts.append(_told(start, "circle", one.names[node], value))
        if size > 6 and one.atoms[node]:
            parts.append(
                f'<text x="{x:.1f}" y="{y + size / 3:.1f}" text-anchor="middle" font-size="{size:.0f}" fill="#22252a" '
                f'pointer-events="none">{escape(one.atoms[node])}</text>'
            )
    return "".join(parts)


def layout(nodes: int, edges: Sequence[Sequence[int]]) -> Float[np.ndarray, "nodes 2"]:
    """Places in the unit square by Kamada and Kawai's springs, the same on every call."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(edges)
    lay = nx.kamada_kawai_layout if nodes <= LARGEST_LAYOUT else nx.circular_layout
    found = lay(graph)
    places = np.array([found[node] for node in range(nodes)], dtype=float)
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    return np.where(span > 0, (places - low) / np.where(span > 0, span, 1), 0.5)


def rings(hops: Int[np.ndarray, " nodes"], edges: Int[np.ndarray, "edges 2"]) -> Float[np.ndarray, "nodes 2"]:
    """Places in the unit square: the node at 0 hops in the middle, others on circles by their hops.

    Nodes without a path are outside. On each circle the order is that of the angles of neighbours further in.
    """
    found, ring = np.unique(hops, return_inverse=True)
    angles = np.zeros(len(hops))
    both = np.concatenate([edges, edges[:, ::-1]])
    for radius in range(1, len(found)):
        nodes = np.flatnonzero(ring == radius)
        inner = [both[(both[:, 0] == node) & (ring[both[:, 1]] < radius), 1] for node in nodes]
        aim = [np.angle(np.exp(1j * angles[some]).sum()) % (2 * np.pi) if len(some) else 0.0 for some in inner]
        angles[nodes[np.argsort(aim, kind="stable")]] = 2 * np.pi * (np.arange(len(nodes)) + 0.25) / len(nodes)
    radii = 0.5 * ring / max(len(found) - 1, 1)
    return 0.5 + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _hex(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)
