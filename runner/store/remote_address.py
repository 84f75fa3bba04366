"""Addresses of remote caches: which are accepted, how they are shown, and what is never shown.

Credentials come from the environment (such as AWS_ACCESS_KEY_ID) or from fsspec's configuration.
They are not a part of the address, because addresses are visible in lists of processes and in logs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...contract.errors import GraphError
from ...contract.paths import typed_folder

_PASSWORD = re.compile(r"://([^/@]*):([^/]*)@")
_QUERY = re.compile(r"\?.*")
_SECRET_NAME = re.compile(
    r"secret|token|passw|credential|(^|_)key($|_)|sas|connection_string", re.I
)
_SECRET_LENGTH = 6  # shorter values would also be found in harmless words
_S3_LIMITS = {"connect_timeout": 10, "read_timeout": 20, "retries": {"max_attempts": 1}}


def checked(url: str, option: str) -> str:
    """Returns an address for fsspec; that of a folder becomes an absolute path.

    Raises: GraphError if it contains a password, or if the folder cannot be one.
    """
    if _PASSWORD.search(url):
        raise GraphError(
            f"{option}{shown(url)}: an address must not contain a password",
            "set it in the environment, for example as FSSPEC_SFTP_PASSWORD (docs/scale.md)",
        )
    is_address = "://" in url or "::" in url
    return url if is_address else str(typed_folder(url, option))


def create_folder(url: str, option: str) -> bool:
    """Create the folder of an address on this machine. Returns whether it was missing.

    Raises: GraphError if the folder above it is missing, as when a share is not mounted.
    """
    address = checked(url, option).removeprefix("file://")
    folder = Path(address)
    if "://" in address or "::" in address or folder.exists():
        return False
    if not os.path.lexists(folder.parent):
        raise GraphError(
            f"{option}{shown(url)}: there is no folder {folder.parent}",
            "mount the share, correct the path, or create this folder",
        )
    try:
        folder.mkdir()
    except OSError:  # the first request reports why
        return False
    return True


def shown(url: str) -> str:
    """Returns an address without a password and without what follows a question mark."""
    return _QUERY.sub("?***", _PASSWORD.sub(r"://\1:***@", url))


def without_secrets(text: str) -> str:
    """Returns a text in which the credentials of this process are replaced by `***`."""
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return shown(text) if "://" in text else text


def options_for(url: str) -> dict[str, Any]:
    """Returns options of the file system that fsspec's configuration does not set itself.

    S3 would wait for minutes until it reports that nobody answers.
    """
    protocol = url.partition("://")[0]
    if protocol not in ("s3", "s3a"):
        return {}
    from fsspec.config import conf

    own = conf.get(protocol, {}).get("config_kwargs", {})
    return {"config_kwargs": _S3_LIMITS | own}


def _secrets() -> Iterator[str]:
    """Yields the values in the environment and in fsspec's configuration that look secret."""
    from fsspec.config import conf

    def found(settings: Mapping[str, Any]) -> Iterator[str]:
        for name, value in settings.items():
            if isinstance(value, Mapping):
                yield from found(value)
            elif _SECRET_NAME.search(name) and len(str(value)) >= _SECRET_LENGTH:
                yield str(value)

    yield from found(os.environ)
    yield from found(conf)
