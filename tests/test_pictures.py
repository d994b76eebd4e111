"""The README's pictures are there, are those that the script makes, say what they show, and are not large."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.pictures import FOLDER, PICTURES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_every_picture_that_is_made() -> None:
    shown = re.findall(r"notebooks/reference/pictures/([\w-]+\.png)", README)
    made = [file for name, picture in PICTURES.items() for file in picture.names(name)]
    assert sorted(shown) == sorted(made) == sorted(path.name for path in FOLDER.iterdir())


def test_every_picture_says_what_it_shows() -> None:
    tags = re.findall(r"<img [^>]*pictures/[^>]*>", README)
    assert len(tags) == len(PICTURES)
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
