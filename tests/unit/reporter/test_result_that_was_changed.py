"""A report is made of what was published, and of nothing else: the ledger has the hash of its manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from actors.errors import MqiError
from actors.reporter.published import read_published


@pytest.mark.promise("P25")
def test_a_manifest_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    content = b'{"case": "c"}'
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(MqiError, match="not the file that was published") as caught:
        read_published(tmp_path, hashlib.sha256(b"as it was").hexdigest())
    assert caught.value.fault.kind == "result-changed"
    for known in ("", hashlib.sha256(content).hexdigest()):
        with pytest.raises(MqiError, match="cannot be read"):  # it is the one, and no manifest
            read_published(tmp_path, known)
