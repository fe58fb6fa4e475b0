"""Draws which folder imports which, and how often, as an SVG: red where two folders import each other.

    git worktree add ../before cac8993
    python docs/pictures/imports.py ../before docs/pictures/imports-before.svg

Needs grimp (from PyPI) and graphviz' program dot, which nothing else here needs.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import grimp

LAYERS = (("journeyman",), ("bot", "workers"), ("finetune",), ("retrieval",), ("jobs",))  # migrations imports nothing


def main() -> None:
    """The repository in one folder, to one file."""
    root, picture = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    sys.path.insert(0, str(root))
    packages = [name for layer in LAYERS for name in layer if (root / name).is_dir()]
    graph = grimp.build_graph(*packages, cache_dir=None)
    edges, sizes = folder_imports(graph, root), Counter(folder_of(module, root) for module in graph.modules)
    text = as_dot(edges, sizes, packages)
    drawn = subprocess.run(["dot", "-Tsvg"], input=text, text=True, check=True, capture_output=True)
    picture.write_text(drawn.stdout)
    mutual = {frozenset(edge) for edge in edges if edge[::-1] in edges}
    told = f"{len(sizes)} folders, {len(edges)} arrows, {len(mutual)} pairs that import each other"
    sys.stdout.write(f"{told}; the largest folder has {max(sizes.values())} modules\n")


def folder_imports(graph: grimp.ImportGraph, root: Path) -> Counter[tuple[str, str]]:
    """How many imports lead from one folder to another, among the modules of the graph."""
    counts = Counter[tuple[str, str]]()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            edge = folder_of(module, root), folder_of(imported, root)
            if edge[0] != edge[1]:
                counts[edge] += 1
    return counts


def folder_of(module: str, root: Path) -> str:
    """The folder of a module, at most two deep: what lies deeper is the business of its folder."""
    parts = module.split(".")
    inside = parts if (root / Path(*parts)).is_dir() else parts[:-1]
    return "/".join(inside[:2])


def as_dot(edges: Counter[tuple[str, str]], sizes: Counter[str], packages: list[str]) -> str:
    """The graph in Graphviz' language: a box for each package, folders with their numbers of modules, a line as thick
    as there are imports.
    """
    lines = [
        "digraph imports {",
        'rankdir=TB; newrank=true; ranksep=0.9; nodesep=0.25; fontname="Helvetica"; compound=true;',
        'node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica", fontsize=11];',
        'edge [color="#44445588", arrowsize=0.6, fontname="Helvetica", fontsize=8];',
    ]
    for package in packages:
        lines.append(f'subgraph "cluster_{package}" {{ label="{package}/"; style="rounded,filled"; color="#eef1f6";')
        for folder in sorted(folder for folder in sizes if folder.split("/")[0] == package):
            name = folder.partition("/")[2] or "on top"
            lines.append(f'"{folder}" [label="{name}\\n{sizes[folder]} modules"];')
        lines.append("}")
    for (above, below), count in sorted(edges.items()):
        color = ', color="#cc2222", fontcolor="#cc2222"' if (below, above) in edges else ""
        lines.append(f'"{above}" -> "{below}" [penwidth={0.6 + count**0.5 / 3:.2f}, label="{count}"{color}];')
    return "\n".join([*lines, "}"])


if __name__ == "__main__":
    main()
