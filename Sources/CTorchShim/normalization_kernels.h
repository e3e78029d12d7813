// The inner loops of normalization.cpp: rows of `channels` neighboring elements, read once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#if defined(__x86_64__)
#define BW_KERNEL inline __attribute__((always_inline))
#define BW_AVX2 __attribute__((target("avx2,fma")))
#else
#define BW_KERNEL inline
#endif

namespace bulwark {

/// A division of the rows that does not depend on the number of threads: neither do the sums then.
struct Chunks {
  int64_t rows, count;
  explicit Chunks(int64_t rows) : rows(rows), count(std::clamp<int64_t>(rows / 256, 1, 64)) {}
  int64_t start(int64_t index) const { return rows * index / count; }
};

/// Adds all chunks' sums to the first chunk's, in order.
inline void add_chunks(std::vector<double> &sums, int64_t width, int64_t count) {
  for (int64_t i = 1; i < count; i++) {
    for (int64_t c = 0; c < width; c++) sums[c] += sums[i * width + c];
  }
}

/// Rows summed in float32 before they are added in float64.
constexpr int64_t block = 32;

template <typename T>
struct Affine {
  const T *x, *residual;
  const float *scale, *shift;
  T *out;
  int64_t channels;
  bool relu;
};

template <typename T>
struct Pullback {
  const T *x, *out, *gradient;
  T *masked;
  const float *mean;
  int64_t channels;
};

/// Σ(x − x₀) and Σ(x − x₀)² of every channel, x₀ being the first row of all.
template <typename T>
BW_KERNEL void sum_deviations_body(const T *x, int64_t begin, int64_t end, int64_t channels,
                                   double *sums) {
  std::vector<float> scratch(3 * channels);
  float *origin = scratch.data(), *first = origin + channels, *second = first + channels;
  for (int64_t c = 0; c < channels; c++) origin[c] = float(x[c]);
  for (int64_t top = begin; top < end; top += block) {
    std::fill(first, first + 2 * channels, 0.0f);
    const int64_t bottom = std::min(end, top + block);
    for (int64_t row = top; row < bottom; row++) {
      const T *in = x + row * channels;
      for (int64_t c = 0; c < channels; c++) {
        const float d = float(in[c]) - origin[c];
        first[c] += d;
        second[c] += d * d;
      }
    }
    for (int64_t c = 0; c < 2 * channels; c++) sums[c] += first[c];
  }
}

template <typename T, bool adds, bool relu>
BW_KERNEL void affine_body(const Affine<T> &job, int64_t begin, int64_t end) {
  const int64_t channels = job.channels;
  for (int64_t row = begin; row < end; row++) {
    const T *__restrict in = job.x + row * channels;
    const T *__restrict residual = adds ? job.residual + row * channels : nullptr;
    T *__restrict out = job.out + row * channels;
    for (int64_t c = 0; c < channels; c++) {
      float value = float(in[c]) * job.scale[c] + job.shift[c];
      if (adds) value += float(residual[c]);
      // Not a number stays not a number.
      if (relu) value = value < 0 ? 0 : value;
      out[c] = T(value);
    }
  }
}

/// Σ g and Σ g·(x − mean) of every channel, g being 0 where the ReLU was; writes g when asked to,
/// which may be in place.
template <typename T, bool relu, bool writes>
BW_KERNEL void sum_gradients_body(const Pullback<T> &job, int64_t begin, int64_t end,
                                  double *sums) {
  const int64_t channels = job.channels;
  std::vector<float> scratch(2 * channels);
  float *first = scratch.data();
  float *second = first + channels;
  for (int64_t top = begin; top < end; top += block) {
    std::fill(scratch.begin(), scratch.end(), 0.0f);
    const int64_t bottom = std::min(end, top + block);
    for (int64_t row = top; row < bottom; row++) {
      const int64_t at = row * channels;
      const T *in = job.x + at;
      const T *out = relu ? job.out + at : nullptr;
      const T *gradient = job.gradient + at;
      T *masked = writes ? job.masked + at : nullptr;
#pragma clang loop vectorize(assume_safety)
      for (int64_t c = 0; c < channels; c++) {
        float g = float(gradient[c]);
        if (relu) g = float(out[c]) <= 0 ? 0 : g;
        if (writes) masked[c] = T(g);
        first[c] += g;
        second[c] += g * (float(in[c]) - job.mean[c]);
      }
    }
    for (int64_t c = 0; c < 2 * channels; c++) sums[c] += scratch[c];
  }
}

/// dx = a·g + b·x + c with [3, channels] factors; `result` may be the gradient itself.
template <typename T, bool relu>
BW_KERNEL void pullback_body(const Pullback<T> &job, const float *factors, T *result,
                             int64_t begin, int64_t end) {
  const int64_t channels = job.channels;
  const float *a = factors, *b = a + channels, *c = b + channels;
  for (int64_t row = begin; row < end; row++) {
    const int64_t at = row * channels;
    const T *in = job.x + at;
    const T *out = relu ? job.out + at : nullptr;
    const T *gradient = job.gradient + at;
    T *target = result + at;
#pragma clang loop vectorize(assume_safety)
    for (int64_t i = 0; i < channels; i++) {
      float g = float(gradient[i]);
      if (relu) g = float(out[i]) <= 0 ? 0 : g;
      target[i] = T(a[i] * g + (b[i] * float(in[i]) + c[i]));
    }
  }
}

template <typename T>
BW_KERNEL void affine_any(const Affine<T> &job, int64_t begin, int64_t end) {
  if (job.residual) {
    job.relu ? affine_body<T, true, true>(job, begin, end)
             : affine_body<T, true, false>(job, begin, end);
  } else {
    job.relu ? affine_body<T, false, true>(job, begin, end)
             : affine_body<T, false, false>(job, begin, end);
  }
}

template <typename T>
BW_KERNEL void sum_gradients_any(const Pullback<T> &job, int64_t begin, int64_t end,
                                 double *sums) {
  if (!job.out) {
    sum_gradients_body<T, false, false>(job, begin, end, sums);
  } else if (job.masked) {
    sum_gradients_body<T, true, true>(job, begin, end, sums);
  } else {
    sum_gradients_body<T, true, false>(job, begin, end, sums);
  }
}

template <typename T>
BW_KERNEL void pullback_any(const Pullback<T> &job, const float *factors, T *result,
                            int64_t begin, int64_t end) {
  job.out ? pullback_body<T, true>(job, factors, result, begin, end)
          : pullback_body<T, false>(job, factors, result, begin, end);
}

// Each loop twice: for every processor, and for those with AVX2.
#ifdef BW_AVX2
#define BW_DISPATCH(name, body, parameters, arguments)                             \
  template <typename T>                                                            \
  BW_AVX2 void name##_avx2 parameters {                                            \
    body arguments;                                                                \
  }                                                                                \
  template <typename T>                                                            \
  void name parameters {                                                           \
    static const bool fast = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); \
    if (fast) return name##_avx2<T> arguments;                                     \
    body arguments;                                                                \
  }
#else
#define BW_DISPATCH(name, body, parameters, arguments) \
  template <typename T>                                \
  void name parameters {                               \
    body arguments;                                    \
  }
#endif

BW_DISPATCH(sum_deviations, sum_deviations_body,
            (const T *x, int64_t begin, int64_t end, int64_t channels, double *sums),
            (x, begin, end, channels, sums))
BW_DISPATCH(run_affine, affine_any, (const Affine<T> &job, int64_t begin, int64_t end),
            (job, begin, end))
BW_DISPATCH(sum_gradients, sum_gradients_any,
            (const Pullback<T> &job, int64_t begin, int64_t end, double *sums),
            (job, begin, end, sums))
BW_DISPATCH(run_pullback, pullback_any,
            (const Pullback<T> &job, const float *factors, T *result, int64_t begin, int64_t end),
            (job, factors, result, begin, end))

}  // namespace bulwark
