"""Files that look like keys, passwords or tokens, by their names and by how private keys begin."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

ENDINGS = {
    "pem",
    "key",
    "p12",
    "pfx",
    "jks",
    "keystore",
    "kdbx",
    "ppk",
    "gpg",
    "asc",
    "age",
    "ovpn",
    "keytab",
}
NAMES = (
    "id_*",
    "env.*",
    "*.env",
    "kubeconfig*",
    "netrc",
    "htpasswd*",
    "*service?account*",
    "authorized_keys*",
)
# Words of a name, of which `tokenizer` and `keyboard` are none.
WORDS = {"auth", "credential", "credentials", "password", "passwords", "passwd", "secret", "secrets"}
WORDS |= {"token", "tokens", "key", "keys", "apikey", "apikeys"}
# A module may well be about keys or tokens; what it says of passwords it rather holds.
WORDS_OF_A_MODULE = {"credential", "credentials", "password", "passwords", "passwd", "secret", "secrets"}
BEGIN = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|^PuTTY-User-Key-File")
LOOKED_AT_BYTES = 4096


def looks_secret(path: Path) -> bool:
    """Whether a file's name or its beginning is that of a secret; a file that can't be read is none.

    A name can't tell for certain: this keeps a key from being sent by oversight, not by intent.
    """
    name = path.name.lower()
    words = set(re.split(r"[^a-z0-9]+", name))
    if path.suffix == ".py":
        return bool(words & WORDS_OF_A_MODULE)
    if path.suffix[1:].lower() in ENDINGS or words & WORDS or any(fnmatch(name, of) for of in NAMES):
        return True
    try:
        with path.open("rb") as file:
            return BEGIN.search(file.read(LOOKED_AT_BYTES)) is not None
    except OSError:
        return False
