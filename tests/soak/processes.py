"""The gateway's processes from outside: who they are, and whether their memory and descriptors stay flat."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

GROWTH, SLACK_KIB, SLACK_DESCRIPTORS = 1.10, 8 * 1024, 40


@dataclass
class Samples:
    """What a process that lives through the whole soak takes."""

    name: str
    pid: int
    memory: list[float] = field(default_factory=list)
    descriptors: list[float] = field(default_factory=list)

    def take(self) -> None:
        """Take one sample: KiB of its own memory, and open descriptors."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                self.memory.append(int(line.split()[1]))
        self.descriptors.append(sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir()))

    def growth(self) -> list[str]:
        """Return what grew from the second quarter to the last one."""
        found = []
        for what, values, slack in (
            ("KiB of memory", self.memory, SLACK_KIB),
            ("descriptors", self.descriptors, SLACK_DESCRIPTORS),
        ):
            before, after = quarters(values)
            if after > before * GROWTH + slack:
                found.append(f"{self.name}: {before:.0f} {what} grew to {after:.0f}")
        return found

    def line(self) -> str:
        """Return its figures in words."""
        memory, descriptors = quarters(self.memory), quarters(self.descriptors)
        return (
            f"  {self.name}: {memory[0]:.0f} KiB in the second quarter, {memory[1]:.0f} in the last; "
            f"{descriptors[0]:.0f} and {descriptors[1]:.0f} descriptors"
        )


def quarters(values: list[float]) -> tuple[float, float]:
    """Return the medians of the second and the last quarter."""
    size = max(1, len(values) // 4)
    return median(values[size : 2 * size] or values), median(values[-size:])
