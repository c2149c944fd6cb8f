"""The API pages render from docstrings: what is public says what it takes, gives and raises."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for room in ("models", "solvers", "instances") for path in (ROOT / room).rglob("*.py"))
ERRORS = {"PlacewiseError", "InstanceError", "NotApplicableError"}
#: A type of these says nothing of shape or order: the pages need words.
STRUCTURED = re.compile(r"tuple\[(?!\w+, \.\.\.\])|Array|Callable")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def sections(docstring):
    """Return the numpy sections of a docstring: title -> lines at the depth of the title."""
    found, title = {}, None
    lines = (docstring or "").splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", following) and line and not line[0].isspace():
            title = line
            found[title] = []
        elif title and line and not line[0].isspace() and not re.fullmatch(r"-{3,}", line):
            found[title].append(line)
    return found


def named(lines):
    """Return the names that the heads of a section's entries list."""
    heads = [re.split(r"\s*:\s", line)[0] for line in lines]
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


def arguments(function, *, method):
    """Return the names of a function's arguments without self or cls."""
    signature = function.args
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
    positional = [a.arg for a in signature.posonlyargs + signature.args][1 if method and not static else 0 :]
    rest = [a.arg for a in (signature.vararg, *signature.kwonlyargs, signature.kwarg) if a]
    return [name for name in positional + rest if not name.startswith("_")]


def fields(class_):
    """Return the names that a class's constructor takes: of a dataclass's or named tuple's public fields."""
    made = any("dataclass" in ast.unparse(d) for d in class_.decorator_list)
    made |= any(ast.unparse(base) in {"NamedTuple", "TypedDict"} for base in class_.bases)
    names = []
    for node in class_.body:
        if made and isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation):
            hidden = node.value is not None and "init=False" in ast.unparse(node.value)
            names += [] if hidden or node.target.id.startswith("_") else [node.target.id]
        if isinstance(node, FUNCTIONS) and node.name == "__init__":
            names += arguments(node, method=True)
    return names


def raised(function):
    """Return the package's own errors that a function raises itself."""
    return {
        node.exc.func.id
        for node in ast.walk(function)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id in ERRORS
    }


def lacks_of_function(function, *, method):
    """Return what the docstring of a function with two or more arguments leaves out."""
    names = arguments(function, method=method)
    decorators = {ast.unparse(d) for d in function.decorator_list}
    if len(names) < 2 or decorators & {"overload", "typing.overload"}:
        return None
    text = ast.get_docstring(function) or ""
    found = sections(text)
    lacking = [f"parameter {name}" for name in names if name not in named(found.get("Parameters", []))]
    returned = ast.unparse(function.returns) if function.returns else ""
    if STRUCTURED.search(returned) and not {"Returns", "Yields"} & set(found) and "shape" not in text:
        lacking.append("Returns")
    return lacking + [f"error {error}" for error in sorted(raised(function)) if error not in text]


def lacks_of_class(class_):
    """Return what the docstring of a class with two or more fields leaves out."""
    names = fields(class_)
    if len(names) < 2:
        return None
    found = sections(ast.get_docstring(class_))
    known = named(found.get("Parameters", []) + found.get("Attributes", []))
    return [f"field {name}" for name in names if name not in known]


def public(body, prefix=""):
    """Yield public functions, classes and methods: qualified name, and what is lacking (None: does not count)."""
    for node in body:
        if getattr(node, "name", "_").startswith("_"):
            continue
        if isinstance(node, FUNCTIONS):
            yield prefix + node.name, lacks_of_function(node, method=bool(prefix))
        elif isinstance(node, ast.ClassDef):
            yield node.name, lacks_of_class(node)
            yield from public(node.body, f"{node.name}.")


@cache
def lacking_of(path):
    """Return what a module's public names leave out, for those with two or more arguments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name: lacking for name, lacking in public(tree.body) if lacking is not None}


def exported():
    """Yield the modules and names that the front door and the packages' own lists export."""
    for init in [ROOT / "__init__.py", *(path for path in FILES if path.name == "__init__.py")]:
        tree = ast.parse(init.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("placewise."):
                base = ROOT.joinpath(*node.module.split(".")[1:])
                path = base.with_suffix(".py")
                if path.exists():
                    yield from ((path, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_have_their_sections(path):
    """Parameters by name, Returns where the type says too little, Raises for the package's own errors."""
    lacking = {name: lacks for name, lacks in lacking_of(path).items() if lacks}
    assert lacking == {}


def test_what_is_exported_is_complete():
    """Each exported name is found, has a docstring, and lacks nothing."""
    names, lacking = list(exported()), set()
    for path, name in names:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined = [n for n in tree.body if isinstance(n, (*FUNCTIONS, ast.ClassDef)) and n.name == name]
        assert all(ast.get_docstring(node) for node in defined), name
        if any(lacks for key, lacks in lacking_of(path).items() if key.split(".")[0] == name):
            lacking.add(name)
    assert lacking == set()
    assert {"solve", "explain", "VerifiedResult"} <= {name for _, name in names}


def test_what_is_missing_is_noticed():
    """A parameter, a field, an error or a shape that no section names."""
    code = '''
def cost(rows, *, tick_s) -> NDArray[np.float64]:
    """Return it.

    Parameters
    ----------
    rows : int
        How many.
    """
    raise InstanceError("rows", "expected more")

@dataclass
class Pair:
    """Two."""
    a: int
    b: int

    def _private(self, a, b): ...
    def one(self, a): ...
'''
    assert dict(public(ast.parse(code).body)) == {
        "cost": ["parameter tick_s", "Returns", "error InstanceError"],
        "Pair": ["field a", "field b"],
        "Pair.one": None,
    }


def cited(text):
    """Return the citations of a text: ``Held and Karp (1970, 1971)`` are two."""
    name = r"[A-Z][\w\-]+"
    found = re.findall(
        rf"((?:{name}(?:, | and ))*{name}) \((\d{{4}}(?:, \d{{4}})*)\)", " ".join(text.split())
    )
    return {f"{authors} ({year})" for authors, years in found for year in years.split(", ")}


def test_the_literature_is_what_the_modules_name():
    """Each source of a module stands on the page with the module, and no other does."""
    named_by_modules = set()
    for path in FILES:
        nodes = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if hasattr(n, "body")]
        documented = [n for n in nodes if isinstance(n, (ast.Module, ast.ClassDef, *FUNCTIONS))]
        texts = [ast.get_docstring(node) or "" for node in documented]
        sources = set().union(*map(cited, texts))
        named_by_modules |= {(source, str(path.relative_to(ROOT))) for source in sources}
    page = (ROOT / "docs" / "literature.md").read_text(encoding="utf-8")
    entries = re.findall(r"^- \*\*(.*?)\*\*: .* Used by (.*)\.$", page, flags=re.MULTILINE)
    listed = {(source, path) for source, paths in entries for path in re.findall(r"`(.*?)`", paths)}
    assert len(entries) == page.count("\n- ")
    assert listed == named_by_modules
    assert len(listed) > 30
