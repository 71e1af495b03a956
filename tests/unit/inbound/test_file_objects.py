from bot.inbound.file_objects import original, thumbnails

PHOTO = {
    "url_private": "https://files.slack.com/files-pri/T1-F1/photo.png",
    "mimetype": "image/png",
    "size": 9_000_000,
    "thumb_64": "https://files.slack.com/files-tmb/T1-F1/photo_64.png",
    "thumb_360": "https://files.slack.com/files-tmb/T1-F1/photo_360.png",
    "thumb_360_w": 360,
    "thumb_360_gif": "https://files.slack.com/files-tmb/T1-F1/photo_360.gif",
    "thumb_720": "https://files.slack.com/files-tmb/T1-F1/photo_720.png",
    "thumb_960": "",
    "thumb_tiny": "AwAw",
}


def test_thumbnails_are_offered_the_largest_first():
    offered = list(thumbnails(PHOTO, max_bytes=5))
    assert [source.url.rpartition("_")[2] for source in offered] == ["720.png", "360.png"]
    assert {(source.size, source.max_bytes) for source in offered} == {(0, 5)}


def test_a_file_without_thumbnails_has_none():
    assert list(thumbnails({"thumb_1024": 7}, max_bytes=5)) == []


def test_a_file_is_read_as_what_slack_says_it_is():
    source = original(PHOTO, max_bytes=5)
    assert (source.url, source.mimetype, source.size) == (
        PHOTO["url_private"],
        "image/png",
        9_000_000,
    )


def test_a_canvas_comes_as_a_page_of_a_size_that_nobody_knows():
    source = original({"mimetype": "application/vnd.slack-docs", "size": 77}, max_bytes=5)
    assert (source.mimetype, source.size) == ("text/html", 0)
