from retrieval.catalogue.roots import root_id


def test_a_root_is_added_once(database):
    with database.transaction() as connection:
        known = root_id(connection, "birds")
        new = root_id(connection, "new")
        assert (known, root_id(connection, "disk")) == (1, 2)
        assert new not in (1, 2)
        assert root_id(connection, "new") == new
    with database.transaction() as connection:
        names = connection.exec_driver_sql("SELECT name FROM root ORDER BY id").scalars().all()
    assert names == ["birds", "disk", "new"]
