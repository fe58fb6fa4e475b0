"""Office files are ZIP archives: a look before a parser unpacks one."""

import io
import zipfile

from retrieval.loading.blocks import LoadError

MAX_UNPACKED = 500_000_000
OLE_MAGIC = b"\xd0\xcf\x11\xe0"
"""The old compound file format, in which an encrypted file of the new ones is wrapped, too."""


def check_archive(data: bytes, kind: str) -> None:
    """Raises LoadError for what is no archive, an encrypted file, or one that unpacks to too much; `kind` is what its
    program calls it, such as DOCX.
    """
    if data.startswith(OLE_MAGIC):
        raise LoadError(f"it is encrypted, or of an old format: save a copy as {kind} without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise LoadError(f"it is not a {kind} file, or a broken one") from error
    if unpacked > MAX_UNPACKED:
        raise LoadError(f"it unpacks to {unpacked / 1e6:.0f} MB")
