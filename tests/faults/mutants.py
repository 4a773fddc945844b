"""Changes to the program that each take away one protection of its files; tests must notice all.

`tests/faults/test_mutants.py` makes each of them in a copy of the package and runs the tests.
"""

from __future__ import annotations

from typing import NamedTuple

ATOMIC = "store/atomic.py"
LOG = "store/event_writer.py"
SAVE = "checkpoints/write.py"
LOAD = "checkpoints/read.py"
ARRAYS = "data/prepare/array_writer.py"
EXPORT = "export/onnx.py"


class Mutant(NamedTuple):
    """What is taken away, and the text of a file (in the package) that is replaced for it."""

    name: str
    file: str
    text: str
    replacement: str


MUTANTS = [
    # Bytes and names made durable.
    Mutant(
        "a written file is not fsynced",
        ATOMIC,
        "        if durable:\n            os.fsync(descriptor)\n",
        "",
    ),
    Mutant(
        "folders are not fsynced",
        ATOMIC,
        "os.O_RDONLY | os.O_DIRECTORY)\n    try:\n        os.fsync(descriptor)",
        "os.O_RDONLY | os.O_DIRECTORY)\n    try:\n        pass",
    ),
    Mutant(
        "a library's file is not fsynced",
        ATOMIC,
        "os.O_RDONLY | os.O_CLOEXEC)\n    try:\n        os.fsync(descriptor)",
        "os.O_RDONLY | os.O_CLOEXEC)\n    try:\n        pass",
    ),
    Mutant(
        "the folder of a replaced file is not fsynced",
        ATOMIC,
        "    if durable:\n        fsync_folder(path.parent)\n",
        "",
    ),
    Mutant(
        "the folder that a folder was made in is not fsynced",
        ATOMIC,
        "str(path)) from error\n    fsync_folder(path.parent)\n",
        "str(path)) from error\n",
    ),
    Mutant(
        "a new folder is not fsynced",
        ATOMIC,
        "        fsync_folder(temporary)\n",
        "",
    ),
    Mutant(
        "the folder that a folder was published in is not fsynced",
        ATOMIC,
        "    fsync_folder(path.parent)\n    # Not before",
        "    # Not before",
    ),
    Mutant(
        "the parents of a new folder are not made durable",
        ATOMIC,
        "    make_folder(path.parent)\n    temporary = ",
        "    path.parent.mkdir(parents=True, exist_ok=True)\n    temporary = ",
    ),
    Mutant(
        "a removed name is not made durable before its files go",
        ATOMIC,
        "    path.rename(hidden)\n    fsync_folder(path.parent)\n",
        "    path.rename(hidden)\n",
    ),
    Mutant(
        "names are not made durable before a sweep",
        ATOMIC,
        "        fsync_folder(parent)\n",
        "        pass\n",
    ),
    Mutant(
        "the log is not fsynced",
        LOG,
        "            os.fsync(self._descriptor)\n",
        "",
    ),
    Mutant(
        "the name of the log is not made durable",
        LOG,
        "                fsync_folder(self.path.parent)\n",
        "",
    ),
    Mutant(
        "a log that failed to be synced is synced again",
        LOG,
        "            self._failed_to_sync = True\n",
        "",
    ),
    Mutant(
        "an event that changes what a run is is not synced",
        "store/run_writer.py",
        "            self._log.sync()\n",
        "",
    ),
    Mutant(
        "the folder of runs is not made durable",
        "store/registry.py",
        "            make_folder(self.path)\n",
        "            self.path.mkdir(parents=True, exist_ok=True)\n",
    ),
    Mutant(
        "the last number given is not kept",
        "store/registry.py",
        '        replace_file(mark_file, f"{number}\\n".encode())\n',
        "",
    ),
    Mutant(
        "the parts of a checkpoint are not made durable",
        SAVE,
        "                write_durable(temporary / name, body)\n",
        "                (temporary / name).write_bytes(body)\n",
    ),
    Mutant(
        "arrays are not made durable",
        ARRAYS,
        "        os.fsync(self._descriptor)\n        self.close()\n",
        "        self.close()\n",
    ),
    Mutant(
        "an exported file is not made durable",
        EXPORT,
        "        fsync_file(temporary)\n",
        "",
    ),
    # Appearing whole or not at all.
    Mutant(
        "a file is replaced in place",
        ATOMIC,
        "        temporary.replace(path)\n",
        "        _write(path, [content], durable=durable)\n        temporary.unlink()\n",
    ),
    Mutant(
        "a folder is published file by file",
        ATOMIC,
        "    try:\n        temporary.rename(path)\n",
        "    try:\n        shutil.copytree(temporary, path)\n        shutil.rmtree(temporary)\n",
    ),
    Mutant(
        "a folder is deleted before the one that replaces it has its name",
        ATOMIC,
        "    if path.exists():\n        path.rename(old)\n",
        "    if path.exists():\n        shutil.rmtree(path)\n",
    ),
    Mutant(
        "a replaced folder is deleted before the new name is durable",
        ATOMIC,
        "    fsync_folder(path.parent)\n    # Not before",
        "    shutil.rmtree(old, True)\n    fsync_folder(path.parent)\n    # Not before",
    ),
    Mutant(
        "a folder moved aside is not put back on an error",
        ATOMIC,
        "            old.rename(path)\n        raise\n    fsync_folder",
        "            pass\n        raise\n    fsync_folder",
    ),
    Mutant(
        "a folder moved aside is not put back by a sweep",
        ATOMIC,
        '        if match["old"] and not published.exists():\n',
        "        if False:\n",
    ),
    Mutant(
        "a folder is removed under its name",
        ATOMIC,
        "    path.rename(hidden)\n",
        "    hidden = path\n",
    ),
    Mutant(
        "the facts of an older export stand beside the new one",
        EXPORT,
        '        output.with_suffix(".json").unlink(missing_ok=True)\n',
        "",
    ),
    Mutant(
        "an exported file is copied into place",
        EXPORT,
        "        temporary.replace(output)\n",
        "        output.write_bytes(temporary.read_bytes())\n",
    ),
    Mutant(
        "half a write is taken for the whole",
        ATOMIC,
        "                rest = rest[os.write(descriptor, rest) :]\n",
        "                os.write(descriptor, rest)\n                break\n",
    ),
    # Checks.
    Mutant(
        "the CRC of a line is not looked at",
        "core/sealed_json.py",
        "    if int(match[1], 16) != zlib.crc32(prefix):\n",
        "    if False:\n",
    ),
    Mutant(
        "the size of a checkpoint's file is not looked at",
        LOAD,
        "len(body) != record.size_bytes or ",
        "",
    ),
    Mutant(
        "the hash of a checkpoint's file is not looked at",
        LOAD,
        " or hashlib.sha256(body).hexdigest() != record.sha256",
        "",
    ),
    Mutant(
        "a checkpoint may be of another step than it says",
        LOAD,
        "    if manifest.step != state.step:\n",
        "    if False:\n",
    ),
    Mutant(
        "averaged weights may be missing",
        LOAD,
        "    if (AVERAGED in bodies) != (state.average_count > 0):\n",
        "    if False:\n",
    ),
    Mutant(
        "a checkpoint is not read again before it is published",
        SAVE,
        "            if not all(holds(temporary / name, body) for name, body in files.items()):\n",
        "            if False:\n",
    ),
    Mutant(
        "a dataset is not read again before it is published",
        ARRAYS,
        "        if stored != header or written.digest() != self._digest.digest():\n",
        "        if False:\n",
    ),
    Mutant(
        "the hash of an array is not looked at",
        "store/datasets.py",
        "    if digest != sha256:\n",
        "    if False:\n",
    ),
    Mutant(
        "a summary is believed though the log does not go so far",
        "store/run_folder.py",
        "    if not _ends_at_offset(fold, run / paths.EVENTS):\n",
        "    if False:\n",
    ),
    # Old and new.
    Mutant(
        "checkpoints are deleted before the new one is published",
        "train/saving.py",
        "        saved = save_checkpoint(self._folder, snapshot)\n",
        "        for old in self._folder.glob('step-*'):\n"
        "            __import__('shutil').rmtree(old)\n"
        "        saved = save_checkpoint(self._folder, snapshot)\n",
    ),
    Mutant(
        "the best checkpoint is deleted as any other",
        SAVE,
        "        if step != best_step:\n",
        "        if True:\n",
    ),
    Mutant(
        "a torn tail of the log is not cut off",
        LOG,
        "            os.ftruncate(self._descriptor, self.size)\n            if whole",
        "            if whole",
    ),
    Mutant(
        "a line without its end is not given it",
        LOG,
        '            if whole and not self._write(b"\\n"):\n',
        "            if False:\n",
    ),
    Mutant(
        "what a failed append left is not cut off",
        LOG,
        "            os.ftruncate(self._descriptor, self.size)\n            self._has_torn_tail",
        "            self._has_torn_tail",
    ),
    Mutant(
        "half an appended line is taken for the whole",
        LOG,
        "            if written == len(content):\n",
        "            if True:\n",
    ),
]
