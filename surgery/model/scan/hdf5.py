"""The HDF5 file of the weights, as `hdf5_walk` describes it: what in it leads elsewhere, or is more than it says."""

from __future__ import annotations

import re

from surgery.model.scan import limits
from surgery.model.scan.hdf5_walk import Description, Entry
from surgery.model.scan.rule import Found, rule
from surgery.model.scan.verdict import Status

FAMILY = "hdf5"

FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32"}
"""Filters that every libhdf5 has built in. The others are read by plugins: libraries that HDF5 loads from disk."""

NUMBERS = {"integer", "float", "enum", "opaque 1-byte", "opaque 2-byte"}
"""HDF5 has no bfloat16 and no float8; Keras stores those as opaque values of their size."""
TEXTS = {"string", "variable string"}


WHOLE = "model_config"
"""The attribute of the root that makes an HDF5 file a whole model."""
READ_OF_WHOLE = ("model_weights", "optimizer_weights")
READ_ATTRIBUTES = re.compile(r"model_config|training_config|keras_version|backend|name|dtype|(layer|weight)_names\d*")


def _is_read(found: Description, entry: Entry) -> bool:
    """Whether Keras or surgery looks at what lies there. Of a whole model that is its weights, of other files everything."""
    return WHOLE not in found.texts or entry.path == "/" or entry.path.split("/")[1] in READ_OF_WHOLE


def _datasets(found: Description) -> list[Entry]:
    return [entry for entry in found.entries if entry.kind == "dataset"]


@rule("hdf5-signature", FAMILY)
def signature(found: Description) -> Found:
    """The file does not begin with the signature of HDF5. HDF5 would look for it further on, behind another kind of file."""
    if not found.has_signature:
        yield "", "the signature of HDF5 is not at the beginning"


@rule("hdf5-damaged", FAMILY, Status.UNCHECKED)
def damaged(found: Description) -> Found:
    """The HDF5 file is cut off or damaged: libhdf5 could not read its structure to the end. Download or save the model
    again."""
    if found.problem:
        yield "", f"the file is damaged: {found.problem}"


@rule("hdf5-too-many-objects", FAMILY)
def too_many_objects(found: Description) -> Found:
    """More than 200,000 groups and datasets, or groups nested more than 64 deep."""
    if found.is_cut:
        yield "", "too many objects, or nested too deep"


@rule("hdf5-soft-link", FAMILY)
def soft_link(found: Description) -> Found:
    """A soft link: one name stands for another place of the file. Keras writes none."""
    for entry in found.entries:
        if entry.kind == "soft":
            yield entry.path, "a soft link"


@rule("hdf5-external-link", FAMILY)
def external_link(found: Description) -> Found:
    """An external link: the object is read from another file of this machine (CVE-2026-1669)."""
    for entry in found.entries:
        if entry.kind == "external":
            yield entry.path, "a link to another file"


@rule("hdf5-user-link", FAMILY)
def user_link(found: Description) -> Found:
    """A link of a kind that a program defines for itself."""
    for entry in found.entries:
        if entry.kind == "user":
            yield entry.path, "a link of an unknown kind"


@rule("hdf5-external-storage", FAMILY)
def external_storage(found: Description) -> Found:
    """A dataset whose values lie in another file: loading the model would read that file into its weights
    (CVE-2026-1669)."""
    for entry in _datasets(found):
        if entry.is_external:
            yield entry.path, "the values lie in another file"


@rule("hdf5-virtual", FAMILY)
def virtual(found: Description) -> Found:
    """A virtual dataset, put together from datasets of other files."""
    for entry in _datasets(found):
        if entry.is_virtual:
            yield entry.path, "the dataset is put together from other files"


@rule("hdf5-filter", FAMILY)
def filters(found: Description) -> Found:
    """A dataset with a filter other than deflate, shuffle or checksum: reading it would load a plugin."""
    for entry in _datasets(found):
        for code in entry.filters if _is_read(found, entry) else ():
            if code not in FILTERS:
                yield entry.path, f"the dataset needs the filter {code}"


@rule("hdf5-type", FAMILY)
def types(found: Description) -> Found:
    """A dataset that holds no numbers: references, variable-length, compound or opaque values. Weights are numbers."""
    for entry in _datasets(found):
        if not entry.is_virtual and not entry.is_external and entry.type not in NUMBERS and _is_read(found, entry):
            yield entry.path, f"the dataset holds {entry.type} values"


@rule("hdf5-named-type", FAMILY)
def named_type(found: Description) -> Found:
    """A stored type definition, or another object that is neither a group nor a dataset."""
    for entry in found.entries:
        if entry.kind == "type" and _is_read(found, entry):
            yield entry.path, "neither a group nor a dataset"


@rule("hdf5-unread", FAMILY, Status.NOTED)
def unread(found: Description) -> Found:
    """A group beside the model's weights, or an attribute, with texts, references or other values that no weights are. Programs keep
    what belongs to a model there. Neither Keras nor surgery reads it, and it is not carried over."""
    for entry in found.entries:
        is_odd = entry.kind == "type" or (
            entry.kind == "dataset" and not entry.is_virtual and entry.type not in NUMBERS
        )
        if not _is_read(found, entry) and (is_odd or any(code not in FILTERS for code in entry.filters)):
            yield entry.path, "nobody reads this, and it is not carried over"
        for attribute in entry.attributes:
            if attribute.type not in NUMBERS | TEXTS and not _is_read_attribute(found, entry, attribute.name):
                yield f"{entry.path}@{attribute.name}", "nobody reads this attribute, and it is not carried over"


def _is_read_attribute(found: Description, entry: Entry, name: str) -> bool:
    return WHOLE not in found.texts or (_is_read(found, entry) and bool(READ_ATTRIBUTES.fullmatch(name)))


@rule("hdf5-alias", FAMILY)
def alias(found: Description) -> Found:
    """Two names lead to one object, or a group holds itself: a walk over the file would not end, or one dataset fills many
    variables."""
    seen: set[int] = set()
    for entry in found.entries:
        if entry.kind in ("group", "dataset"):
            if entry.address in seen or entry.links > 1:
                yield entry.path, "another name leads to the same object"
            seen.add(entry.address)


@rule("hdf5-bomb", FAMILY)
def bomb(found: Description) -> Found:
    """A dataset that declares far more values than the file has bytes for it (CVE-2026-0897)."""
    for entry in _datasets(found):
        if entry.declared > limits.DATASET_FLOOR_BYTES + limits.DATASET_RATIO * entry.stored:
            yield entry.path, f"{entry.stored} bytes claim to become {entry.declared}"


@rule("hdf5-filter-twice", FAMILY)
def filter_twice(found: Description) -> Found:
    """A dataset that goes through the same filter more than once: deflate of deflate makes gigabytes of a few kilobytes."""
    for entry in _datasets(found):
        if len(set(entry.filters)) < len(entry.filters):
            yield entry.path, f"the dataset goes through {', '.join(FILTERS.get(c, str(c)) for c in entry.filters)}"


@rule("hdf5-chunk", FAMILY)
def chunk(found: Description) -> Found:
    """A dataset whose chunks are far larger than itself, or than the bytes that the file has for it: libhdf5 holds a chunk in memory
    as a whole, to read a single number of it. Or one that is cut into a hundred thousand crumbs. Save it again without chunks."""
    for entry in _datasets(found):
        by_size = limits.CHUNK_FLOOR_BYTES + limits.CHUNK_FACTOR * entry.declared
        by_file = limits.CHUNK_STORED_FLOOR_BYTES + limits.CHUNK_STORED_RATIO * entry.stored
        if entry.chunk > min(by_size, by_file):
            yield (
                entry.path,
                f"a chunk of {entry.chunk} bytes, of a dataset of {entry.declared} with {entry.stored} stored",
            )
        elif entry.chunks > limits.CHUNKS and entry.chunk < limits.CRUMB_BYTES:
            yield entry.path, f"{entry.chunks} chunks of {entry.chunk} bytes"


@rule("hdf5-incomplete", FAMILY, Status.UNCHECKED)
def incomplete(found: Description) -> Found:
    """A dataset without a filter whose bytes are not all there, or lie beyond the end of the file."""
    for entry in _datasets(found):
        whole = entry.filters or entry.stored >= entry.declared or entry.is_external or entry.is_virtual
        beyond = entry.offset is not None and entry.stored and entry.offset + entry.stored > found.size
        if not whole or beyond:
            yield entry.path, f"{entry.stored} of {entry.declared} bytes are stored"


@rule("hdf5-overlap", FAMILY)
def overlap(found: Description) -> Found:
    """Datasets that share bytes of the file, or that together are larger than the file."""
    end = 0
    ranges = sorted((entry.offset, entry.stored, entry.path) for entry in _datasets(found) if entry.offset is not None)
    for start, size, path in ranges:
        if start < end and size:
            yield path, "the dataset shares bytes with another one"
        end = max(end, start + size)
    total = sum(entry.stored for entry in _datasets(found))
    if total > found.size:
        yield "/", f"the datasets claim {total} of {found.size} bytes"


@rule("hdf5-name", FAMILY)
def names(found: Description) -> Found:
    """A group or dataset whose name is `.` or `..`, longer than 255 characters, or not printable."""
    for entry in found.entries:
        name = entry.path.rpartition("/")[2]
        if name in (".", "..") or len(name) > limits.NAME_CHARACTERS or not name.isprintable():
            yield entry.path, "the name is a path, too long or not printable"


@rule("hdf5-attribute", FAMILY)
def attributes(found: Description) -> Found:
    """An attribute that holds neither numbers nor text, or megabytes of either, or a thousand attributes on one object."""
    for entry in found.entries:
        if len(entry.attributes) > limits.HDF5_ATTRIBUTES:
            yield entry.path, f"more than {limits.HDF5_ATTRIBUTES} attributes"
        for attribute in entry.attributes:
            is_odd = attribute.type not in NUMBERS | TEXTS and _is_read_attribute(found, entry, attribute.name)
            if is_odd or attribute.size > limits.ATTRIBUTE_BYTES:
                yield f"{entry.path}@{attribute.name}", f"{attribute.size} bytes of {attribute.type} values"
