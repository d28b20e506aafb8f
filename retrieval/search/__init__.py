"""Nearest neighbours among unit vectors, behind one protocol.

`protocol.VectorSearch` is all that the rest of the library knows: row numbers, selections and scores cross it, with
status and problems as records. `vectors` has the truth, the append-only file, which belongs to no engine. Two engines
implement the protocol:

- `exact`, in NumPy: the judge of every other, and the search of small sets;
- `ivf`, a FAISS index in a file beside the vectors, in a package of its own.

Another engine, Milvus on a cluster for example, is an addition: a package `search/milvus/` with a class that has the
protocol's methods, one function in `registry` that makes it, and one line among the engines that
`tests/search/test_contract.py` runs. It gets the rows of a `VectorSource`, is told which are committed and which of
them are dead, and keeps whatever it derives from them in its own way; its parameters leave it only to be shown, as
`SearchStatus.parameters`. It touches neither the catalogue nor the vector file; nor queries, duplicates, indexing and
the command line, which all ask `Store.search`; nor `recall`, which measures any engine. A selection is a mask over row
numbers: an engine outside of this process sends it, or what it derived from it once, as suits it.
"""
