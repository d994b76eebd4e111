"""An application's private key, from PEM text, from base64 of it, or from the file that holds either.

Key material is read once into a key object and never shown; only the fingerprint of the public key is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

MIN_KEY_BITS = 2048

#: A longer text is a key without its first line, not a path; also the longest wrong value that is shown.
MAX_PATH_LENGTH, MAX_SHOWN_LENGTH = 1024, 200

_BEGIN, _END = "-----BEGIN", "PRIVATE KEY-----"


class Secret:
    """A text that no repr, log or traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(hidden)"


def private_key_of(key: Secret, source: str) -> RSAPrivateKey:
    """Load a private key.

    Parameters
    ----------
    key
        PEM text, base64 of it, or the path of a file with either; quotes around it, as in env files, are ignored, and
        line ends may be written as two characters.
    source
        Where it comes from, for the message.

    Raises
    ------
    ConfigError
        If it is not an RSA private key that the API accepts. The message says what it is instead, and quotes no key.
    """
    # `_load_key` returns a sentence instead of raising, so that no frame of the traceback has the key's text.
    loaded = _load_key(key)
    if isinstance(loaded, str):
        raise ConfigError(f"The private key ({source}) {loaded}.")
    return loaded


def fingerprint_of(key: RSAPrivateKey | RSAPublicKey) -> str:
    """The first 16 hex digits of the SHA-256 of the public key."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415  loading it takes 50 ms
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415  the same

    half = key.public_key() if isinstance(key, RSAPrivateKey) else key
    public = half.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"SHA256:{hashlib.sha256(public).hexdigest()[:16]}"


def key_file(key: Secret) -> Path | None:
    """The file that a private key is read from; None if the text is the key itself."""
    text = unquoted(key.reveal())
    if not text or _pem_of(text) is not None or "\n" in text or len(text) > MAX_PATH_LENGTH:
        return None
    try:
        path = expand_user(text)
        return path if path.is_file() else None
    except (ConfigError, OSError, ValueError):
        return None


def unquoted(text: str) -> str:
    """A value without surrounding white space and quotes, which some readers of env files leave there.

    >>> unquoted(' "~/private.key" '), unquoted("O'Neil")
    ('~/private.key', "O'Neil")
    """
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].strip() if quoted else text


def _load_key(secret: Secret) -> RSAPrivateKey | str:  # noqa: PLR0911  one return per kind of mistake
    """The key, or the end of a sentence that says why it is invalid."""
    text = unquoted(secret.reveal())
    if not text:
        return "is empty"
    if (pem := _pem_of(text)) is not None:
        return _parse_key(pem)
    if "\n" in text or "\\n" in text or len(text) > MAX_PATH_LENGTH:
        return "is neither a path nor PEM text: it must begin with -----BEGIN PRIVATE KEY-----"
    try:
        path = expand_user(text)
    except ConfigError:
        return f"starts with the home folder (~), but there is none: give the full path instead of {shown_value(text)}"
    try:
        if path.is_dir():
            return f"names a folder, not a file: {path}"
        content = path.read_text(encoding="utf-8-sig", errors="replace").strip()
    except FileNotFoundError:
        return f"names a file that does not exist: {shown_value(str(path))}"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return f"cannot be read ({reason}): {shown_value(str(path))}"
    if not content:
        return f"is an empty file: {path}"
    problem = _parse_key(_pem_of(content) or content)
    return f"{problem}: {path}" if isinstance(problem, str) else problem


def _pem_of(text: str) -> str | None:
    """The PEM text of a value: the value itself, or decoded from base64; None if it is neither."""
    if _BEGIN in text:
        return text
    packed = "".join(text.replace("\\n", "").split())
    # The base64 of every text that begins with "-----" begins like this.
    if not packed.startswith("LS0tLS") or not re.fullmatch(r"[A-Za-z0-9+/_-]+=*", packed):
        return None
    padded = packed.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(padded + "=" * (-len(padded) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
    return decoded if _BEGIN in decoded else None


def _parse_key(text: str) -> RSAPrivateKey | str:  # noqa: PLR0911  one return per kind of mistake
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  loading it takes 50 ms
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415  the same
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415  the same

    # Environment variables and YAML often have line ends as two characters.
    text = text.replace("\\r", "").replace("\\n", "\n").strip()
    if "CERTIFICATE-----" in text and _END not in text:
        return "is a certificate, not a private key"
    if "PUBLIC KEY-----" in text and _END not in text:
        return "is a public key; the application's private key is needed"
    if "ENCRYPTED" in text:
        return "is encrypted; give it without a passphrase"
    if "BEGIN OPENSSH" in text:
        return "is in OpenSSH format; download the application's own, or convert it with ssh-keygen -p -m PEM"
    if _BEGIN in text and "-----END" not in text:
        return "is cut off: its last line, -----END PRIVATE KEY-----, is missing"
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "is damaged, or not a private key in PEM form"
    if not isinstance(key, RSAPrivateKey):
        return "is not an RSA key, and the API only accepts RS256"
    if key.key_size < MIN_KEY_BITS:
        return f"is too small: {key.key_size} bits, at least {MIN_KEY_BITS} are needed"
    return key


def shown_value(text: str) -> str:
    """A wrong value for a message; not shown where it may be a secret."""
    # A supposed path may be a key that lost its first line.
    looks_secret = len(text) > MAX_SHOWN_LENGTH or re.search(r"[A-Za-z0-9+/]{60,}", text)
    return "(not shown)" if looks_secret else repr(text)
