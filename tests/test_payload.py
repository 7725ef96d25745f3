"""What travels to a cluster: what the studies need and what is named, no keys, nothing from elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from conftest import STUDY_FILE

from study import StudyError
from study.cluster.payload import packed
from study.cluster.secret_names import looks_secret
from study.declare.loading import load

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
    "apitoken.txt",
    "awsKeys.json",
    "AUTHTOKEN",
    "s3key.csv",
    "mysecretkey.txt",
    "token1.txt",
    "dbpassword.txt",
    "rclone.conf",
    "terraform.tfstate",
    "terraform.tfstate.backup",
    "prod.tfvars",
    "_netrc",
    "netrc.bak",
    "pgpass.conf",
    "wp-config.php",
    "site.htpasswd",
    "docker-config.json",
    "secrets/prod.json",
    "api_keys/prod.json",
    "other.key/part",
    "docker/config.json",
    "aws/config",
    "repo.git/config",
    "secrets/prod.py",
    "api_keys.py",
    "dbPassword.py",
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
    "turkey.csv",
    "donkeys.csv",
    "hockey.csv",
    "secretary.csv",
    "subtokens.json",
    "KeyboardLayout.csv",
    "config.json",
    "git/log.txt",
    "train.conf",
    "env.py",
    "auth/login.py",
]
HIDDEN = [
    ".env",
    ".env.local",
    ".netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".docker/config.json",
    ".aws/config",
    ".git/config",
    ".git",
    "kit/.cache/x.txt",
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
    left_here = {path.relative_to("more").as_posix() for path in payload.left_here}
    assert left_here == {*SECRETS, "deploy"}
    with pytest.raises(StudyError, match=r"more/my\.key looks like a secret"):
        packed(["own.py"], [], ["more/my.key"])


def test_a_module_that_holds_passwords_is_refused_by_name(folder: Path) -> None:
    (folder / "credentials.py").write_text("PASSWORD = 1")
    (folder / "own.py").write_text("import credentials\n" + STUDY_FILE)
    with pytest.raises(StudyError, match=r"credentials\.py looks like a secret"):
        packed(["own.py"], [])


@pytest.mark.parametrize("named", HIDDEN)
def test_what_is_hidden_never_travels_even_if_named(folder: Path, named: str) -> None:
    for name in {*HIDDEN} - {".git"}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    with pytest.raises(StudyError, match=f"^{named} is hidden"):
        sent(named)
    assert not sent(".") & {*HIDDEN}


def test_a_study_in_a_hidden_folder_is_refused(folder: Path) -> None:
    (folder / ".old").mkdir()
    (folder / ".old/own.py").write_text(STUDY_FILE)
    with pytest.raises(StudyError, match=r"\.old/own\.py is hidden"):
        packed([".old/own.py"], [])


@pytest.mark.parametrize("begins", ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])
def test_a_private_key_anywhere_in_a_file_is_found(folder: Path, begins: str) -> None:
    text = "# a line\n" * 100_000 + f'KEY = """-----BEGIN {begins}-----\nMIIE"""\n'
    (folder / "data").mkdir()
    (folder / "data/deploy.py").write_text(text)
    (folder / "data/deploy.txt").write_text(text)
    payload = packed(["own.py"], [], ["data"])
    assert payload.left_here == [Path("data/deploy.py"), Path("data/deploy.txt")]
    (folder / "later.py").write_text(text)
    with pytest.raises(StudyError, match=r"later\.py looks like a secret"):
        sent()


@pytest.mark.parametrize("leads_to", ["../.env", "../notes.txt", "../absent", "/etc/hostname"])
def test_a_link_to_a_file_is_refused_wherever_it_leads(folder: Path, leads_to: str) -> None:
    (folder / ".env").write_text("PASSWORD=hunter2")
    (folder / "inc").mkdir()
    (folder / "inc/readme.txt").symlink_to(leads_to)
    for named in ("inc", "inc/readme.txt", "."):
        with pytest.raises(StudyError, match=r"^inc/readme\.txt is a link, and links do not travel[^\n]*$"):
            sent(named)


@pytest.mark.parametrize("leads_to", ["../.ray", "../kit", "/etc"])
def test_what_lies_behind_a_linked_folder_is_refused(folder: Path, leads_to: str) -> None:
    for name in (".ray/more/x.txt", "kit/more/x.txt", "inc/x.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (folder / "inc/y").symlink_to(leads_to)
    for named in ("inc", "inc/y"):
        with pytest.raises(StudyError, match=r"^inc/y is a link"):
            sent(named)
    for named in ("inc/y/more", "inc/y/more/x.txt"):
        with pytest.raises(StudyError, match=f"^{named} lies behind the link inc/y, and links"):
            sent(named)


def test_studies_and_modules_that_are_links_are_refused(folder: Path) -> None:
    (folder / ".env").write_text("not = valid = Python (")
    (folder / "later.py").unlink()
    (folder / "later.py").symlink_to(".env")  # refused before it is parsed
    with pytest.raises(StudyError, match=r"^later\.py is a link"):
        sent()
    (folder / "kit").rename(folder / "real")
    (folder / "kit").symlink_to("real")
    with pytest.raises(StudyError, match=r"^kit/__init__\.py lies behind the link kit,"):
        sent()
    (folder / "own.py").rename(folder / "other.py")
    (folder / "own.py").symlink_to("other.py")
    with pytest.raises(StudyError, match=r"^own\.py is a link"):
        sent()


@pytest.mark.timeout(20)
def test_what_became_a_link_or_a_pipe_after_the_check_is_not_copied(folder: Path, tmp_path: Path) -> None:
    (folder / ".env").write_text("PASSWORD=hunter2")
    (folder / ".ray").mkdir()
    (folder / ".ray/x.txt").write_text("hunter2")
    for replace, said in (
        (lambda: (folder / "inc/x.txt").symlink_to("../.env"), "is a link"),
        (lambda: os.mkfifo(folder / "inc/x.txt"), "is no plain file"),
        (lambda: ((folder / "inc").rmdir(), (folder / "inc").symlink_to(".ray")), "behind the link 'inc'"),
    ):
        (folder / "inc").mkdir(exist_ok=True)
        (folder / "inc/x.txt").write_text("x")
        payload = packed(["own.py"], [], ["inc"])
        (folder / "inc/x.txt").unlink()
        replace()
        with pytest.raises(StudyError, match=rf"^inc/x\.txt can't be sent: .*{said}"):
            payload.copy(tmp_path / "copy")
        assert not (tmp_path / "copy/inc/x.txt").exists()
        if not (folder / "inc").is_symlink():
            (folder / "inc/x.txt").unlink()


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "inc").mkdir()
    os.mkfifo(folder / "inc/pipe.txt")
    assert sent("inc") == NEEDED
    assert not looks_secret(Path("inc/pipe.txt"))


@pytest.mark.timeout(20)
def test_a_long_name_is_looked_at_in_no_time() -> None:
    assert looks_secret(Path("github" * 40 + "token.txt"))
    assert not looks_secret(Path("github" * 40 + "x.txt"))


def test_the_copies_hold_what_the_files_hold(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copied = tmp_path_factory.mktemp("copied")
    payload = packed(["own.py"], [])
    payload.copy(copied)
    assert {path: (copied / path).read_bytes() for path in payload.files} == {
        path: path.read_bytes() for path in payload.files
    }


@pytest.mark.parametrize("named", ["absent", "..", "../x", "/etc/passwd", "/etc"])
def test_what_can_t_be_included_is_said(folder: Path, named: str) -> None:
    with pytest.raises(StudyError, match=r"there is no such file|outside of"):
        sent(named)


def test_a_study_in_a_folder_finds_a_package_of_the_current_one(folder: Path) -> None:
    (folder / "studies").mkdir()
    (folder / "studies/inner.py").write_text("from kit import sizes\n" + STUDY_FILE)
    found = {str(path) for path in packed(["studies/inner.py"], []).files}
    assert found == {"studies/inner.py", "kit/__init__.py", "kit/sizes.py", "kit/more.py"}
