"""The README's pictures are there, are those that the script makes, say what they show, and are not large."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.pictures import FOLDER, PICTURES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md").read_text(encoding="utf-8"), (FOLDER.parent / "gallery.md").read_text(encoding="utf-8")


def test_the_gallery_shows_every_picture_that_is_made() -> None:
    readme, gallery = (set(re.findall(r"pictures/([\w-]+\.png)", page)) for page in PAGES)
    assert readme
    assert readme <= gallery
    shown = gallery
    made = [file for name, picture in PICTURES.items() for file in picture.names(name)]
    assert sorted(shown) == sorted(made) == sorted(path.name for path in FOLDER.iterdir())


def test_every_picture_says_what_it_shows() -> None:
    _, gallery = (re.findall(r"<img [^>]*pictures/[^>]*>", page) for page in PAGES)
    tags = re.findall(r"<img [^>]*pictures/[^>]*>", "".join(PAGES))
    assert len(gallery) == len(PICTURES)
    for tag in tags:
        alt = re.search(r'alt="([^"]+)"', tag)
        assert alt is not None, tag
        assert len(alt[1]) > 30, "a sentence for those who do not see it"


def test_pictures_are_real_and_small() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert max(sizes.values()) < 150_000, sizes
    assert sum(sizes.values()) < 1_000_000
    for path in FOLDER.iterdir():
        with Image.open(path) as picture:
            assert picture.width > 800
            assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 30
