"""The files in a CA's directory, each written completely or not at all.

authority.json   settings        root.pem, root.key          the root; its key may be moved to a safe place
root-crl.pem     the root's CRL  issuing.pem, issuing.key    the issuing CA, if there is an intermediate
register.db      the register, unless it is in another database
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bothways.ca.errors import AlreadyExists, FileUnusable
from bothways.ca.register.database import has_password

VERSION = 2
SETTINGS = "authority.json"
PRIVATE, PUBLIC = 0o600, 0o644
_WRITTEN_AS = {"database_url": "store", "key_uri": "key"}  # names in the file, which stay as they are


@dataclass(frozen=True, slots=True)
class CASettings:
    """The settings of a CA, which are fixed when it is created; the file calls some of them otherwise.

    Attributes: `name`; `database_url` (in the file `store`), empty for `register.db`; `url` of the service;
    `partition`: certificates in each CRL partition, 0 for a single CRL; `key_uri` (in the file `key`): the PKCS#11 URI
    of the issuing key, empty for a key file; `version` of the file.
    """

    name: str
    database_url: str = ""
    url: str = ""
    partition: int = 0
    key_uri: str = ""
    version: int = VERSION


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Create a directory: the block fills a temporary one, which is renamed to `path` at its end, or removed."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise AlreadyExists(f"{path}: exists already and is not empty; nothing was changed")
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield temporary
            _sync(temporary)
            temporary.rename(path)
            _sync(path.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def write_settings(directory: Path, settings: CASettings) -> None:
    """Write the settings; readable by others unless they contain a password."""
    url = settings.database_url
    mode = PRIVATE if url and has_password(url) else PUBLIC
    values = asdict(settings)
    written = {_WRITTEN_AS.get(name, name): value for name, value in values.items()}
    write(directory / SETTINGS, json.dumps(written, indent=2).encode() + b"\n", mode)


def read_settings(directory: Path) -> CASettings:
    """Read the settings, or raise FileUnusable if this is not the directory of a CA."""
    try:
        values = json.loads((directory / SETTINGS).read_bytes())
    except FileNotFoundError:
        raise FileUnusable(
            f"{directory}: contains no CA; `bothways ca init {directory}` creates one"
        ) from None
    except OSError as error:
        raise FileUnusable(f"{directory / SETTINGS}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise _damaged(directory) from None
    return _settings(values, directory)


def write(path: Path, data: bytes, mode: int, *, replaces: bool = True) -> None:
    """Write a file completely or not at all, synchronized to the disk; raise FileUnusable.

    replaces: whether another file of this name is replaced, also one that another process writes at the same time.
    """
    check_target(path)
    with file_errors(path):
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, mode)
                file.write(data)
                file.flush()
                os.fsync(handle)
            if replaces:
                os.replace(temporary, path)
            else:
                _name_new(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync(path.parent)


def _name_new(temporary: str, path: Path) -> None:
    """Give a file a name that no other has."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # such as of a file system without links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.replace(temporary, path)
    else:
        os.unlink(temporary)


def check_target(path: Path) -> None:
    """Raise FileUnusable if a path cannot be replaced by a file: a directory, a device, a symbolic link."""
    if not path.name:
        raise FileUnusable(f"{path}: is not a file name")
    with file_errors(path):
        linked, other = path.is_symlink(), path.exists() and not path.is_file()
    if linked:
        raise FileUnusable(f"{path}: is a symbolic link; give the file that it points to")
    if other:
        raise FileUnusable(f"{path}: exists and is not a regular file; it was not changed")


def check_writable(directory: Path) -> None:
    """Raise FileUnusable if no file can be created in a directory."""
    try:
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise FileUnusable(f"{directory}: no file can be created in it: {error.strerror}") from None


def read(path: Path, limit: int = -1) -> bytes:
    """Read a file, or its first `limit` bytes; raise FileUnusable if it cannot be read."""
    with file_errors(path, ""), path.open("rb") as file:
        return file.read(limit)


@contextmanager
def file_errors(path: Path, outcome: str = "; it was not changed") -> Iterator[None]:
    """Raise an OSError of the block as a FileUnusable that names the path, and what became of it."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full",
            errno.EFBIG: "the file would be larger than the limit for files",
            errno.EROFS: "the file system is read-only",
            errno.EACCES: "permission denied",
            errno.ENOENT: "there is no such file or directory",
        }
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        raise FileUnusable(f"{path}: {reason}{outcome}") from None


def _settings(values: object, directory: Path) -> CASettings:
    if not isinstance(values, Mapping) or not isinstance(values.get("version"), int):
        raise _damaged(directory)
    if values["version"] > VERSION:
        raise FileUnusable(f"{directory}: was written by a later version of this program: update the program")
    texts = [values.get("name"), values.get("store"), values.get("url"), values.get("key", "")]
    partition = values.get("partition", 0)  # version 1 had none
    if not all(isinstance(text, str) for text in texts) or not isinstance(partition, int) or partition < 0:
        raise _damaged(directory)
    name, database_url, url, key_uri = texts
    return CASettings(name, database_url, url, partition, key_uri)


def _damaged(directory: Path) -> FileUnusable:
    return FileUnusable(f"{directory / SETTINGS}: is damaged: these are not the settings of a CA")


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
