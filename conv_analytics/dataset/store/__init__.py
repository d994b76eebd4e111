"""Where finished files and the commit log are: on a disk, or in a bucket of an object store.

Both backends do the same few things: put a finished file, create a record unless its name is taken, list, read, delete.
A bucket has no rename and no lock, so the rules of `bucket.BucketStore.create` stand in for both.
"""

from __future__ import annotations
