"""Tables that name image files: the images are the inputs, the table tells their labels."""

from __future__ import annotations

from collections.abc import Mapping

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.images.files import open_image_files
from tui_trainer.data.prepare.source import ReadySource, stamp_files
from tui_trainer.data.prepare.tables.chunks import Table, iterate_chunks
from tui_trainer.data.prepare.tables.columns import NAME_LENGTH, texts_of
from tui_trainer.data.prepare.tables.roles import IMAGE_NAMES, Roles
from tui_trainer.data.prepare.tables.row_listing import RowListing
from tui_trainer.data.prepare.tables.survey import row_prefix

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")


def find_image_column(table: Table, roles: Roles) -> int | None:
    """The column that names image files, if there is one.

    It is the only input that a person named, or is called so, and most of its first values end as
    the names of images do.
    """
    candidates = [
        place
        for place in roles.inputs
        if (roles.is_chosen and len(roles.inputs) == 1)
        or (table.has_header and table.names[place].lower() in IMAGE_NAMES)
    ]
    for place in candidates:
        table.select((place,))
        chunk = table.read(table.start)
        texts = [text for text in texts_of(chunk.columns[place]) if text] if chunk else []
        images = sum(text.lower().endswith(_ENDINGS) for text in texts)
        if texts and 2 * images > len(texts):
            return place
    return None


def open_image_table(
    tables: Mapping[str, Table],
    roles: Roles,
    column: int,
    title: str,
    preparation: PreparationConfig,
) -> ReadySource:
    """The images that tables name, by paths that begin beside the table.

    Raises:
        DatasetError: nothing can be learnt from them.
    """
    paths = [table.path for table in tables.values()]
    stamps = stamp_files(*paths)
    names = next(iter(tables.values())).names
    listing = RowListing(roles, names, preparation.task)
    files: list[str] = []
    for split, table in tables.items():
        used = {column, *roles.labels, *(() if roles.split is None else (roles.split,))}
        table.select(tuple(sorted(used)))
        listing.begin(row_prefix(table, tables))
        for _, chunk in iterate_chunks(table):
            found = texts_of(chunk.columns[column])
            unnamed = {place: "it names no image" for place, name in enumerate(found) if not name}
            listing.add(chunk, split, unnamed)
            files += found
    listed = listing.finish()
    where = " and ".join(sanitize(path.name, limit=NAME_LENGTH) for path in paths)
    note = f"; {roles.note}" if roles.note else ""
    return open_image_files(
        paths[0].parent,
        [file for file, kept in zip(files, listed.kept_R, strict=True) if kept],
        listed.labels_N,
        task=listed.meaning.task,
        classes=listed.meaning.classes,
        targets=listed.meaning.targets,
        title=title,
        origin=f"images named by {where}{note}",
        preparation=preparation,
        splits_N=listed.splits_N,
        stamps=stamps,
        skipped=listed.skipped,
    )
