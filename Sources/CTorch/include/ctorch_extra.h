// Entries of the shim beyond plain tensor operations: file formats and fused kernels.
#ifndef BULWARK_CTORCH_EXTRA_H
#define BULWARK_CTORCH_EXTRA_H

#define BW_EXTRA_FUNCTIONS(F)                                                                      \
  /* every step of `program` (8 numbers each) on every sample; see augment.cpp */                  \
  F(augment, bw_tensor images, bw_tensor parameters, const int64_t *program, int32_t steps,        \
    const float *constants, int32_t constant_count, bw_tensor _Nullable *_Nonnull out)

#endif
