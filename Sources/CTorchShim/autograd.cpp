// Gradients, modes and fused optimizer steps.
#include "shim.h"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>

using namespace bulwark;

extern "C" {

bw_status bw_set_requires_grad(bw_tensor handle, int32_t value) {
  BW_TRY(tensor(handle).set_requires_grad(value != 0))
}

bw_status bw_requires_grad(bw_tensor handle, int32_t *out) {
  BW_TRY(*out = tensor(handle).requires_grad())
}

bw_status bw_grad(bw_tensor handle, bw_tensor *out) {
  BW_TRY({
    auto &value = tensor(handle).grad();
    *out = value.defined() ? wrap(value) : nullptr;
  })
}

bw_status bw_clear_grad(bw_tensor handle) {
  BW_TRY(tensor(handle).mutable_grad() = at::Tensor())
}

bw_status bw_backward(bw_tensor handle) { BW_TRY(tensor(handle).backward()) }

bw_status bw_gradients(bw_tensor output, const bw_tensor *inputs, int32_t count, bw_tensor *out) {
  BW_TRY({
    auto result = torch::autograd::grad({tensor(output)}, tensors(inputs, count));
    for (int32_t i = 0; i < count; i++) out[i] = wrap(result[i]);
  })
}

bw_status bw_set_grad_mode(int32_t enabled, int32_t *previous) {
  BW_TRY({
    *previous = at::GradMode::is_enabled();
    at::GradMode::set_enabled(enabled != 0);
  })
}

bw_status bw_set_autocast(int32_t device_is_cuda, int32_t enabled, int32_t *previous) {
  BW_TRY({
    auto type = device_is_cuda ? at::kCUDA : at::kCPU;
    *previous = at::autocast::is_autocast_enabled(type);
    at::autocast::set_autocast_enabled(type, enabled != 0);
    at::autocast::set_autocast_dtype(type, at::kBFloat16);
    if (!enabled) at::autocast::clear_cache();
  })
}

bw_status bw_fused_sgd(const bw_tensor *parameters, const bw_tensor *gradients,
                       const bw_tensor *momenta, int32_t count, double rate, double momentum,
                       double decay, int32_t nesterov, int32_t first) {
  BW_TRY({
    c10::NoGradGuard guard;
    auto p = tensors(parameters, count);
    auto g = tensors(gradients, count);
    auto m = momenta ? tensors(momenta, count) : std::vector<at::Tensor>();
    at::_fused_sgd_(p, g, m, decay, momentum, rate, /*dampening=*/0.0, nesterov != 0,
                    /*maximize=*/false, first != 0);
  })
}

bw_status bw_fused_adam(const bw_tensor *parameters, const bw_tensor *gradients,
                        const bw_tensor *averages, const bw_tensor *squares,
                        const bw_tensor *steps, int32_t count, double rate, double beta1,
                        double beta2, double epsilon, double decay, int32_t decoupled) {
  BW_TRY({
    c10::NoGradGuard guard;
    auto p = tensors(parameters, count);
    auto g = tensors(gradients, count);
    auto a = tensors(averages, count);
    auto s = tensors(squares, count);
    auto t = tensors(steps, count);
    // The reference optimizer raises the step counters before the fused kernel reads them.
    at::_foreach_add_(t, 1);
    if (decoupled) {
      at::_fused_adamw_(p, g, a, s, {}, t, rate, beta1, beta2, decay, epsilon, false, false);
    } else {
      at::_fused_adam_(p, g, a, s, {}, t, rate, beta1, beta2, decay, epsilon, false, false);
    }
  })
}

}  // extern "C"
