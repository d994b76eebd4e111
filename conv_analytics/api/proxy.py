"""The proxy of a client, from the environment when the client is made.

``HTTPS_PROXY`` (else ``ALL_PROXY``, else the system's setting) names the proxy, in the forms that curl accepts;
``NO_PROXY`` lists hosts that need none: names with all their subdomains, addresses, networks (``10.0.0.0/8``), each
with a port or without, or ``*``. Requests to this machine never go through a proxy: the token would travel there in
clear.

User and password are removed from the URL before any library sees it, because libraries quote URLs in messages.
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

#: The source in messages when the operating system names the proxy.
_SYSTEM = "The proxy in the settings of the system"
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_ENTRY = re.compile(r"\[([^\]]*)\](?::([0-9]+))?|([^:]+):([0-9]+)|(.+)")

_FORM = (
    "give it as http://HOST:PORT or USER:PASSWORD@HOST:PORT, with special characters of user and password"
    " percent-encoded (# as %23, @ as %40)"
)


@dataclass(frozen=True)
class Proxy:
    """A proxy: its address and credentials.

    Attributes
    ----------
    url
        Scheme, host and port; never user and password.
    source
        The environment variable that names it.
    user, password
        Empty if the proxy needs none.
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
    """The proxy for a URL; None for none.

    Raises a `ConfigError` for a wrong setting, which names the variable and never quotes it.

    >>> proxy = proxy_for("https://api.nexmo.com", {"HTTPS_PROXY": "user:secret@proxy.example:3128"})
    >>> proxy
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
    """The setting that applies, with its source."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        setting = _variable(name, env)
        if setting is not None:
            return setting if setting[1].strip() else None
    if not system or any(name.lower().endswith("_proxy") for name in env):
        return None
    text = urllib.request.getproxies().get(scheme)
    return (_SYSTEM, HiddenText(text)) if text else None


def _variable(name: str, env: Mapping[str, str]) -> tuple[str, HiddenText] | None:
    """An environment variable; lower case takes precedence, and an empty value counts as set."""
    # In a CGI script HTTP_PROXY is the value of the request header "Proxy".
    names = (name,) if name == "http_proxy" and "REQUEST_METHOD" in env else (name, name.upper())
    return next(((each, HiddenText(env[each])) for each in names if each in env), None)


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY matches a host."""
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
    """The proxy of a setting, or a sentence that says why it is invalid.

    It returns the sentence instead of raising, so that no frame of a traceback has the password.
    """
    whole = text.strip()
    if "://" not in whole:
        whole = f"http://{whole}"
    try:
        parts = urlsplit(whole)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        return f"{source} is not the URL of a proxy: {_FORM}."
    if re.fullmatch(r"socks(4a?|5h?)?", scheme):
        if scheme not in _PORTS:
            return f"{source} names a SOCKS proxy as {scheme}://; only SOCKS 5 is supported: write socks5://HOST:PORT."
        if importlib.util.find_spec("socksio") is None:
            return (
                f"{source} names a SOCKS proxy, which needs an extra: pip install 'conv-analytics[socks]', or give the"
                " proxy's HTTP port."
            )
    elif scheme not in _PORTS:
        return f"{source} is of an unknown kind: {_FORM}."
    port = _PORTS[scheme] if port is None else port
    # With an unencoded # or / in the password, the user is read as the host and the rest as path or fragment.
    malformed = parts.path not in {"", "/"} or parts.query or parts.fragment or re.search(r"\s", whole)
    if malformed or not port or not re.fullmatch(r"[^\\%]+", host):
        return f"{source} is not the URL of a proxy: {_FORM}."
    name = f"[{host}]" if ":" in host else host
    user, password = HiddenText(unquote(parts.username or "")), HiddenText(unquote(parts.password or ""))
    return Proxy(f"{scheme}://{name}:{port}", source, user, password)
