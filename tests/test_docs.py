"""What the docs tell a reader to type works, and what they link to exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Study
from serving import served
from storages import made_storage

from study import load

ROOT = Path(__file__).parents[1]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


# Those that the tutorial tells to save.
FILES: dict[str, str] = dict(
    re.findall(r"^```python file=(\S+)\n(.*?)^```$", (ROOT / "docs/tutorial.md").read_text(), re.M | re.S)
)


def commands() -> list[str]:
    """Every `study ...` line of the docs' shell blocks, once."""
    whole = [block.replace("\\\n", " ") for path in DOCS for block in blocks(path, "sh")]
    lines = [line.strip() for block in whole for of in block.splitlines() for line in of.split("&&")]
    found = [re.sub(r"\s+#.*", "", line) for line in lines]
    return sorted({line for line in found if re.match(r"(?:\w+=\S+ )*study ", line)})


@pytest.fixture(scope="module")
def clone(finished: Study) -> Study:
    """The folder of a finished run, with the repository's studies beside it and the storages of the docs."""
    for folder in ("search_spaces", "examples"):
        shutil.copytree(ROOT / folder, finished.folder / folder)
    for storage in ("results", "results/cpu", "results/gpu"):
        made_storage(
            finished.folder / storage, {"12": (0.95, 0.96), "25": (0.97, 0.98)}, name="network_width"
        )
    published = {"0.001": {"test_accuracy": 96.0}}
    made_storage(
        finished.folder / "results", {"0.001": (0.95, 0.96)}, name="weight_decays", published=published
    )
    for file, text in FILES.items():
        (finished.folder / file).write_text(text)
    made_storage(finished.folder / "results", {"5": (0.25, 0.3), "20": (0.4, 0.3)}, name="trees")
    made = finished("new", "my_study")
    assert made.returncode == 0, made.stderr
    return finished


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_docs_is_accepted(clone: Study, command: str) -> None:
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)][1:]
    stars = [word for word in words if "*" in word]
    for star in stars:
        place = words.index(star)
        words[place : place + 1] = sorted(str(path) for path in clone.folder.glob(star))
    if words[0] == "serve":
        here = ["results" if word.startswith("s3://") else word for word in words[1:]]
        with served(clone.folder, *here) as page:
            assert page.ask("/").status == 200
        return
    if words[0] == "new":
        (clone.folder / f"{words[1]}.py").unlink(missing_ok=True)
    elif words[0] in ("tune", "plan") and not {"--help", "--dataset", "my_study.py", *FILES} & {*words}:
        # MNIST may not be here, and digits have fewer images to hold out.
        words += ["--dataset", "digits", "--set", "validation_size=300"]
    if words[0] == "tune" and "--help" not in words:
        words += ["--dry-run"]  # training is tested elsewhere
    # No server is asked.
    words = ["sqlite:///runs.db" if word.startswith("http://localhost:5000") else word for word in words]
    done = clone(*words, WANDB_MODE="offline", MLFLOW_DISABLE_TELEMETRY="true")
    assert done.returncode == 0, done.stderr
    assert done.stdout


def commands_for_a_cluster() -> list[str]:
    """Every `$ study ...` line of the docs' console blocks, once; there is no cluster to run them on."""
    whole = [block.replace("\\\n", " ") for path in DOCS for block in blocks(path, "console")]
    return sorted({line for block in whole for line in re.findall(r"^\$ (study .*)", block, re.MULTILINE)})


@pytest.mark.parametrize("command", commands_for_a_cluster())
def test_every_command_for_a_cluster_lacks_nothing_but_the_cluster(clone: Study, command: str) -> None:
    words = re.sub(r"(?<=--address )\S+", "http://127.0.0.1:9", command).replace(
        "my_study.py", "tiny_width.py"
    )
    shared, token = "s3://my-bucket/results", clone.folder / "token"
    token.unlink(missing_ok=True)
    storage = {"STUDY_STORAGE": shared} if "--address" in words else {}
    done = clone(*shlex.split(words)[1:], **storage, RAY_AUTH_TOKEN_PATH=str(token))
    if "--address" in words:
        assert done.stderr.startswith("No job server answers at http://127.0.0.1:9"), done.stderr
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", path.read_text()):
        if "://" in target:
            continue
        there = (path.parent / target) if target else path
        assert there.exists(), target
        assert not heading or heading in headings(there), f"{target}#{heading}"


def headings(path: Path) -> set[str]:
    """By what GitHub links to them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


def studies_in_docs() -> list[str]:
    found = [block for path in DOCS for block in blocks(path, "python")]
    return [block for block in found if "STUDY = " in block]


@pytest.mark.parametrize("text", studies_in_docs())
def test_every_study_of_the_docs_loads(tmp_path: Path, text: str) -> None:
    imports = "from ray import tune\nfrom study import *\n"
    (tmp_path / "of_the_docs.py").write_text(imports + text)
    assert load(tmp_path / "of_the_docs.py").expand()


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    words = ["-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", str(tmp_path / "site")]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / "site/commands.html").read_text()
    assert "--until-decided" in commands
    assert "study.above" in (tmp_path / "site/api.html").read_text()
    pages = [path.read_text() for path in (tmp_path / "site").rglob("*.html")]
    loaded = [
        link
        for page in pages
        for link in re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)', page)
    ]
    assert not [link for link in loaded if "//" in link], "a page fetches nothing from elsewhere"


@pytest.mark.parametrize("target", ["study", "report", "test", "lint", "docs", "notebook", "bench"])
def test_targets_of_make_exist(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ".venv/bin/" in done.stdout
