// Element-wise functions, reductions and changes of shape.
#include "shim.h"

#include <ATen/ScalarOps.h>

#include <cmath>

using namespace bulwark;

namespace {

at::Tensor unary(bw_unary_op op, const at::Tensor &a) {
  switch (op) {
    case BW_NEG: return -a;
    case BW_ABS: return a.abs();
    case BW_EXP: return a.exp();
    case BW_LOG: return a.log();
    case BW_SQRT: return a.sqrt();
    case BW_SQUARE: return a.square();
    case BW_RELU: return a.relu();
    case BW_TANH: return a.tanh();
    case BW_SIGMOID: return a.sigmoid();
    case BW_FLOOR: return a.floor();
    case BW_ROUND: return a.round();
    case BW_SIN: return a.sin();
    case BW_COS: return a.cos();
    case BW_SIGN: return a.sign();
    case BW_LOG1P: return a.log1p();
    case BW_RECIPROCAL: return a.reciprocal();
    case BW_IS_FINITE: return a.isfinite();
    case BW_LOGICAL_NOT: return a.logical_not();
    case BW_ERFINV: return a.erfinv();
    case BW_SOFTPLUS: return at::softplus(a);
  }
  TORCH_CHECK(false, "unknown unary operation ", static_cast<int>(op));
}

template <typename Other>
at::Tensor binary(bw_binary_op op, const at::Tensor &a, const Other &b) {
  switch (op) {
    case BW_ADD: return at::add(a, b);
    case BW_SUB: return at::sub(a, b);
    case BW_MUL: return at::mul(a, b);
    case BW_DIV: return at::div(a, b);
    case BW_POW: return at::pow(a, b);
    case BW_EQ: return at::eq(a, b);
    case BW_NE: return at::ne(a, b);
    case BW_LT: return at::lt(a, b);
    case BW_LE: return at::le(a, b);
    case BW_GT: return at::gt(a, b);
    case BW_GE: return at::ge(a, b);
    case BW_REMAINDER: return at::remainder(a, b);
    case BW_FLOOR_DIV: return at::floor_divide(a, b);
    default: break;
  }
  at::Tensor other;
  if constexpr (std::is_same_v<Other, at::Tensor>) {
    other = b;
  } else {
    // A number beside a tensor: 0.5 beside integers is not cut to 0.
    other = at::native::wrapped_scalar_tensor(b, a.device());
  }
  switch (op) {
    case BW_MAXIMUM: return at::maximum(a, other);
    case BW_MINIMUM: return at::minimum(a, other);
    case BW_LOGICAL_AND: return at::logical_and(a, other);
    case BW_LOGICAL_OR: return at::logical_or(a, other);
    case BW_ATAN2: return at::atan2(a, other);
    default: break;
  }
  TORCH_CHECK(false, "unknown binary operation ", static_cast<int>(op));
}

at::Tensor reduce(bw_reduction_op op, const at::Tensor &a, at::IntArrayRef dims, bool keep) {
  std::vector<int64_t> all;
  if (dims.empty()) {
    for (int64_t i = 0; i < a.dim(); i++) all.push_back(i);
    dims = all;
  }
  switch (op) {
    case BW_SUM: return a.sum(dims, keep);
    case BW_MEAN: return a.mean(dims, keep);
    case BW_AMAX: return a.amax(dims, keep);
    case BW_AMIN: return a.amin(dims, keep);
    case BW_LOGSUMEXP: return a.logsumexp(dims, keep);
    case BW_VAR: return a.var(dims, /*unbiased=*/false, keep);
    // Unlike the root of a sum of squares, its gradient is 0 where the norm is 0.
    case BW_NORM2: return at::linalg_vector_norm(a, 2, dims, keep);
  }
  TORCH_CHECK(false, "unknown reduction ", static_cast<int>(op));
}

}  // namespace

extern "C" {

bw_status bw_unary(bw_unary_op op, bw_tensor a, bw_tensor *out) {
  BW_TRY(*out = wrap(unary(op, tensor(a))))
}

bw_status bw_binary(bw_binary_op op, bw_tensor a, bw_tensor b, bw_tensor *out) {
  BW_TRY(*out = wrap(binary(op, tensor(a), tensor(b))))
}

bw_status bw_binary_scalar(bw_binary_op op, bw_tensor a, double b, bw_tensor *out) {
  // As in Python, a whole number leaves a tensor of integers a tensor of integers.
  BW_TRY({
    auto &value = tensor(a);
    const bool whole = at::isIntegralType(value.scalar_type(), false) && b == std::floor(b) &&
                       std::abs(b) <= 0x1p53;
    *out = wrap(binary(op, value, whole ? at::Scalar(static_cast<int64_t>(b)) : at::Scalar(b)));
  })
}

bw_status bw_clamp(bw_tensor a, double low, double high, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).clamp(low, high)))
}

bw_status bw_where(bw_tensor condition, bw_tensor a, bw_tensor b, bw_tensor *out) {
  BW_TRY(*out = wrap(at::where(tensor(condition), tensor(a), tensor(b))))
}

bw_status bw_reduce(bw_reduction_op op, bw_tensor a, const int64_t *dims, int32_t count, int32_t keep,
                    bw_tensor *out) {
  BW_TRY(*out = wrap(reduce(op, tensor(a), sizes(dims, count), keep != 0)))
}

bw_status bw_argmax(bw_tensor a, int64_t dim, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).argmax(dim)))
}

bw_status bw_argsort(bw_tensor a, int64_t dim, int32_t descending, bw_tensor *out) {
  // Stable, so that ties keep their order and two runs agree.
  BW_TRY(*out = wrap(at::argsort(tensor(a), /*stable=*/true, dim, descending != 0)))
}

bw_status bw_top_k(bw_tensor a, int64_t k, int64_t dim, int32_t largest, bw_tensor *values,
                   bw_tensor *indices) {
  BW_TRY({
    auto [top, where] = at::topk(tensor(a), k, dim, largest != 0);
    *values = wrap(top);
    *indices = wrap(where);
  })
}

bw_status bw_eigh(bw_tensor a, bw_tensor *values, bw_tensor *vectors) {
  BW_TRY({
    auto [found, columns] = at::linalg_eigh(tensor(a));
    *values = wrap(found);
    *vectors = wrap(columns);
  })
}

bw_status bw_cumsum(bw_tensor a, int64_t dim, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).cumsum(dim)))
}

bw_status bw_softmax(bw_tensor a, int64_t dim, int32_t logarithm, bw_tensor *out) {
  BW_TRY(*out = wrap(logarithm ? tensor(a).log_softmax(dim) : tensor(a).softmax(dim)))
}

bw_status bw_reshape(bw_tensor a, const int64_t *shape, int32_t rank, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).reshape(sizes(shape, rank))))
}

bw_status bw_permute(bw_tensor a, const int64_t *dims, int32_t rank, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).permute(sizes(dims, rank))))
}

bw_status bw_expand(bw_tensor a, const int64_t *shape, int32_t rank, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).expand(sizes(shape, rank))))
}

bw_status bw_narrow(bw_tensor a, int64_t dim, int64_t start, int64_t length, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).narrow(dim, start, length)))
}

bw_status bw_flip(bw_tensor a, const int64_t *dims, int32_t count, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).flip(sizes(dims, count))))
}

bw_status bw_roll(bw_tensor a, int64_t shift, int64_t dim, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).roll({shift}, {dim})))
}

bw_status bw_cat(const bw_tensor *list, int32_t count, int64_t dim, bw_tensor *out) {
  BW_TRY(*out = wrap(at::cat(tensors(list, count), dim)))
}

bw_status bw_stack(const bw_tensor *list, int32_t count, int64_t dim, bw_tensor *out) {
  BW_TRY(*out = wrap(at::stack(tensors(list, count), dim)))
}

bw_status bw_index_select(bw_tensor a, int64_t dim, bw_tensor indices, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).index_select(dim, tensor(indices))))
}

bw_status bw_gather(bw_tensor a, int64_t dim, bw_tensor indices, bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).gather(dim, tensor(indices))))
}

bw_status bw_scatter(bw_tensor a, int64_t dim, bw_tensor indices, bw_tensor source,
                     bw_tensor *out) {
  BW_TRY(*out = wrap(tensor(a).scatter(dim, tensor(indices), tensor(source))))
}

bw_status bw_one_hot(bw_tensor indices, int64_t classes, bw_tensor *out) {
  BW_TRY(*out = wrap(at::one_hot(tensor(indices), classes).to(at::kFloat)))
}

bw_status bw_nonzero(bw_tensor a, bw_tensor *out) { BW_TRY(*out = wrap(tensor(a).nonzero())) }

}  // extern "C"
