// Image augmentation in one pass: every sample runs through its program of steps while it lies in
// the processor's cache. BulwarkData's tensor compositions must agree with it to 1e-4.
#include <cstring>
#include <thread>

#include <ATen/Parallel.h>

#include "augment_steps.h"
#include "shim.h"

using namespace bulwark;

namespace {

/// Everything about one call.
struct Job {
  const void *images;
  bool bytes;
  int64_t batch, channels, height, width, largest;
  const float *parameters;
  const Step *steps;
  int64_t step_count;
  const float *constants;
  float *out;
};

BW_INLINE void run_body(const Job &job, int64_t begin, int64_t end, Scratch &scratch) {
  const int64_t size = job.channels * job.height * job.width;
  for (int64_t sample = begin; sample < end; sample++) {
    Image image{scratch.first.data(), scratch.second.data(), job.channels, job.height, job.width};
    if (job.bytes) {
      const uint8_t *in = static_cast<const uint8_t *>(job.images) + sample * size;
      for (int64_t i = 0; i < size; i++) image.data[i] = float(in[i]) / 255.0f;
    } else {
      std::memcpy(image.data, static_cast<const float *>(job.images) + sample * size, size * 4);
    }
    for (int64_t index = 0; index < job.step_count; index++) {
      const Step &step = job.steps[index];
      // Parameters lie row by row: one row per parameter, one column per sample.
      const float *p = job.parameters + step.parameter * job.batch + sample;
      switch (step.code) {
        case RESAMPLE: resample(image, step, p, job.batch, scratch); break;
        case PAD_CROP: pad_crop(image, step, p, job.batch); break;
        case FLIP: if (*p != 0) flip(image); break;
        case JITTER: jitter(image, p, job.batch); break;
        case GRAYSCALE: if (*p != 0) grayscale(image); break;
        case BLUR: if (*p > 0) blur(image, step, *p, scratch); break;
        case NORMALIZE: normalize(image, job.constants + step.constant); break;
      }
    }
    const int64_t made = image.channels * image.area();
    std::memcpy(job.out + sample * made, image.data, made * sizeof(float));
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void run_avx2(const Job &job, int64_t begin, int64_t end,
                                                  Scratch &scratch) {
  run_body(job, begin, end, scratch);
}
#endif

void run_samples(const Job &job, int64_t begin, int64_t end) {
  Scratch scratch;
  scratch.first.resize(job.largest);
  scratch.second.resize(job.largest);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return run_avx2(job, begin, end, scratch);
  }
#endif
  run_body(job, begin, end, scratch);
}

}  // namespace

extern "C" bw_status bw_augment(bw_tensor images, bw_tensor parameters, const int64_t *program,
                                int32_t steps, const float *constants, int32_t constant_count,
                                bw_tensor *out) {
  BW_TRY(
    const at::Tensor in = tensor(images).contiguous();
    const at::Tensor drawn = tensor(parameters).contiguous();
    TORCH_CHECK(in.device().is_cpu() && drawn.device().is_cpu(), "augment works on the CPU");
    TORCH_CHECK(in.dim() == 4 && (in.scalar_type() == at::kByte || in.scalar_type() == at::kFloat),
                "augment needs [B, C, H, W] images, uint8 or float32");
    TORCH_CHECK(in.size(1) == 1 || in.size(1) == 3, "augment needs 1 or 3 channels");
    TORCH_CHECK(drawn.dim() == 2 && drawn.scalar_type() == at::kFloat &&
                    drawn.size(1) == in.size(0),
                "augment needs float32 parameters with one column per image");
    const Step *list = reinterpret_cast<const Step *>(program);
    static const int64_t rows[] = {4, 2, 1, 8, 1, 1, 0};
    int64_t height = in.size(2);
    int64_t width = in.size(3);
    int64_t largest = in.size(1) * height * width;
    for (int32_t i = 0; i < steps; i++) {
      const Step &step = list[i];
      TORCH_CHECK(step.code >= RESAMPLE && step.code <= NORMALIZE, "augment: unknown step");
      TORCH_CHECK(step.parameter >= 0 && step.parameter + rows[step.code] <= drawn.size(0),
                  "augment: too few parameters");
      if (step.code == RESAMPLE) {
        TORCH_CHECK(step.height > 0 && step.width > 0, "augment: empty output");
        height = step.height;
        width = step.width;
        largest = std::max(largest, in.size(1) * height * width);
      }
      if (step.code == BLUR) TORCH_CHECK(step.option >= 0 && step.option < 4096, "augment: radius");
      if (step.code == NORMALIZE) {
        TORCH_CHECK(step.constant >= 0 && step.constant + 2 * in.size(1) <= constant_count,
                    "augment: mean and deviation do not fit the channels");
      }
    }
    at::Tensor made = at::empty({in.size(0), in.size(1), height, width}, at::kFloat);
    const Job job{in.const_data_ptr(), in.scalar_type() == at::kByte, in.size(0), in.size(1),
                  in.size(2), in.size(3), largest,
                  static_cast<const float *>(drawn.const_data_ptr()), list, steps, constants,
                  static_cast<float *>(made.mutable_data_ptr())};
    // Threads of our own: at::parallel_for is serial in code compiled without OpenMP.
    const int64_t threads =
        std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), job.batch / 16));
    std::vector<std::jthread> workers;
    for (int64_t t = 1; t < threads; t++) {
      workers.emplace_back(run_samples, std::cref(job), job.batch * t / threads,
                           job.batch * (t + 1) / threads);
    }
    run_samples(job, 0, job.batch / threads);
    workers.clear();  // joins
    *out = wrap(made)
  )
}
