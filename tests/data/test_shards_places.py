"""Which shards a text names."""

from pathlib import Path

import pytest

from odvae.data.shards.places import Place, expand_braces, find_places
from odvae.errors import UserError


def test_braces() -> None:
    assert expand_braces("plain") == ["plain"]
    assert expand_braces("a{08..10}{x,y}.tar") == [
        f"a{number}{letter}.tar" for number in ("08", "09", "10") for letter in "xy"
    ]
    assert expand_braces("{7..11}") == ["7", "8", "9", "10", "11"]


@pytest.mark.parametrize("pattern", ["{3..1}", "{0..9999999}", "{0..9999}{0..9999}"])
def test_impossible_braces_are_refused(pattern: str) -> None:
    with pytest.raises(UserError, match=r"range|shards"):
        expand_braces(pattern)


def test_urls() -> None:
    first, last = find_places("http://host:8/a/{000..001}.tar?token=%2F")
    assert first.is_remote and first.name == "000.tar"
    assert last.beside("index.json") == Place("http://host:8/a/index.json")


def test_local_places(tmp_path: Path) -> None:
    for name in ("b.tar", "a.tar", "c.txt"):
        (tmp_path / name).touch()
    a, b = (Place(str(tmp_path / name)) for name in ("a.tar", "b.tar"))
    assert find_places(str(tmp_path)) == [a, b]
    assert find_places(str(tmp_path / "{b,a}.tar")) == [b, a]
    listed = tmp_path / "list.txt"
    listed.write_text("b.tar  # this one first\n\nhttp://h/{0..1}.tar\n" + f"{a}\n")
    remote = [Place("http://h/0.tar"), Place("http://h/1.tar")]
    assert find_places(str(listed)) == [b, *remote, a]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere.tar\n", "nowhere.tar: no such shard"),
        ("a.tar\na.tar\n", "names the shard .*a.tar 2 times"),
        ("a.tar.gz\n", "uncompressed"),
        ("# nothing\n", "names no shard"),
    ],
)
def test_bad_lists_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.tar").touch()
    (tmp_path / "a.tar.gz").touch()
    (tmp_path / "list").write_text(text)
    with pytest.raises(UserError, match=said):
        find_places(str(tmp_path / "list"))
