"""An OCI layout as files: its manifests, and an image unpacked as a container engine would.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md. Every blob is read by its digest and held
against it.
"""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile


class Image:
    """An image of a layout, by its tag."""

    def __init__(self, layout, tag):
        self.layout = pathlib.Path(layout)
        index = json.loads((self.layout / "index.json").read_text(encoding="utf-8"))
        (entry,) = [
            it for it in index["manifests"] if it["annotations"]["org.opencontainers.image.ref.name"] == tag
        ]
        self.digest = entry["digest"]
        self.manifest = json.loads(self.blob(self.digest))
        self.config = json.loads(self.blob(self.manifest["config"]["digest"]))

    def blob(self, digest):
        kind, value = digest.split(":")
        found = (self.layout / "blobs" / kind / value).read_bytes()
        assert hashlib.sha256(found).hexdigest() == value, digest
        return found

    def layers(self):
        for layer in self.manifest["layers"]:
            found = self.blob(layer["digest"])
            if layer["mediaType"].endswith("+gzip"):
                found = gzip.decompress(found)
            yield tarfile.open(fileobj=io.BytesIO(found))

    def entries(self):
        """Every path of every layer, the last one's word."""
        return {"/" + it.name.strip("/"): it for layer in self.layers() for it in layer.getmembers()}

    def size(self):
        return sum(layer["size"] for layer in self.manifest["layers"])

    def unpack(self, folder):
        """Writes the image's files with their owners and modes; only root can."""
        folder = pathlib.Path(folder)
        for layer in self.layers():
            layer.extractall(folder, numeric_owner=True, filter="tar")
        return folder
