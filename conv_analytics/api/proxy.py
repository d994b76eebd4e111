"""Which proxy a request goes through: decided here alone, once per client, from the environment.

``HTTPS_PROXY`` (else ``ALL_PROXY``, else what the system is set to) names the proxy, in the forms that curl takes;
``NO_PROXY`` lists hosts that need none: names with all their subdomains, addresses, networks (``10.0.0.0/8``), each
with a port or without, or ``*``. Nothing that goes to this machine ever takes a proxy: the token would travel there in
clear.

User and password are taken out of the URL before any library sees it, because libraries quote URLs in their messages.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import HiddenText
from conv_analytics.settings import is_loopback

#: What an environment variable of the system's own is called in a message.
_SYSTEM = "The proxy in the settings of the system"
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_ENTRY = re.compile(r"\[([^\]]*)\](?::([0-9]+))?|([^:]+):([0-9]+)|(.+)")

_FORM = (
    "give it as http://HOST:PORT or USER:PASSWORD@HOST:PORT, with special characters of user and password"
    " percent-encoded (# as %23, @ as %40)"
)


@dataclass(frozen=True)
class Proxy:
    """A proxy as it is reached, and what it wants to know of us.

    Attributes
    ----------
    url
        Scheme, host and port; never user and password.
    source
        The environment variable that names it.
    user, password
        Empty where the proxy wants none.
    """

    url: str
    source: str
    user: HiddenText = field(default=HiddenText(""), repr=False)
    password: HiddenText = field(default=HiddenText(""), repr=False)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS instead of HTTP."""
        return self.url.startswith("socks")

    @property
    def auth(self) -> tuple[str, str] | None:
        """User and password; None where there are none."""
        return (self.user, self.password) if self.user or self.password else None


def proxy_for(url: str, env: Mapping[str, str] | None = None) -> Proxy | None:
    """Decide the proxy for a URL; None for none.

    Raises `ConfigError` for a setting that cannot be used; the message names the variable and never quotes it.

    >>> found = proxy_for("https://api.nexmo.com", {"HTTPS_PROXY": "user:secret@proxy.example:3128"})
    >>> found
    Proxy(url='http://proxy.example:3128', source='HTTPS_PROXY')
    >>> proxy_for("https://api.nexmo.com", {"HTTPS_PROXY": "proxy.example:3128", "NO_PROXY": ".nexmo.com:443"})
    >>> proxy_for("http://127.0.0.1:8080", {"HTTP_PROXY": "proxy.example:3128"})
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    if is_loopback(host):
        return None
    named = _named(parts.scheme, os.environ if env is None else env, system=env is None)
    if named is None:
        return None
    source, text = named
    exceptions = _variable("no_proxy", os.environ if env is None else env)
    if exceptions is not None:
        if any(_covers(entry, host, port) for entry in re.split(r"[,\s]+", exceptions[1])):
            return None
    elif env is None and urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    read = _read(source, text)
    if isinstance(read, str):
        raise ConfigError(read)
    return read


def _named(scheme: str, env: Mapping[str, str], *, system: bool) -> tuple[str, HiddenText] | None:
    """The setting that counts, and where it stands."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        found = _variable(name, env)
        if found is not None:
            return found if found[1].strip() else None
    if not system or any(name.lower().endswith("_proxy") for name in env):
        return None
    text = urllib.request.getproxies().get(scheme)
    return (_SYSTEM, HiddenText(text)) if text else None


def _variable(name: str, env: Mapping[str, str]) -> tuple[str, HiddenText] | None:
    """A variable of the environment, which counts in small letters first; set to nothing it counts, too."""
    # In a CGI script HTTP_PROXY is what a client sent as the header "Proxy".
    names = (name,) if name == "http_proxy" and "REQUEST_METHOD" in env else (name, name.upper())
    return next(((each, HiddenText(env[each])) for each in names if each in env), None)


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means a host."""
    if entry == "*":
        return True
    match = _ENTRY.fullmatch(entry)
    if match is None:
        return False
    name, wanted = match[1] or match[3] or match[5] or "", match[2] or match[4]
    if wanted is not None and wanted != str(port):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = name.lstrip("*").strip(".").lower()
        return bool(name) and (host.rstrip(".") == name or host.rstrip(".").endswith(f".{name}"))
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _read(source: str, text: HiddenText) -> Proxy | str:
    """The proxy that a setting names, or what is wrong with it.

    A sentence, not an exception, so that no frame of a traceback holds the password.
    """
    whole = text.strip()
    if "://" not in whole:
        whole = f"http://{whole}"
    try:
        parts = urlsplit(whole)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        return f"{source} is no URL of a proxy: {_FORM}."
    if re.fullmatch(r"socks(4a?|5h?)?", scheme):
        if scheme not in _PORTS:
            return f"{source} names a SOCKS proxy as {scheme}://; only SOCKS 5 is spoken: write socks5://HOST:PORT."
        if importlib.util.find_spec("socksio") is None:
            return (
                f"{source} names a SOCKS proxy, which takes an extra: pip install 'conv-analytics[socks]', or give the"
                " proxy's HTTP port."
            )
    elif scheme not in _PORTS:
        return f"{source} is of a kind that is not known: {_FORM}."
    port = _PORTS[scheme] if port is None else port
    # A password with a # or / that is not encoded makes a host of the user, and a path or fragment of the rest.
    odd = parts.path not in {"", "/"} or parts.query or parts.fragment or re.search(r"\s", whole)
    if odd or not port or not re.fullmatch(r"[^\\%]+", host):
        return f"{source} is no URL of a proxy: {_FORM}."
    name = f"[{host}]" if ":" in host else host
    user, password = HiddenText(unquote(parts.username or "")), HiddenText(unquote(parts.password or ""))
    return Proxy(f"{scheme}://{name}:{port}", source, user, password)
