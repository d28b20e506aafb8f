from catalogues import contents, reindex, sql


def test_copies_name_every_file_of_a_content(store):
    by_name = contents(store)
    assert by_name["000.jpg"] == by_name["copy.jpg"]
    assert store.catalogue.contents.repeated().tolist() == [by_name["000.jpg"]]
    found = list(store.catalogue.copies.of([by_name["000.jpg"], by_name["deep/last.png"]]))
    assert sorted(copy.relative for copy in found) == ["000.jpg", "copy.jpg", "deep/last.png"]
    [png] = [copy for copy in found if copy.format == "PNG"]
    assert (png.root, png.width, png.height, png.camera, png.taken_at) == ("archive", 96, 64, None, None)
    assert png.size > 0
    assert png.mtime_ns > 0
    assert [copy.relative for copy in store.catalogue.copies.with_hash(found[0].hash)] == ["000.jpg", "copy.jpg"]
    assert [copy.relative for copy in store.catalogue.copies.of_format("PNG")] == ["deep/last.png"]
    assert [copy.relative for copy in store.catalogue.copies.at("archive", ["deep/last.png", "none.png"])] == [
        "deep/last.png"
    ]
    assert store.catalogue.copies.at("archive", []) == []
    assert list(store.catalogue.copies.of([])) == []
    assert list(store.catalogue.copies.timed()) == []


def test_photos_that_are_gone_are_no_copies(store, index, tmp_path):
    reindex(index, tmp_path / "archive" / "copy.jpg", tmp_path / "archive" / "deep" / "last.png")
    assert store.catalogue.contents.repeated().tolist() == []
    assert store.catalogue.copies.of_format("PNG") == []
    assert store.catalogue.copies.at("archive", ["copy.jpg"]) == []
    [copy] = store.catalogue.copies.at("archive", ["000.jpg"])
    assert [other.relative for other in store.catalogue.copies.with_hash(copy.hash)] == ["000.jpg"]


def test_many_contents_at_once(store):
    ids = [*store.catalogue.contents.live()[0].tolist(), *range(10_000, 12_000)]
    assert len(list(store.catalogue.copies.of(ids))) == 7
    assert len(store.catalogue.previews.of(ids)) == 6


def test_photos_with_a_time_and_a_camera_come_in_the_order_of_bursts(store):
    by_name = contents(store)
    for name, camera, taken_at in (
        ("001.jpg", "Nikon", "2021-01-01T00:00:01.500"),
        ("002.jpg", "Canon", "2021-01-01T00:00:02.000"),
        ("003.jpg", "Canon", "2021-01-01T00:00:01.900"),
        ("004.jpg", "Canon", None),
        ("deep/last.png", None, "2021-01-01T00:00:01.000"),
    ):
        sql(store.folder, "UPDATE content SET camera = ?, taken_at = ? WHERE id = ?", camera, taken_at, by_name[name])
    assert [copy.relative for copy in store.catalogue.copies.timed()] == ["003.jpg", "002.jpg", "001.jpg"]
