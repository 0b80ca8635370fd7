from accel.replacing import replaced


def test_a_file_is_replaced_and_its_folder_made(tmp_path):
    file = tmp_path / "cache" / "known.json"
    for contents in (b"old", b"new"):
        replaced(file, contents)
        assert file.read_bytes() == contents
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    taken = tmp_path / "known.json"
    taken.mkdir()
    replaced(taken, b"new")
    assert list(tmp_path.iterdir()) == [taken] and not list(taken.iterdir())
