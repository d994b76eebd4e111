from .applications import Applications
from .dataset import Dataset
from .opening import open_dataset
from .parts.map_conversations import map_conversations
from .storage.commit import Commit, File
from .writer import DatasetWriter

__all__ = ["Applications", "Commit", "Dataset", "DatasetWriter", "File", "map_conversations", "open_dataset"]
