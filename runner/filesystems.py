"""Whether a folder lies on another machine's disk, where SQLite's write-ahead log does not work."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|lustre|gpfs|beegfs|glusterfs|pvfs2|orangefs|davfs"
    r"|fuse\.(sshfs|glusterfs|ceph.*|rclone|s3fs|gcsfuse|goofys|juicefs|davfs2?|smbnetfs|nfs.*)"
)


def network_file_system(folder: Path) -> str | None:
    """The kind of network file system that a folder is on, such as nfs4; None for a local disk.

    Linux tells; elsewhere it is not known.
    """
    try:
        lines = MOUNTS.read_text(errors="replace").splitlines()
        folder = folder.resolve()
    except OSError:
        return None
    best, kind = -1, ""
    for line in lines:
        fields = line.split(" ")  # see proc_pid_mountinfo(5)
        if "-" not in fields[5:-1]:
            continue
        place = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        depth = len(place.parts)
        if depth >= best and folder.is_relative_to(place):  # of two on one place, the later shows
            best, kind = depth, fields[fields.index("-", 5) + 1]
    return kind if _NETWORK.fullmatch(kind) else None
