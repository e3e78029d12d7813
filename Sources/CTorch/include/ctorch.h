// The whole border between Swift and LibTorch, as one list.
//
// Every entry returns 0 on success and 1 on failure; after a failure `last_error` gives the message
// of this thread. Tensors are opaque handles that own one reference and are released by `free`.
// Sizes are int64_t. The list is an X-macro: the same lines make the table of function pointers
// that Swift calls (bw_api) and the declarations that the shim library implements (CTorchShim).
#ifndef BULWARK_CTORCH_H
#define BULWARK_CTORCH_H

#include <stdint.h>

#include "ctorch_extra.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

/// Number of this interface. Raised whenever an entry is added, removed or changed, so that a
/// shim library of another build is refused instead of misread.
#define BW_ABI_VERSION 7

typedef struct bw_tensor_s *bw_tensor;
typedef int32_t bw_status;

/// Element-wise functions of one tensor (`unary`).
typedef enum : int32_t {
  BW_NEG, BW_ABS, BW_EXP, BW_LOG, BW_SQRT, BW_SQUARE, BW_RELU, BW_TANH, BW_SIGMOID, BW_FLOOR,
  BW_ROUND, BW_SIN, BW_COS, BW_SIGN, BW_LOG1P, BW_RECIPROCAL, BW_IS_FINITE, BW_LOGICAL_NOT,
  BW_ERFINV, BW_SOFTPLUS,
} bw_unary_op;

/// Element-wise functions of two tensors, with broadcasting (`binary`, `binary_scalar`).
typedef enum : int32_t {
  BW_ADD, BW_SUB, BW_MUL, BW_DIV, BW_POW, BW_MAXIMUM, BW_MINIMUM, BW_EQ, BW_NE, BW_LT, BW_LE,
  BW_GT, BW_GE, BW_REMAINDER, BW_FLOOR_DIV, BW_LOGICAL_AND, BW_LOGICAL_OR, BW_ATAN2,
} bw_binary_op;

/// Reductions over dimensions (`reduce`); no dimensions means all.
typedef enum : int32_t { BW_SUM, BW_MEAN, BW_AMAX, BW_AMIN, BW_LOGSUMEXP, BW_VAR, BW_NORM2 } bw_reduction_op;

/// Layouts in memory (`contiguous`).
typedef enum : int32_t { BW_CONTIGUOUS, BW_CHANNELS_LAST } bw_layout;

// F(name, parameters)
#define BW_FUNCTIONS(F)                                                                            \
  /* process */                                                                                    \
  F(set_threads, int32_t count)                                                                    \
  F(get_threads, int32_t *count)                                                                   \
  F(torch_version, const char *_Nonnull *_Nonnull out)                                             \
  F(cpu_features, int32_t *amx_bf16)                                                               \
  F(keep_large_blocks, int32_t enabled)                                                            \
  F(cuda_load, const char *path, int32_t *devices)                                                 \
  F(synchronize, int32_t device)                                                                   \
  /* creation and handles; device: -1 is the CPU, n >= 0 CUDA device n */                          \
  F(empty, const int64_t *shape, int32_t rank, int32_t dtype, int32_t device,                      \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(full, const int64_t *shape, int32_t rank, double value, int32_t dtype, int32_t device,         \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(arange, int64_t count, int32_t dtype, bw_tensor _Nullable *_Nonnull out)                       \
  F(free, bw_tensor tensor)                                                                        \
  F(alias, bw_tensor tensor, bw_tensor _Nullable *_Nonnull out)                                    \
  F(rank, bw_tensor tensor, int32_t *out)                                                          \
  F(shape, bw_tensor tensor, int64_t *out)                                                         \
  F(dtype, bw_tensor tensor, int32_t *out)                                                         \
  F(device, bw_tensor tensor, int32_t *out)                                                        \
  F(data, bw_tensor tensor, void *_Nullable *_Nonnull out, int64_t *bytes)                         \
  F(item, bw_tensor tensor, double *out)                                                           \
  F(to_dtype, bw_tensor tensor, int32_t dtype, bw_tensor _Nullable *_Nonnull out)                  \
  F(to_device, bw_tensor tensor, int32_t device, bw_tensor _Nullable *_Nonnull out)                \
  F(contiguous, bw_tensor tensor, bw_layout layout, bw_tensor _Nullable *_Nonnull out)             \
  F(clone, bw_tensor tensor, bw_tensor _Nullable *_Nonnull out)                                    \
  F(detach, bw_tensor tensor, bw_tensor _Nullable *_Nonnull out)                                   \
  F(copy_into, bw_tensor target, bw_tensor source)                                                 \
  F(fill, bw_tensor target, double value)                                                          \
  F(lerp_into, bw_tensor target, bw_tensor end, double weight)                                     \
  F(set_layout, bw_tensor tensor, bw_layout layout)                                                \
  /* autograd */                                                                                   \
  F(set_requires_grad, bw_tensor tensor, int32_t value)                                            \
  F(requires_grad, bw_tensor tensor, int32_t *out)                                                 \
  F(grad, bw_tensor tensor, bw_tensor _Nullable *_Nonnull out)                                     \
  F(clear_grad, bw_tensor tensor)                                                                  \
  F(backward, bw_tensor tensor)                                                                    \
  F(gradients, bw_tensor output, const bw_tensor _Nonnull *_Nonnull inputs, int32_t count,         \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(set_grad_mode, int32_t enabled, int32_t *previous)                                             \
  F(set_autocast, int32_t device_is_cuda, int32_t enabled, int32_t *previous)                      \
  /* element-wise */                                                                               \
  F(unary, bw_unary_op op, bw_tensor a, bw_tensor _Nullable *_Nonnull out)                            \
  F(binary, bw_binary_op op, bw_tensor a, bw_tensor b, bw_tensor _Nullable *_Nonnull out)             \
  F(binary_scalar, bw_binary_op op, bw_tensor a, double b, bw_tensor _Nullable *_Nonnull out)         \
  F(clamp, bw_tensor a, double low, double high, bw_tensor _Nullable *_Nonnull out)                \
  F(where, bw_tensor condition, bw_tensor a, bw_tensor b, bw_tensor _Nullable *_Nonnull out)       \
  /* reductions and order */                                                                       \
  F(reduce, bw_reduction_op op, bw_tensor a, const int64_t *dims, int32_t count, int32_t keep,        \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(argmax, bw_tensor a, int64_t dim, bw_tensor _Nullable *_Nonnull out)                           \
  F(argsort, bw_tensor a, int64_t dim, int32_t descending, bw_tensor _Nullable *_Nonnull out)      \
  F(top_k, bw_tensor a, int64_t k, int64_t dim, int32_t largest,                                   \
    bw_tensor _Nullable *_Nonnull values, bw_tensor _Nullable *_Nonnull indices)                   \
  F(cumsum, bw_tensor a, int64_t dim, bw_tensor _Nullable *_Nonnull out)                           \
  F(softmax, bw_tensor a, int64_t dim, int32_t logarithm, bw_tensor _Nullable *_Nonnull out)       \
  F(eigh, bw_tensor a, bw_tensor _Nullable *_Nonnull values,                                       \
    bw_tensor _Nullable *_Nonnull vectors)                                                         \
  /* shape */                                                                                      \
  F(reshape, bw_tensor a, const int64_t *shape, int32_t rank, bw_tensor _Nullable *_Nonnull out)   \
  F(permute, bw_tensor a, const int64_t *dims, int32_t rank, bw_tensor _Nullable *_Nonnull out)    \
  F(expand, bw_tensor a, const int64_t *shape, int32_t rank, bw_tensor _Nullable *_Nonnull out)    \
  F(narrow, bw_tensor a, int64_t dim, int64_t start, int64_t length,                               \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(flip, bw_tensor a, const int64_t *dims, int32_t count, bw_tensor _Nullable *_Nonnull out)      \
  F(roll, bw_tensor a, int64_t shift, int64_t dim, bw_tensor _Nullable *_Nonnull out)              \
  F(cat, const bw_tensor _Nonnull *_Nonnull tensors, int32_t count, int64_t dim,                   \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(stack, const bw_tensor _Nonnull *_Nonnull tensors, int32_t count, int64_t dim,                 \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(index_select, bw_tensor a, int64_t dim, bw_tensor indices, bw_tensor _Nullable *_Nonnull out)  \
  F(gather, bw_tensor a, int64_t dim, bw_tensor indices, bw_tensor _Nullable *_Nonnull out)        \
  F(scatter, bw_tensor a, int64_t dim, bw_tensor indices, bw_tensor source,                        \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(one_hot, bw_tensor indices, int64_t classes, bw_tensor _Nullable *_Nonnull out)                \
  F(nonzero, bw_tensor a, bw_tensor _Nullable *_Nonnull out)                                       \
  /* linear algebra and layers */                                                                  \
  F(matmul, bw_tensor a, bw_tensor b, bw_tensor _Nullable *_Nonnull out)                           \
  F(linear, bw_tensor x, bw_tensor weight, bw_tensor _Nullable bias,                               \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(conv2d, bw_tensor x, bw_tensor weight, bw_tensor _Nullable bias, int64_t stride,               \
    int64_t padding, int64_t groups, bw_tensor _Nullable *_Nonnull out)                            \
  F(batch_norm, bw_tensor x, bw_tensor _Nullable residual, bw_tensor _Nullable weight,             \
    bw_tensor _Nullable bias, bw_tensor _Nullable running_mean, bw_tensor _Nullable running_var,   \
    int32_t training, double momentum, double epsilon, int32_t relu,                               \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(max_pool2d, bw_tensor x, int64_t kernel, int64_t stride, int64_t padding,                      \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(adaptive_avg_pool2d, bw_tensor x, int64_t height, int64_t width,                               \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(cross_entropy, bw_tensor logits, bw_tensor targets, double label_smoothing,                    \
    int32_t per_sample, bw_tensor _Nullable *_Nonnull out)                                         \
  F(pad, bw_tensor x, const int64_t *amounts, int32_t count, int32_t mode, double value,           \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(grid_sample, bw_tensor x, bw_tensor grid, int32_t interpolation, int32_t padding,              \
    int32_t align_corners, bw_tensor _Nullable *_Nonnull out)                                      \
  F(interpolate, bw_tensor x, int64_t height, int64_t width, int32_t interpolation,                \
    int32_t align_corners, int32_t antialias, bw_tensor _Nullable *_Nonnull out)                   \
  /* random numbers: every call has its own generator, seeded by `seed` */                         \
  F(random_uniform, uint64_t seed, const int64_t *shape, int32_t rank, double low, double high,    \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(random_normal, uint64_t seed, const int64_t *shape, int32_t rank,                              \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(random_integers, uint64_t seed, const int64_t *shape, int32_t rank, int64_t below,             \
    bw_tensor _Nullable *_Nonnull out)                                                             \
  F(random_permutation, uint64_t seed, int64_t count, bw_tensor _Nullable *_Nonnull out)           \
  /* optimizers: one fused step over lists of tensors */                                           \
  F(fused_sgd, const bw_tensor _Nonnull *_Nonnull parameters,                                      \
    const bw_tensor _Nonnull *_Nonnull gradients, const bw_tensor _Nonnull *_Nullable momenta,     \
    int32_t count, double rate, double momentum, double decay, int32_t nesterov, int32_t first)    \
  F(fused_adam, const bw_tensor _Nonnull *_Nonnull parameters,                                     \
    const bw_tensor _Nonnull *_Nonnull gradients, const bw_tensor _Nonnull *_Nonnull averages,     \
    const bw_tensor _Nonnull *_Nonnull squares, const bw_tensor _Nonnull *_Nonnull steps,          \
    int32_t count, double rate, double beta1, double beta2, double epsilon, double decay,          \
    int32_t decoupled)                                                                             \
  BW_EXTRA_FUNCTIONS(F)

#define BW_POINTER(name, ...) bw_status (*name)(__VA_ARGS__);

/// The table that the shim library fills.
typedef struct {
  int32_t abi_version;
  /// Message of the last failure on the calling thread; valid until the next failure.
  const char *_Nonnull (*_Nonnull last_error)(void);
  BW_FUNCTIONS(BW_POINTER)
} bw_api;

/// Loads LibTorch from `libtorch_directory` (the folder that holds `torch/lib`) and the shim
/// library `shim_path`, in this order, and returns its table; NULL with a message on failure.
/// `stage` tells what failed: 1 LibTorch not found, 2 LibTorch did not load, 3 the shim did not
/// load, 4 the shim is of another build.
const bw_api *_Nullable bw_load(
  const char *libtorch_directory, const char *shim_path, int32_t *stage, char *message,
  int64_t capacity);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
