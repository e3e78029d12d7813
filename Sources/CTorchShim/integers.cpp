// Convolutions and linear layers on 8-bit integers: LibTorch's quantized operators, reached through its dispatcher,
// because they have no functions in its headers.
#include <algorithm>
#include <cmath>

#include <ATen/core/dispatch/Dispatcher.h>

#include "shim.h"

using namespace bulwark;

namespace {

/// Where the integers of a tensor stand: value = scale · (integer − zero).
struct Steps {
  double scale;
  int64_t zero;
};

/// `count` steps from `low` to `high`, of which one is 0.
Steps steps(double low, double high, int64_t count) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  const double scale = std::max((high - low) / static_cast<double>(count), 1e-8);
  return {scale, std::clamp<int64_t>(std::llround(-low / scale), 0, count)};
}

/// Inputs take half of the 256 steps, as in PyTorch's own configuration for x86: without VNNI two products are
/// added in 16 bits and would overflow.
constexpr int64_t input_steps = 127;
constexpr int64_t output_steps = 255;

at::Tensor integers(const at::Tensor &x, double low, double high) {
  const auto at = steps(low, high, input_steps);
  const double least = at.scale * static_cast<double>(-at.zero);
  const double most = at.scale * static_cast<double>(input_steps - at.zero);
  return at::quantize_per_tensor(x.to(at::kFloat).clamp(least, most), at.scale, at.zero,
                                 at::kQUInt8);
}

/// One scale for each output channel, symmetric: −127...127.
at::Tensor integer_weights(const at::Tensor &weight) {
  const auto exact = weight.detach().to(at::kFloat).contiguous();
  const auto scales = (exact.flatten(1).abs().amax(1).to(at::kDouble) / 127).clamp_min(1e-12);
  return at::quantize_per_channel(exact, scales, at::zeros_like(scales, at::kLong), 0, at::kQInt8);
}

c10::IValue call(const char *name, const char *overload, std::vector<c10::IValue> stack) {
  c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).callBoxed(&stack);
  return stack.at(0);
}

c10::IValue bias_value(bw_tensor _Nullable bias) {
  return bias ? c10::IValue(tensor(bias).detach().to(at::kFloat)) : c10::IValue();
}

c10::List<int64_t> pair(int64_t value) { return c10::List<int64_t>({value, value}); }

}  // namespace

extern "C" {

bw_status bw_integer_weights(bw_tensor weight, bw_tensor *out) {
  BW_TRY(*out = wrap(integer_weights(tensor(weight)).dequantize()))
}

bw_status bw_integer_conv2d(bw_tensor x, bw_tensor weight, bw_tensor bias, int64_t stride,
                            int64_t padding, const double *ranges, bw_tensor *out) {
  BW_TRY({
    at::NoGradGuard guard;
    const auto packed = call("quantized::conv2d_prepack", "",
                             {integer_weights(tensor(weight)), bias_value(bias), pair(stride),
                              pair(padding), pair(1), int64_t(1)});
    const auto at = steps(ranges[2], ranges[3], output_steps);
    const auto input = integers(tensor(x), ranges[0], ranges[1]);
    *out = wrap(call("quantized::conv2d", "new", {input, packed, at.scale, at.zero})
                    .toTensor()
                    .dequantize());
  })
}

bw_status bw_integer_linear(bw_tensor x, bw_tensor weight, bw_tensor bias, const double *ranges,
                            bw_tensor *out) {
  BW_TRY({
    at::NoGradGuard guard;
    const auto packed = call("quantized::linear_prepack", "",
                             {integer_weights(tensor(weight)), bias_value(bias)});
    const auto at = steps(ranges[2], ranges[3], output_steps);
    const auto input = integers(tensor(x), ranges[0], ranges[1]);
    *out = wrap(call("quantized::linear", "", {input, packed, at.scale, at.zero})
                    .toTensor()
                    .dequantize());
  })
}

}  // extern "C"
