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
    "res8",
    "res8_unstrided",
    "res15",
    "res8_narrow",
    "res8_narrow_unstrided",
    "res15_narrow",
    "matchboxnet_3x1x64",
    "matchboxnet_3x2x64",
    "kws_lstm",
    "vggish",
    "vggish_lstm",
    "vggish_rnn",
    "m70m",
    "m70m_lstm",
    "m70m_rnn",
    "m20m",
    "m20m_lstm",
    "m20m_rnn",
    "m2m",
    "m2m_lstm",
    "m2m_rnn",
    "m200k",
    "m200k_lstm",
    "m200k_rnn",
    "m20k",
    "m20k_lstm",
    "m20k_rnn",
    "m20k_rnn_pad3x3",
    "deepspectrum_densenet121",
    "deepspectrum_mobilenet_v2",
    "deepspectrum_squeezenet1_0",
    "deepspectrum_squeezenet1_1",
    "deepspectrum_resnet50",
    "deepspectrum_efficientnet_b0",
]
