// Batch normalization with the addition and the ReLU that follow it, in one pass each way.
//
// Small convolutions wait for memory, and so do the element-wise layers between them: one pass over
// the activations instead of three is what makes narrow networks faster. CUDA, other layouts and
// other element types take LibTorch's own operations.
#include "shim.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "normalization_kernels.h"
#include "parallel.h"

using namespace bulwark;

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Code without optimization would be slower than LibTorch: large tensors take LibTorch's way then.
#ifdef __OPTIMIZE__
constexpr int64_t largest = INT64_MAX;
#else
constexpr int64_t largest = 1 << 16;
#endif

// Without templates of LibTorch's own: their mangled names differ between compilers.
template <typename T>
const T *read(const at::Tensor &tensor) {
  return static_cast<const T *>(tensor.const_data_ptr());
}

template <typename T>
T *write(const at::Tensor &tensor) {
  return static_cast<T *>(tensor.mutable_data_ptr());
}

struct Statistics {
  at::Tensor mean, inverse;
};

/// Mean and 1 / √(variance + ε) of every channel, float32; moves the running statistics.
template <typename T>
Statistics statistics(const at::Tensor &x, const at::Tensor &running_mean,
                      const at::Tensor &running_var, double momentum, double epsilon) {
  const int64_t channels = x.size(1), rows = x.numel() / channels;
  const Chunks chunks(rows);
  std::vector<double> sums(2 * channels * chunks.count);
  const T *in = read<T>(x);
  parallel_for(chunks.count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      sum_deviations(in, chunks.start(i), chunks.start(i + 1), channels, &sums[2 * channels * i]);
    }
  });
  add_chunks(sums, 2 * channels, chunks.count);
  Statistics result{at::empty({channels}, at::kFloat), at::empty({channels}, at::kFloat)};
  float *mean = write<float>(result.mean), *inverse = write<float>(result.inverse);
  for (int64_t c = 0; c < channels; c++) {
    const double shift = sums[c] / rows;
    const double variance = std::max(0.0, sums[channels + c] / rows - shift * shift);
    const double average = double(in[c]) + shift;
    mean[c] = float(average);
    inverse[c] = float(1 / std::sqrt(variance + epsilon));
    if (running_mean.defined()) {
      float &value = write<float>(running_mean)[c];
      value = float((1 - momentum) * value + momentum * average);
    }
    if (running_var.defined()) {
      float &value = write<float>(running_var)[c];
      value = float((1 - momentum) * value + momentum * variance * rows / (rows - 1));
    }
  }
  return result;
}

/// out = [ReLU](scale · x + shift [+ residual]).
template <typename T>
at::Tensor scaled(const at::Tensor &x, const at::Tensor &residual, const Statistics &statistics,
                  const at::Tensor &weight, const at::Tensor &bias, bool relu) {
  const int64_t channels = x.size(1), rows = x.numel() / channels;
  auto scale = weight * statistics.inverse;
  auto shift = bias - statistics.mean * scale;
  auto out = at::empty_like(x);
  const Chunks chunks(rows);
  const Affine<T> job{read<T>(x),
                      residual.defined() ? read<T>(residual) : nullptr,
                      read<float>(scale),
                      read<float>(shift),
                      write<T>(out),
                      channels,
                      relu};
  parallel_for(chunks.count, [&](int64_t begin, int64_t end) {
    run_affine(job, chunks.start(begin), chunks.start(end));
  });
  return out;
}

/// Whether nobody else can see the tensor's memory, so that it may be overwritten.
///
/// Everybody who could look at a gradient later owns a reference to it or to its storage: the other
/// branch that a sum hands it to, a leaf or a caller who asked for it, a hook, a view, the graph of a
/// second derivative. The engine itself moves gradients and keeps none.
bool is_alone(const at::Tensor &value) {
  return value.use_count() == 1 && value.storage().use_count() == 1;
}

/// Gradients of x, weight, bias and residual. With `reuses`, `gradient` is overwritten.
template <typename T>
variable_list gradients(const at::Tensor &x, const at::Tensor &out, const at::Tensor &gradient,
                        const at::Tensor &weight, const Statistics &statistics, bool training,
                        bool relu, bool has_residual, bool reuses) {
  const int64_t channels = x.size(1), rows = x.numel() / channels;
  const Chunks chunks(rows);
  // The masked gradient is the residual's; without a residual it is never written down.
  at::Tensor masked;
  if (has_residual && relu) masked = reuses ? gradient : at::empty_like(x);
  Pullback<T> job{read<T>(x),
                  relu ? read<T>(out) : nullptr,
                  read<T>(gradient),
                  masked.defined() ? write<T>(masked) : nullptr,
                  read<float>(statistics.mean),
                  channels};
  std::vector<double> sums(2 * channels * chunks.count);
  parallel_for(chunks.count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      sum_gradients(job, chunks.start(i), chunks.start(i + 1), &sums[2 * channels * i]);
    }
  });
  add_chunks(sums, 2 * channels, chunks.count);
  auto weight_gradient = at::empty({channels}, at::kFloat);
  auto bias_gradient = at::empty({channels}, at::kFloat);
  // dx = a·g + b·x + c, channel by channel.
  auto factors = at::zeros({3, channels}, at::kFloat);
  float *a = write<float>(factors), *b = a + channels, *c = b + channels;
  const float *inverse = read<float>(statistics.inverse);
  const float *mean = read<float>(statistics.mean);
  const float *scale = read<float>(weight);
  for (int64_t i = 0; i < channels; i++) {
    const double sum = sums[i], product = sums[channels + i] * inverse[i];
    write<float>(bias_gradient)[i] = float(sum);
    write<float>(weight_gradient)[i] = float(product);
    a[i] = scale[i] * inverse[i];
    if (training) {
      const double slope = double(a[i]) * product * inverse[i] / rows;
      b[i] = float(-slope);
      c[i] = float(slope * mean[i] - double(a[i]) * sum / rows);
    }
  }
  auto x_gradient = reuses && !has_residual ? gradient : at::empty_like(x);
  if (masked.defined()) {
    job.gradient = read<T>(masked);
    job.out = nullptr;
  }
  parallel_for(chunks.count, [&](int64_t begin, int64_t end) {
    run_pullback(job, a, write<T>(x_gradient), chunks.start(begin),
                 chunks.start(end));
  });
  auto residual_gradient = masked.defined() ? masked : has_residual ? gradient : at::Tensor();
  return {x_gradient, weight_gradient, bias_gradient, residual_gradient};
}

struct Normalization : torch::autograd::Function<Normalization> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x,
                            const at::Tensor &weight, const at::Tensor &bias,
                            const std::optional<at::Tensor> &added,
                            const at::Tensor &running_mean, const at::Tensor &running_var,
                            bool training, double momentum, double epsilon, bool relu) {
    const at::Tensor residual = added.value_or(at::Tensor());
    Statistics values;
    if (training) {
      values = x.scalar_type() == at::kFloat
                   ? statistics<float>(x, running_mean, running_var, momentum, epsilon)
                   : statistics<at::BFloat16>(x, running_mean, running_var, momentum, epsilon);
    } else {
      values = {running_mean.clone(), (running_var + epsilon).rsqrt()};
    }
    auto out = x.scalar_type() == at::kFloat
                   ? scaled<float>(x, residual, values, weight, bias, relu)
                   : scaled<at::BFloat16>(x, residual, values, weight, bias, relu);
    context->save_for_backward(
        {x, relu ? out : at::Tensor(), weight, values.mean, values.inverse});
    context->saved_data["training"] = training;
    context->saved_data["residual"] = residual.defined();
    return out;
  }

  static variable_list backward(AutogradContext *context, const variable_list &outputs) {
    auto saved = context->get_saved_variables();
    const auto &x = saved[0];
    const auto &incoming = outputs[0];
    const auto layout = at::MemoryFormat::ChannelsLast;
    at::Tensor converted;
    if (incoming.scalar_type() != x.scalar_type() || !incoming.is_contiguous(layout)) {
      converted = incoming.to(x.scalar_type()).contiguous(layout);
    }
    // References, not copies: a copy would count as somebody else.
    const at::Tensor &gradient = converted.defined() ? converted : incoming;
    const bool reuses = is_alone(gradient);
    const Statistics values{saved[3], saved[4]};
    const bool relu = saved[1].defined();
    const bool training = context->saved_data["training"].toBool();
    const bool residual = context->saved_data["residual"].toBool();
    auto found = x.scalar_type() == at::kFloat
                     ? gradients<float>(x, saved[1], gradient, saved[2], values, training, relu,
                                        residual, reuses)
                     : gradients<at::BFloat16>(x, saved[1], gradient, saved[2], values, training,
                                               relu, residual, reuses);
    found.resize(10);
    return found;
  }
};

bool is_float_vector(const at::Tensor &value) {
  return value.defined() && value.scalar_type() == at::kFloat && value.is_contiguous();
}

}  // namespace

extern "C" {

bw_status bw_batch_norm(bw_tensor x, bw_tensor residual, bw_tensor weight, bw_tensor bias,
                        bw_tensor running_mean, bw_tensor running_var, int32_t training,
                        double momentum, double epsilon, int32_t relu, bw_tensor *out) {
  BW_TRY({
    const auto &in = tensor(x);
    auto added = optional_tensor(residual);
    auto w = optional_tensor(weight);
    auto b = optional_tensor(bias);
    auto mean = optional_tensor(running_mean);
    auto var = optional_tensor(running_var);
    const auto layout = at::MemoryFormat::ChannelsLast;
    const bool fits = in.device().is_cpu() && in.dim() == 4 && in.is_contiguous(layout) &&
                      (in.scalar_type() == at::kFloat || in.scalar_type() == at::kBFloat16) &&
                      in.numel() > in.size(1) && in.numel() <= largest;
    const bool parameters = is_float_vector(w) && is_float_vector(b) && is_float_vector(mean) &&
                            is_float_vector(var) && w.numel() == in.size(1) &&
                            b.numel() == w.numel() && mean.numel() == w.numel() &&
                            var.numel() == w.numel();
    const bool sum = !added.defined() || (added.scalar_type() == in.scalar_type() &&
                                          added.sizes() == in.sizes() &&
                                          added.is_contiguous(layout));
    if (fits && parameters && sum) {
      std::optional<at::Tensor> residual_input;
      if (added.defined()) residual_input = added;
      *out = wrap(Normalization::apply(in, w, b, residual_input, mean, var, training != 0, momentum,
                                       epsilon, relu != 0));
    } else {
      auto value = at::batch_norm(in, w, b, mean, var, training != 0, momentum, epsilon,
                                  /*cudnn_enabled=*/true);
      if (added.defined()) value = value + added;
      *out = wrap(relu ? value.relu() : value);
    }
  })
}

}  // extern "C"
