"""Where results are sent: DICOM nodes and drop folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from actors.settings.places import placed_or_none


def _ae_title(value: str) -> str:
    good = 1 <= len(value) <= 16 and value.isascii() and value.isprintable() and "\\" not in value and value.strip()
    if value and not good:
        raise ValueError(f'"{value}" is no AE title: 1 to 16 plain characters without a backslash')
    return value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
"""Application entity title (PS3.5 6.2, VR AE)."""
MaybeFile = Annotated[Path | None, BeforeValidator(placed_or_none)]
Port = Annotated[int, Field(ge=1, le=65535)]


class SendNode(BaseModel):
    """One place to which results are sent."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    kind: Literal["dicom", "folder"] = "dicom"
    """``dicom``: C-STORE of the dose files to a node; ``folder``: the whole result into a folder."""
    when: Literal["accepted", "approved", "ordered"] = "approved"
    """``accepted``: once the result is done with that verdict; ``approved``: once a user approved it; ``ordered``:
    never by itself. ``send CASE`` orders it for any node, within the rules."""
    host: str = ""
    port: Port = 104
    called: AeTitle = ""
    """AE title of the node."""
    ae_title: AeTitle = "MQI"
    """AE title of this program, as the node knows it."""
    tls: bool = False
    ca_file: MaybeFile = None
    """Certificates that the node's is checked against; None: those of this machine."""
    cert_file: MaybeFile = None
    """This program's own certificate, where the node asks for one; ``key_file`` beside it."""
    key_file: MaybeFile = None
    commitment: bool = False
    """The node is asked to say that it keeps what it has taken (Storage Commitment Push Model)."""
    commitment_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of this machine at which the node says so (with TLS where ``tls`` and ``cert_file`` are set); 0: it does on
    the association on which it was asked."""
    commitment_wait_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Its word is waited for so long; then it is asked again later, and again."""
    folder: MaybeFile = None
    """Of kind ``folder``: the result appears as ``<folder>/<case>/``. It must be there: it is never made."""
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """For a connection, and for each answer of the node beside the time that the data take."""
    alarm_after_min: Annotated[float, Field(ge=0, le=1e5)] = 60.0
    """What was tried in vain for so long is an alarm; it is tried on."""
