"""How much of everything a model file may have. Genuine models stay far below; see the tests for the largest of them."""

from __future__ import annotations

MIB = 1 << 20

# The process that reads the file
COMPUTING_SECONDS = 10
"""Of a processor: what never ends keeps one busy, and a busy machine makes nobody's model unsafe."""
WALL_FACTOR = 4
WALL_SECONDS = float(WALL_FACTOR * COMPUTING_SECONDS)
SECONDS_PER_MIB = 4
MORE_SECONDS = 60
"""What a large config adds to the computing: 4 seconds for each MiB that the file has of it, a minute at most. 10,000 layers, of
which Keras writes 4 to 15 MiB, take 5 seconds."""
DATA_BYTES = 160 * MIB
"""Private memory of the child. h5py and numpy alone map 52 MiB, of which a third is touched."""
LOADED_BYTES = 52 * MIB
"""What of it is there before the file is looked at. A copy of a larger process has more of that."""
DATA_PER_CONFIG_BYTE = 32
MOST_DATA_BYTES = 640 * MIB
"""A config that really is so large in the file may take more. One that is compressed counts as what is stored of it."""
ANSWER_BYTES = 24 * MIB
INDEX_BYTES = 16 * MIB
"""Where the variables of a file lie. A file with a longer list is read by whoever uses it."""

# What the verdict tells
FINDINGS_PER_RULE = 20
TEXT_CHARACTERS = 200

# Zip archives and folders
MEMBERS = 10_000
DIRECTORY_BYTES = 4 * MIB
MEMBER_RATIO = 100
RATIO_FLOOR_BYTES = MIB
COMPRESSED_WEIGHTS_BYTES = 48 * MIB
NAME_CHARACTERS = 255
FOLDER_DEPTH = 16

# JSON
JSON_BYTES = 16 * MIB
JSON_DEPTH = 200
JSON_MEMORY_BYTES = 48 * MIB
JSON_MEMORY_PER_BYTE = 12
"""Estimated size of the parsed values, and what each stored byte adds; the deepest nested, most verbose config of
keras.applications needs about a tenth."""
INTEGER_DIGITS = 19

# Objects of a config
METRIC_THRESHOLDS = 10_000
METRIC_CLASSES = 4_096

# Arguments of a call
ARGUMENT_ITEMS = 10_000
ARGUMENT_COUNT = 16 * MIB
"""How often, how far or how wide an operation may be told to repeat, pad or reshape."""

# HDF5
HDF5_OBJECTS = 200_000
HDF5_DEPTH = 64
HDF5_CACHE_BYTES = MIB
"""Of headers that libhdf5 keeps, each of which is looked at once. It would keep 32 MiB."""
HDF5_ATTRIBUTES = 1_000
ATTRIBUTE_BYTES = 4 * MIB
LABEL_BYTES = 1 << 10
"""Of the text that Keras writes at a group or dataset."""
DATASET_RATIO = 100
DATASET_FLOOR_BYTES = 64 << 10
CHUNK_FLOOR_BYTES = MIB
CHUNK_FACTOR = 4
"""Bytes of a chunk for each of its dataset: one that may still grow can be smaller than a chunk."""
CHUNK_STORED_FLOOR_BYTES = 64 * MIB
CHUNK_STORED_RATIO = 16
"""Bytes of a chunk, which is held in memory as a whole, for each that the file has of the dataset."""
CHUNKS = 100_000
CRUMB_BYTES = 1 << 10
"""Chunks of fewer bytes than that may not be more than so many."""
SLACK_ELEMENTS = 16 * MIB
"""Elements that a config may declare beyond the stored ones: 64 MiB of float32."""
STORED_FACTOR = 4
"""Declared elements for each stored one: quantized kernels pack two to a byte."""


def more_seconds(config_bytes: int) -> int:
    """What a config of that size adds to the time."""
    return min(MORE_SECONDS, SECONDS_PER_MIB * config_bytes // MIB)


def more_data(config_bytes: int) -> int:
    """What a config of that size adds to the memory."""
    return min(MOST_DATA_BYTES - DATA_BYTES, DATA_PER_CONFIG_BYTE * config_bytes)
