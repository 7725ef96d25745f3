"""Whose process is at the other end of a connection within this machine, where every user may listen."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import pwd
import socket
import sys
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Linux's lists of sockets: a line each, with both addresses in hexadecimal, the user's id and the inode.
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself under every address that it has."""
    with contextlib.suppress(OSError, UnicodeError):
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        return all(ipaddress.ip_address(address).is_loopback for address in found)
    return False


def accepted_by(client: socket.socket) -> str | None:
    """Which other user's process has accepted this connection; "" for this user, for root, and off Linux.

    None while nobody has accepted it.
    """
    if not any(table.exists() for table in TABLES):
        return ""
    ours, theirs = _place(client.getsockname()), _place(client.getpeername())
    for table in TABLES:
        with contextlib.suppress(OSError):
            for line in table.read_text(encoding="utf-8").splitlines()[1:]:
                _, local, remote, _, _, _, _, uid, _, inode, *_ = line.split()
                # Until a process has taken it, a connection has no inode, and root for its user.
                if inode != "0" and (_read(local), _read(remote)) == (theirs, ours):
                    return "" if int(uid) in (os.geteuid(), 0) else _name(int(uid))
    return None


def _place(name: tuple[str | int, ...]) -> tuple[Address, int]:
    return _plain(ipaddress.ip_address(str(name[0]))), int(name[1])


def _read(hexadecimal: str) -> tuple[Address, int]:
    """An address as Linux lists it: words in the machine's byte order, and the port."""
    words, _, port = hexadecimal.partition(":")
    parts = (words[i : i + 8] for i in range(0, len(words), 8))
    packed = b"".join(int(part, 16).to_bytes(4, sys.byteorder) for part in parts)
    return _plain(ipaddress.ip_address(packed)), int(port, 16)


def _plain(address: Address) -> Address:
    """An IPv4 address that stands in an IPv6 one as itself."""
    return getattr(address, "ipv4_mapped", None) or address


def _name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return str(uid)
