"""What travels to a cluster: what the studies need and what is named, no keys, nothing from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import STUDY_FILE

from study import StudyError
from study.loading import load
from study.payload import packed

# As files are called that a review found among those sent.
SECRETS = [
    "id_ed25519",
    "credentials.json",
    "auth_token",
    "server.pem",
    "env.production",
    "production.env",
    "api-key.txt",
    "secrets.yaml",
    "kubeconfig.yml",
    "service_account.json",
    "my.key",
    "passwords.txt",
    "token",
    "keys.json",
    "Credentials.CSV",
]
HARMLESS = [
    "tokenizer.json",
    "keyboard.csv",
    "monkey.npy",
    "authors.txt",
    "vocabulary.txt",
    "grid.json",
    "words.py",
    "tokens.py",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a study that imports from beside it, directly and not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for path, text in {
        "own.py": "import numpy, json\nfrom kit import sizes\n"
        + STUDY_FILE
        + "\ndef f():\n    import later\n",
        "kit/__init__.py": "",
        "kit/sizes.py": "from . import more\nimport numpy",
        "kit/more.py": "WIDTHS = [2]",
        "kit/unused.py": "",
        "later.py": "",
        "numpy.py": "raise SystemExit",
        "notes.txt": "",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def sent(*include: str) -> set[str]:
    return {str(path) for path in packed(["own.py"], [], include).files}


NEEDED = {"own.py", "kit/__init__.py", "kit/sizes.py", "kit/more.py", "later.py"}


def test_a_study_travels_with_what_it_imports_and_nothing_else(folder: Path) -> None:
    load("own.py")
    assert sent() == NEEDED


def test_what_is_named_travels_without_secrets_environments_and_what_is_hidden(folder: Path) -> None:
    stay = ["venv/pyvenv.cfg", "conda/conda-meta/x", "results/x", ".git/config", ".hidden", "__pycache__/x"]
    for name in (*SECRETS, *HARMLESS, *stay, "old/trials/x", "old/studies/y"):
        (folder / "more" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "more" / name).write_text("x")
    (folder / "more/deploy").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl")
    payload = packed(["own.py"], [], ["notes.txt", "more"])
    assert {str(path) for path in payload.files} == NEEDED | {"notes.txt"} | {f"more/{of}" for of in HARMLESS}
    assert {path.name for path in payload.left_here} == {*SECRETS, "deploy"}
    with pytest.raises(StudyError, match=r"more/my\.key looks like a secret"):
        packed(["own.py"], [], ["more/my.key"])


def test_a_module_that_holds_passwords_is_refused_by_name(folder: Path) -> None:
    (folder / "credentials.py").write_text("PASSWORD = 1")
    (folder / "own.py").write_text("import credentials\n" + STUDY_FILE)
    with pytest.raises(StudyError, match=r"credentials\.py looks like a secret"):
        packed(["own.py"], [])


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "thesis.txt").write_text("mine")
    (folder / "data").mkdir()
    (folder / "data/inner.txt").symlink_to("../notes.txt")
    assert "data/inner.txt" in sent("data")
    (folder / "data/x.txt").symlink_to(outside / "thesis.txt")
    with pytest.raises(StudyError, match=r"data/x\.txt leads to .*thesis\.txt, outside of"):
        sent("data")
    (folder / "data/x.txt").unlink()
    (folder / "data/y").symlink_to(outside)
    with pytest.raises(StudyError, match="data/y is a link to a folder"):
        sent("data")
    (folder / "later.py").unlink()
    (folder / "later.py").symlink_to(outside / "thesis.txt")
    with pytest.raises(StudyError, match=r"later\.py leads to"):
        sent()
    (folder / "own.py").rename(outside / "own.py")
    (folder / "own.py").symlink_to(outside / "own.py")
    with pytest.raises(StudyError, match=r"own\.py leads to"):
        sent()


@pytest.mark.parametrize("named", ["absent", "..", "../x", "/etc/passwd", "/etc"])
def test_what_can_t_be_included_is_said(folder: Path, named: str) -> None:
    with pytest.raises(StudyError, match=r"there is no such file|outside of"):
        sent(named)
