"""Which addresses are of the internet, so that no source makes us read what stands inside the company's network."""

import ipaddress
import socket

from retrieval.origins import Unreachable


def addresses_of(host: str, port: int | None) -> list[str]:
    """The IP addresses of a host, as the machine's resolver has them. Raises OSError if it has none."""
    resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in resolved))


def public_addresses(host: str, port: int | None) -> list[str]:
    """The addresses of a source's host. Raises Unreachable if one of them is private, or it has none."""
    try:
        addresses = addresses_of(host, port)
    except OSError as error:
        raise Unreachable(f"{host} is not known ({error.strerror or error})") from error
    if not all(is_public(address) for address in addresses):
        raise Unreachable(private_host(host))
    return addresses


def is_public(address: str) -> bool:
    """Whether an address is one of the internet, also inside of an IPv6 address (::ffff:, 64:ff9b::, 2002:)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:  # fec0::/10, which RFC 3879 ended and networks still use
            return False
    return ip.is_global and not ip.is_multicast


def private_host(host: str) -> str:
    """Why a host is not asked, and what to do if it is meant."""
    return f"{host} is in a private network: allow such hosts with JOURNEYMAN_WEB_PRIVATE_HOSTS=true if they are meant"
