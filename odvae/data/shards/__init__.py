"""Videos in WebDataset tars, local or by URL: found, fetched, split, drawn from, and written."""

from odvae.data.shards.cache import ShardCache
from odvae.data.shards.clips import ShardClips
from odvae.data.shards.collection import Shard, ShardSet, open_shards
from odvae.data.shards.download import Retry
from odvae.data.shards.index import Sample, ShardEntry
from odvae.data.shards.packing import Reencode
from odvae.data.shards.source import ShardSource, extract_videos, open_shard_source
from odvae.data.shards.writer import ShardWriter, Written

__all__ = [
    "Reencode",
    "Retry",
    "Sample",
    "Shard",
    "ShardCache",
    "ShardClips",
    "ShardEntry",
    "ShardSet",
    "ShardSource",
    "ShardWriter",
    "Written",
    "extract_videos",
    "open_shard_source",
    "open_shards",
]
