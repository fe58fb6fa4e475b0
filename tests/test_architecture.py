"""Rules of the house that a machine can hold: who may import whom, and what stays unloaded."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from journeyman.cli import SUMMARIES

ROOT = Path(__file__).parent.parent
PACKAGES = ("journeyman", "bot", "workers", "retrieval", "finetune", "jobs", "migrations")
MAY_IMPORT = {
    "journeyman": {"bot", "workers", "retrieval", "finetune", "jobs", "migrations"},
    "bot": {"retrieval", "finetune", "jobs"},
    "workers": {"retrieval", "finetune", "jobs"},
    "finetune": {"retrieval", "jobs"},
    "retrieval": {"jobs"},
    "jobs": set(),
    "migrations": {"jobs"},
}
ROOMS_BELOW = {
    "embedding": set(),
    "collections": set(),
    "recent": set(),
    "loading": set(),
    "text": {"embedding"},
    "embedders": {"embedding"},
    "origins": {"loading"},
    "indexing": {"embedding", "collections", "loading", "text", "embedders", "origins"},
    "searching": {"embedding", "collections", "recent", "text", "embedders", "indexing"},
    "answering": {"embedding", "collections", "recent", "text", "embedders", "indexing", "searching"},
}
"""What each room of retrieval/ may import of the others."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LONGEST_FUNCTION, LONGEST_FILE = 40, 400
"""Lines. They only ever sink."""
MOST_LATE_IMPORTS = {
    "journeyman": 34,
    "bot": 1,
    "workers": 0,
    "retrieval": 25,
    "finetune": 23,
    "jobs": 0,
    "migrations": 0,
}
"""Imports within functions, of each package. They only ever sink."""
HEAVY = ("torch", "transformers", "peft", "bitsandbytes")


def modules(package: str) -> list[Path]:
    """Every source file of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def imported_modules(file: Path) -> set[str]:
    """The modules that a file imports, anywhere in it, by their full names."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


def imports(file: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    return {module.split(".")[0] for module in imported_modules(file)}


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_follow_the_arrows(package: str) -> None:
    """journeyman → bot, workers → finetune → retrieval → jobs; bot and workers never meet."""
    allowed = MAY_IMPORT[package] | {package}
    for file in modules(package):
        wrong = imports(file) & set(PACKAGES) - allowed
        assert not wrong, f"{file.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("room", ROOMS_BELOW)
def test_rooms_of_retrieval_stand_on_floors(room: str) -> None:
    """text, embedders, loading, origins → indexing → searching → answering; nothing points back up."""
    files = modules(f"retrieval/{room}") or [ROOT / "retrieval" / f"{room}.py"]
    for file in files:
        parts = [module.split(".") for module in imported_modules(file)]
        rooms = {names[1] for names in parts if names[0] == "retrieval" and len(names) > 1}
        wrong = rooms & set(ROOMS_BELOW) - ROOMS_BELOW[room] - {room}
        assert not wrong, f"{file.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_every_room_of_retrieval_has_its_floor() -> None:
    """A new room says what it stands on."""
    folder = ROOT / "retrieval"
    rooms = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(ROOMS_BELOW)


@pytest.mark.parametrize("package", ["bot", "workers", "retrieval", "finetune", "jobs", "migrations"])
def test_only_the_composition_root_reads_the_environment(package: str) -> None:
    """Settings are arguments everywhere else."""
    for file in modules(package):
        reads = [
            node
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        ]
        assert not reads, f"{file.relative_to(ROOT)}:{reads[0].lineno} reads the environment"


@pytest.mark.parametrize("package", ["bot", "retrieval", "workers", "journeyman.cli", "journeyman.composition"])
def test_importing_loads_no_torch(package: str) -> None:
    """A host that talks to a model server does without torch; so does `journeyman index`."""
    names = [package]
    if "." not in package:
        files = [file.relative_to(ROOT).with_suffix("") for file in modules(package) if file.stem != "__init__"]
        names += [".".join(file.parts) for file in files]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_offers_names_of_others() -> None:
    """`__all__` names what a module, or the folder that it stands for, defines: what is another's is imported there."""
    for package in PACKAGES:
        for file in modules(package):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            offered = {
                constant.value
                for node in tree.body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
                for constant in ast.walk(node.value)
                if isinstance(constant, ast.Constant)
            }
            folder = ".".join(file.relative_to(ROOT).parent.parts)
            for node in tree.body:
                own = isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{folder}.")
                if isinstance(node, ast.ImportFrom) and not (own and file.stem == "__init__"):
                    others = offered & {alias.asname or alias.name for alias in node.names}
                    assert not others, f"{file.relative_to(ROOT)} offers {', '.join(sorted(others))}"


def test_no_module_is_a_drawer() -> None:
    """A module is named for one idea."""
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    assert not [file for package in PACKAGES for file in modules(package) if file.stem in drawers]


def test_every_module_says_what_it_is() -> None:
    """Each file begins with what it is and where it stands in the flow."""
    for package in PACKAGES:
        for file in modules(package):
            assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file


def test_no_two_classes_have_one_name() -> None:
    """Who reads a class's name knows which one is meant, wherever it stands."""
    places: dict[str, list[str]] = {}
    for package in PACKAGES:
        for file in modules(package):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not {name: lines for name, lines in places.items() if len(lines) > 1}


def test_text_is_loaded_safely() -> None:
    """No code from model repositories, no pickled weights."""
    for package in PACKAGES:
        for file in modules(package):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                    assert ast.unparse(node.value) == "False", file
                if isinstance(node, ast.Import):
                    assert not {alias.name for alias in node.names} & {"pickle", "marshal", "shelve"}, file


def late_imports(file: Path) -> list[int]:
    """The lines of a file's imports within functions."""
    functions = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, FUNCTIONS)]
    nodes = {node for function in functions for node in ast.walk(function)}
    return [node.lineno for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_stand_at_the_top(package: str) -> None:
    """Late are those alone that spare a process what it never needs: torch, LangChain, an extra that may be absent."""
    late = [f"{file.relative_to(ROOT)}:{line}" for file in modules(package) for line in late_imports(file)]
    assert len(late) <= MOST_LATE_IMPORTS[package], late


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_and_files_read_in_one_look(package: str) -> None:
    """A function is a few lines, a file one idea."""
    for file in modules(package):
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LONGEST_FILE, file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, FUNCTIONS):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= LONGEST_FUNCTION, f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines"


def test_the_composition_root_builds_the_parts_alone() -> None:
    """What is done with the parts are functions elsewhere, each with a frozen record of what it needs."""
    text = (ROOT / "journeyman" / "composition.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    assert "__dict__" not in text
    (root,) = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
    methods = {
        node.name
        for node in root.body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and "property" not in " ".join(map(ast.unparse, node.decorator_list))
    }
    assert methods == {"connect", "close", "chain", "examples"}


def test_a_command_is_a_module() -> None:
    """`journeyman NAME` is NAME in journeyman/cli/NAME.py: a reader finds it, and nothing else is imported for it."""
    for name in SUMMARIES:
        tree = ast.parse((ROOT / "journeyman" / "cli" / f"{name}.py").read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
