"""The documentation keeps its word: examples run, commands parse, pages name what the models have."""

import contextlib
import io
import json
import re
import shlex
import tomllib
from pathlib import Path

import pyomo.environ as pyo
import pytest

from placewise.benchmarks.harness.suites import read_suite
from placewise.cli.main import main, parser
from placewise.instances import convert, read, shipped_instances
from placewise.instances.files import from_document
from placewise.instances.importers.cluster_file import read_cluster_file
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status

ROOT = Path(__file__).parent.parent
MADE = ROOT / "docs" / "made"  # when the site is built
PAGES = sorted(
    path.relative_to(ROOT)
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if MADE not in path.parents
)
NOTEBOOKS = sorted((ROOT / "docs").glob("*.ipynb"))
HEADINGS = ("Variables", "Objective", "Constraints", "Example", "Methods")


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", text_of(page), flags=re.DOTALL)


def test_the_test_command_is_the_one_that_ci_runs():
    """Word for word."""
    command = blocks("README.md", "sh")[0].strip().splitlines()[-1]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_example_instance_is_solved():
    """The file for one's own instance is valid and has a proven optimum."""
    instance = from_document(json.loads(blocks("README.md", "json")[0]))
    assert solve(instance).status is Status.OPTIMAL


def test_the_example_cluster_gives_the_shown_placement(tmp_path):
    """Three lines of devices and a published shape: the optimum is the one that the page shows."""
    cluster, config = tmp_path / "cluster.json", tmp_path / "config.json"
    cluster.write_text(blocks("README.md", "json")[1], encoding="utf-8")
    shape = {
        "model_type": "mistral",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
    }
    shape |= {"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000}
    config.write_text(json.dumps(shape), encoding="utf-8")
    result = solve(convert(config, cluster=cluster))
    assert f"optimal  {result.objective * 1e3:.4g} ms   bound {result.dual_bound * 1e3:.4g} ms" in text_of(
        "README.md"
    )


def test_the_shown_explanations_are_current(capsys):
    """What the page shows is what the command prints."""
    shown = {block.splitlines()[0]: block for block in blocks("README.md", "console")}
    for name in ("hand-split", "hand-unreachable"):
        main(["explain", name])
        printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
        page = [line.strip() for line in shown[f"$ placewise explain {name}"].splitlines()[1:]]
        assert [line for line in printed if line] == [line for line in page if line]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_shown_files_are_read(page, tmp_path):
    """Suites and clusters, as the commands read them."""
    for block in blocks(page, "json"):
        document, file = json.loads(block), tmp_path / "shown.json"
        file.write_text(block, encoding="utf-8")
        if document.get("format", "").startswith("placewise-suite"):
            assert read_suite(str(file)).entries
        elif "devices" in document:
            assert read_cluster_file(document).cluster.size > 1


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_examples_run(page, tmp_path, monkeypatch):
    """All Python of a page, from top to bottom, in one namespace."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for block in blocks(page, r"(?:python|\{code-cell\} python)"):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(notebook, tmp_path, monkeypatch):
    """Cells in order, with their own assertions; the numbers that they print are those that they show."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "notebook"}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
        shown = "".join(line for output in cell["outputs"] for line in output.get("text", []))
        assert numbers(printed.getvalue()) == numbers(shown)


def numbers(text):
    """Return the numbers of a text with their units; equal boards may change places, and solving takes its time."""
    return re.findall(r"[0-9.]+ (?:ms|s|GB|%)|[0-9.]+%", re.sub(r"solved in [0-9.]+ s", "", text))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_parse_and_links_lead_somewhere(page):
    """Every line of a shell block that calls placewise, and every relative link."""
    shell = "".join(blocks(page, "sh") + blocks(page, "console"))
    for line in re.findall(r"^(?:\$ )?placewise (.*)$", shell, flags=re.MULTILINE):
        for command in line.replace("placewise ", "").split(" && "):
            parser().parse_args(shlex.split(command, comments=True))
    for target in re.findall(r"\]\((?!http)([^)#]+)", text_of(page)):
        path = (ROOT / page).parent.joinpath(target)
        assert path.exists() or path.parent == MADE, target


@pytest.mark.parametrize("language", ["py", "toml"])
def test_the_shown_package_is_the_tested_one(language):
    """Word for word, and all of it: every command is run on it by test_other_packages."""
    folder = ROOT / "tests" / "toy_package"
    shown = re.findall(
        rf"^`([\w/.]+)`:\n\n```{language}\n(.*?)```$", text_of("docs/extending.md"), re.DOTALL | re.MULTILINE
    )
    files = {str(path.relative_to(folder)) for path in folder.rglob(f"*.{language}")} - {
        "toy_jobs/__init__.py"
    }
    assert {name for name, _ in shown} == files
    for name, text in shown:
        assert text == (folder / name).read_text(encoding="utf-8"), name


def test_every_problem_is_listed():
    """No problem is left out of the table."""
    for problem in PROBLEMS:
        assert f"`{problem}`" in text_of("README.md")


def stated(problem):
    """Return the names of variables and constraints of all models that a problem's shipped instances build."""
    names = set()
    for name in shipped_instances():
        instance = read(name)
        if instance.problem != problem or instance.cluster.size > 5:
            continue
        for formulation in PROBLEMS[problem].formulations.values():
            model = formulation.build(instance)
            for kind in (pyo.Var, pyo.Constraint):
                names |= {part.local_name for part in model.component_objects(kind, descend_into=True)}
    return names


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_page_per_problem(problem):
    """With its sections, and every variable and constraint of its models by name."""
    page = text_of(f"docs/problems/{problem}.md")
    for heading in HEADINGS:
        assert re.search(rf"^## .*{heading}", page, flags=re.MULTILINE), heading
    names = stated(problem)
    assert len(names) > 5
    missing = {name for name in names if not re.search(rf"[`.]{name}\b", page)}
    assert missing == set()


def test_versions_agree():
    """Package, citation and changelog."""
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    assert f"\nversion: {version}\n" in text_of("CITATION.cff")
    assert f"## [{version}]" in text_of("CHANGELOG.md")
