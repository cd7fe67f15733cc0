"""What students can do, declared in their own modules; read without importing them, and so without torch."""

import ast
from dataclasses import asdict, dataclass, fields

from gnn_distill.config.module_files import source_of
from gnn_distill.config.plugins import full_name, names_of_modules, search_working_folder
from gnn_distill.errors import UserError, suggest

DECLARATION = "CAPABILITIES"
"""Name of the constant in a student's module: `CAPABILITIES = Capabilities(reads_bias=False)`."""


@dataclass(frozen=True)
class Capabilities:
    """What a student can do and what it needs. The defaults forbid nothing, and take no short cut."""

    dense_pairs: bool = True
    """Its memory grows with the number of node pairs, so trainer.max_pairs limits its graphs at node level, too."""
    attends_pairs: bool = True
    """It returns attention logits between pairs of nodes, which loss.micro.attention needs."""
    reads_bias: bool = True
    """It reads encodings of node pairs: encoding.spd and encoding.edge_hops."""
    needs_distances: bool = False
    """It requires encoding.spd."""
    has_token: bool = True
    """It has a graph token, as student.readout=token requires."""
    needs_local: bool = False
    """It requires local layers: student.local must not be none."""
    mini_batches: bool = False
    """A few nodes of a large graph cost it less than all, so trainer.batch_nodes applies to evaluation, too."""
    few_shapes: bool = False
    """Its matrix products have the shapes of padded batches, which repeat, so a kernel per shape pays off."""
    node_states: bool = True
    """It returns a state for every node, which node-level tasks and most terms of the objective need."""
    reads_hops: bool = False
    """Of edges it reads only features summed over hops, which are stored once where a graph comes in parts."""
    reads_patches: bool = False
    """Its tokens are parts of the graph, made as student.patches says, and it returns their states."""


NAMES = tuple(field.name for field in fields(Capabilities))


def capabilities_of(student: str) -> Capabilities:
    """What `student.name` declares in its module; the defaults if it declares nothing, or does not exist.

    Raises UserError if a declaration cannot be read, or has an unknown name or a value that is not a boolean.
    """
    if "." in student:
        search_working_folder()
    source = source_of(full_name("student.name", student))
    if source is None or DECLARATION.encode() not in source:
        return Capabilities()
    return _declared(student, source)


def students_who(**required: bool) -> str:
    """The package's students with these capabilities, as a choice: `student=gps or student=transformer`."""
    names = names_of_modules("student.name")
    able = [f"student={name}" for name in names if required.items() <= asdict(capabilities_of(name)).items()]
    return " or ".join(filter(None, [", ".join(able[:-1]), *able[-1:]]))


def _declared(student: str, source: bytes) -> Capabilities:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # importing the module shows where
        return Capabilities()
    values = [value for node in tree.body if (value := _assigned(node)) is not None]
    if not values and not _mentioned(tree):
        return Capabilities()
    if len(values) != 1 or not _is_call(values[0]):
        raise UserError(
            f"student.name={student}: {DECLARATION} is read without running the module. Assign it once, at the top "
            f"level: {DECLARATION} = Capabilities(reads_bias=False)."
        )
    return Capabilities(**{keyword.arg: _flag(student, keyword) for keyword in values[0].keywords})


def _assigned(node: ast.stmt) -> ast.expr | None:
    """The expression that a statement assigns to the constant; None if it assigns something else."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == DECLARATION:
            return value
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if name == DECLARATION:
            return value
    return None


def _mentioned(tree: ast.AST) -> bool:
    """Whether the module mentions the constant in code, and not in a comment alone."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return DECLARATION in bound | {node.asname or node.name for node in ast.walk(tree) if isinstance(node, ast.alias)}


def _is_call(value: ast.expr) -> bool:
    """Whether an expression is `Capabilities(...)`, or `module.Capabilities(...)`, with keywords alone."""
    match value:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[]):
            return name == Capabilities.__name__
    return False


def _flag(student: str, keyword: ast.keyword) -> bool:
    if keyword.arg not in NAMES:
        what = f"{keyword.arg}: unknown capability" if keyword.arg else "** cannot be read"
        raise UserError(
            f"student.name={student}: {DECLARATION}: {what}. Choices: {', '.join(NAMES)}.{suggest(keyword.arg, NAMES)}"
        )
    match keyword.value:
        case ast.Constant(value=bool() as flag):
            return flag
    raise UserError(
        f"student.name={student}: {DECLARATION}: {keyword.arg}={ast.unparse(keyword.value)} must be True or False."
    )
