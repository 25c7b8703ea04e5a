"""Files of public benchmarks: found on disk or downloaded once, and used only if whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pooch


@dataclass(frozen=True)
class Remote:
    """A file that the internet has: its place below a data folder, its mirrors, its checksum."""

    path: str
    urls: tuple[str, ...]
    sha256: str


def fetch(remote: Remote) -> Path:
    """Find a file below $DCLIB_DATA or in the user's cache, or download it into the cache.

    A file in $DCLIB_DATA with another checksum is a ValueError, as it is there on purpose. One in
    the cache is downloaded anew. OSError where no mirror could be reached.
    """
    given = os.environ.get("DCLIB_DATA")
    if given:
        path = Path(given).expanduser() / remote.path
        if path.exists():
            return _checked(path, remote)

    path = Path(pooch.os_cache("dclib")) / remote.path
    reasons = []
    for url in remote.urls:
        try:
            # pooch writes into a temporary file, which takes its name only if the checksum fits
            pooch.retrieve(url, f"sha256:{remote.sha256}", fname=path.name, path=path.parent)
        except (OSError, ValueError) as error:
            reasons.append(f"  {url}: {error}")
        else:
            return path
    raise OSError(
        f"{path.name} is not in the folder {path.parent} nor below DCLIB_DATA={given or ''!r}, and "
        "could not be downloaded:\n" + "\n".join(reasons) + f"\nPut the file into {path.parent}, "
        f"or set DCLIB_DATA to a folder that holds {remote.path}."
    )


def _checked(path: Path, remote: Remote) -> Path:
    found = pooch.file_hash(str(path), alg="sha256")
    if found != remote.sha256:
        raise ValueError(
            f"{path.name} in {path.parent} is not the published file: its SHA-256 is {found}, "
            f"expected {remote.sha256}; remove it to have it downloaded"
        )
    return path
