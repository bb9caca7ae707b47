"""Writes docs/api from the docstrings: ``bin/docs``, or ``python docs/make_api.py FOLDER``.

One file per room. What a room exports stands there in full, as its source has it: signature, docstring, fields with
their meaning, public methods. Its other modules stand with the sentence that says what each is. Nothing is imported:
the sources are parsed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def rooms(root: Path = ROOT) -> Mapping[str, list[Path]]:
    """Dotted name of a room → its modules. Modules beside the rooms of ``actors`` are one; so is ``messages``."""
    found: dict[str, list[Path]] = {}
    for path in sorted((*root.glob("actors/**/*.py"), *root.glob("messages/**/*.py"))):
        parts = path.relative_to(root).parts
        room = parts[0] if parts[0] == "messages" or len(parts) == 2 else f"{parts[0]}.{parts[1]}"
        found.setdefault(room, []).append(path)
    return found


def page(room: str, paths: list[Path], root: Path = ROOT) -> str:
    """The file of one room."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    front = root / room.replace(".", "/") / "__init__.py"
    about = ast.get_docstring(trees[front]) if front in trees else ""
    lines = [f"# {room}", "", about or "", ""]
    if room in ("actors", "messages"):
        for path, tree in trees.items():
            lines += _module(_dotted(path, root), tree, _public(tree)) if path != front else []
    else:
        lines += _exports(trees, front)
        lines += ["## Modules", "", *(_line(_dotted(p, root), t) for p, t in trees.items() if p != front), ""]
    return "\n".join(lines).rstrip() + "\n"


def _dotted(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _line(name: str, tree: ast.Module) -> str:
    first = (ast.get_docstring(tree) or "").partition("\n\n")[0].replace("\n", " ")
    return f"* `{name}`: {first}"


def _module(name: str, tree: ast.Module, definitions: list[Definition]) -> Iterator[str]:
    if definitions:
        yield from (f"## {name}", "", ast.get_docstring(tree) or "", "")
        for definition in definitions:
            yield from _entry(definition)


def _exports(trees: Mapping[Path, ast.Module], front: Path) -> Iterator[str]:
    names = _exported(trees[front]) if front in trees else []
    here = {one.name: one for tree in trees.values() for one in _public(tree)}
    known = [here[name] for name in names if name in here]
    if known:
        yield from ("## What it exports", "")
        for definition in known:
            yield from _entry(definition)
    values = [name for name in names if name not in here]
    if values:
        yield from (f"Also: {', '.join(f'`{name}`' for name in values)}.", "")


def _exported(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return [str(name) for name in ast.literal_eval(node.value)]
    return [one.name for one in _public(tree)]


def _public(tree: ast.Module) -> list[Definition]:
    return [one for one in tree.body if isinstance(one, Definition) and not one.name.startswith("_")]


def _entry(definition: Definition) -> Iterator[str]:
    if not isinstance(definition, ast.ClassDef):
        yield from (f"### `{_signature(definition)}`", "", ast.get_docstring(definition) or "", "")
        return
    bases = ", ".join(ast.unparse(base) for base in definition.bases)
    yield from (f"### `class {definition.name}{f'({bases})' if bases else ''}`", "")
    yield from (ast.get_docstring(definition) or "", "")
    listed = [*_fields(definition), *_methods(definition)]
    if listed:
        yield from (*listed, "")


def _fields(definition: ast.ClassDef) -> Iterator[str]:
    """Fields, and members of an enumeration, with the string that follows them."""
    body = definition.body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, shown = node.target.id, f"{node.target.id}: {ast.unparse(node.annotation)}"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            shown = f"{name} = {ast.unparse(node.value)}"
        else:
            continue
        said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        if not name.startswith("_"):
            yield f"* `{shown}`" + (f": {' '.join(str(said).split())}" if said else "")


def _methods(definition: ast.ClassDef) -> Iterator[str]:
    for node in definition.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            said = " ".join((ast.get_docstring(node) or "").split())
            yield f"* `{_signature(node)}`" + (f": {said}" if said else "")


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    result = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    return f"{node.name}({ast.unparse(node.args)}){result}"


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write the file of every room into ``folder``, and remove those of rooms that are no more; what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for room, paths in rooms(root).items():
        made.append(folder / f"{room}.md")
        made[-1].write_text(page(room, paths, root), encoding="utf-8")
    index = folder / "README.md"
    links = "\n".join(f"* [{path.stem}]({path.name})" for path in made)
    index.write_text(
        f"# What the rooms export\n\nWritten by `bin/docs` from the docstrings.\n\n{links}\n", encoding="utf-8"
    )
    for path in set(folder.glob("*.md")) - {*made, index}:
        path.unlink()
    return [*made, index]


if __name__ == "__main__":
    print(f"{len(write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / 'docs' / 'api'))} files")
