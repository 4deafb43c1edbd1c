"""Names that forms and the command line offer for training. Nothing but types, so that nodes load fast.

Tests keep them equal to the models of the zoo, the recipes and the augmentations.
"""

from typing import Literal

RecipeName = Literal[
    "modern", "s0", "s1", "s1_cnn1", "s1_cnn2", "s1_ds_cnn", "s1_res", "s2", "s3", "s4", "s4_ds_kws"
]  # fmt: skip
AugmentationName = Literal["none", "paper", "modern", "pitch", "s2", "s2_cutmix", "s2_specaugment"]
Optimizer = Literal["sgd", "adam", "adamw", "adadelta"]
Selection = Literal["best", "last"]
Balance = Literal["none", "repeat", "weights"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "tf32", "bfloat16", "float16"]
Compile = Literal["auto", "on", "off"]
Noise = Literal["none", "level", "snr"]
Policy = Literal["even", "sap"]

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
    "bc_resnet",
]
