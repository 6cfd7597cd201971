"""An authority's directory: certificates, sealed keys and settings, written whole or not at all.

authority.json   settings        root.pem, root.key          the root; its key may be taken elsewhere
root-crl.pem     the root's CRL  issuing.pem, issuing.key    who issues, where there is an intermediate
register.db      the register, where no other store was named
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


@dataclass(frozen=True, slots=True)
class Settings:
    """What the authority was made with.

    `store` is a URL, or empty for the directory's own register; `partition` is how many certificates name one
    list, 0 where there is one list for all; `key` is the address of the issuing key in hardware, or empty where a
    file holds it.
    """

    name: str
    store: str = ""
    url: str = ""
    partition: int = 0
    key: str = ""
    version: int = VERSION


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Fill a directory beside `path` in the block, and put it in its place at the end; or leave nothing."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise AlreadyExists(f"{path}: is there already and not empty; nothing was changed")
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield draft
            _sync(draft)
            draft.rename(path)
            _sync(path.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def write_settings(directory: Path, settings: Settings) -> None:
    """Write the settings; for others to read unless a password stands in them."""
    mode = PRIVATE if settings.store and has_password(settings.store) else PUBLIC
    write(directory / SETTINGS, json.dumps(asdict(settings), indent=2).encode() + b"\n", mode)


def read_settings(directory: Path) -> Settings:
    """Read the settings, or raise FileUnusable if this is no authority's directory."""
    try:
        values = json.loads((directory / SETTINGS).read_bytes())
    except FileNotFoundError:
        raise FileUnusable(
            f"{directory}: holds no authority; `bothways ca init {directory}` makes one"
        ) from None
    except OSError as error:
        raise FileUnusable(f"{directory / SETTINGS}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise FileUnusable(f"{directory / SETTINGS}: is not what was written there") from None
    return _settings(values, directory)


def write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is either there whole or not there, and outlives a power cut."""
    check_target(path)
    with file_errors(path):
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, mode)
                file.write(data)
                file.flush()
                os.fsync(handle)
            os.replace(draft, path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        _sync(path.parent)


def check_target(path: Path) -> None:
    """Raise FileUnusable for what is no place for a file: writing would put one there instead of a device or link."""
    if not path.name:
        raise FileUnusable(f"{path}: is no name of a file")
    with file_errors(path):
        linked, taken = path.is_symlink(), path.exists() and not path.is_file()
    if linked:
        raise FileUnusable(f"{path}: is a symbolic link; name the file that it leads to")
    if taken:
        raise FileUnusable(f"{path}: is there already and no file; nothing was changed there")


def check_writable(directory: Path) -> None:
    """Raise FileUnusable if no file can be made in a directory, before anything is done that needs one."""
    try:
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise FileUnusable(f"{directory}: nothing can be written there: {error.strerror}") from None


def read(path: Path, limit: int = -1) -> bytes:
    """Read a file, or its first `limit` bytes; raise FileUnusable that names it if it cannot be read."""
    with file_errors(path), path.open("rb") as file:
        return file.read(limit)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a FileUnusable that says what to do."""
    try:
        yield
    except OSError as error:
        words = {
            errno.ENOSPC: "the disk is full",
            errno.EFBIG: "the disk, or what may be written to it, is full",
            errno.EROFS: "the file system is read-only",
            errno.EACCES: "permission denied",
            errno.ENOENT: "there is no such file or directory",
        }
        reason = words.get(error.errno or 0, error.strerror or str(error))
        raise FileUnusable(f"{path}: {reason}; nothing was changed there") from None


def _settings(values: object, directory: Path) -> Settings:
    if not isinstance(values, Mapping) or not isinstance(values.get("version"), int):
        raise FileUnusable(f"{directory / SETTINGS}: is not what was written there")
    if values["version"] > VERSION:
        raise FileUnusable(f"{directory}: was written by a later version of this program; update it")
    texts = [values.get("name"), values.get("store"), values.get("url"), values.get("key", "")]
    partition = values.get("partition", 0)  # version 1 had none
    if not all(isinstance(text, str) for text in texts) or not isinstance(partition, int) or partition < 0:
        raise FileUnusable(f"{directory / SETTINGS}: is not what was written there")
    name, store, url, key = texts
    return Settings(name, store, url, partition, key)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
