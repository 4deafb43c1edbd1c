"""Names of the models as a type, so that forms and commands can offer them; a test keeps it equal to `models()`."""

from typing import Literal

ModelName = Literal[
    "tc_resnet8",
    "tc_resnet14",
    "resnet8_2d",
    "resnet8_2d_pool",
    "seed_cnn",
    "seed_cnn_unstrided",
    "ds_cnn",
    "ds_cnn_unstrided",
    "kws1",
    "kws1_unstrided",
    "ds_kws1",
    "ds_kws1_unstrided",
    "kws3",
    "kws3_unstrided",
    "ds_kws3",
    "ds_kws3_unstrided",
    "kws9",
    "kws9_unstrided",
    "ds_kws9",
    "ds_kws9_unstrided",
    "ds_cnn_s",
    "ds_cnn_m",
    "ds_cnn_l",
    "cnn_1",
    "cnn_2",
]
