"""Records as text for people and programs: tables, TSV, CSV, JSON, JSON lines and bare paths.

Every function here takes a record of the library and returns a `View`; `render` writes a view in the format that a
`Layout` asks for, chunk by chunk. Printing the chunks, or sending them to a browser, is left to the edge:

    from retrieval import Index
    from retrieval.present.answers import answers
    from retrieval.present.view import Layout, render

    with Index.open("indexes/birds") as index:
        layout = Layout("json")
        page = "".join(render(answers([index.query("bird.jpg")], layout), layout))

A page needs no more than `Index`, the records that it returns, and this package. Another format is one more branch of
`render`; another kind of record is one more function that returns a `View`.
"""
