"""Who listens on a port of this machine, which every user of it may take."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import pwd
import socket
import sys
from pathlib import Path

# Linux's list of sockets: one line each, with the local address in hexadecimal, the state, and the user's id.
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENING = "0A"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself under every address that it has."""
    with contextlib.suppress(OSError, UnicodeError):
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        return all(ipaddress.ip_address(address).is_loopback for address in found)
    return False


def strangers(port: int) -> set[str]:
    """Who else than this user and root listens on this loopback port; nobody where the system can't tell."""
    users = set()
    for table in TABLES:
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                _, local, _, state, _, _, _, uid, *_ = line.split()
                address, _, local_port = local.partition(":")
                if state == LISTENING and int(local_port, 16) == port and _hears_loopback(address):
                    users.add(int(uid))
    return {_name(uid) for uid in users - {os.geteuid(), 0}}


def _hears_loopback(hexadecimal: str) -> bool:
    """Whether a socket at this address, words of the machine's byte order, hears loopback's callers."""
    words = (
        int(hexadecimal[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(hexadecimal), 8)
    )
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_unspecified or mapped.is_loopback or address.is_unspecified


def _name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return str(uid)
