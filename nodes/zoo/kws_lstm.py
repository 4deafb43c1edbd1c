"""The recurrent keyword net that S0 announces and never shows (S4 drops it): frames of MFCC into one LSTM."""

from typing import Final

from nodes.zoo.catalogue import Entry, Printed, scaled


def _blocks(width: float, _shape: tuple[int, ...]) -> list[str]:
    """S0 prints no sizes; these are ours."""
    return [f"lstm_c{scaled(128, width)}", "drop_r0.2", "fc_b1"]


ENTRIES: Final = (
    Entry(
        "kws_lstm",
        "One LSTM over the frames and a dense layer",
        "S0, named in its text; sizes are ours",
        "temporal",
        (40, 32),
        10,
        _blocks,
        {1.0: Printed(note="S0 counts three nets and gives no result of this one", slips=(9,))},
    ),
)
