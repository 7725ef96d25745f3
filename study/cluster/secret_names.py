"""Files that look like keys, passwords or tokens: by the names on their path, or by a private key in them."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

ENDINGS = {"pem", "key", "p12", "pfx", "jks", "keystore", "kdbx", "ppk", "gpg", "asc", "age"}
ENDINGS |= {"ovpn", "keytab"}
# Of any part of a path.
NAMES = (
    "id_*",
    "env.*",
    "*.env",
    "dotenv*",
    "kubeconfig*",
    "*netrc*",
    "*pgpass*",
    "*npmrc*",
    "*pypirc*",
    "*htpasswd*",
    "wp-config*",
    "*dockercfg*",
    "*docker?config*",
    "*dockerconfig*",
    "rclone",
    "rclone*.conf",
    "*.tfstate*",
    "*.tfvars*",
    "*service?account*",
    "authorized_keys*",
)
# The ends of paths whose last name says nothing by itself.
PLACES = ("*docker/config.json", "*aws/config", "*git/config", "*kube/config", "*gh/hosts.yml")
# Words of a name, of which `tokenizer` and `keyboard` are none. A module may well be about them: `tokens.py`.
WORDS = {"auth", "oauth", "token", "tokens", "key", "keys", "cred", "creds", "pwd"}
# What may stand before `token` or `key` in one word: `apitoken`, but not `monkey`.
# None is made of others (`github` is `git`, `hub`), or the search would take for ever.
OWNERS = (
    "access|account|admin|anthropic|api|auth|aws|azure|bearer|bot|client|cloud|comet|db|deploy|encryption|gcp|gcs|git"
    "|gitlab|google|gpg|hf|hub|huggingface|jwt|kaggle|login|master|my|neptune|oauth|openai|pgp|private|ray"
    "|refresh|root|rsa|s3|secret|server|service|session|signing|slack|ssh|ssl|tls|user|wandb"
)
# What even the name of a module rather holds than is about.
TELLING = re.compile(
    rf"[a-z0-9]*(passwords?|passwd|passphrases?|credentials?|secrets?)|({OWNERS})+(tokens?|keys?|creds?|pwd)"
)
PRIVATE_KEY = re.compile(rb"---- ?BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)? ?----")
PUTTY = b"PuTTY-User-Key-File"
LOOKED_AT_BYTES = 4 * 1024**2


def looks_secret(path: Path) -> bool:
    """Whether a name on the path, or the file's content, is that of a secret.

    `path` is relative to the current folder; all its parts are looked at. Of the content, the first
    LOOKED_AT_BYTES are searched for a private key; a file that can't be read has none.
    Names can't tell for certain: this keeps a key from being sent by oversight, not by intent.
    """
    return _is_named_so(path) or _holds_private_key(path)


def _is_named_so(path: Path) -> bool:
    words = {word for part in path.parts for word in _words(part)}
    if any(map(TELLING.fullmatch, words)):
        return True
    if path.suffix == ".py":
        return False
    parts = [part.lower() for part in path.parts]
    return (
        bool(words & WORDS)
        or any(part.rpartition(".")[2] in ENDINGS for part in parts if "." in part)
        or any(fnmatch(part, name) for part in parts for name in NAMES)
        or any(fnmatch("/".join(parts), place) for place in PLACES)
    )


def _words(name: str) -> set[str]:
    """The words of a name, split at signs, digits and camelCase, and every two neighbours as one word."""
    at_signs = re.findall(r"[a-z0-9]+", name.lower())
    at_digits = re.findall(r"[a-z]+", name.lower())
    at_capitals = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    two = {a + b for words in (at_signs, at_capitals) for a, b in pairwise(words)}
    return {*at_signs, *at_digits, *at_capitals, *two}


def _holds_private_key(path: Path) -> bool:
    try:
        with open(path, "rb", opener=_plainly) as file:
            content = file.read(LOOKED_AT_BYTES) or b""
    except OSError:
        return False
    return content.startswith(PUTTY) or PRIVATE_KEY.search(content) is not None


def _plainly(path: str, flags: int) -> int:
    """Open without following a link, or waiting for a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
