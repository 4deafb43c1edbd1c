"""What went wrong with a broker, in three parts."""

import socket
import ssl
from typing import Final

from paho.mqtt.reasoncodes import ReasonCode

from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.message import Message

_LOGIN_REFUSED: Final = ("Bad user name or password", "Not authorized", "Bad authentication method", "Banned")
_PASSING: Final = ("Server unavailable", "Server busy", "Quota exceeded", "Connection rate exceeded")


def unreachable(error: OSError | ValueError, broker: Broker, access: Access) -> HubError:
    """No connection: by certificate, TLS, name, address, or time."""
    match error:
        case ssl.SSLCertVerificationError():
            trusted = f"signed by {access.ca_file}" if access.ca_file else "signed by an authority of this system"
            return HubError(
                f"the certificate of {broker} is not trusted ({error.verify_message})",
                f"a valid certificate for {broker.host}, {trusted}",
                "Set ca_file to the CA of this broker, or use the host name its certificate carries",
            )
        case ssl.SSLError():
            return HubError(
                f"{broker} does not speak TLS on this port ({error.reason or error})",
                "a TLS listener (usually port 8883)",
                "Correct the port, or write mqtt:// to send without encryption",
            )
        case ConnectionResetError():
            return cut_off(broker, "took the connection", None)
        case socket.gaierror():
            return HubError(
                f"the host {broker.host} is not known ({error.strerror})",
                "a host name or address on your network",
                "Correct the address, or check the network",
                is_final=False,
            )
        case TimeoutError():
            return HubError(
                f"{broker} did not answer in time",
                "a broker that accepts connections",
                "Check host, port and firewall, or raise timeout_s",
                is_final=False,
            )
    return HubError(
        f"{broker} refused the connection ({error})",
        "a running MQTT broker at this address",
        "Start the broker or correct the address; an empty address writes to a local file instead",
        is_final=False,
    )


def refused(reason: ReasonCode, broker: Broker, access: Access) -> HubError:
    """The broker said no to the login."""
    name = reason.getName()
    if name in _LOGIN_REFUSED:
        who = f"user {access.user}" if access.user else "a client without a user"
        return HubError(
            f"{broker} refused {who} ({name})",
            "a user and password that the broker knows",
            "Correct user, and the secret that password names",
        )
    if name == "Unsupported protocol version":
        return HubError(
            f"{broker} does not speak MQTT {access.version}", "a broker of that version", "Set mqtt_version to 3.1.1"
        )
    return HubError(
        f"{broker} refused the connection ({name})",
        "an accepted connection",
        "Look at the broker's log",
        is_final=name not in _PASSING,
    )


def topic_refused(reason: ReasonCode, message: Message, broker: Broker, access: Access) -> HubError:
    """The broker said no to a message's topic."""
    name = reason.getName()
    return HubError(
        f"{broker} refused a message on {message.topic} ({name})",
        f"the right of user {access.user or '(none)'} to write to that topic",
        "Allow it in the broker's access list, or change topic_prefix or device",
        is_final=name not in _PASSING,
    )


def cut_off(broker: Broker, wanted: str, farewell: ReasonCode | None) -> HubError:
    """The broker ended the connection."""
    hint = f"write {'mqtt://' if broker.tls else 'mqtts://'} if this port speaks {'no ' if broker.tls else ''}TLS"
    return HubError(
        f"{broker} closed the connection before it {wanted} ({farewell.getName() if farewell else 'no reason given'})",
        "an MQTT broker that answers",
        f"Look at the broker's log; {hint}",
        is_final=False,
    )


def silent(broker: Broker, wanted: str, answer_s: float) -> HubError:
    """The broker does not answer."""
    return HubError(
        f"{broker} has not {wanted} within {answer_s:g} s",
        "an MQTT broker that answers",
        "Check the address and the broker, or raise timeout_s",
        is_final=False,
    )
