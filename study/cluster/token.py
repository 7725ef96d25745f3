"""The token of a cluster: whoever has it may run any code there. Where it lies, and how it is made.

The places are Ray's own: RAY_AUTH_TOKEN, else the file that RAY_AUTH_TOKEN_PATH names, else
~/.ray/auth_token.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from study.errors import StudyError


def file() -> Path:
    """The file of the token, which may not be there."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()


def check_private() -> None:
    """Raises StudyError where the file of the token is another user's, or one that others can read."""
    path = file()
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StudyError(f"{path} can't be read: {error.strerror or error}") from None
    replace = "Replace the token, here and on the clusters that know it: study cluster-token --force"
    if found.st_uid not in (os.geteuid(), 0):
        raise StudyError(f"{path}, the clusters' token, belongs to another user.", replace)
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise StudyError(
            f"{path}, the clusters' token, is open to other users (mode {mode:o}, not 600): whoever "
            "read it may run code on your clusters.",
            replace,
        )


def read() -> tuple[str, str]:
    """The token and where it comes from.

    Raises StudyError, which never says the token, without one, and where others can read its file.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        where = "RAY_AUTH_TOKEN"
    else:
        where = str(file())
        check_private()
        try:
            token = file().read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise StudyError(f"The cluster asks for its token, and there is none in {where}.") from None
        except (OSError, ValueError) as error:
            raise StudyError(f"{where} can't be read: {error}") from None
    if not token or not token.isascii() or not token.isprintable():
        raise StudyError(f"{where} holds no token: it should be one line of letters and digits.")
    return token, where


def make(replace: bool = False) -> Path:
    """A new token's file, readable by its owner alone.

    Raises StudyError where there is one already, the more so where others can read that.
    """
    path = file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not replace:
            check_private()
            raise StudyError(
                f"{path} is there already; clusters that run know that token.",
                "--force makes a new one in its place.",
            )
        return write(path)
    except OSError as error:
        raise StudyError(f"{path} can't be written: {error.strerror or error}") from None


def write(path: Path) -> Path:
    """Write a new token to this file, readable by its owner alone from the first moment; the path."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    new.touch(0o600, exist_ok=False)
    new.write_text(secrets.token_hex(32), encoding="utf-8")
    new.replace(path)
    return path
