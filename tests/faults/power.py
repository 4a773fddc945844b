"""What a power cut may leave of recorded steps.

What was made durable is there. Of the rest a file system may keep anything: names without the bytes
that they mean, bytes in part, in another order or as zeros, and changes of one folder without the
earlier ones of another. Changes of names in one folder are kept in their order, and a rename is one
change: so is what the journals of today's file systems promise.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.faults.journal import ROOT, Cut, Journal, Named, Reached, Renamed, Step, Synced, Written

Tree = dict[str, bytes | None]
"""The content of each file by its path; None for a folder."""

Data = Literal["all", "none", "torn", "zeros", "last"]
_DATA: tuple[Data, ...] = ("all", "none", "torn", "zeros", "last")


@dataclass(frozen=True)
class Left:
    """What a power cut may leave, after how much was done, and what had been acknowledged."""

    tree: Tree
    reached: int
    where: str

    def restore(self, folder: Path) -> None:
        """Make `folder` be that."""
        folder.mkdir()
        for name, content in self.tree.items():
            path = folder / name
            if content is None:
                path.mkdir(mode=0o700)
            else:
                path.write_bytes(content)


@dataclass
class _Medium:
    """What is durable, and the changes that are not yet."""

    names: dict[int, dict[str, int]]
    contents: dict[int, bytes]
    renamed: list[Renamed] = field(default_factory=list)
    changed: dict[int, list[Written | Cut]] = field(default_factory=dict)
    # Files of which the system forgot that they were to be made durable.
    forgotten: set[int] = field(default_factory=set)

    def take(self, step: Step) -> None:
        if isinstance(step, Renamed):
            self.renamed.append(step)
        elif isinstance(step, Written | Cut):
            if isinstance(step, Cut) and step.size == 0:
                self.forgotten.discard(step.node)
            self.changed.setdefault(step.node, []).append(step)
        elif isinstance(step, Synced) and step.failed:
            self.forgotten.add(step.node)
        elif isinstance(step, Synced):
            self._sync(step.node)

    def _sync(self, node: int) -> None:
        _rename(self.names, [step for step in self.renamed if _touches(step, node)])
        self.renamed = [step for step in self.renamed if not _touches(step, node)]
        if node in self.changed and node not in self.forgotten:
            self.contents[node] = _change(self.contents[node], self.changed.pop(node))

    def choices(self) -> Iterator[tuple[str, list[Renamed]]]:
        """Changes of names that may have become durable though nobody waited for it."""
        for count in range(len(self.renamed) + 1):
            yield f"{count} of {len(self.renamed)} names", self.renamed[:count]
        folders = {change.folder for step in self.renamed for change in step.changes}
        if len(folders) > 1:
            for folder in sorted(folders):
                own = [step for step in self.renamed if _touches(step, folder)]
                yield f"names in folder {folder}", own
                yield (
                    f"names not in folder {folder}",
                    [step for step in self.renamed if not _touches(step, folder)],
                )

    def random_choice(self, choices: random.Random) -> list[Renamed]:
        """In each folder some of the first changes."""
        folders = sorted({change.folder for step in self.renamed for change in step.changes})
        counts = {folder: choices.randrange(len(self.renamed) + 1) for folder in folders}
        kept = []
        for step in self.renamed:
            touched = {change.folder for change in step.changes}
            if all(counts[folder] > 0 for folder in touched):
                kept.append(step)
                for folder in touched:
                    counts[folder] -= 1
            else:
                # What follows in the same folders needs this one.
                counts |= dict.fromkeys(touched, 0)
        return kept

    def tree(self, renamed: list[Renamed], data: dict[int, Data]) -> Tree:
        """The files and folders that there are then."""
        names = {folder: dict(entries) for folder, entries in self.names.items()}
        _rename(names, renamed)
        tree: Tree = {}
        self._walk(ROOT, "", names, data, tree)
        return tree

    def _walk(
        self,
        folder: int,
        path: str,
        names: dict[int, dict[str, int]],
        data: dict[int, Data],
        tree: Tree,
    ) -> None:
        for name, node in sorted(names.get(folder, {}).items()):
            whole = f"{path}{name}"
            if node in self.contents:
                changes = _kept(self.changed.get(node, []), data.get(node, "all"))
                tree[whole] = _change(self.contents[node], changes)
            else:
                tree[whole] = None
                self._walk(node, f"{whole}/", names, data, tree)


def power_cuts(
    journal: Journal, choices: random.Random, *, random_per_step: int, begin: int = 0
) -> Iterator[Left]:
    """Every different thing that a power cut after any step may leave, from step `begin` on.

    To what is chosen by rule come `random_per_step` by chance.
    """
    names = {folder: dict(entries) for folder, entries in journal.names.items()}
    medium = _Medium(names, dict.fromkeys(journal.files, b"") | journal.contents)
    reached, seen = 0, set[tuple[int, frozenset[tuple[str, bytes | None]]]]()
    for number, step in enumerate([None, *journal.steps]):
        if isinstance(step, Reached):
            reached = step.milestone
        elif step is not None:
            medium.take(step)
        if number < begin:
            continue
        for label, tree in _trees(medium, choices, random_per_step):
            key = (reached, frozenset(tree.items()))
            if key not in seen:
                seen.add(key)
                yield Left(tree, reached, f"after step {number} ({step}): {label}")


def _trees(
    medium: _Medium, choices: random.Random, random_count: int
) -> Iterator[tuple[str, Tree]]:
    pending = sorted(medium.changed)
    for label, renamed in medium.choices():
        for data in _DATA if pending else _DATA[:1]:
            yield f"{label}, data {data}", medium.tree(renamed, dict.fromkeys(pending, data))
    for _ in range(random_count if len(pending) + len(medium.renamed) > 1 else 0):
        renamed = medium.random_choice(choices)
        mixed = {node: choices.choice(_DATA) for node in pending}
        yield f"names {renamed}, data {mixed}", medium.tree(renamed, mixed)


def _touches(step: Renamed, folder: int) -> bool:
    return any(change.folder == folder for change in step.changes)


def _rename(names: dict[int, dict[str, int]], steps: list[Renamed]) -> None:
    for step in steps:
        for change in step.changes:
            _name(names, change)


def _name(names: dict[int, dict[str, int]], change: Named) -> None:
    entries = names.setdefault(change.folder, {})
    if change.node is None:
        entries.pop(change.name, None)
    else:
        entries[change.name] = change.node


def _kept(changes: list[Written | Cut], data: Data) -> list[Written | Cut]:
    """The changes of a file that became durable though nobody waited for it."""
    if data == "all" or not changes:
        return changes
    if data == "none":
        return []
    if data == "last":
        return changes[-1:]
    if data == "zeros":
        return [_emptied(change) for change in changes]
    first, torn = changes[: len(changes) // 2], changes[len(changes) // 2]
    if isinstance(torn, Cut):
        return first
    half = Written(torn.node, torn.offset, torn.content[: len(torn.content) // 2])
    return [*first, half]


def _emptied(change: Written | Cut) -> Written | Cut:
    """The length came to the disk, the bytes did not."""
    if isinstance(change, Cut):
        return change
    return Written(change.node, change.offset, bytes(len(change.content)))


def _change(content: bytes, changes: list[Written | Cut]) -> bytes:
    changed = bytearray(content)
    for change in changes:
        if isinstance(change, Cut):
            changed = changed[: change.size].ljust(change.size, b"\0")
            continue
        end = change.offset + len(change.content)
        changed.extend(bytes(max(0, end - len(changed))))
        changed[change.offset : end] = change.content
    return bytes(changed)
