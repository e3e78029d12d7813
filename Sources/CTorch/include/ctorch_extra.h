// Entries of the shim beyond plain tensor operations: file formats and fused kernels.
#ifndef BULWARK_CTORCH_EXTRA_H
#define BULWARK_CTORCH_EXTRA_H

#define BW_EXTRA_FUNCTIONS(F)                                                                      \
  /* every step of `program` (8 numbers each) on every sample; see augment.cpp */                  \
  F(augment, bw_tensor images, bw_tensor parameters, const int64_t *program, int32_t steps,        \
    const float *constants, int32_t constant_count, bw_tensor _Nullable *_Nonnull out)             \
  /* 8-bit integers; `ranges` holds smallest and largest input and output; see integers.cpp */     \
  F(integer_weights, bw_tensor weight, bw_tensor _Nullable *_Nonnull out)                          \
  F(integer_conv2d, bw_tensor x, bw_tensor weight, bw_tensor _Nullable bias, int64_t stride,       \
    int64_t padding, const double *ranges, bw_tensor _Nullable *_Nonnull out)                      \
  F(integer_linear, bw_tensor x, bw_tensor weight, bw_tensor _Nullable bias,                       \
    const double *ranges, bw_tensor _Nullable *_Nonnull out)

#endif
