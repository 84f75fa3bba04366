"""Archives and Parquet files of small pictures, for tests."""

import io
import json
import tarfile
import zipfile

from PIL import Image

from artgraph.contract.context import Context
from artgraph.nodes.load_dataset import load_dataset


def png(colour, size=(20, 20), mode="RGB", **more):
    """The content of a PNG file in one colour."""
    content = io.BytesIO()
    Image.new(mode, size, colour).save(content, "PNG", **more)
    return content.getvalue()


def load(path, **widgets):
    """The dataset of a source, and the lines that were reported."""
    lines = []
    ctx = Context(log=lines.append, warn=lines.append)
    return load_dataset(None, folder=path, size=16, ctx=ctx, **widgets), lines


def by_name(dataset):
    """The class of each picture by its name."""
    labels = dataset.labels.tolist()
    return {n: dataset.classes[label] for n, label in zip(dataset.names, labels, strict=True)}


def write_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def write_zip(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_tar(path, files, packed="", form=tarfile.PAX_FORMAT):
    with tarfile.open(path, f"w:{packed}", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_parquet(path, rows, classes=None):
    """Rows have bytes (or None), a path (or None) and a label."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": content, "path": name} for content, name, _ in rows]
    table = pa.table({"image": pa.array(cells, kind), "label": [label for *_, label in rows]})
    if classes is not None:
        features = {"label": {"names": classes, "_type": "ClassLabel"}}
        about = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": about})
    write_table(table, path)
