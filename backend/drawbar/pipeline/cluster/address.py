"""What ``--on`` says -> where the workers are, once that is no place that strangers can reach."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Literal

from drawbar.errors import BadInputError


@dataclass(frozen=True)
class Address:
    """A Ray cluster."""

    kind: Literal["local", "cluster", "client"]
    """Started here and ended with the run; one that this machine belongs to; one that is spoken to from outside."""
    where: str = ""
    """``HOST:PORT``."""
    workers: int = 0
    """Of a local one; 0: a worker for each core."""


def parse(text: str, *, allow_public: bool = False) -> Address:
    """Raises BadInputError for what is no address, and for a public one that was not allowed."""
    local = re.fullmatch(r"local-ray(?::([1-9]\d{0,3}))?", text)
    if local:
        return Address("local", workers=int(local[1] or 0))
    found = re.fullmatch(r"(ray://)?(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})", text)
    if found is None or not 0 < int(found[3]) < 65_536:
        raise BadInputError(
            f"address {text!r}: write local-ray, local-ray:4, HOST:PORT or ray://HOST:PORT (a Ray client server)"
        )
    host = found[2].strip("[]")
    if not allow_public:
        _refuse_public(host)
    return Address("client" if found[1] else "cluster", f"{found[2]}:{found[3]}")


def _refuse_public(host: str) -> None:
    try:
        numbers = {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise BadInputError(f"address {host!r}: no machine has that name here ({error})") from error
    outside = sorted(n for n in numbers if (ip := ipaddress.ip_address(n)).is_global or ip.is_unspecified)
    if outside:
        raise BadInputError(
            f"address {host!r} is {outside[0]}, which is not a private one: whoever reaches a Ray cluster's ports can "
            "run code on it. Use a private network or a tunnel to a loopback address; to go there all the same, say "
            "--allow-public-address"
        )
