"""What travels to a cluster with a job: the user's own files that its studies need, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from study import plugins
from study.config import StudyError, TrialConfig
from study.loading import available

# What Ray's job server takes (2.60, DASHBOARD_CLIENT_MAX_SIZE).
MOST_BYTES = 100 * 1024**2
MOST_FILES = 10_000
LEFT_HERE = {"results", "data", "report", "__pycache__", "node_modules"}
INSTALLED = Path(__file__).parent


def words_there(studies: Sequence[str]) -> list[str]:
    """The studies as they are called where the job runs: paths from the current folder, or names.

    Raises StudyError for a file that lies elsewhere.
    """
    words = []
    for given in dict.fromkeys(studies):
        path = Path(given)
        if not (path.suffix == ".py" and path.exists()):
            path = available()[given]
            if path.is_absolute():  # it came with the installation
                words.append(given)
                continue
        word = os.path.relpath(path)
        if word.startswith(".."):
            raise StudyError(f"{given} lies outside of {Path.cwd()}: submit it from its own folder.")
        words.append(word)
    return words


def files(words: Iterable[str], configs: Iterable[TrialConfig]) -> list[Path]:
    """The files to send, from the current folder: what lies beside the studies, and their plug-ins.

    Left here are hidden files, results, data, virtual environments and this package. Raises StudyError where
    they are more than Ray takes.
    """
    sizes: dict[Path, int] = {}
    for path in _found(words, configs):
        sizes[path] = path.stat().st_size
        if len(sizes) > MOST_FILES:
            raise StudyError(
                f"More than {MOST_FILES:,} files lie beside the studies, such as {path}.",
                "What lies beside a study travels with it: give the studies a folder of their own.",
            )
    if sum(sizes.values()) > MOST_BYTES:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
        raise StudyError(
            f"What lies beside the studies has {_mib(sum(sizes.values()))}; Ray takes {_mib(MOST_BYTES)}. "
            f"The largest: {', '.join(f'{path} ({_mib(sizes[path])})' for path in largest)}.",
            "Move them away, or into a folder called data, which does not travel.",
        )
    return list(sizes)


def copy(files: Iterable[Path], folder: Path) -> None:
    """Copy the files into the folder, each to where it lies under the current one.

    Raises StudyError for one that can't be read.
    """
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, folder / path)
        except OSError as error:
            raise StudyError(f"{path} can't be sent: {error.strerror or error}") from None


def _found(words: Iterable[str], configs: Iterable[TrialConfig]) -> Iterator[Path]:
    for folder in sorted({Path(word).parent for word in words if word.endswith(".py")}):
        yield from _beside(folder)
    names = {name for config in configs for name in (config.model, config.dataset)}
    for name in sorted(filter(plugins.is_plugin, names)):
        for source in plugins.sources(name):
            path = Path(os.path.relpath(source))
            if not any(part.startswith(".") or part == "site-packages" for part in path.parts):
                yield path
                yield from (init for up in path.parents if (init := up / "__init__.py").is_file())


def _beside(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        here = Path(where)
        folders[:] = sorted(name for name in folders if not _stays(here / name))
        yield from (here / name for name in names if not name.startswith(".") and (here / name).is_file())


def _stays(folder: Path) -> bool:
    return (
        folder.name.startswith(".")
        or folder.name in LEFT_HERE
        or (folder / "pyvenv.cfg").exists()
        or ((folder / "trials").is_dir() and (folder / "studies").is_dir())
        or folder.absolute() == INSTALLED
    )


def _mib(size: int) -> str:
    return f"{size / 1024**2:,.1f} MiB"
