from .applications import Applications
from .dataset import Dataset
from .opening import open_dataset
from .storage.commit import Commit, File
from .writer import DatasetWriter

__all__ = ["Applications", "Commit", "Dataset", "DatasetWriter", "File", "open_dataset"]
