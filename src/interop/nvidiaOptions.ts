// The constructor options of NVIDIA's StyleGAN2 classes (stylegan2-ada-pytorch and stylegan3), which their pickles
// keep beside the weights. What they change shows in shapes and attributes, which `nvidia.ts` checks; precision,
// memory order and frozen layers change no function. An option of another name comes from changed code, which may
// compute something else with the same weights.

const conv = ["in_channels", "out_channels", "kernel_size", "conv_clamp", "channels_last"];
const filtered = ["activation", "up", "resample_filter"];
const synthesisLayer = [...conv, ...filtered, "w_dim", "resolution", "use_noise"];
const picture = ["img_resolution", "img_channels"];
const halves = ["use_fp16", "fp16_channels_last"];
const synthesisBlock = [
  ...synthesisLayer,
  ...halves,
  ...["img_channels", "is_last", "architecture", "fused_modconv_default"],
];
const channels = ["channel_base", "channel_max", "num_fp16_res"];
const synthesis = [...synthesisBlock, ...channels, "img_resolution"];
const discriminatorEnd = [
  "cmap_dim",
  "resolution",
  "img_channels",
  "architecture",
  "activation",
  "conv_clamp",
];

/** Options that each class takes; one that hands options on takes those of what it builds, too. */
export const knownOptions: Readonly<Record<string, ReadonlySet<string>>> = Object.fromEntries(
  Object.entries({
    // stylegan3 hands the synthesis network's options on as its own, stylegan2-ada-pytorch in a dictionary.
    Generator: ["z_dim", "c_dim", "w_dim", "mapping_kwargs", "synthesis_kwargs", ...picture, ...synthesis],
    MappingNetwork: [
      ...["z_dim", "c_dim", "w_dim", "num_ws", "num_layers", "embed_features", "layer_features"],
      ...["activation", "lr_multiplier", "w_avg_beta"],
    ],
    SynthesisNetwork: synthesis,
    SynthesisBlock: synthesisBlock,
    SynthesisLayer: synthesisLayer,
    ToRGBLayer: [...conv, "w_dim"],
    FullyConnectedLayer: ["in_features", "out_features", "bias", "activation", "lr_multiplier", "bias_init"],
    Conv2dLayer: [...conv, ...filtered, "bias", "down", "trainable"],
    Discriminator: [
      ...["c_dim", "cmap_dim", "architecture", "conv_clamp", ...picture, ...channels],
      ...["block_kwargs", "mapping_kwargs", "epilogue_kwargs"],
    ],
    DiscriminatorBlock: [
      ...["in_channels", "tmp_channels", "out_channels", "resolution", "img_channels", "first_layer_idx"],
      ...["architecture", "activation", "resample_filter", "conv_clamp", "freeze_layers", ...halves],
    ],
    DiscriminatorEpilogue: ["in_channels", "mbstd_group_size", "mbstd_num_channels", ...discriminatorEnd],
    MinibatchStdLayer: ["group_size", "num_channels"],
  }).map(([className, names]) => [className, new Set(names)]),
);
