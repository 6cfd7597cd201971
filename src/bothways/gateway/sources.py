"""Where the contents come from that a gateway names: files, and the Workload API of SPIFFE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bothways.gateway.http_config import check_installed
from bothways.trust import files

if TYPE_CHECKING:
    from bothways.spiffe.workload_api import WorkloadAPI

SPIFFE = "spiffe:"


class Sources:
    """Reads contents; of a Workload API the newest response is the content. `close` ends what is open."""

    def __init__(self) -> None:
        self._apis: dict[str, WorkloadAPI] = {}

    def content(self, path: str, most: int = files.MAX_FILE) -> bytes:
        """Return the content of at most so many bytes. Raises ConfigError."""
        return self._api(path).first() if path.startswith(SPIFFE) else files.content(path, most=most)

    def stamp(self, path: str) -> files.Stamp | None:
        """Return what differs when the content has changed; None where it cannot be read."""
        if not path.startswith(SPIFFE):
            return files.stamp(path)
        api = self._apis.get(path)
        return None if api is None else files.Stamp(0, 0, 0, api.generation, 0)

    def poll(self) -> list[str]:
        """Take what has come of Workload APIs; returns what there is to report."""
        return [line for each in self._apis.values() for line in each.poll()]

    def keep_only(self, paths: set[str]) -> None:
        """End the connections to Workload APIs that are not among these paths."""
        for path in [each for each in self._apis if each not in paths]:
            self._apis.pop(path).close()

    def close(self) -> None:
        """End all connections."""
        self.keep_only(set())

    def _api(self, path: str) -> WorkloadAPI:
        if path not in self._apis:
            check_installed("`spiffe`", ("h2",))
            from bothways.spiffe.workload_api import WorkloadAPI  # h2 is loaded only where it is needed

            self._apis[path] = WorkloadAPI(path.removeprefix(SPIFFE))
        return self._apis[path]
