// What every file of the shim shares: handles, the error guard and dtype codes.
#pragma once

#pragma clang diagnostic ignored "-Wnullability-completeness"

#include <ATen/ATen.h>

#include "ctorch.h"

#define BW_DECLARE(name, ...) bw_status bw_##name(__VA_ARGS__);
extern "C" {
#pragma clang assume_nonnull begin
BW_FUNCTIONS(BW_DECLARE)
#pragma clang assume_nonnull end
}

namespace bulwark {

/// Keeps the message of the running exception for `last_error` and returns the failure status.
bw_status record_failure() noexcept;

inline at::Tensor &tensor(bw_tensor handle) { return *reinterpret_cast<at::Tensor *>(handle); }

inline bw_tensor wrap(at::Tensor value) {
  return reinterpret_cast<bw_tensor>(new at::Tensor(std::move(value)));
}

/// An absent handle becomes an undefined tensor, which ATen reads as "none".
inline at::Tensor optional_tensor(bw_tensor _Nullable handle) {
  return handle ? tensor(handle) : at::Tensor();
}

inline std::vector<at::Tensor> tensors(const bw_tensor *handles, int32_t count) {
  std::vector<at::Tensor> list;
  list.reserve(count);
  for (int32_t i = 0; i < count; i++) list.push_back(tensor(handles[i]));
  return list;
}

inline at::IntArrayRef sizes(const int64_t *values, int32_t count) {
  return at::IntArrayRef(values, static_cast<size_t>(count));
}

/// Codes of DType.swift, in its order.
at::ScalarType scalar_type(int32_t code);
int32_t dtype_code(at::ScalarType type);

inline at::Device device(int32_t code) {
  return code < 0 ? at::Device(at::kCPU)
                  : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(code));
}

}  // namespace bulwark

/// The body of every entry: no exception crosses the border.
#define BW_TRY(...)                     \
  try {                                 \
    __VA_ARGS__;                        \
    return 0;                           \
  } catch (...) {                       \
    return bulwark::record_failure();   \
  }
