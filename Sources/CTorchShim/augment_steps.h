// The steps of the augmentation kernel, each on one sample in the processor's cache. The formulas
// are those of BulwarkData/Augmentation, which documents them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#define BW_INLINE static inline __attribute__((always_inline))

namespace {

/// Step codes, in the order of FusedStep.Code in Swift.
enum Code : int64_t { RESAMPLE, PAD_CROP, FLIP, JITTER, GRAYSCALE, BLUR, NORMALIZE };

/// One step: code, first parameter row, output height and width, two options, first constant, 0.
struct Step {
  int64_t code, parameter, height, width, option, second, constant, unused;
};

/// One sample on its way: planes of `height * width` floats.
struct Image {
  float *data;
  float *spare;
  int64_t channels, height, width;

  int64_t area() const { return height * width; }
  float *plane(int64_t c) const { return data + c * area(); }
  /// The result in `spare` becomes the image.
  void advance(int64_t new_height, int64_t new_width) {
    std::swap(data, spare);
    height = new_height;
    width = new_width;
  }
};

/// The weights of one output position: inputs `first ..< first + count`.
struct Taps {
  std::vector<int32_t> first, count;
  std::vector<float> weight;
  int64_t stride = 0;

  /// Pillow's `precompute_coeffs`: triangle or Keys' cubic (a = -0.5), widened when shrinking.
  void resample(int64_t output, int64_t limit, float start, float length, bool cubic) {
    const float scale = length / float(output);
    const float widening = std::max(scale, 1.0f);
    const float support = (cubic ? 2.0f : 1.0f) * widening;
    stride = int64_t(std::ceil(support)) * 2 + 2;
    first.assign(output, 0);
    count.assign(output, 0);
    weight.assign(output * stride, 0.0f);
    const int32_t lowest = std::max<int32_t>(0, int32_t(start));
    const int32_t highest = int32_t(std::min<float>(float(limit), start + length));
    for (int64_t o = 0; o < output; o++) {
      const float center = start + (float(o) + 0.5f) * scale;
      const int32_t from = std::max(lowest, int32_t(std::floor(center - support + 0.5f)));
      const int32_t to = std::min(highest, int32_t(std::floor(center + support + 0.5f)));
      float sum = 0;
      for (int32_t i = from; i < to; i++) {
        const float x = std::abs((float(i) + 0.5f - center) / widening);
        float w = 0;
        if (!cubic) {
          w = std::max(0.0f, 1.0f - x);
        } else if (x < 1) {
          w = (1.5f * x - 2.5f) * x * x + 1.0f;
        } else if (x < 2) {
          w = ((-0.5f * x + 2.5f) * x - 4.0f) * x + 2.0f;
        }
        weight[o * stride + i - from] = w;
        sum += w;
      }
      first[o] = from;
      count[o] = std::max(0, to - from);
      for (int32_t i = 0; i < count[o]; i++) weight[o * stride + i] /= sum;
    }
  }
};

/// Memory of one thread.
struct Scratch {
  std::vector<float> first, second, row;
  Taps vertical, horizontal;
};

BW_INLINE void clamp_unit(float *values, int64_t count) {
  for (int64_t i = 0; i < count; i++) values[i] = std::min(1.0f, std::max(0.0f, values[i]));
}

BW_INLINE void resample(Image &image, const Step &step, const float *p, int64_t stride,
                        Scratch &s) {
  const bool cubic = step.option != 0;
  s.vertical.resample(step.height, image.height, p[0], p[2 * stride], cubic);
  s.horizontal.resample(step.width, image.width, p[stride], p[3 * stride], cubic);
  s.row.resize(image.width);
  float *row = s.row.data();
  for (int64_t c = 0; c < image.channels; c++) {
    const float *in = image.plane(c);
    float *out = image.spare + c * step.height * step.width;
    for (int64_t y = 0; y < step.height; y++) {
      std::fill(row, row + image.width, 0.0f);
      for (int32_t t = 0; t < s.vertical.count[y]; t++) {
        const float w = s.vertical.weight[y * s.vertical.stride + t];
        const float *line = in + (s.vertical.first[y] + t) * image.width;
        for (int64_t x = 0; x < image.width; x++) row[x] += w * line[x];
      }
      for (int64_t x = 0; x < step.width; x++) {
        const float *w = &s.horizontal.weight[x * s.horizontal.stride];
        const float *from = row + s.horizontal.first[x];
        float sum = 0;
        for (int32_t t = 0; t < s.horizontal.count[x]; t++) sum += w[t] * from[t];
        out[y * step.width + x] = sum;
      }
    }
  }
  clamp_unit(image.spare, image.channels * step.height * step.width);
  image.advance(step.height, step.width);
}

/// Mirrors an index at the borders, the border itself not repeated (`reflect`), or holds it.
BW_INLINE int64_t border(int64_t i, int64_t length, bool reflect) {
  if (reflect) {
    if (i < 0) i = -i;
    if (i >= length) i = 2 * length - 2 - i;
  }
  return std::min(length - 1, std::max<int64_t>(0, i));
}

BW_INLINE void pad_crop(Image &image, const Step &step, const float *p, int64_t stride) {
  const int64_t down = int64_t(p[0]), right = int64_t(p[stride]);
  const bool reflect = step.option != 0;
  // Columns `first ..< last` come from inside the image.
  const int64_t first = std::min(image.width, std::max<int64_t>(0, -right));
  const int64_t last = std::max(first, std::min(image.width, image.width - right));
  for (int64_t c = 0; c < image.channels; c++) {
    const float *in = image.plane(c);
    float *out = image.spare + c * image.area();
    for (int64_t y = 0; y < image.height; y++) {
      const int64_t from = y + down;
      if (!reflect && (from < 0 || from >= image.height)) {
        std::fill(out + y * image.width, out + (y + 1) * image.width, 0.0f);
        continue;
      }
      const float *line = in + border(from, image.height, reflect) * image.width;
      float *row = out + y * image.width;
      const auto edge = [&](int64_t x) {
        row[x] = reflect ? line[border(x + right, image.width, true)] : 0.0f;
      };
      for (int64_t x = 0; x < first; x++) edge(x);
      for (int64_t x = first; x < last; x++) row[x] = line[x + right];
      for (int64_t x = last; x < image.width; x++) edge(x);
    }
  }
  image.advance(image.height, image.width);
}

BW_INLINE void flip(Image &image) {
  for (int64_t line = 0; line < image.channels * image.height; line++) {
    float *row = image.data + line * image.width;
    std::reverse(row, row + image.width);
  }
}

BW_INLINE float luma(float r, float g, float b) { return 0.299f * r + 0.587f * g + 0.114f * b; }

BW_INLINE void scale_toward(Image &image, float factor, float base) {
  const int64_t count = image.channels * image.area();
  const float offset = (1.0f - factor) * base;
  for (int64_t i = 0; i < count; i++) {
    image.data[i] = std::min(1.0f, std::max(0.0f, factor * image.data[i] + offset));
  }
}

BW_INLINE float mean_luma(const Image &image) {
  const int64_t n = image.area();
  double sum = 0;
  if (image.channels == 3) {
    const float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
    for (int64_t start = 0; start < n; start += 64) {
      float part[8] = {0};
      const int64_t end = std::min(n, start + 64);
      int64_t i = start;
      for (; i + 8 <= end; i += 8) {
        for (int64_t k = 0; k < 8; k++) part[k] += luma(r[i + k], g[i + k], b[i + k]);
      }
      for (; i < end; i++) part[0] += luma(r[i], g[i], b[i]);
      for (float value : part) sum += value;
    }
  } else {
    for (int64_t i = 0; i < n; i++) sum += image.data[i];
  }
  return float(sum / double(n));
}

BW_INLINE void saturate(Image &image, float factor) {
  float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  const int64_t n = image.area();
  for (int64_t i = 0; i < n; i++) {
    const float gray = (1.0f - factor) * luma(r[i], g[i], b[i]);
    r[i] = std::min(1.0f, std::max(0.0f, factor * r[i] + gray));
    g[i] = std::min(1.0f, std::max(0.0f, factor * g[i] + gray));
    b[i] = std::min(1.0f, std::max(0.0f, factor * b[i] + gray));
  }
}

/// One channel of HSV to RGB: value - chroma * clamp(min(k, 4 - k), 0, 1), k = (n + 6 hue) mod 6.
BW_INLINE float hue_channel(float k, float value, float chroma) {
  k = k < 0 ? k + 6 : k;
  k = k >= 6 ? k - 6 : k;
  k = k >= 6 ? k - 6 : k;
  return value - chroma * std::min(1.0f, std::max(0.0f, std::min(k, 4.0f - k)));
}

BW_INLINE void rotate_hue(Image &image, float turn) {
  float *red = image.plane(0), *green = image.plane(1), *blue = image.plane(2);
  const int64_t n = image.area();
  const float shift = 6 * turn;
  for (int64_t i = 0; i < n; i++) {
    const float r = red[i], g = green[i], b = blue[i];
    const float value = std::max(r, std::max(g, b));
    const float chroma = value - std::min(r, std::min(g, b));
    const float inverse = 1.0f / (chroma > 0 ? chroma : 1.0f);
    const float from_red = (g - b) * inverse;
    const float from_green = 2.0f + (b - r) * inverse;
    const float from_blue = 4.0f + (r - g) * inverse;
    const float six_hue =
        shift + (value == r ? from_red : (value == g ? from_green : from_blue));
    red[i] = hue_channel(six_hue + 5.0f, value, chroma);
    green[i] = hue_channel(six_hue + 3.0f, value, chroma);
    blue[i] = hue_channel(six_hue + 1.0f, value, chroma);
  }
}

/// Parameters: four operations in order (0 brightness, 1 contrast, 2 saturation, 3 hue, -1 none),
/// then the four factors.
BW_INLINE void jitter(Image &image, const float *p, int64_t stride) {
  for (int64_t slot = 0; slot < 4; slot++) {
    const int operation = int(p[slot * stride]);
    if (operation < 0 || operation > 3) continue;
    const float factor = p[(4 + operation) * stride];
    if (operation == 0) {
      scale_toward(image, factor, 0.0f);
    } else if (operation == 1) {
      scale_toward(image, factor, mean_luma(image));
    } else if (image.channels == 3) {
      if (operation == 2) saturate(image, factor);
      if (operation == 3) rotate_hue(image, factor);
    }
  }
}

BW_INLINE void grayscale(Image &image) {
  if (image.channels != 3) return;
  float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  for (int64_t i = 0; i < image.area(); i++) r[i] = g[i] = b[i] = luma(r[i], g[i], b[i]);
}

BW_INLINE void blur(Image &image, const Step &step, float sigma, Scratch &s) {
  int64_t radius = step.option;
  const bool reflect = step.second != 0;
  std::vector<float> &weights = s.horizontal.weight;
  weights.assign(2 * radius + 1, 0.0f);
  float sum = 0;
  for (int64_t t = -radius; t <= radius; t++) {
    const float x = float(t) / sigma;
    sum += weights[t + radius] = std::exp(-0.5f * x * x);
  }
  for (float &w : weights) w /= sum;
  // Outer weights below float resolution change nothing.
  const float *w = weights.data();
  while (radius > 0 && *w < 1e-8f) {
    radius--;
    w++;
  }
  const int64_t height = image.height, width = image.width, taps = 2 * radius + 1;
  s.row.resize(width + 2 * radius);
  float *row = s.row.data();
  for (int64_t c = 0; c < image.channels; c++) {
    float *in = image.plane(c);
    float *out = image.spare + c * image.area();
    for (int64_t y = 0; y < height; y++) {
      std::fill(row + radius, row + radius + width, 0.0f);
      for (int64_t t = 0; t < taps; t++) {
        const float *line = in + border(y + t - radius, height, reflect) * width;
        for (int64_t x = 0; x < width; x++) row[radius + x] += w[t] * line[x];
      }
      for (int64_t x = 0; x < radius; x++) {
        row[radius - 1 - x] = row[radius + border(-1 - x, width, reflect)];
        row[radius + width + x] = row[radius + border(width + x, width, reflect)];
      }
      float *line = out + y * width;
      std::fill(line, line + width, 0.0f);
      for (int64_t t = 0; t < taps; t++) {
        for (int64_t x = 0; x < width; x++) line[x] += w[t] * row[x + t];
      }
    }
  }
  image.advance(height, width);
}

BW_INLINE void normalize(Image &image, const float *constants) {
  for (int64_t c = 0; c < image.channels; c++) {
    const float scale = 1.0f / constants[image.channels + c];
    const float offset = -constants[c] * scale;
    float *plane = image.plane(c);
    for (int64_t i = 0; i < image.area(); i++) plane[i] = plane[i] * scale + offset;
  }
}

}  // namespace
