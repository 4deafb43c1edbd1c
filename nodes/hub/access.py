"""How a client logs in to a broker: name and password or a certificate, and whom it trusts."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError

Version = Literal["5", "3.1.1"]
_VERSIONS: Final = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


@dataclass(frozen=True)
class Access:
    """How to log in. Without a CA file the system's certificate authorities count."""

    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_id: str = "ossicle"
    version: Version = "5"


def make_client(broker: Broker, access: Access, *, reconnects: bool = False) -> paho.Client:
    """A client that has not connected yet and keeps no session at the broker.

    Raises:
        HubError: a certificate or key file cannot be used.
    """
    version = _VERSIONS[access.version]
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        access.client_id,
        clean_session=True if access.version == "3.1.1" else None,
        protocol=version,
        reconnect_on_failure=reconnects,
    )
    if access.user or access.password:
        client.username_pw_set(access.user, access.password or None)
    if broker.tls:
        client.tls_set_context(tls_context(access))
    return client


def tls_context(access: Access) -> ssl.SSLContext:
    """Whom to trust, and with which certificate to prove who we are.

    Raises:
        HubError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise HubError(
            f"the CA file {access.ca_file} cannot be used ({error})",
            "a file with PEM certificates",
            "Correct ca_file, or leave it empty to trust the system's authorities",
        ) from error
    if access.cert_file is not None:
        try:
            context.load_cert_chain(access.cert_file, access.key_file)
        except (OSError, ssl.SSLError) as error:
            raise HubError(
                f"the certificate {access.cert_file} cannot be used ({error})",
                "a PEM certificate and its key, readable by you",
                "Correct cert_file and key_file",
            ) from error
    return context
