"""Detects network file systems, on which SQLite's write-ahead log does not work."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|lustre|gpfs|beegfs|glusterfs|pvfs2|orangefs|davfs"
    r"|fuse\.(sshfs|glusterfs|ceph.*|rclone|s3fs|gcsfuse|goofys|juicefs|davfs2?|smbnetfs|nfs.*)"
)


def network_file_system(folder: Path) -> str | None:
    """Returns the kind of network file system that a folder is on, such as nfs4.

    Returns None for a local disk, and always on systems other than Linux.
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
        mount = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        depth = len(mount.parts)
        if depth >= best and folder.is_relative_to(mount):  # a later mount hides an earlier one
            best, kind = depth, fields[fields.index("-", 5) + 1]
    return kind if _NETWORK.fullmatch(kind) else None
