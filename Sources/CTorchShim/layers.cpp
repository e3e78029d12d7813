// Linear algebra, layers, losses and resampling.
#include "shim.h"

using namespace bulwark;

extern "C" {

bw_status bw_matmul(bw_tensor a, bw_tensor b, bw_tensor *out) {
  BW_TRY(*out = wrap(at::matmul(tensor(a), tensor(b))))
}

bw_status bw_linear(bw_tensor x, bw_tensor weight, bw_tensor bias, bw_tensor *out) {
  BW_TRY(*out = wrap(at::linear(tensor(x), tensor(weight), optional_tensor(bias))))
}

bw_status bw_conv2d(bw_tensor x, bw_tensor weight, bw_tensor bias, int64_t stride,
                    int64_t padding, int64_t groups, bw_tensor *out) {
  BW_TRY({
    auto input = tensor(x);
    const auto &kernel = tensor(weight);
    // oneDNN's AVX2 kernel for the weight gradient of a strided 1×1 convolution gives wrong numbers
    // and writes outside its buffer when a channels-last input has fewer than 8 channels (seen in
    // LibTorch 2.11 and 2.13). So the pixels that the stride keeps are taken out first, which is
    // the same convolution.
    if (stride > 1 && padding == 0 && input.dim() == 4 && input.size(1) < 8 &&
        kernel.dim() == 4 && kernel.size(2) == 1 && kernel.size(3) == 1) {
      input = input.slice(2, 0, input.size(2), stride).slice(3, 0, input.size(3), stride);
      stride = 1;
    }
    *out = wrap(at::conv2d(input, kernel, optional_tensor(bias), {stride, stride},
                           {padding, padding}, {1, 1}, groups));
  })
}

bw_status bw_max_pool2d(bw_tensor x, int64_t kernel, int64_t stride, int64_t padding,
                        bw_tensor *out) {
  BW_TRY(*out = wrap(at::max_pool2d(tensor(x), {kernel, kernel}, {stride, stride},
                                    {padding, padding})))
}

bw_status bw_adaptive_avg_pool2d(bw_tensor x, int64_t height, int64_t width, bw_tensor *out) {
  BW_TRY(*out = wrap(at::adaptive_avg_pool2d(tensor(x), {height, width})))
}

bw_status bw_cross_entropy(bw_tensor logits, bw_tensor targets, double label_smoothing,
                           int32_t per_sample, bw_tensor *out) {
  BW_TRY(*out = wrap(at::cross_entropy_loss(
             tensor(logits), tensor(targets), {},
             per_sample ? at::Reduction::None : at::Reduction::Mean, -100, label_smoothing)))
}

bw_status bw_pad(bw_tensor x, const int64_t *amounts, int32_t count, int32_t mode, double value,
                 bw_tensor *out) {
  static constexpr const char *modes[] = {"constant", "reflect", "replicate"};
  BW_TRY({
    TORCH_CHECK(mode >= 0 && mode < 3, "unknown padding mode ", mode);
    std::optional<double> fill;
    if (mode == 0) fill = value;
    *out = wrap(at::pad(tensor(x), sizes(amounts, count), modes[mode], fill));
  })
}

bw_status bw_grid_sample(bw_tensor x, bw_tensor grid, int32_t interpolation, int32_t padding,
                         int32_t align_corners, bw_tensor *out) {
  BW_TRY(*out = wrap(at::grid_sampler(tensor(x), tensor(grid), interpolation, padding,
                                      align_corners != 0)))
}

bw_status bw_interpolate(bw_tensor x, int64_t height, int64_t width, int32_t interpolation,
                         int32_t align_corners, int32_t antialias, bw_tensor *out) {
  BW_TRY({
    auto &value = tensor(x);
    const bool corners = align_corners != 0;
    const int64_t size[] = {height, width};  // an IntArrayRef of a braced list would dangle
    switch (interpolation) {
      case 0:
        *out = wrap(antialias ? at::_upsample_bilinear2d_aa(value, size, corners)
                              : at::upsample_bilinear2d(value, size, corners));
        break;
      case 1: *out = wrap(at::upsample_nearest2d(value, size)); break;
      case 2:
        *out = wrap(antialias ? at::_upsample_bicubic2d_aa(value, size, corners)
                              : at::upsample_bicubic2d(value, size, corners));
        break;
      default: TORCH_CHECK(false, "unknown interpolation ", interpolation);
    }
  })
}

}  // extern "C"
