from .dataset import Dataset, open_dataset
from .storage.commit import Commit, File
from .writer import DatasetWriter

__all__ = ["Commit", "Dataset", "DatasetWriter", "File", "open_dataset"]
