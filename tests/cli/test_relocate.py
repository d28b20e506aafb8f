from calling import call


def test_relocate(indexed):
    (indexed / "archive").rename(indexed / "moved")
    gone = call("index")
    assert (gone.exit_code, "retrieval relocate archive" in gone.stderr) == (1, True)
    assert call("relocate", "archive", "moved").exit_code == 0
    assert "12" in call("index").stdout
    assert "unchanged         12" in call("index").stdout
    unknown = call("relocate", "brids", "moved")
    assert (unknown.exit_code, "its roots are: archive" in unknown.stderr) == (1, True)
